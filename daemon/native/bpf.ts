/**
 * bpf(2): maps, programs, links and test runs, by the system call itself. The attributes are a union whose layout is
 * fixed (linux/bpf.h, union bpf_attr), so each command fills a buffer here.
 */
import { closeSync } from 'node:fs';

import { errorName, loadKoffi, type Koffi, SystemCallError } from './libc.ts';

/** Number of the system call. */
const BPF_SYSCALL: Readonly<Record<string, number>> = { x64: 321, arm64: 280 };

const Command = Object.freeze({
  MapCreate: 0,
  MapUpdate: 2,
  ProgramLoad: 5,
  ProgramTestRun: 10,
  LinkCreate: 28,
} as const);

export const MapType = Object.freeze({ Array: 2, XdpSocket: 17 } as const);

/** May be mapped into memory (BPF_F_MMAPABLE), for maps of type `Array`. */
export const MAPPABLE = 1 << 10;

const PROGRAM_TYPE_XDP = 6;
const ATTACH_TYPE_XDP = 37;
const XDP_FLAGS_GENERIC = 1 << 1;
const XDP_FLAGS_NATIVE = 1 << 2;
const XDP_DEVICE_BOUND_ONLY = 1 << 6;
const TEST_LIVE_FRAMES = 1 << 1;
const TEST_BATCH = 64;
/** The kernel wants to know; it decides which helpers a program may call. */
const LICENSE = 'Dual MIT/GPL\0';
const NAME = 'nsgd\0';
const LOG_BYTES = 64 * 1024;
/** Lines of the verifier's log that an error shows: the end says what is wrong. */
const LOG_LINES = 6;

/** A program that the verifier refused; the message ends with what it said. */
export class BpfProgramError extends SystemCallError {
  readonly log: string;

  constructor(error: SystemCallError, log: string) {
    super(error.syscall, error.errno, error.code, error.subject);
    this.log = log;
    const last = log.trim().split('\n').slice(-LOG_LINES).join('; ');
    if (last !== '') this.message += `: ${last}`;
  }
}

type Call = (...args: readonly unknown[]) => unknown;

export class Bpf {
  readonly #koffi: Koffi;
  readonly #syscall: Call;
  readonly #number: number;

  /** @throws NativeUnavailableError where koffi cannot be loaded */
  constructor() {
    const number = BPF_SYSCALL[process.arch];
    if (number === undefined) {
      throw new SystemCallError('bpf', 38, 'ENOSYS', `is not known for ${process.arch}`);
    }
    this.#number = number;
    this.#koffi = loadKoffi();
    this.#syscall = this.#koffi
      .load(null)
      .func('syscall', 'long', ['long', 'int', 'void *', 'uint32_t']);
  }

  /**
   * @param flags 0 or `MAPPABLE`
   * @returns a descriptor
   */
  createMap(type: number, valueBytes: number, entries: number, flags = 0): number {
    const attributes = Buffer.alloc(72);
    attributes.writeUInt32LE(type, 0);
    attributes.writeUInt32LE(4, 4); // key_size
    attributes.writeUInt32LE(valueBytes, 8);
    attributes.writeUInt32LE(entries, 12);
    attributes.writeUInt32LE(flags, 16);
    attributes.write(NAME, 28, 'latin1');
    return this.#bpf(Command.MapCreate, attributes, `map of type ${type}`);
  }

  updateMap(map: number, key: number, value: Uint8Array): void {
    const keyBytes = new Uint32Array([key]);
    const attributes = Buffer.alloc(32);
    attributes.writeUInt32LE(map, 0);
    attributes.writeBigUInt64LE(this.#koffi.address(keyBytes), 8);
    attributes.writeBigUInt64LE(this.#koffi.address(value), 16);
    this.#bpf(Command.MapUpdate, attributes, `map entry ${key}`);
  }

  /**
   * @param instructions as `assemble` gives them
   * @param device the only one it may be attached to, in its driver: then it may call functions that ask the driver
   * @returns a descriptor
   * @throws BpfProgramError with the verifier's log
   */
  loadXdpProgram(instructions: Uint8Array, device?: number): number {
    const license = Buffer.from(LICENSE, 'latin1');
    const log = Buffer.alloc(LOG_BYTES);
    const attributes = Buffer.alloc(120);
    attributes.writeUInt32LE(PROGRAM_TYPE_XDP, 0);
    attributes.writeUInt32LE(instructions.length / 8, 4);
    attributes.writeBigUInt64LE(this.#koffi.address(instructions), 8);
    attributes.writeBigUInt64LE(this.#koffi.address(license), 16);
    attributes.writeUInt32LE(1, 24); // log_level
    attributes.writeUInt32LE(log.length, 28);
    attributes.writeBigUInt64LE(this.#koffi.address(log), 32);
    attributes.write(NAME, 48, 'latin1');
    if (device !== undefined) {
      attributes.writeUInt32LE(XDP_DEVICE_BOUND_ONLY, 44); // prog_flags
      attributes.writeUInt32LE(device, 64); // prog_ifindex
    }
    attributes.writeUInt32LE(ATTACH_TYPE_XDP, 68); // expected_attach_type
    try {
      return this.#bpf(Command.ProgramLoad, attributes, 'XDP program');
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      throw new BpfProgramError(error, log.toString('latin1', 0, log.indexOf(0)));
    }
  }

  /**
   * Attaches a program to a device until the descriptor is closed, by whatever ends the process.
   * @returns a descriptor
   */
  linkXdp(program: number, device: number, isGeneric: boolean): number {
    const attributes = Buffer.alloc(64);
    attributes.writeUInt32LE(program, 0);
    attributes.writeUInt32LE(device, 4);
    attributes.writeUInt32LE(ATTACH_TYPE_XDP, 8);
    attributes.writeUInt32LE(isGeneric ? XDP_FLAGS_GENERIC : XDP_FLAGS_NATIVE, 12);
    return this.#bpf(Command.LinkCreate, attributes, 'XDP link');
  }

  /**
   * Runs an XDP program on `count` copies of a frame as if a device had received them, with what it redirects really
   * sent (BPF_F_TEST_XDP_LIVE_FRAMES). Returns when all are done; a signal ends it early.
   * @param frame what the program may change; a change stays for the next run on the same page
   * @returns false when a signal ended it
   */
  runLive(program: number, frame: Uint8Array, count: number): boolean {
    const attributes = Buffer.alloc(80);
    attributes.writeUInt32LE(program, 0);
    attributes.writeUInt32LE(frame.length, 8);
    attributes.writeBigUInt64LE(this.#koffi.address(frame), 16);
    attributes.writeUInt32LE(count, 32);
    attributes.writeUInt32LE(TEST_LIVE_FRAMES, 64);
    attributes.writeUInt32LE(TEST_BATCH, 72);
    try {
      this.#bpf(Command.ProgramTestRun, attributes, 'test run');
      return true;
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'EINTR') return false;
      throw error;
    }
  }

  /** Closes a map, a program or a link. */
  close(descriptor: number): void {
    closeSync(descriptor);
  }

  #bpf(command: number, attributes: Buffer, subject: string): number {
    const result = Number(this.#syscall(this.#number, command, attributes, attributes.length));
    if (result >= 0) return result;
    const errno = this.#koffi.errno();
    throw new SystemCallError('bpf', errno, errorName(this.#koffi, errno), subject);
  }
}
