/**
 * What somebody who wants the filter to give up would send: each flood as one frame and the fields in which its copies differ.
 * Addresses change together with the identification, so that the checksum of the IPv4 header stays right.
 */
import { decode } from '../../src/capture/decode.ts';
import { Packet } from '../../src/capture/packet.ts';
import { hashKeyFrom } from '../../src/flowtable/hash.ts';
import { Header, HEADER_WORDS } from '../../src/flowtable/segment.ts';
import { buildFrame, type FrameSpec } from '../../test/helpers/frames.ts';
import type { GeneratorOptions } from '../generator.ts';
import { ALLOWED_PORT, DENIED_PORT, LOCAL } from '../rules/trial-policy.ts';
import { collidingNumbers } from '../traffic/colliding-numbers.ts';
import type { Field } from '../traffic/live-program.ts';

const IPV4_ID = 18;
const IPV4_FLAGS = 20;
const IPV4_TTL = 22;
const SOURCE_LOW = 28;
const SOURCE_PORT = 34;
/** Upper half of the remote addresses, 203.0.0.0/16: far from the hosts of the bed. */
const SOURCE = '203.0.0.0';
const WORD = 0xffff;
const WORD_BITS = 16;
/** Ports that are not 0: such a packet is dropped before anything is asked. */
const PORT_BASE = 1024;
const PORT_MASK = 0x7fff;

/** Tuples that somebody chose who read the seeds of the flow table in the memory of a daemon that runs as root. */
export const COLLIDING = 'udp, allowed, tuples that collide: the seeds known';
export const FLOODS = [
  'syn, random sources',
  'udp, random sources, allowed: a flow each',
  'udp, random sources, denied by the last of the rules',
  'ack scan',
  'fragments, never completed',
  COLLIDING,
] as const;
/** What a flood of fragments must not harm comes in the same stream, so that a loss is seen whichever it meets. */
export const FRAGMENTS_BESIDE_WHOLE =
  'fragments, never completed, every other one a whole datagram';
export type Flood = (typeof FLOODS)[number] | typeof FRAGMENTS_BESIDE_WHOLE;

const ip = { src: SOURCE, dst: LOCAL[4] };

const TEMPLATES: Readonly<Record<Flood, FrameSpec>> = {
  'syn, random sources': { ip, tcp: { srcPort: 0, dstPort: ALLOWED_PORT, flags: 'S' } },
  'udp, random sources, allowed: a flow each': {
    ip,
    udp: { srcPort: 0, dstPort: ALLOWED_PORT, checksum: 0 },
  },
  'udp, random sources, denied by the last of the rules': {
    ip,
    udp: { srcPort: 0, dstPort: DENIED_PORT, checksum: 0 },
  },
  'ack scan': { ip, tcp: { srcPort: 0, dstPort: ALLOWED_PORT, flags: 'A' } },
  'fragments, never completed': {
    ip: { ...ip, moreFragments: true },
    udp: { srcPort: 4000, dstPort: ALLOWED_PORT, checksum: 0, length: 2000 },
    payload: new Uint8Array(24),
  },
  [COLLIDING]: { ip, udp: { srcPort: 0, dstPort: ALLOWED_PORT, checksum: 0 } },
  [FRAGMENTS_BESIDE_WHOLE]: {
    ip,
    udp: { srcPort: 4000, dstPort: ALLOWED_PORT, checksum: 0 },
    payload: new Uint8Array(24),
  },
};

const FLAG_MORE_FRAGMENTS = 0x2000;
/** The bit of the scattered number that says which of the two a frame is: one that the address does not depend on. */
const FRAGMENT_SHIFT = WORD_BITS - Math.log2(FLAG_MORE_FRAGMENTS);

/** More fragments follow in every other frame, and its time to live is lower, so that the checksum stays right. */
function fragmentFields(frame: Uint8Array): Field[] {
  const ttl = new DataView(frame.buffer, frame.byteOffset).getUint16(IPV4_TTL);
  const choice = {
    bytes: 2,
    mask: FLAG_MORE_FRAGMENTS,
    shift: FRAGMENT_SHIFT,
    isScattered: true,
  } as const;
  return [
    { ...choice, at: IPV4_FLAGS, base: 0 },
    { ...choice, at: IPV4_TTL, base: ttl, isNegative: true },
  ];
}

/** The sources run through 65,536 addresses and 32,768 ports, scattered where the numbers of the frames are not chosen. */
export function floodTraffic(flood: Flood): Pick<GeneratorOptions, 'frame' | 'fields'> {
  const isScattered = flood !== COLLIDING;
  const address = { bytes: 2, mask: WORD, isScattered } as const;
  const fields: Field[] = [
    { ...address, at: SOURCE_LOW, base: 0 },
    { ...address, at: IPV4_ID, base: WORD, isNegative: true },
  ];
  const frame = buildFrame({ ...TEMPLATES[flood], padTo: 60 });
  if (flood === FRAGMENTS_BESIDE_WHOLE) fields.push(...fragmentFields(frame));
  else if (flood !== 'fragments, never completed') {
    fields.push({
      at: SOURCE_PORT,
      bytes: 2,
      base: PORT_BASE,
      mask: PORT_MASK,
      shift: isScattered ? WORD_BITS / 2 : WORD_BITS,
      isScattered,
    });
  }
  return { frame, fields };
}

const COLLIDING_TUPLES = 2048;

/**
 * Numbers for frames of the flood that collides.
 * @param flows the segment of a flow table
 */
export function collidingFlood(flows: ArrayBuffer): number[] {
  const header = new Int32Array(flows, 0, HEADER_WORDS);
  const hashKey = hashKeyFrom(header[Header.Seed0] ?? 0, header[Header.Seed1] ?? 0);
  const { frame } = floodTraffic(COLLIDING);
  const packet = new Packet();
  decode(new DataView(frame.buffer, frame.byteOffset), 0, frame.length, packet);
  const network = packet.src3;
  const numbers = collidingNumbers({
    count: COLLIDING_TUPLES,
    hashKey,
    indexSlots: header[Header.Slots] ?? 0,
    packet,
    setRemote(of, number) {
      of.src3 = network | (number & WORD);
      of.srcPort = PORT_BASE + ((number >>> WORD_BITS) & PORT_MASK);
    },
  });
  return [...numbers];
}
