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

/** to = value, sign-extended */
export function set(to: Register, value: number): Instruction {
  return instruction(0xb7, { to }, 0, value);
}

/** to += value */
export function add(to: Register, value: number): Instruction {
  return instruction(0x07, { to }, 0, value);
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

/** Skips `count` instructions when left > right, both as unsigned 64-bit numbers. */
export function skipIfGreater(left: Register, right: Register, count: number): Instruction {
  return instruction(0x2d, { to: left, from: right }, count, 0);
}

/** Skips `count` instructions when the lower half of a register is `value`. */
export function skipIfEqual(left: Register, value: number, count: number): Instruction {
  return instruction(0x16, { to: left }, count, value);
}

/** Skips `count` instructions when the lower half of a register is not `value`. */
export function skipUnlessEqual(left: Register, value: number, count: number): Instruction {
  return instruction(0x56, { to: left }, count, value);
}

/** Skips `count` instructions. */
export function skip(count: number): Instruction {
  return instruction(0x05, {}, count, 0);
}

/** the 8 bytes at address + offset = value */
export function storeValue(address: Register, offset: number, value: number): Instruction {
  return instruction(0x7a, { to: address }, offset, value);
}

/** r0 = a function of the kernel, by its number in the kernel's type information */
export function callKernel(number: number): Instruction {
  return instruction(0x85, { from: KERNEL_FUNCTION }, 0, number);
}

/** Skips `count` instructions when the register is at least the value, both as unsigned 64-bit numbers. */
export function skipIfAtLeast(left: Register, value: number, count: number): Instruction {
  return instruction(0x35, { to: left }, count, value);
}

/** r0 = a helper of the kernel, by number (linux/bpf.h, ___BPF_FUNC_MAPPER) */
export function call(helper: number): Instruction {
  return instruction(0x85, {}, 0, helper);
}

/** Ends the program with r0. */
export function exit(): Instruction {
  return instruction(0x95, {}, 0, 0);
}

/** A whole program. */
export function assemble(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of instructions) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
