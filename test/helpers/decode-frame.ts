/**
 * Decoding in tests: one frame, a fresh record, and a plain copy of what was filled in.
 */
import { decode, decodeCodeNames } from '../../src/capture/decode.ts';
import { Packet } from '../../src/capture/packet.ts';
import { viewOf } from './frames.ts';

/** The record's fields as a plain object: safe to keep and to compare. */
export function snapshot(packet: Packet): Record<string, unknown> {
  const fields = Object.fromEntries(Object.entries(packet));
  return { ...fields, quoted: Object.fromEntries(Object.entries(packet.quoted)) };
}

export interface Decoded {
  readonly code: number;
  /** Name of the code. */
  readonly name: string | undefined;
  readonly packet: Packet;
}

export function decodeFrame(frame: Uint8Array): Decoded {
  const packet = new Packet();
  const code = decode(viewOf(frame), 0, frame.length, packet);
  return { code, name: decodeCodeNames[code], packet };
}

/** `[src0..3, dst0..3]` as `addressWords` gives them. */
export function addressesOf(fields: Packet | Packet['quoted']): number[] {
  const { src0, src1, src2, src3, dst0, dst1, dst2, dst3 } = fields;
  return [src0, src1, src2, src3, dst0, dst1, dst2, dst3];
}
