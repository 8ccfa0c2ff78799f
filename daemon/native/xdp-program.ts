/**
 * Our XDP program: every frame goes to the socket of the receive queue it came by, and is dropped where there is none.
 *
 * Dropped, not passed on: the host's own stack must never see a frame that nsgd did not judge. `bpf_redirect_map`
 * returns the lowest two bits of its flags when the map has no socket for the queue (bpf-helpers(7)).
 */
import { assemble, call, exit, load, loadMap, set } from './bpf-assembler.ts';

const XDP_DROP = 1;
const BPF_REDIRECT_MAP = 51;
/** struct xdp_md { data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex } of 32-bit words. */
const RX_QUEUE_INDEX = 16;

/** @param map descriptor of the map from queue to socket */
export function redirectProgram(map: number): Uint8Array {
  return assemble([
    load(2, 1, RX_QUEUE_INDEX, 4),
    loadMap(1, map),
    set(3, XDP_DROP),
    call(BPF_REDIRECT_MAP),
    exit(),
  ]);
}
