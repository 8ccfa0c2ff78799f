/**
 * Admission: which frames our XDP program lets into a receive queue that is filling up.
 *
 * A flood above what one processor can judge fills the queue, and what finds it full is dropped by the kernel, good and
 * bad alike. So the last places of a queue are not for everybody: an eighth of it is for packets of established flows,
 * and half of that also for ARP and neighbour discovery, without which no flow lives long.
 *
 *   queue of 8192   | anybody: 7168             | and ARP, ND: 512 | established only: 512 |
 *
 * The packet loop tells with each batch how far the program may count (`Queue.Limit`); the program counts what it lets
 * in (`Queue.Admitted`) and what it does not (`Queue.Refused`). So it needs no look at the ring, and a frame that the
 * kernel loses behind it is set right by the next batch.
 *
 * It knows an established flow by the mark of its hash (src/flowtable/established-marks.ts), which it computes as
 * `hashWords` does: TCP and UDP, IPv4 without options and IPv6 without extension headers, whole packets, at most one VLAN
 * tag. Anything else takes its chance with everybody. Nothing here decides what passes nsgd: only what it gets to see.
 */
import { IpProtocol } from '../../src/capture/packet.ts';
import { Queue } from '../../src/capture/live/af-xdp/admission.ts';
import type { ProgramParts } from '../../src/capture/live/af-xdp/system.ts';
import { BUCKET_MARKS } from '../../src/flowtable/established-marks.ts';
import { MULTIPLIERS_PER_WORD, SUM_0, SUM_1 } from '../../src/flowtable/hash.ts';
import { Word } from '../../src/flowtable/record.ts';
import {
  add,
  addAtomically,
  addRegister,
  and,
  call,
  exit,
  jump,
  jumpIfAbove,
  jumpIfEqual,
  jumpIfGreater,
  jumpIfSame,
  jumpIfZero,
  jumpUnlessEqual,
  label,
  load,
  loadMap,
  move,
  move32,
  multiply32,
  or,
  orRegister,
  type ProgramPart,
  set,
  shiftLeft,
  shiftRight32,
  store,
  subtract32,
  toBigEndian,
  xorRegister,
} from './bpf-assembler.ts';
import { XDP_DROP, XdpContext } from './xdp-context.ts';

const MAP_LOOKUP = 1;
/** Place on the stack for the key of a map. */
const KEY = -4;

/** EtherTypes as a little-endian machine loads them. */
const IPV4 = 0x0008;
const IPV6 = 0xdd86;
const ARP = 0x0608;
const VLAN = 0x0081;

/** Bytes from the start of the frame; behind a VLAN tag r2 is four bytes on. */
const ETHERTYPE = 12;
const VLAN_CONTROL = 14;
const IP = 14;
const VLAN_TAG_BYTES = 4;
const IPV4_PORTS = IP + 20;
const IPV6_PORTS = IP + 40;
const PORTS_BYTES = 4;
const FIRST_ND_TYPE = 133;
const ND_TYPES = 5;

/** Words of the flow hash: see `Word` for what is in them. */
const IPV4_WORD = 3;
/** Behind the upper half of its tag word, a VLAN number is four bits up. */
const VLAN_SHIFT = 4;

/**
 * Drops a frame that has no place in its queue, or goes on behind.
 *
 * r6 the context; r7 places beyond the limit that this frame may have; r2 the frame; r4, r5 the sums of the hash.
 */
