/**
 * A traffic as frame and fields of the live-frame generator: the same flows as the capture files have (frame-pool.ts),
 * in scattered order.
 */
import type { GeneratorOptions } from '../generator.ts';
import { ALLOWED_PORT, type Family } from '../rules/trial-policy.ts';
import { viewOf } from '../../test/helpers/frames.ts';
import { FLOW_PORT_BITS, PORT_BASE, setFlow } from './frame-pool.ts';
import type { Field, LengthVariant } from './live-program.ts';
import { frameSizes, templateFrame, type Traffic } from './traffic.ts';

/** Bytes in an untagged frame. */
const PLACES: Readonly<Record<Family, { sourceLow: number; ports: number; words: number[] }>> = {
  // Total length, header checksum, UDP length.
  4: { sourceLow: 28, ports: 34, words: [16, 24, 38] },
  // Payload length, UDP length.
  6: { sourceLow: 36, ports: 54, words: [18, 58] },
};
/** Of the payload, where a frame with a time stamp has it. */
export const STAMP_AT: Readonly<Record<Family, number>> = { 4: 42, 6: 62 };
/** The least frame that has room for one. */
export const STAMPED_BYTES: Readonly<Record<Family, number>> = { 4: 64, 6: 72 };
const IPV4_ID = 18;
const PORT_MASK = (1 << FLOW_PORT_BITS) - 1;
const HASH_BITS = 32;
/** Flows that are all new: as many as 16 bits of address give. */
const NEW_FLOW_BITS = 24;

/**
 * @param flows of the traffic: 1, or a power of two of at least 256
 * @param firstFlow of new flows
 */
export function liveTraffic(
  traffic: Traffic,
  firstFlow: number,
): Pick<GeneratorOptions, 'frame' | 'fields' | 'lengths'> {
  const { kind, size, family } = traffic;
  const sizes = [...new Set(frameSizes(size))].toSorted((a, b) => a - b);
  const isAllowed = kind !== 'denied';
  const frames = sizes.map((bytes) => {
    const frame = templateFrame(family, bytes, isAllowed);
    setFlow(viewOf(frame), 0, 'source', 0);
    return frame;
  });
  const frame = frames.at(-1);
  if (frame === undefined) throw new RangeError('a frame has a size');
  const fields = [...flowFields(traffic, firstFlow), ...deniedField(traffic)];
  if (frames.length === 1) return { frame, fields };
  return { frame, fields, lengths: frames.map((each) => lengthVariant(each, traffic)) };
}

function lengthVariant(frame: Uint8Array, { size, family }: Traffic): LengthVariant {
  const view = new DataView(frame.buffer, frame.byteOffset);
  return {
    bytes: frame.length,
    ofTwelve: frameSizes(size).filter((bytes) => bytes === frame.length).length,
    words: PLACES[family].words.map((at) => ({ at, value: view.getUint16(at) })),
  };
}

/** Port and address of the remote end. On IPv4 the identification cancels the address out of the checksum. */
function flowFields({ kind, family, flows }: Traffic, firstFlow: number): Field[] {
  const { sourceLow, ports } = PLACES[family];
  const isNew = kind === 'new';
  if (!isNew && flows === 1) return [];
  const bits = isNew ? NEW_FLOW_BITS : Math.log2(flows);
  if (!Number.isInteger(bits) || bits < FLOW_PORT_BITS) {
    throw new RangeError(`${flows} flows are no power of two of at least ${PORT_MASK + 1}`);
  }
  // Of a scattered number the upper bits are the good ones.
  const shift = isNew ? 0 : HASH_BITS - bits;
  const first = isNew ? (firstFlow >>> FLOW_PORT_BITS) & 0xffff : 0;
  const address: Field = {
    at: sourceLow,
    bytes: 2,
    base: first,
    mask: 2 ** (bits - FLOW_PORT_BITS) - 1,
    shift: shift + FLOW_PORT_BITS,
    isScattered: !isNew,
  };
  const port: Field = {
    at: ports,
    bytes: 2,
    base: PORT_BASE,
    mask: PORT_MASK,
    shift,
    isScattered: !isNew,
  };
  const cancel: Field = { ...address, at: IPV4_ID, base: 0xffff - first, isNegative: true };
  return family === 4 ? [port, address, cancel] : [port, address];
}

/** Every other frame goes to the port after the allowed one, which the policy denies. */
function deniedField({ kind, family }: Traffic): Field[] {
  if (kind !== 'half-denied') return [];
  return [{ at: PLACES[family].ports + 2, bytes: 2, base: ALLOWED_PORT, mask: 1 }];
}
