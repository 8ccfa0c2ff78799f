/**
 * Tuples that collide in the index of a flow table, for whoever knows its seeds. Finding one takes as many tries as the index
 * has slots for each home that counts: some 130,000 with those below in a table of a million flows.
 */
import type { Packet } from '../../src/capture/packet.ts';
import { hashWords } from '../../src/flowtable/hash.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';

/** Tuples collide that have their home in the first so many slots: with one alone the search would take minutes. */
const HOMES = 16;
const MOST_TRIES = 2 ** 31;

export interface CollidingTuples {
  readonly count: number;
  /** Multipliers of the flow hash, from `hashKeyFrom`. */
  readonly hashKey: Int32Array;
  /** Of the index: two for each flow that the table holds. */
  readonly indexSlots: number;
  /** An inbound one. */
  readonly packet: Packet;
  /** Gives the packet the remote end of a number. */
  readonly setRemote: (packet: Packet, number: number) => void;
}

/** The numbers from 0 on whose tuples collide. @throws RangeError where there are too few below 2^31 */
export function collidingNumbers(wanted: CollidingTuples): Uint32Array {
  const { count, hashKey, indexSlots, packet, setRemote } = wanted;
  const numbers = new Uint32Array(count);
  const key = new FlowKey();
  let found = 0;
  for (let number = 0; found < count; number++) {
    if (number === MOST_TRIES) throw new RangeError(`only ${found} tuples collide`);
    setRemote(packet, number);
    flowKey(packet, 0, key);
    if ((hashWords(hashKey, key.words, 0) & (indexSlots - 1)) < HOMES) numbers[found++] = number;
  }
  return numbers;
}
