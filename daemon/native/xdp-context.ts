/**
 * What every XDP program of ours knows of the kernel (linux/bpf.h).
 */

/** Verdict: the frame goes nowhere. */
export const XDP_DROP = 1;

/** Bytes in struct xdp_md { data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex } of 32-bit words. */
export const XdpContext = Object.freeze({ Data: 0, DataEnd: 4, RxQueueIndex: 16 } as const);