export function admission(parts: ProgramParts): ProgramPart[] {
  const { linkReserve, reserve } = parts;
  return [
    set(7, 0),
    load(2, 6, XdpContext.Data, 4),
    load(3, 6, XdpContext.DataEnd, 4),
    set(9, 0),
    ...ifLongerThan(IPV4_PORTS + PORTS_BYTES, 'queue'),
    load(0, 2, ETHERTYPE, 2),
    jumpUnlessEqual(0, VLAN, 'untagged'),
    load(9, 2, VLAN_CONTROL, 2),
    toBigEndian(9, 16),
    and(9, 0xfff),
    shiftLeft(9, VLAN_SHIFT),
    add(2, VLAN_TAG_BYTES),
    ...ifLongerThan(IPV4_PORTS + PORTS_BYTES, 'queue'),
    load(0, 2, ETHERTYPE, 2),
    label('untagged'),
    jumpIfEqual(0, IPV4, 'ipv4'),
    jumpIfEqual(0, IPV6, 'ipv6'),
    jumpUnlessEqual(0, ARP, 'queue'),
    label('link'),
    set(7, linkReserve),
    jump('queue'),
    label('ipv4'),
    ...ipv4Sums(parts),
    jump('hash'),
    label('ipv6'),
    ...ipv6Sums(parts),
    label('hash'),
    ...mix,
    ...ifUnmarked(parts, 'queue'),
    set(7, reserve),
    label('queue'),
    ...enterQueue(parts),
  ];
}

/** Goes to a label when the frame in r2 is shorter than that. */
function ifLongerThan(bytes: number, otherwise: string): ProgramPart[] {
  return [move(1, 2), add(1, bytes), jumpIfGreater(1, 3, otherwise)];
}

/** r4 and r5 += the two multiples of the 16 bits at `offset` behind r2. */
function term(hashKey: Int32Array, offset: number, multiplier: number): ProgramPart[] {
  return [load(0, 2, offset, 2), toBigEndian(0, 16), ...sums(hashKey, multiplier)];
}

/** r4 and r5 += the two multiples of the 16 bits in r0, which is lost. */
function sums(hashKey: Int32Array, multiplier: number): ProgramPart[] {
  return [
    move32(1, 0),
    multiply32(0, hashKey[multiplier] ?? 0),
    addRegister(4, 0),
    multiply32(1, hashKey[multiplier + 2] ?? 0),
    addRegister(5, 1),
  ];
}

/** The upper half of a word of the key is at `offset`, the lower one behind it. */
function wordTerms(hashKey: Int32Array, offset: number, word: number): ProgramPart[] {
  const multiplier = word * MULTIPLIERS_PER_WORD;
  return [...term(hashKey, offset + 2, multiplier), ...term(hashKey, offset, multiplier + 1)];
}

/** The terms that both families have. r8 is the protocol, r9 the VLAN. */
function commonTerms(parts: ProgramParts, ports: number): ProgramPart[] {
  const { hashKey, side } = parts;
  const [source, destination] = [ports, ports + 2];
  const [local, remote] = side === 0 ? [destination, source] : [source, destination];
  const portsWord = Word.Ports * MULTIPLIERS_PER_WORD;
  const tagWord = Word.Tag * MULTIPLIERS_PER_WORD;
  return [
    ...term(hashKey, remote, portsWord),
    ...term(hashKey, local, portsWord + 1),
    move(0, 8),
    ...sums(hashKey, tagWord),
    move(0, 9),
    ...sums(hashKey, tagWord + 1),
  ];
}

const startSums = (hashKey: Int32Array): ProgramPart[] => [
  set(4, hashKey[SUM_0] ?? 0),
  set(5, hashKey[SUM_1] ?? 0),
];

const ifNoPorts = (otherwise: string, hasPorts: string): ProgramPart[] => [
  jumpIfEqual(8, IpProtocol.Tcp, hasPorts),
  jumpUnlessEqual(8, IpProtocol.Udp, otherwise),
  label(hasPorts),
];

function addressWords(side: number): { readonly source: number; readonly destination: number } {
  return side === 0
    ? { source: Word.Remote, destination: Word.Local }
    : { source: Word.Local, destination: Word.Remote };
}

function ipv4Sums(parts: ProgramParts): ProgramPart[] {
  const { hashKey, side } = parts;
  const { source, destination } = addressWords(side);
  return [
    load(0, 2, IP, 1),
    jumpUnlessEqual(0, 0x45, 'queue'),
    // More fragments, or an offset: ports are elsewhere, or stand for a part.
    load(0, 2, IP + 6, 2),
    toBigEndian(0, 16),
    and(0, 0x3fff),
    jumpUnlessEqual(0, 0, 'queue'),
    load(8, 2, IP + 9, 1),
    ...ifNoPorts('queue', 'ipv4 with ports'),
    ...startSums(hashKey),
    ...wordTerms(hashKey, IP + 12, source + IPV4_WORD),
    ...wordTerms(hashKey, IP + 16, destination + IPV4_WORD),
    ...commonTerms(parts, IPV4_PORTS),
  ];
}

