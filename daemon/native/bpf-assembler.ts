/**
 * Assembles BPF programs: instructions of eight bytes as the kernel takes them (RFC 9669), no compiler needed.
 *
 *   opcode u8, destination (low) and source (high) register u8, offset s16, immediate s32, host byte order (here little)
 *
 * Only the instructions that our programs use.
 */

/** r0 holds results, r1 to r5 arguments (lost in a call), r6 to r9 survive calls, r10 is the frame pointer. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

const INSTRUCTION_BYTES = 8;

/** Bytes moved by a load or store, as the opcode spells them. */
const SIZE_BITS = Object.freeze({ 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 } as const);
type Size = keyof typeof SIZE_BITS;

/** Source register of a 64-bit immediate that is the descriptor of a map, or of a map whose value is meant. */
const MAP_DESCRIPTOR = 1;
const MAP_VALUE = 2;
/** Source register of a call to a function by its number in the kernel's type information. */
const KERNEL_FUNCTION = 2;

export type Instruction = Uint8Array;

/** A place in a program, which instructions before it may go to by its name. */
export interface Label {
  readonly label: string;
}

/** An instruction that goes on at a label; `assemble` fills in how far that is. */
export interface Jump {
  readonly instruction: Instruction;
  readonly to: string;
}

export type ProgramPart = Instruction | Label | Jump;

function instruction(
  opcode: number,
  registers: { readonly to?: Register; readonly from?: number },
  offset: number,
  immediate: number,
): Instruction {
  const bytes = new Uint8Array(INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, opcode);
  view.setUint8(1, ((registers.from ?? 0) << 4) | (registers.to ?? 0));
  view.setInt16(2, offset, true);
  view.setInt32(4, immediate, true);
  return bytes;
}

/** to = from */
export function move(to: Register, from: Register): Instruction {
  return instruction(0xbf, { to, from }, 0, 0);
}

/** to = the lower half of from; the upper half becomes zero */
export function move32(to: Register, from: Register): Instruction {
  return instruction(0xbc, { to, from }, 0, 0);
}

/** to = value, sign-extended */
export function set(to: Register, value: number): Instruction {
  return instruction(0xb7, { to }, 0, value);
}

/** to += value */
export function add(to: Register, value: number): Instruction {
  return instruction(0x07, { to }, 0, value);
}

/** to += from */
export function addRegister(to: Register, from: Register): Instruction {
  return instruction(0x0f, { to, from }, 0, 0);
}

/** to -= from, on 32 bits; the upper half becomes zero */
export function subtract32(to: Register, from: Register): Instruction {
  return instruction(0x1c, { to, from }, 0, 0);
}

/** to |= value, sign-extended */
export function or(to: Register, value: number): Instruction {
  return instruction(0x47, { to }, 0, value);
}

/** to |= from */
export function orRegister(to: Register, from: Register): Instruction {
  return instruction(0x4f, { to, from }, 0, 0);
}

/** to ^= from */
export function xorRegister(to: Register, from: Register): Instruction {
  return instruction(0xaf, { to, from }, 0, 0);
}

/** to >>= bits, on 32 bits; the upper half becomes zero */
export function shiftRight32(to: Register, bits: number): Instruction {
  return instruction(0x74, { to }, 0, bits);
}

/** to %= value, unsigned */
export function modulo(to: Register, value: number): Instruction {
  return instruction(0x97, { to }, 0, value);
}

/** to &= value */
export function and(to: Register, value: number): Instruction {
  return instruction(0x57, { to }, 0, value);
}

/** to >>= bits, on 64 bits */
export function shiftRight(to: Register, bits: number): Instruction {
  return instruction(0x77, { to }, 0, bits);
}

/** to <<= bits, on 64 bits */
export function shiftLeft(to: Register, bits: number): Instruction {
  return instruction(0x67, { to }, 0, bits);
}

/** to *= value, on 32 bits; the upper half becomes zero */
export function multiply32(to: Register, value: number): Instruction {
  return instruction(0x24, { to }, 0, value);
}

/** Lowest `bits` of the register in network byte order */
export function toBigEndian(to: Register, bits: 16 | 32 | 64): Instruction {
  return instruction(0xdc, { to }, 0, bits);
}

/** to = the `size` bytes at address + offset */
export function load(to: Register, address: Register, offset: number, size: Size): Instruction {
  return instruction(0x61 | SIZE_BITS[size], { to, from: address }, offset, 0);
}

/** the `size` bytes at address + offset = from */
export function store(address: Register, offset: number, from: Register, size: Size): Instruction {
  return instruction(0x63 | SIZE_BITS[size], { to: address, from }, offset, 0);
}

