/**
 * What the flow table thinks of a TCP connection agrees with its two ends, for random connections over a network that
 * loses, repeats and reorders, while somebody who does not know the numbers sends forged segments through the filter.
 */
import { describe, expect, test } from 'vitest';
import { IpProtocol, Packet, TcpFlag } from '../../src/capture/packet.ts';
import { FlowKey } from '../../src/flowtable/key.ts';
import {
  FLOW_STATE_NAMES,
  type FlowIndex,
  FlowState,
  NO_FLOW,
} from '../../src/flowtable/record.ts';
import { track, TrackCode } from '../../src/flowtable/track.ts';
import { fillPacket, keyOf, newTable, NO_SLOTS } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';
import { TcpEndpoint, type TcpSegment } from '../helpers/tcp-endpoint.ts';

const CONNECTIONS = 3000;
const STEPS = 250;

const { Established, FinWait, CloseWait, TimeWait, Closed } = FlowState;

interface Network {
  readonly name: string;
  /** Of 100 segments: how many are lost before the filter, behind it, and how many come twice. */
  readonly lost: number;
  readonly lostBehind: number;
  readonly repeated: number;
  /** Segments on the way that may overtake one another. */
  readonly reach: number;
  /** Forged segments per 100 steps. */
  readonly forged: number;
}

class Wire {
  readonly random: Random;
  readonly network: Network;
  readonly ends: readonly [TcpEndpoint, TcpEndpoint];
  readonly isSimultaneous: boolean;
  readonly #queues: readonly [TcpSegment[], TcpSegment[]] = [[], []];
  readonly #table = newTable({ maxFlows: 2 });
  readonly #packet = new Packet();
  /** Direction of what side 0 sends. */
  readonly #direction: 0 | 1;
  #flow: FlowIndex = NO_FLOW;

