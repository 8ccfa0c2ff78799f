/**
 * The XDP program of the generator: takes the next number, writes the fields that differ from frame to frame, and sends
 * the frame out of a device. It may also keep a rate and vary the length.
 *
 * The rate is kept in here, because every call of the test run costs 27 ms at its end: a run that is over in a
 * millisecond cannot be had. A frame that is not due yet is dropped, which is how the program waits.
 */
import {
  add,
  addRegister,
  and,
  assemble,
  call,
  exit,
  fetchAdd,
  jump,
  jumpIfAtLeast,
  jumpIfEqual,
  jumpIfGreater,
  label,
  load,
  loadMapValue,
  modulo,
  move,
  multiply32,
  type ProgramPart,
  set,
  shiftLeft,
  shiftRight,
  store,
  toBigEndian,
} from '../../daemon/native/bpf-assembler.ts';
import { XDP_DROP, XdpContext } from '../../daemon/native/xdp-context.ts';

/** A number in the frame that differs from frame to frame: base + ((n >> shift) & mask), in network byte order. */
export interface Field {
  /** Byte in the frame. */
  readonly at: number;
  readonly bytes: 2 | 4;
  readonly base: number;
  /** 0 to 2^31 - 1. */
  readonly mask: number;
  readonly shift?: number;
  /** Scatter n first, so that neighbours differ in all bits and every value still comes as often. */
  readonly isScattered?: boolean;
  /** base - ((n >> shift) & mask): with another field, keeps a sum the same. */
  readonly isNegative?: boolean;
}

/** A time stamp in some of the frames, for whoever receives them. */
export interface Stamp {
  /** Every so manieth frame has it: a power of two. */
  readonly every: number;
  /** Where: `STAMP_MARK` in two bytes (other frames have 0 there), then nanoseconds of CLOCK_MONOTONIC in eight. */
  readonly at: number;
}

export const STAMP_MARK = 0xbe5c;

/** A shorter form of the frame, and how many of twelve frames have it. */
export interface LengthVariant {
  readonly bytes: number;
  readonly ofTwelve: number;
  /** 16-bit words that depend on the length. */
  readonly words: readonly { readonly at: number; readonly value: number }[];
}

export interface LiveProgramOptions {
  /** Index of the device that the frames leave by. */
  readonly device: number;
  /** The longest frame. */
  readonly frameBytes: number;
  readonly fields: readonly Field[];
  /** Frames a second; absent: as fast as it goes. */
  readonly perSecond?: number;
  /** Their `ofTwelve` sum to twelve, the last one has all bytes; absent: all frames are whole. */
  readonly lengths?: readonly LengthVariant[];
  readonly stamp?: Stamp;
  /** What numbers the frames have, in turns, instead of 0, 1, 2 and so on: a power of two of them, below 2^32. */
  readonly numbers?: readonly number[];
}

/** The map of the program has one value: two numbers of 64 bits, and the list of numbers, if any, of 32 bits each. */
export function mapValue({ numbers = [] }: Pick<LiveProgramOptions, 'numbers'>): Uint8Array {
  const value = new Uint8Array(NUMBERS_AT + numbers.length * NUMBER_BYTES);
  new Uint32Array(value.buffer, NUMBERS_AT).set(numbers);
  return value;
}

const NUMBER_AT = 0;
/** When the next frame is due, in 1/256 ns. */
const DUE_AT = 8;
const DUE_SHIFT = 8;
const NUMBERS_AT = 16;
const NUMBER_BYTES = 4;
/** What is not sent in time is made up for within so many nanoseconds, and given up after. */
const CATCH_UP_NS = 200_000;

const KTIME_GET_NS = 5;
const REDIRECT = 23;
const ADJUST_TAIL = 65;
/** Knuth's multiplicative hash, as int32: odd, so it permutes the numbers. */
const SCATTER = 2654435761 | 0;
const MIX_SHIFT = 16;
const MIX_PARTS = 12;