/** The `size` bytes at address + offset += from, atomically. Size 4 or 8. */
export function addAtomically(
  address: Register,
  offset: number,
  from: Register,
  size: 4 | 8,
): Instruction {
  return instruction(0xc3 | SIZE_BITS[size], { to: address, from }, offset, 0);
}

/** The `size` bytes at address + offset += from, atomically; from gets what was there. Size 4 or 8. */
export function fetchAdd(
  address: Register,
  offset: number,
  from: Register,
  size: 4 | 8,
): Instruction {
  return instruction(0xc3 | SIZE_BITS[size], { to: address, from }, offset, 0x01);
}

/** to = the map of a descriptor. Two instructions wide. */
export function loadMap(to: Register, descriptor: number): Instruction {
  return wide(to, MAP_DESCRIPTOR, descriptor, 0);
}

/** to = address of byte `offset` in the only value of an array map. Two instructions wide. */
export function loadMapValue(to: Register, descriptor: number, offset: number): Instruction {
  return wide(to, MAP_VALUE, descriptor, offset);
}

function wide(to: Register, from: number, low: number, high: number): Instruction {
  const bytes = new Uint8Array(2 * INSTRUCTION_BYTES);
  bytes.set(instruction(0x18, { to, from }, 0, low));
  bytes.set(instruction(0, {}, 0, high), INSTRUCTION_BYTES);
  return bytes;
}

/** Goes to a label. */
export function jump(to: string): Jump {
  return { instruction: instruction(0x05, {}, 0, 0), to };
}

/** Goes to a label when left > right, both as unsigned 64-bit numbers. */
export function jumpIfGreater(left: Register, right: Register, to: string): Jump {
  return { instruction: instruction(0x2d, { to: left, from: right }, 0, 0), to };
}

/** Goes to a label when the register is at least the value, both as unsigned 64-bit numbers. */
export function jumpIfAtLeast(left: Register, value: number, to: string): Jump {
  return { instruction: instruction(0x35, { to: left }, 0, value), to };
}

/** Goes to a label when the lower half of a register is `value`. */
export function jumpIfEqual(left: Register, value: number, to: string): Jump {
  return { instruction: instruction(0x16, { to: left }, 0, value), to };
}

/** Goes to a label when the lower half of a register is not `value`. */
export function jumpUnlessEqual(left: Register, value: number, to: string): Jump {
  return { instruction: instruction(0x56, { to: left }, 0, value), to };
}

/** Goes to a label when all of a register is zero. */
export function jumpIfZero(left: Register, to: string): Jump {
  return { instruction: instruction(0x15, { to: left }, 0, 0), to };
}

/** Goes to a label when the lower halves of two registers are equal. */
export function jumpIfSame(left: Register, right: Register, to: string): Jump {
  return { instruction: instruction(0x1e, { to: left, from: right }, 0, 0), to };
}

/** Goes to a label when the lower half of a register, as int32, is above `value`. */
export function jumpIfAbove(left: Register, value: number, to: string): Jump {
  return { instruction: instruction(0x66, { to: left }, 0, value), to };
}

/** the 8 bytes at address + offset = value */
export function storeValue(address: Register, offset: number, value: number): Instruction {
  return instruction(0x7a, { to: address }, offset, value);
}

/** r0 = a function of the kernel, by its number in the kernel's type information */
export function callKernel(number: number): Instruction {
  return instruction(0x85, { from: KERNEL_FUNCTION }, 0, number);
}

/** r0 = a helper of the kernel, by number (linux/bpf.h, ___BPF_FUNC_MAPPER) */
export function call(helper: number): Instruction {
  return instruction(0x85, {}, 0, helper);
}

/** Ends the program with r0. */
export function exit(): Instruction {
  return instruction(0x95, {}, 0, 0);
}

export function label(name: string): Label {
  return { label: name };
}

/**
 * A whole program.
 * @throws RangeError for a jump to a label that is not behind it: the kernel wants programs that end
 */
export function assemble(parts: readonly ProgramPart[]): Uint8Array {
  const size = parts.reduce((sum, part) => sum + bytesOf(part).length, 0);
  const program = new Uint8Array(size);
  const view = new DataView(program.buffer);
  const ends = new Map<string, number>();
  let at = size;
  for (const part of parts.toReversed()) {
    const bytes = bytesOf(part);
    at -= bytes.length;
    program.set(bytes, at);
    if ('label' in part) ends.set(part.label, at);
    if (!('to' in part)) continue;
    const end = ends.get(part.to);
    if (end === undefined) throw new RangeError(`no label ${part.to} behind its jump`);
    view.setInt16(at + 2, (end - at) / INSTRUCTION_BYTES - 1, true);
  }
  return program;
}

function bytesOf(part: ProgramPart): Uint8Array {
  if ('label' in part) return new Uint8Array();
  return 'to' in part ? part.instruction : part;
}
