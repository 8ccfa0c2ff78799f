/**
 * Changes to bytes that know no structure but words: bits, bytes, words at their limits, cuts, repetitions. What files and
 * segments are mutated with.
 */
import type { Random } from '../helpers/random.ts';

const WORDS = [
  0,
  1,
  2,
  3,
  4,
  7,
  8,
  12,
  16,
  20,
  28,
  32,
  64,
  255,
  256,
  0xffff,
  0x1_0000,
  262_144,
  262_145,
  1 << 24,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_fffe,
  0xffff_ffff,
] as const;

/** Kinds of change, those first that keep every byte in its place. */
const CHANGES = 8;
const CHANGES_IN_PLACE = 5;

/** A changed copy. @param bytes not empty @param isLittleEndian of the words that are overwritten */
export function mutated(bytes: Uint8Array, random: Random, isLittleEndian: boolean): Uint8Array {
  let changed: Uint8Array = bytes.slice();
  const kinds = random.below(3) === 0 ? CHANGES : CHANGES_IN_PLACE;
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    changed = changedOnce(changed, random, isLittleEndian, kinds);
    if (changed.length === 0) break;
  }
  return changed;
}

function changedOnce(
  bytes: Uint8Array,
  random: Random,
  isLittleEndian: boolean,
  kinds: number,
): Uint8Array {
  const at = random.below(bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = at & ~3;
  switch (random.below(kinds)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
    case 3:
    case 4:
      if (word + 4 <= bytes.length) view.setUint32(word, random.pick(WORDS), isLittleEndian);
      return bytes;
    case 5:
      return bytes.slice(0, at);
    case 6:
      // A piece of it again, where it stands or elsewhere.
      return joined(bytes.subarray(0, at), bytes.subarray(random.below(bytes.length)));
    default:
      return joined(bytes.subarray(0, at), bytes.subarray(at + random.below(64)));
  }
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
