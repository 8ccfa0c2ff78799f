import { describe, expect, test } from 'vitest';
import { hashKeyFrom, hashWords } from '../../src/flowtable/hash.ts';
import { FlowKey } from '../../src/flowtable/key.ts';
import { Field, NO_FLOW, Word } from '../../src/flowtable/record.ts';
import { newTable, NO_SLOTS, SEEDS } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

const HASH_KEY = hashKeyFrom(SEEDS[0], SEEDS[1]);
const KEY_WORDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

function randomKey(random: Random): FlowKey {
  const key = new FlowKey();
  for (const word of KEY_WORDS) key.words[word] = random.uint32();
  key.words[Word.State] = Field.Ipv6;
  return key;
}

function distinct(hashes: Int32Array): number {
  return hashes.toSorted().reduce((count, hash, at, sorted) => {
    return count + (at > 0 && sorted[at - 1] === hash ? 0 : 1);
  }, 0);
}

test.each(KEY_WORDS)('word %i: all 65,536 values of each half have hashes of their own', (word) => {
  const { words } = randomKey(new Random(word));
  const rest = words[word] ?? 0;
  for (const shift of [0, 16]) {
    const hashes = new Int32Array(0x1_0000);
    for (let half = 0; half < hashes.length; half++) {
      words[word] = (rest & ~(0xffff << shift)) | (half << shift);
      hashes[half] = hashWords(HASH_KEY, words, 0);
    }
    // Half a pair among so many is what chance gives.
    expect(distinct(hashes)).toBeGreaterThan(0x1_0000 - 5);
  }
});

test('IPv4: the words that are zero do not count, and the four that count are the same for IPv6', () => {
  const key = randomKey(new Random(1));
  const { words } = key;
  for (const word of [0, 1, 2, 4, 5, 6]) words[word] = 0;
  const hash = hashWords(HASH_KEY, words, 0);
  words[Word.State] = 0;
  expect(hashWords(HASH_KEY, words, 0)).toBe(hash);
});

test('a record is hashed where it lies', () => {
  const { words } = randomKey(new Random(2));
  const memory = new Int32Array(64);
  memory.set(words, 44);
  expect(hashWords(HASH_KEY, memory, 44)).toBe(hashWords(HASH_KEY, words, 0));
});

describe('over a million seeds', () => {
  // The seeds are fixed, so each of these is either always so or never. By chance two keys collide once in 4,096 runs.
  const differences: Readonly<Record<string, (words: Int32Array) => void>> = {
    'top bits of two halves': (words) => {
      words[Word.Local + 3] = (words[Word.Local + 3] ?? 0) ^ 0x8000_0000;
      words[Word.Remote + 3] = (words[Word.Remote + 3] ?? 0) ^ 0x8000_0000;
    },
    'top bits of both halves of a word': (words) => {
      words[Word.Ports] = (words[Word.Ports] ?? 0) ^ 0x8000_8000;
    },
    'one bit': (words) => {
      words[Word.Ports] = (words[Word.Ports] ?? 0) ^ 1;
    },
    'ports swapped': (words) => {
      const ports = words[Word.Ports] ?? 0;
      words[Word.Ports] = (ports << 16) | (ports >>> 16);
    },
    'addresses swapped': (words) => {
      const local = words[Word.Local + 3] ?? 0;
      words[Word.Local + 3] = words[Word.Remote + 3] ?? 0;
      words[Word.Remote + 3] = local;
    },
  };
  test.each(Object.entries(differences))('%s: no seed makes them collide', (_name, change) => {
    const one = randomKey(new Random(3)).words;
    one[Word.State] = 0;
    const other = one.slice();
    change(other);
    // Only the multipliers matter, so fresh random ones stand for `hashKeyFrom` of a fresh seed.
    const hashKey = new Int32Array(HASH_KEY.length);
    const random = new Random(4);
    let collisions = 0;
    for (let seed = 0; seed < 2 ** 20; seed++) {
      for (const at of [12, 13, 14, 15, 28, 29, 30, 31, 32, 33, 34, 35]) {
        hashKey[at] = random.uint32();
      }
      if (hashWords(hashKey, one, 0) === hashWords(hashKey, other, 0)) collisions++;
    }
    expect(collisions).toBe(0);
  });

  test('multipliers: near seeds give others, and no bit is stuck', () => {
    const ones = new Float64Array(HASH_KEY.length * 32);
    const seeds: (readonly [number, number])[] = [];
    for (let seed = 0; seed < 500; seed++)
      seeds.push([seed, 0], [0, seed + 1], [1 << (seed & 31), seed]);
    const seen = new Set<string>();
    for (const [first, second] of seeds) {
      const hashKey = hashKeyFrom(first, second);
      seen.add(hashKey.join());
      hashKey.forEach((multiplier, at) => {
        for (let bit = 0; bit < 32; bit++)
          ones[at * 32 + bit] = (ones[at * 32 + bit] ?? 0) + ((multiplier >>> bit) & 1);
      });
    }
    expect(seen.size).toBe(new Set(seeds.map(String)).size);
    for (const count of ones) {
      expect(Math.abs(count - seeds.length / 2)).toBeLessThan(seeds.length / 8);
    }
  });
});

describe('keys with one hash are told apart', () => {
  test.each(KEY_WORDS)('by word %i', (word) => {
    const random = new Random(10 + word);
    const one = randomKey(random);
    const other = new FlowKey();
    other.words.set(one.words);
    // Two of 2^18 values collide about eight times.
    const byHash = new Map<number, number>();
    let found = false;
    for (let tries = 0; tries < 2 ** 20 && !found; tries++) {
      const value = random.uint32() | 0;
      one.words[word] = value;
      const hash = hashWords(HASH_KEY, one.words, 0);
      const former = byHash.get(hash);
      found = former !== undefined && former !== value;
      if (found) other.words[word] = former ?? 0;
      else byHash.set(hash, value);
    }
    expect(found).toBe(true);
    const table = newTable();
    const flow = table.insert(one, 0, 1, 1, NO_SLOTS);
    expect(table.find(other, 1)).toBe(NO_FLOW);
    const second = table.insert(other, 0, 1, 1, NO_SLOTS);
    expect([table.find(one, 1), table.find(other, 1)]).toEqual([flow, second]);
  });

  test('by the family', () => {
    const one = randomKey(new Random(20));
    for (const word of [0, 1, 2, 4, 5, 6]) one.words[word] = 0;
    const other = new FlowKey();
    other.words.set(one.words);
    other.words[Word.State] = 0;
    const table = newTable();
    const flow = table.insert(one, 0, 1, 1, NO_SLOTS);
    expect(table.find(other, 1)).toBe(NO_FLOW);
    expect(table.find(one, 1)).toBe(flow);
  });
});
