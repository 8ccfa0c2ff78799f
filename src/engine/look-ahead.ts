/**
 * LookAhead: reads the flows of a batch of frames before the first of them is judged.
 *
 * In a large table a lookup waits for memory twice, for its place in the index and then for its record, some 100 ns each.
 * One after another these are most of what a hit costs; here 32 flows are waited for at once, which makes a hit among a
 * million flows nearly twice as fast. Small tables stay in the processor's caches, where this would only cost.
 *
 * Nothing here decides anything. Frames are read as if they were plain TCP or UDP; one that is not costs a useless reading
 * and no more: `judge` looks at every frame as if this had not been.
 */
import { BATCH_FRAMES, type FrameBatch } from '../capture/frame.ts';
import { FlowKey, portsWord } from '../flowtable/key.ts';
import { Field, Word } from '../flowtable/record.ts';
import type { FlowTable } from '../flowtable/table.ts';

const IPV6 = Field.Ipv6;
const LOCAL = Word.Local;
const REMOTE = Word.Remote;
const PORTS = Word.Ports;
const TAG = Word.Tag;
const STATE = Word.State;

/**
 * Flows up to which looking ahead is left out. Where nothing else uses the processor's caches they hold some 30,000; on a
 * live wire the kernel's own work between two batches leaves room for few. Measured: bench/NOTES.md.
 */
const SMALL_TABLE_FLOWS = 1024;

// Offsets in an untagged Ethernet frame (RFC 791, RFC 8200).
const ETHER_TYPE = 12;
const ETHER_TYPE_IPV6 = 0x86dd;
/** EtherType IPv4, then version 4 and a header of five words: the upper three bytes at `ETHER_TYPE`. */
const PLAIN_IPV4 = 0x08_0045;
const IPV4_PROTOCOL = 23;
const IPV4_SOURCE = 26;
const IPV4_DESTINATION = 30;
const IPV4_PORTS = 34;
const IPV6_NEXT_HEADER = 20;
const IPV6_SOURCE = 22;
const IPV6_DESTINATION = 38;
const IPV6_PORTS = 54;
/** Shorter frames are left out: the ports of either family lie within. */
const SHORTEST_FRAME = 58;

export class LookAhead {
  readonly #flows: FlowTable;
  readonly #key = new FlowKey();
  readonly #hashes = new Int32Array(BATCH_FRAMES);
  /** What was read: kept, so that the compiler does not leave the reading out. */
  readonly #read = new Int32Array(1);

  constructor(flows: FlowTable) {
    this.#flows = flows;
  }

  /** @param direction of all frames, 0 inbound, 1 outbound */
  look(view: DataView, batch: FrameBatch, direction: number): void {
    const flows = this.#flows;
    if (flows.size <= SMALL_TABLE_FLOWS) return;
    const hashes = this.#hashes;
    let found = 0;
    for (let n = 0; n < batch.count; n++) {
      if (batch.lengths[n] < SHORTEST_FRAME) continue;
      const at = batch.offsets[n];
      const head = view.getInt32(at + ETHER_TYPE);
      if (head >>> 8 === PLAIN_IPV4) {
        hashes[found++] = this.#hash(view, at, direction, false);
      } else if (head >>> 16 === ETHER_TYPE_IPV6) {
        hashes[found++] = this.#hash(view, at, direction, true);
      }
    }
    this.#read[0] = flows.preload(hashes, found);
  }

  /** The hash of the key that the frame has if it is plain TCP or UDP. */
  #hash(view: DataView, at: number, direction: number, isIpv6: boolean): number {
    const words = this.#key.words;
    const source = direction === 0 ? REMOTE : LOCAL;
    const destination = direction === 0 ? LOCAL : REMOTE;
    if (isIpv6) {
      for (let word = 0; word < 4; word++) {
        words[source + word] = view.getInt32(at + IPV6_SOURCE + word * 4);
        words[destination + word] = view.getInt32(at + IPV6_DESTINATION + word * 4);
      }
    } else {
      // The hash of an IPv4 key looks at no other word of an address.
      words[source + 3] = view.getInt32(at + IPV4_SOURCE);
      words[destination + 3] = view.getInt32(at + IPV4_DESTINATION);
    }
    const ports = view.getInt32(at + (isIpv6 ? IPV6_PORTS : IPV4_PORTS));
    words[PORTS] = portsWord(ports >>> 16, ports & 0xffff, direction);
    words[TAG] = view.getUint8(at + (isIpv6 ? IPV6_NEXT_HEADER : IPV4_PROTOCOL));
    words[STATE] = isIpv6 ? IPV6 : 0;
    return this.#flows.hashOf(this.#key);
  }
}
