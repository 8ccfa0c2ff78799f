/**
 * TCP connections as text, a line per segment, and the flow's state after it:
 *
 * ```
 *   > S SYN_SENT             the opener sends a SYN
 *   < SA SYN_RECV            the other side answers
 *   > A ESTABLISHED
 *   < PA ESTABLISHED len=100
 *   < R ESTABLISHED seq+1    one number off: forged, or old
 * ```
 *
 * Numbers are those that the side would send. `seq` and `ack` with `+`, `-` (relative to the right number) or `=` make a
 * segment that its side did not send, or sent before: it moves no number. `lost` is sent, but does not reach the table.
 * `REOPEN` and `ILLEGAL` stand for the codes of `track`; after `REOPEN` the flow is made anew, as the pipeline does it.
 */
import type { Packet } from '../../src/capture/packet.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import {
  FLOW_STATE_NAMES,
  type FlowIndex,
  NO_FLOW,
  RemoveReason,
} from '../../src/flowtable/record.ts';
import type { FlowTable } from '../../src/flowtable/table.ts';
import { track, TrackCode } from '../../src/flowtable/track.ts';
import { newTable, NO_SLOTS, packetOf } from './flows.ts';

export interface SegmentFields {
  /** Letters as in `TcpFields`, or bits, which may be such that the decoder would refuse them. */
  readonly flags: string | number;
  readonly sequence?: number;
  readonly acknowledgment?: number;
  readonly length?: number;
}

export type Ends = readonly [opener: string, other: string];
const ENDS4: Ends = ['203.0.113.9', '10.0.1.4'];
const ENDS6: Ends = ['2001:db8::9', 'fd00::4'];

/** One TCP flow in a table of its own. Side 0 opens the connection, from outside when `opener` is 0. */
export class TcpRig {
  readonly table: FlowTable;
  readonly opener: 0 | 1;
  readonly ends: Ends;
  flow: FlowIndex = NO_FLOW;
  now = 1000;

  constructor(opener: 0 | 1 = 0, version: 4 | 6 = 4, table: FlowTable = newTable()) {
    this.table = table;
    this.opener = opener;
    this.ends = version === 4 ? ENDS4 : ENDS6;
  }

  get state(): string {
    return FLOW_STATE_NAMES[this.table.state(this.flow)] ?? 'none';
  }

  packet(side: 0 | 1, segment: SegmentFields): Packet {
    const [src, dst] = side === 0 ? this.ends : [this.ends[1], this.ends[0]];
    const [srcPort, dstPort] = side === 0 ? [50_000, 80] : [80, 50_000];
    const { flags, sequence = 0, acknowledgment = 0, length = 0 } = segment;
    const packet = packetOf({
      ip: { src, dst },
      tcp: {
        srcPort,
        dstPort,
        flags: typeof flags === 'string' ? flags : 'A',
        sequence,
        acknowledgment,
      },
      payload: new Uint8Array(length),
    });
    if (typeof flags === 'number') packet.tcpFlags = flags;
    return packet;
  }

  /** Finds or makes the flow and tracks the segment. */
  send(side: 0 | 1, segment: SegmentFields): TrackCode {
    const { table, now } = this;
    const packet = this.packet(side, segment);
    const direction = side ^ this.opener;
    const key = new FlowKey();
    flowKey(packet, direction, key);
    this.flow = table.find(key, now);
    if (this.flow === NO_FLOW) this.flow = table.insert(key, direction, now, 1, NO_SLOTS);
    const code = track(table, this.flow, packet, direction, now);
    if (code !== TrackCode.Reopen) return code;
    table.remove(this.flow, RemoveReason.Reopened);
    this.flow = table.insert(key, direction, now, 1, NO_SLOTS);
    track(table, this.flow, packet, direction, now);
    return code;
  }
}

/** Which way and with which numbers a story is told. */
export interface Telling {
  readonly opener: 0 | 1;
  readonly version: 4 | 6;
  /** Initial sequence numbers of the opener and of the other side. */
  readonly first: readonly [number, number];
}

/** Both directions, both families, numbers that wrap, and numbers that change sign. */
export const TELLINGS: readonly Telling[] = [
  { opener: 0, version: 4, first: [1000, 900_000] },
  { opener: 1, version: 4, first: [0xffff_ffff, 0xffff_fff0] },
  { opener: 0, version: 6, first: [0x7fff_ffff, 0x7fff_ff80] },
  { opener: 1, version: 6, first: [0xffff_ff90, 0] },
];

interface Step {
  readonly side: 0 | 1;
  readonly flags: string;
  readonly changes: readonly string[];
}

export interface Told {
  /** The lines as they turned out; equal to `expected` when all went as written. */
  readonly actual: readonly string[];
  readonly expected: readonly string[];
  readonly rig: TcpRig;
}

export function tellTcpStory(story: string, telling: Telling): Told {
  const rig = new TcpRig(telling.opener, telling.version);
  const next: [number, number] = [...telling.first];
  const expected = story.trim().split(/\s*\n\s*/);
  const actual = expected.map((line) => {
    const [arrow = '', flags = '', , ...changes] = line.split(/\s+/);
    const result = play(rig, next, { side: arrow === '>' ? 0 : 1, flags, changes });
    return [arrow, flags, result, ...changes].join(' ');
  });
  return { actual, expected: expected.map((line) => line.replaceAll(/\s+/g, ' ')), rig };
}

function play(rig: TcpRig, next: [number, number], step: Step): string {
  const { side, flags, changes } = step;
  const length = Number(changes.find((change) => change.startsWith('len='))?.slice(4) ?? 0);
  const sequence = changed(next[side], 'seq', changes);
  const acknowledgment = changed(
    flags.includes('A') ? next[side === 0 ? 1 : 0] : 0,
    'ack',
    changes,
  );
  if (!changes.some((change) => /^(?:seq|ack)/.test(change))) {
    next[side] = (next[side] + length + (/[SF]/.test(flags) ? 1 : 0)) >>> 0;
  }
  if (changes.includes('lost')) return '-';
  const code = rig.send(side, { flags, sequence, acknowledgment, length });
  if (code === TrackCode.Reopen) return 'REOPEN';
  return code === TrackCode.IllegalTcpFlags ? 'ILLEGAL' : rig.state;
}

function changed(right: number, field: string, changes: readonly string[]): number {
  const change = changes.find((text) => text.startsWith(field));
  if (change === undefined) return right;
  const value = Number(change.slice(field.length + 1));
  const sign = change[field.length];
  if (sign === '=') return value >>> 0;
  return (sign === '+' ? right + value : right - value) >>> 0;
}
