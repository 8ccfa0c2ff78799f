/**
 * The seeded hash of a flow key.
 *
 * Everything in a key is chosen by whoever sends the packet, so the hash must not let a sender who does not know the
 * seed aim at one place of the index. Plain multiply-and-xor hashes do: with 32-bit multiplications a difference in the
 * top bit of one word passes every multiplication unchanged and is cancelled in the next word, whatever the seed.
 * So the words are cut into 16-bit halves and hashed by a multilinear function with a secret 32-bit multiplier per half
 * (Dietzfelbinger 1996; Lemire and Kaser, "Strongly universal string hashing is fast", 2014): for 16-bit inputs the
 * upper 16 bits of the sum are strongly universal. Two such sums with separate multipliers give 32 bits, and two
 * different keys get the same 32 bits with probability 2^-32, whoever chose them. A final bijective mix (murmur3's)
 * breaks the linear structure, so that sequences of ports do not become sequences of slots.
 *
 * IPv4 has three zero words per side; zeros add nothing to the sum, so they are left out: 16 multiplications, not 40.
 */
import { Field, Word } from './record.ts';

const IPV6 = Field.Ipv6;
const STATE = Word.State;
const KEY_WORDS = 10;

/** Multipliers per key word: low half lane 0, high half lane 0, low half lane 1, high half lane 1. */
export const MULTIPLIERS_PER_WORD = 4;
/** Behind the multipliers: what each lane's sum starts with. */
export const SUM_0 = KEY_WORDS * MULTIPLIERS_PER_WORD;
export const SUM_1 = SUM_0 + 1;
const HASH_KEY_LENGTH = SUM_1 + 1;

/** The multipliers made from a seed of two 32-bit secrets (splitmix-like counters with murmur3's mix). */
export function hashKeyFrom(seed0: number, seed1: number): Int32Array {
  const hashKey = new Int32Array(HASH_KEY_LENGTH);
  let a = seed0 | 0;
  let b = seed1 | 0;
  for (let index = 0; index < HASH_KEY_LENGTH; index++) {
    a = (a + 0x9e3779b9) | 0;
    b = mix(b ^ a);
    hashKey[index] = mix(a ^ Math.imul(b, 0x2545f491)) ^ b;
  }
  return hashKey;
}

/**
 * The hash, an int32, of the key in words 0 to 9 (and the IPv6 bit in word 10) behind `base`: a `FlowKey` with base 0,
 * or a record.
 * @param hashKey from `hashKeyFrom`
 */
export function hashWords(hashKey: Int32Array, words: Int32Array, base: number): number {
  const local = words[base + 3];
  const remote = words[base + 7];
  const ports = words[base + 8];
  const tag = words[base + 9];
  let sum0 =
    hashKey[SUM_0] +
    Math.imul(hashKey[12], local & 0xffff) +
    Math.imul(hashKey[13], local >>> 16) +
    Math.imul(hashKey[28], remote & 0xffff) +
    Math.imul(hashKey[29], remote >>> 16);
  let sum1 =
    hashKey[SUM_1] +
    Math.imul(hashKey[14], local & 0xffff) +
    Math.imul(hashKey[15], local >>> 16) +
    Math.imul(hashKey[30], remote & 0xffff) +
    Math.imul(hashKey[31], remote >>> 16);
  sum0 =
    (sum0 +
      Math.imul(hashKey[32], ports & 0xffff) +
      Math.imul(hashKey[33], ports >>> 16) +
      Math.imul(hashKey[36], tag & 0xffff) +
      Math.imul(hashKey[37], tag >>> 16)) |
    0;
  sum1 =
    (sum1 +
      Math.imul(hashKey[34], ports & 0xffff) +
      Math.imul(hashKey[35], ports >>> 16) +
      Math.imul(hashKey[38], tag & 0xffff) +
      Math.imul(hashKey[39], tag >>> 16)) |
    0;
  if ((words[base + STATE] & IPV6) !== 0) {
    for (let word = 0; word < 7; word++) {
      if (word === 3) continue;
      const value = words[base + word];
      const first = word * MULTIPLIERS_PER_WORD;
      sum0 = (sum0 + Math.imul(hashKey[first], value & 0xffff)) | 0;
      sum0 = (sum0 + Math.imul(hashKey[first + 1], value >>> 16)) | 0;
      sum1 = (sum1 + Math.imul(hashKey[first + 2], value & 0xffff)) | 0;
      sum1 = (sum1 + Math.imul(hashKey[first + 3], value >>> 16)) | 0;
    }
  }
  return mix((sum0 & 0xffff_0000) | (sum1 >>> 16));
}

/** murmur3's 32-bit finaliser: a bijection in which every input bit reaches every output bit. */
function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
