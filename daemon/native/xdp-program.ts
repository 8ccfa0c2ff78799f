/**
 * Our XDP program: every frame goes to the socket of the receive queue it came by, and is dropped where there is none
 * and where the queue has no place left for one of its kind (xdp-admission.ts).
 *
 * Dropped, not passed on: the host's own stack must never see a frame that nsgd did not judge. `bpf_redirect_map`
 * returns the lowest two bits of its flags when the map has no socket for the queue (bpf-helpers(7)).
 *
 * A VLAN tag may not be in the frame but beside it: a driver with VLAN offload takes it out, and so does the sender on
 * the other end of a veth, whose offloads are not ours to switch off. AF_XDP hands over only the frame, so such a tag
 * would be lost, and a frame of one VLAN be judged and forwarded as one without. Where the kernel can tell the program
 * (`bpf_xdp_metadata_rx_vlan_tag`, Linux 6.8, in the driver's mode only), it puts the tag back.
 */
import type { ProgramParts } from '../../src/capture/live/af-xdp/system.ts';
import { admission } from './xdp-admission.ts';
import {
  add,
  assemble,
  call,
  callKernel,
  exit,
  jump,
  jumpIfEqual,
  jumpIfGreater,
  jumpUnlessEqual,
  label,
  load,
  loadMap,
  move,
  type ProgramPart,
  set,
  store,
  storeValue,
  toBigEndian,
} from './bpf-assembler.ts';
import { XDP_DROP, XdpContext } from './xdp-context.ts';

const BPF_REDIRECT_MAP = 51;
const BPF_XDP_ADJUST_HEAD = 44;
const TAG_BYTES = 4;
const ADDRESSES_BYTES = 12;
/** Places on the stack for the tag's protocol and its control information. */
const PROTOCOL = -8;
const CONTROL = -16;

/** The kernel function that tells the tag. */
export const VLAN_TAG_FUNCTION = 'bpf_xdp_metadata_rx_vlan_tag';

/**
 * @param vlanTagFunction number of `VLAN_TAG_FUNCTION`; undefined for a program that leaves tags alone
 */
export function redirectProgram(parts: ProgramParts, vlanTagFunction?: number): Uint8Array {
  return assemble([
    move(6, 1),
    ...(vlanTagFunction === undefined ? [] : restoreTag(vlanTagFunction)),
    ...admission(parts),
    load(2, 6, XdpContext.RxQueueIndex, 4),
    loadMap(1, parts.sockets),
    set(3, XDP_DROP),
    call(BPF_REDIRECT_MAP),
    exit(),
  ]);
}

/** Puts the tag that is beside the frame, if any, behind its addresses. Context in r6. */
function restoreTag(vlanTagFunction: number): ProgramPart[] {
  return [
    storeValue(10, PROTOCOL, 0),
    storeValue(10, CONTROL, 0),
    move(2, 10),
    add(2, PROTOCOL),
    move(3, 10),
    add(3, CONTROL),
    callKernel(vlanTagFunction),
    // Not zero: there is no tag, or the driver does not know.
    jumpUnlessEqual(0, 0, 'tag is in place'),
    move(1, 6),
    set(2, -TAG_BYTES),
    call(BPF_XDP_ADJUST_HEAD),
    jumpIfEqual(0, 0, 'there is room'),
    set(0, XDP_DROP),
    exit(),
    label('there is room'),
    load(2, 6, XdpContext.Data, 4),
    load(3, 6, XdpContext.DataEnd, 4),
    move(4, 2),
    add(4, ADDRESSES_BYTES + 2 * TAG_BYTES),
    jumpIfGreater(4, 3, 'too short'),
    jump('long enough'),
    label('too short'),
    set(0, XDP_DROP),
    exit(),
    label('long enough'),
    load(4, 2, TAG_BYTES, 8),
    load(5, 2, TAG_BYTES + 8, 4),
    store(2, 0, 4, 8),
    store(2, 8, 5, 4),
    load(4, 10, PROTOCOL, 2),
    store(2, ADDRESSES_BYTES, 4, 2),
    load(4, 10, CONTROL, 2),
    toBigEndian(4, 16),
    store(2, ADDRESSES_BYTES + 2, 4, 2),
    label('tag is in place'),
  ];
}