function ipv6Sums(parts: ProgramParts): ProgramPart[] {
  const { hashKey, side } = parts;
  const { source, destination } = addressWords(side);
  const words = [0, 1, 2, 3];
  return [
    ...ifLongerThan(IPV6_PORTS + PORTS_BYTES, 'queue'),
    load(8, 2, IP + 6, 1),
    jumpUnlessEqual(8, IpProtocol.Icmpv6, 'not icmpv6'),
    load(0, 2, IPV6_PORTS, 1),
    add(0, -FIRST_ND_TYPE),
    // Types below the first are far above, seen so.
    and(0, 0xff),
    jumpIfAbove(0, ND_TYPES - 1, 'queue'),
    set(7, parts.linkReserve),
    jump('queue'),
    label('not icmpv6'),
    ...ifNoPorts('queue', 'ipv6 with ports'),
    ...startSums(hashKey),
    ...words.flatMap((word) => wordTerms(hashKey, IP + 8 + 4 * word, source + word)),
    ...words.flatMap((word) => wordTerms(hashKey, IP + 24 + 4 * word, destination + word)),
    ...commonTerms(parts, IPV6_PORTS),
  ];
}

/** r4 = the hash, of the sums in r4 and r5: the upper half of each, and murmur3's finaliser. */
const mix: readonly ProgramPart[] = [
  shiftRight32(4, 16),
  shiftLeft(4, 16),
  shiftRight32(5, 16),
  orRegister(4, 5),
  ...foldDown(16),
  multiply32(4, 0x85ebca6b | 0),
  ...foldDown(13),
  multiply32(4, 0xc2b2ae35 | 0),
  ...foldDown(16),
];

/** r4 ^= r4 >> bits */
function foldDown(bits: number): ProgramPart[] {
  return [move(0, 4), shiftRight32(0, bits), xorRegister(4, 0)];
}

/** r0 = the entry of a map at the index in `index`, and goes to a label where there is none. */
function lookUp(map: number, index: 1 | 4, otherwise: string): ProgramPart[] {
  return [
    store(10, KEY, index, 4),
    move(2, 10),
    add(2, KEY),
    loadMap(1, map),
    call(MAP_LOOKUP),
    // A pointer: all of it is looked at, or the kernel's checker does not see that it cannot be null.
    jumpIfZero(0, otherwise),
  ];
}

/** Goes to a label unless the hash in r4 is marked. */
function ifUnmarked(parts: ProgramParts, otherwise: string): ProgramPart[] {
  const { marks, buckets } = parts;
  const places = Array.from({ length: BUCKET_MARKS }, (_, place) => place);
  return [
    move(8, 4),
    or(8, 1),
    // `or` above is sign-extended from a value without a sign, so the upper half is still zero.
    shiftRight32(4, 32 - Math.log2(buckets)),
    ...lookUp(marks, 4, otherwise),
    ...places.flatMap((place) => [load(1, 0, place * 4, 4), jumpIfSame(1, 8, 'marked')]),
    jump(otherwise),
    label('marked'),
  ];
}

/** Counts the frame in where it has a place, else counts and drops it. */
function enterQueue({ queues }: ProgramParts): ProgramPart[] {
  return [
    load(1, 6, XdpContext.RxQueueIndex, 4),
    ...lookUp(queues, 1, 'admitted'),
    load(1, 0, Queue.Limit * 4, 4),
    load(2, 0, Queue.Admitted * 4, 4),
    // A difference of numbers that wrap, as the ring has them too.
    subtract32(1, 2),
    addRegister(1, 7),
    set(2, 1),
    jumpIfAbove(1, 0, 'has a place'),
    addAtomically(0, Queue.Refused * 4, 2, 8),
    set(0, XDP_DROP),
    exit(),
    label('has a place'),
    addAtomically(0, Queue.Admitted * 4, 2, 4),
    label('admitted'),
  ];
}
