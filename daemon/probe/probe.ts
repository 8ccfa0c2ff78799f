/**
 * Probe: one real packet, sent from this host by its own routes, and what became of it: what came back, and what the daemon
 * tells of it. Nothing is assumed about where this host stands: beside the wire, behind it or in front of it.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { IpProtocol } from '../../src/capture/packet.ts';
import { formatIpv4, formatIpv6 } from '../../src/policy/address.ts';
import type { Address } from '../../src/policy/explain.ts';
import { type ControlStream, openControlStream } from '../control/client.ts';
import type { DaemonEvent, FlowEvent } from '../events/event.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { RawSocket, RawSocketError } from '../native/raw-socket.ts';
import { formatEndpoint } from '../packet-text.ts';
import { type Endpoint, parseAddress } from '../tuple.ts';
import { type Answer, answerOf, probePacket, type ProbeTuple } from './packet.ts';

const POLL_MILLISECONDS = 20;
/** An answer may be here before the daemon has told of the packet; it tells twenty times a second. */
const TELLING_MILLISECONDS = 300;
/** As far as Linux hands out ports itself (ip_local_port_range). */
const FIRST_PORT = 32_768;
const PORT_LIMIT = 61_000;
/** Any will do to ask for a route. */
const DISCARD_PORT = 9;

export interface ProbeRequest {
  /** TCP, UDP, ICMP or ICMPv6. */
  readonly protocol: number;
  readonly from: Endpoint | undefined;
  readonly to: Endpoint;
  /** Path of the daemon's control socket. */
  readonly socket: string;
  readonly timeoutMs: number;
}

/** What was seen of a probe. */
export interface Observation {
  readonly tuple: ProbeTuple;
  /** `address:port`, or the address alone. */
  readonly from: string;
  readonly to: string;
  /** Events of the probe, in order; it may cross wires more than once. */
  readonly events: FlowEvent[];
  /** Denied packets that were the answer to it. */
  readonly deniedAnswers: FlowEvent[];
  /** Milliseconds, monotonic. */
  sentAt: number;
  answer: Answer | undefined;
  answerMilliseconds: number | undefined;
  /** Events that the daemon could not tell meanwhile: that of the probe may be among them. */
  suppressed: number;
}

/**
 * Sends a probe and watches until it is clear what became of it, or the time is over.
 * @throws CommandError 3 without a daemon, 4 without CAP_NET_RAW, 1 without a route
 */
export async function probe(request: ProbeRequest): Promise<Observation> {
  const from = request.from?.address ?? (await sourceTowards(request.to.address));
  const port = await reservePort(request.protocol, from, request.from?.port);
  const sockets: RawSocket[] = [];
  let stream: ControlStream | undefined;
  try {
    const observation = observationOf(request, from, port.number);
    sockets.push(...openSockets(observation));
    stream = await openControlStream(request.socket, eventsTarget(request));
    void readEvents(stream, observation);
    await send(sockets[0], observation);
    await watch(observation, request.timeoutMs);
    return observation;
  } finally {
    stream?.close();
    for (const socket of sockets) socket.close();
    port.release();
  }
}

function textOf(address: Address): string {
  return typeof address === 'number' ? formatIpv4(address) : formatIpv6(address);
}

function hasPorts(protocol: number): boolean {
  return protocol === IpProtocol.Tcp || protocol === IpProtocol.Udp;
}

function observationOf(request: ProbeRequest, from: Address, fromPort: number): Observation {
  const { protocol, to } = request;
  const withPorts = hasPorts(protocol);
  const toPort = withPorts ? (to.port ?? 0) : 0;
  return {
    tuple: {
      protocol,
      from,
      to: to.address,
      fromPort,
      toPort,
      sequence: randomInt(2 ** 32),
    },
    from: formatEndpoint(textOf(from), withPorts ? fromPort : undefined),
    to: formatEndpoint(textOf(to.address), withPorts ? toPort : undefined),
    events: [],
    deniedAnswers: [],
    sentAt: 0,
    answer: undefined,
    answerMilliseconds: undefined,
    suppressed: 0,
  };
}

/** The address that this host's routes send from. @throws CommandError (1) without a route */
function sourceTowards(to: Address): Promise<Address> {
  const address = textOf(to);
  return new Promise((resolve, reject) => {
    const socket = createSocket(typeof to === 'number' ? 'udp4' : 'udp6');
    const refuse = (error: Error): void => {
      socket.close();
      reject(noRoute(address, error));
    };
    socket.once('error', refuse);
    // For UDP this sends nothing: it only chooses the route.
    socket.connect(DISCARD_PORT, address, () => {
      const source = socket.address().address;
      socket.close();
      resolve(parseAddress(source));
    });
  });
}