/** @param map an array map with one value, `mapValue` */
export function liveProgram(map: number, options: LiveProgramOptions): Uint8Array {
  const { device, frameBytes, fields, perSecond, lengths, stamp, numbers } = options;
  return assemble([
    // r6 the context, r7 the number of the frame, r2 its first byte
    move(6, 1),
    ...(perSecond === undefined ? [] : dropUnlessDue(map, perSecond)),
    load(2, 6, XdpContext.Data, 4),
    load(3, 6, XdpContext.DataEnd, 4),
    move(4, 2),
    add(4, frameBytes),
    jumpIfGreater(4, 3, 'drop'),
    loadMapValue(5, map, NUMBER_AT),
    set(7, 1),
    fetchAdd(5, 0, 7, 8),
    ...(numbers === undefined ? [] : takeNumber(map, numbers.length)),
    ...fields.flatMap(writeField),
    ...(stamp === undefined ? [] : writeStamp(stamp)),
    ...(lengths === undefined ? [] : cut(lengths)),
    set(1, device),
    set(2, 0),
    call(REDIRECT),
    exit(),
    label('drop'),
    set(0, XDP_DROP),
    exit(),
  ]);
}

/** The number at this place of the list, instead of the place. */
function takeNumber(map: number, length: number): ProgramPart[] {
  return [
    and(7, length - 1),
    multiply32(7, NUMBER_BYTES),
    loadMapValue(8, map, NUMBERS_AT),
    addRegister(8, 7),
    load(7, 8, 0, NUMBER_BYTES),
  ];
}

function writeField(field: Field): ProgramPart[] {
  const { at, bytes, base, mask, shift, isScattered, isNegative } = field;
  return [
    move(8, 7),
    ...(isScattered === true ? [multiply32(8, SCATTER)] : []),
    ...(shift === undefined || shift === 0 ? [] : [shiftRight(8, shift)]),
    and(8, mask),
    ...(isNegative === true ? [multiply32(8, -1)] : []),
    add(8, base),
    toBigEndian(8, bytes === 2 ? 16 : 32),
    store(2, at, 8, bytes),
  ];
}

/** Marks the frame, and stamps it when it is its turn. A helper takes r2, so it is kept in r9 meanwhile. */
function writeStamp({ every, at }: Stamp): ProgramPart[] {
  return [
    move(8, 7),
    and(8, every - 1),
    jumpIfEqual(8, 0, 'its turn'),
    set(4, 0),
    store(2, at, 4, 2),
    jump('stamped'),
    label('its turn'),
    move(9, 2),
    call(KTIME_GET_NS),
    move(2, 9),
    ...writeWord(at, STAMP_MARK),
    toBigEndian(0, 64),
    store(2, at + 2, 0, 8),
    label('stamped'),
  ];
}

/** The two bytes at `at` = value, in network byte order */
function writeWord(at: number, value: number): ProgramPart[] {
  return [set(4, value), toBigEndian(4, 16), store(2, at, 4, 2)];
}

/** Goes on when a frame is due, else to the drop. */
function dropUnlessDue(map: number, perSecond: number): ProgramPart[] {
  const interval = Math.round((1e9 * 2 ** DUE_SHIFT) / perSecond);
  if (interval > 0x7fff_ffff) throw new RangeError(`${perSecond} frames a second are too few`);
  return [
    call(KTIME_GET_NS),
    shiftLeft(0, DUE_SHIFT),
    loadMapValue(9, map, DUE_AT),
    load(8, 9, 0, 8),
    jumpIfGreater(8, 0, 'drop'),
    move(4, 0),
    add(4, -CATCH_UP_NS * 2 ** DUE_SHIFT),
    jumpIfGreater(8, 4, 'not late'),
    move(8, 4),
    label('not late'),
    add(8, interval),
    store(9, 0, 8, 8),
  ];
}

/** Cuts the frame to one of the lengths; which one changes with its number. */
function cut(lengths: readonly LengthVariant[]): ProgramPart[] {
  const longest = lengths.at(-1)?.bytes ?? 0;
  let below = 0;
  const variants = lengths.flatMap(({ bytes, ofTwelve, words }) => {
    below += ofTwelve;
    const write = words.flatMap(({ at, value }) => writeWord(at, value));
    if (bytes === longest) return write;
    return [
      jumpIfAtLeast(8, below, `not ${bytes} bytes`),
      ...write,
      move(1, 6),
      set(2, bytes - longest),
      call(ADJUST_TAIL),
      jump('cut'),
      label(`not ${bytes} bytes`),
    ];
  });
  return [
    move(8, 7),
    multiply32(8, SCATTER),
    shiftRight(8, MIX_SHIFT),
    modulo(8, MIX_PARTS),
    ...variants,
    label('cut'),
  ];
}