  constructor(random: Random, network: Network) {
    this.random = random;
    this.network = network;
    this.#direction = random.below(2) as 0 | 1;
    this.isSimultaneous = random.below(10) === 0;
    // Often where numbers wrap or change sign.
    const initial = (): number =>
      (random.pick([0, 0x8000_0000, random.uint32()]) - random.below(3000)) >>> 0;
    const end = (side: 0 | 1): TcpEndpoint =>
      new TcpEndpoint(initial(), (segment) => this.#queues[side].push(segment));
    this.ends = [end(0), end(1)];
  }

  get state(): number {
    return this.#flow === NO_FLOW ? FlowState.Free : this.#table.state(this.#flow);
  }

  /** The side whose SYN the filter has seen first: 0, unless both have sent one. */
  get opener(): 0 | 1 {
    return this.#flow === NO_FLOW
      ? 0
      : ((this.#table.opener(this.#flow) ^ this.#direction) as 0 | 1);
  }

  step(): void {
    const { random, ends, network } = this;
    const side = random.below(2) as 0 | 1;
    const end = ends[side];
    const choice = random.below(100);
    if (random.below(100) < network.forged) this.#forge(side);
    if (choice < 60) this.#deliver(side);
    else if (choice < 75) end.repeat();
    else if (end.canSend && choice < 95) end.write(1 + random.below(1400));
    else if (end.canSend && choice < 99) end.close();
    else if (end.canSend && random.below(25) === 0) end.abort();
  }

  /** Everything that is still on its way arrives, and everything that is missing is repeated, until nothing happens. */
  settle(): void {
    for (let round = 0; round < 50; round++) {
      for (const side of [0, 1] as const) {
        this.ends[side].repeat();
        while (this.#queues[side].length > 0) this.#deliver(side);
        if (this.ends[side].canSend) this.ends[side].close();
      }
      if (this.ends.every((end) => end.isOver)) return;
    }
  }

  #deliver(side: 0 | 1): void {
    const { random, network } = this;
    const queue = this.#queues[side];
    const at = random.below(Math.min(queue.length, network.reach) + 1);
    const [segment] = queue.splice(at, 1);
    if (segment === undefined || random.below(100) < network.lost) return;
    this.#filter(side, segment);
    if (random.below(100) < network.repeated) queue.push(segment);
    if (random.below(100) >= network.lostBehind) this.ends[1 - side]?.receive(segment);
  }

  #filter(side: 0 | 1, segment: TcpSegment): void {
    const direction = side ^ this.#direction;
    const packet = fillPacket(this.#packet, 2, direction, IpProtocol.Tcp);
    packet.tcpFlags =
      (segment.isSyn ? TcpFlag.Syn : 0) |
      (segment.isFin ? TcpFlag.Fin : 0) |
      (segment.isRst ? TcpFlag.Rst : 0) |
      (segment.isAck ? TcpFlag.Ack : 0);
    packet.tcpSequence = segment.sequence | 0;
    packet.tcpAcknowledgment = segment.acknowledgment | 0;
    packet.tcpPayloadLength = segment.length;
    if (this.#flow === NO_FLOW) {
      if (packet.tcpFlags !== TcpFlag.Syn) return;
      const key = keyOf(2, new FlowKey(), IpProtocol.Tcp);
      this.#flow = this.#table.insert(key, direction, 1, 1, NO_SLOTS);
    }
    const { state } = this;
    const code = track(this.#table, this.#flow, packet, direction, 1);
    // A SYN that was repeated may come when all is over; the pipeline would judge it as a new one.
    const isReopening = segment.isSyn && (state === TimeWait || state === Closed);
    const expected = isReopening && !segment.isAck ? TrackCode.Reopen : TrackCode.Pass;
    if (code !== expected) throw new Error(`seed ${this.random.seed}: code ${code}`);
  }

  /** Far from the right numbers, as seen by who knows them. It passes the filter and is lost behind it. */
  #forge(side: 0 | 1): void {
    const { random, state } = this;
    if (state === FlowState.Free || state >= TimeWait) return;
    const far = (from: number): number => (from + 2 ** 26 + random.below(2 ** 32 - 2 ** 27)) >>> 0;
    const kind = random.below(5);
    // The latest SYN of who opens the connection counts until it is answered.
    const isOpening = side === this.opener || this.isSimultaneous;
    if (kind === 0 && isOpening && state <= FlowState.SynSent2) return;
    this.#filter(side, {
      isSyn: kind === 0 || kind === 1,
      isFin: kind === 2,
      isRst: kind === 3,
      isAck: kind !== 0 && (kind !== 3 || random.below(2) === 0),
      sequence: far(this.ends[side].next),
      acknowledgment: far(this.ends[side === 0 ? 1 : 0].next),
      length: kind === 4 ? random.below(1400) : 0,
    });
  }
}

/** What the ends have come to, and the flow must know. @returns what is wrong, or undefined */
function contradiction(wire: Wire): string | undefined {
  const { state, ends } = wire;
  const opener = ends[wire.opener];
  const other = ends[wire.opener === 0 ? 1 : 0];
  const hasReset = ends.some((end) => end.hasSentReset);
  const name = FLOW_STATE_NAMES[state];
  if (state === Closed) return hasReset ? undefined : 'CLOSED, but nobody sent RST';
  if (state > CloseWait && !(opener.hasSentFin && other.hasSentFin)) {
    return `${name}, but not both have sent FIN`;
  }
  if (state === FinWait && !opener.hasSentFin) return 'FIN_WAIT without FIN';
  if (state === CloseWait && !other.hasSentFin) return 'CLOSE_WAIT without FIN';
  if (hasReset) return undefined;
  // Who answers is established once an ACK has come through the filter.
  const isAnswered = !['LISTEN', 'SYN_RECEIVED', 'CLOSED'].includes(other.state);
  if (!wire.isSimultaneous && isAnswered && state < Established) {
    return `${name}, but the other side is ${other.state}`;
  }
  if (ends.some((end) => end.hasReceivedFin) && state <= Established) {
    return `${name}, but a FIN has arrived`;
  }
  if (ends.every((end) => end.hasReceivedFin) && state <= CloseWait) {
    return `${name}, but both FINs have arrived`;
  }
  return undefined;
}

const NETWORKS: readonly Network[] = [
  { name: 'in order', lost: 0, lostBehind: 0, repeated: 0, reach: 0, forged: 0 },
  { name: 'lossy', lost: 10, lostBehind: 10, repeated: 0, reach: 0, forged: 0 },
  { name: 'out of order', lost: 3, lostBehind: 3, repeated: 10, reach: 5, forged: 0 },
  { name: 'under attack', lost: 0, lostBehind: 0, repeated: 0, reach: 0, forged: 50 },
  { name: 'everything', lost: 10, lostBehind: 10, repeated: 10, reach: 5, forged: 50 },
];

describe(`${CONNECTIONS} connections`, () => {
  test.each(NETWORKS)('$name', (network) => {
    const random = new Random();
    const reached = new Map<number, number>();
    for (let connection = 0; connection < CONNECTIONS / NETWORKS.length; connection++) {
      const wire = new Wire(random, network);
      const history: string[] = [];
      const check = (): void => {
        const [one, other] = wire.ends;
        const moment = `${one.state} ${FLOW_STATE_NAMES[wire.state]} ${other.state}`;
        if (history.at(-1) !== moment) history.push(moment);
        const wrong = contradiction(wire);
        if (wrong !== undefined) {
          throw new Error(
            `seed ${random.seed}, connection ${connection}: ${wrong}\n${history.join('\n')}`,
          );
        }
      };
      wire.ends[0].connect();
      if (wire.isSimultaneous) wire.ends[1].connect();
      for (let step = 0; step < STEPS; step++) {
        wire.step();
        check();
      }
      wire.settle();
      check();
      reached.set(wire.state, (reached.get(wire.state) ?? 0) + 1);
    }
    // Not all the same. (A repeated segment that reaches an end which is through is answered by RST.)
    expect(reached.get(TimeWait)).toBeGreaterThan(100);
    expect(reached.get(Closed)).toBeGreaterThan(10);
  });
});