function noRoute(address: string, error: Error): CommandError {
  return new CommandError(
    ExitCode.Failed,
    `this host cannot send to ${address} (${error.message}); look at "ip route get ${address}"`,
  );
}

interface ReservedPort {
  readonly number: number;
  release(): void;
}

/**
 * A port that no other program of this host has, or a random echo identifier. For an address that is not this host's, which
 * a probe may pretend to have, a random one.
 */
async function reservePort(
  protocol: number,
  from: Address,
  wanted: number | undefined,
): Promise<ReservedPort> {
  const host = textOf(from);
  const random = { number: wanted ?? randomInt(FIRST_PORT, PORT_LIMIT), release: () => undefined };
  return new Promise((resolve) => {
    if (protocol === IpProtocol.Tcp) {
      const server = createServer();
      server.once('error', () => resolve(random));
      server.listen({ host, port: wanted ?? 0 }, () => {
        const bound = server.address();
        const number = typeof bound === 'object' && bound !== null ? bound.port : random.number;
        resolve({ number, release: () => server.close() });
      });
    } else if (protocol === IpProtocol.Udp) {
      const socket = createSocket(typeof from === 'number' ? 'udp4' : 'udp6');
      socket.once('error', () => resolve(random));
      socket.bind(wanted ?? 0, host, () => {
        resolve({ number: socket.address().port, release: () => socket.close() });
      });
    } else resolve(random);
  });
}

/** For the protocol, and for ICMP errors. The first is the one to send from. @throws CommandError (4) */
function openSockets(observation: Observation): RawSocket[] {
  const { tuple } = observation;
  const family = typeof tuple.to === 'number' ? 4 : 6;
  const icmp = family === 4 ? IpProtocol.Icmp : IpProtocol.Icmpv6;
  const protocols = new Set([tuple.protocol, icmp]);
  try {
    return [...protocols].map((protocol) => {
      const socket = new RawSocket(family, protocol);
      socket.onMessage((message, source) => {
        observation.answer ??= answerOf(tuple, message, protocol, source);
        if (observation.answer !== undefined) {
          observation.answerMilliseconds ??= performance.now() - observation.sentAt;
        }
      });
      return socket;
    });
  } catch (error) {
    if (!(error instanceof RawSocketError) || !['EPERM', 'EACCES'].includes(error.code))
      throw error;
    throw new CommandError(
      ExitCode.PermissionDenied,
      'a raw socket needs CAP_NET_RAW: run it as root',
    );
  }
}

/** @throws CommandError (1) without a route */
async function send(socket: RawSocket | undefined, observation: Observation): Promise<void> {
  const { tuple } = observation;
  const address = textOf(tuple.to);
  try {
    observation.sentAt = performance.now();
    await socket?.send(probePacket(tuple), address);
  } catch (error) {
    if (!(error instanceof RawSocketError)) throw error;
    throw noRoute(address, error);
  }
}

/** What the daemon is asked for: all that has the destination's address, as filters are of one address. */
function eventsTarget({ to }: ProbeRequest): string {
  const query = new URLSearchParams({ type: 'opened,denied', address: textOf(to.address) });
  return `/v1/events?${query.toString()}`;
}

async function readEvents(stream: ControlStream, observation: Observation): Promise<void> {
  for await (const line of stream.lines) {
    const event = JSON.parse(line) as DaemonEvent;
    if (event.type === 'suppressed') observation.suppressed += event.count;
    if (event.type !== 'opened' && event.type !== 'denied') continue;
    if (!isOfProbe(event, observation)) continue;
    const source = event.direction === 'Inbound' ? event.remote : event.local;
    if (source === observation.from) observation.events.push(event);
    else if (event.type === 'denied') observation.deniedAnswers.push(event);
  }
}

function isOfProbe(event: FlowEvent, { from, to, tuple }: Observation): boolean {
  const [local, remote] = event.local === from ? [from, to] : [to, from];
  if (event.local !== local || event.remote !== remote) return false;
  return hasPorts(tuple.protocol) || event.icmpId === tuple.fromPort;
}

/** Until the packet was denied, or answered and what there is to tell was told; at most so long. */
async function watch(observation: Observation, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let answeredUntil = Infinity;
  for (;;) {
    // One look after another is the point.
    // oxlint-disable-next-line no-await-in-loop
    await sleep(POLL_MILLISECONDS);
    const now = performance.now();
    if (observation.answer !== undefined && answeredUntil === Infinity) {
      answeredUntil = now + TELLING_MILLISECONDS;
    }
    const isDenied = observation.events.at(-1)?.type === 'denied';
    if (isDenied || now >= answeredUntil || now >= deadline) return;
  }
}
