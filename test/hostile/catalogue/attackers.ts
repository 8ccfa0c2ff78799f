/**
 * Who attacks and who is attacked in the catalogue, and the frames that many of its entries are made of.
 */
import {
  buildFrame,
  buildIcmpError,
  type Extension,
  type FrameSpec,
  type IcmpErrorSpec,
  type IpFields,
} from '../../helpers/frames.ts';
import {
  LOCAL,
  LOCAL6,
  REMOTE,
  REMOTE6,
  type RigPolicy,
  TcpConversation,
} from '../../helpers/pipeline-rig.ts';
import { type FrameCase, type FrameStep, into, out, type Step } from './case.ts';

export const V4 = { src: REMOTE, dst: LOCAL } as const;
export const V6 = { src: REMOTE6, dst: LOCAL6 } as const;
export const PORTS = { srcPort: 40_000, dstPort: 80 } as const;
export const CLIENT = `${REMOTE}:50000`;
export const SERVER = `${LOCAL}:80`;
/** A router on the way, which sends ICMP errors. */
export const ROUTER = '192.0.2.1';
export const ROUTER6 = '2001:db8:1::1';

/** Nothing may come in but answers; what goes out is left to the default rules. */
export const ANSWERS_ONLY: RigPolicy = { nic: ['DenyIn 100 Inbound Deny * * * * *'] };

export const syn4 = (ip: Partial<IpFields> = {}): FrameSpec => ({
  ip: { ...V4, ...ip },
  tcp: PORTS,
});

export const syn6 = (extensions: readonly Extension[]): FrameSpec => ({
  ip: { ...V6, extensions },
  tcp: PORTS,
});

export interface PartFields {
  readonly protocol: number;
  readonly offset: number;
  /** True when it is not the last. */
  readonly more?: boolean;
  readonly bytes: number;
  readonly id?: number;
  readonly ip?: Partial<IpFields>;
}

/** A fragment of an IPv4 datagram, written out. */
export function part(fields: PartFields): FrameSpec {
  const { protocol, offset, more = false, bytes, id = 99, ip } = fields;
  return {
    ip: { ...V4, protocol, id, fragmentOffset: offset, moreFragments: more, ...ip },
    raw: new Uint8Array(bytes).fill(0x41),
  };
}

/** A first fragment of a UDP datagram to `port`, with `bytes` of UDP header and data. */
export function firstPart(port: number, bytes: number, id = 99): FrameSpec {
  const raw = new Uint8Array(bytes);
  const view = new DataView(raw.buffer);
  view.setUint16(0, 40_000);
  view.setUint16(2, port);
  view.setUint16(4, 3000);
  return {
    ip: { ...V4, protocol: 17, id, fragmentOffset: 0, moreFragments: true },
    raw,
  };
}

export function cut(spec: FrameSpec, length: number): Uint8Array {
  return buildFrame(spec).slice(0, length);
}

/** An error about `quoted`, sent to the quoted packet's source unless `over` says otherwise. */
export function errorAbout(quoted: FrameSpec, over: Partial<IcmpErrorSpec> = {}): Uint8Array {
  const isIpv6 = quoted.ip?.src.includes(':') === true;
  return buildIcmpError({
    src: isIpv6 ? ROUTER6 : ROUTER,
    dst: quoted.ip?.src ?? '',
    type: isIpv6 ? 1 : 3,
    quoted: buildFrame(quoted),
    ...over,
  });
}

/** A connection from outside, and the steps of its handshake. The numbers are those that attackers have to guess. */
export function handshake(first: readonly [number, number] = [1000, 9000]): {
  readonly talk: TcpConversation;
  readonly steps: readonly FrameStep[];
} {
  const talk = new TcpConversation(CLIENT, SERVER, first);
  const steps = [
    into(talk.client('S'), 'rule', '+SYN_SENT'),
    out(talk.server('SA'), 'flow', 'SYN_SENT>SYN_RECV'),
    into(talk.client('A'), 'flow', 'SYN_RECV>ESTABLISHED'),
  ];
  return { talk, steps };
}

/** A connection from outside, then what `attack` adds; its segments are numbered in the order of the calls. */
export function inConnection(attack: (talk: TcpConversation) => readonly Step[]): readonly Step[] {
  const { talk, steps } = handshake();
  return [...steps, ...attack(talk)];
}

/** Frames that each meet an empty flow table under one policy: `[attack, frame, reason, change?]`. */
export type AloneRow = readonly [
  attack: string,
  frame: FrameSpec | Uint8Array,
  reason: string,
  change?: string,
];

/** An entry of one frame from outside for each row. */
export function alone(row: number, policy: RigPolicy, rows: readonly AloneRow[]): FrameCase[] {
  return rows.map(([attack, frame, reason, change = '']) => ({
    row,
    attack,
    policy,
    steps: [into(frame, reason, change)],
  }));
}
