/**
 * The few libc calls that Node does not have, bound with koffi: shared mappings, socket options, device ioctls.
 *
 * Loaded on first use, because koffi is an optional dependency: commands that touch no interface work without it.
 * A call costs about half a microsecond, so none is made per packet. Results are the C results; `errno` is turned into
 * a `SystemCallError` here, so that no caller reads it.
 */
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';

export type Koffi = typeof import('koffi');

/** A native package that is not installed, or was built for another machine. */
export class NativeUnavailableError extends Error {
  readonly code = 'NATIVE_UNAVAILABLE';
}

/** A system call that failed. `errno` is the number, `code` its name, as on Node's own errors. */
export class SystemCallError extends Error {
  readonly syscall: string;
  readonly errno: number;
  readonly code: string;
  readonly subject: string;

  constructor(syscall: string, errno: number, code: string, subject: string) {
    super(`${syscall} ${subject}: ${code}`);
    this.syscall = syscall;
    this.errno = errno;
    this.code = code;
    this.subject = subject;
  }
}

// asm-generic numbers: the same on x86-64 and arm64.
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
const LOCK_EXCLUSIVE_NONBLOCKING = 2 | 4;
const AF_UNIX = 1;
/** `sun_path` of `struct sockaddr_un` (unix(7)), after a family of two bytes. */
const SUN_PATH_BYTES = 108;
const SUN_PATH_AT = 2;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
/** `_LINUX_CAPABILITY_VERSION_3` (capget(2)): sets of 64 bits, as two structures of three words. */
const CAPABILITY_VERSION_3 = 0x2008_0522;
const SIGKILL = 9;
const RLIMIT_CORE = 4;
/** cpu_set_t of glibc: 1,024 processors. */
const CPU_SET_BYTES = 128;

/** Length of `struct ifreq` (netdevice(7)): a name of 16 bytes, then a union of 24. */
const IFREQ_BYTES = 40;
export const IFREQ_UNION_AT = 16;
const IFNAME_LIMIT = 16;

type Call = (...args: readonly unknown[]) => unknown;

export class Libc {
  readonly #koffi: Koffi;
  readonly #mmap: Call;
  readonly #fallocate: Call;
  readonly #flock: Call;
  readonly #getsockopt: Call;
  readonly #setsockopt: Call;
  readonly #ioctl: Call;
  readonly #socket: Call;
  readonly #prctl: Call;
  readonly #setrlimit: Call;
  readonly #schedSetaffinity: Call;
  readonly #sendto: Call;
  readonly #capset: Call;

  constructor(koffi: Koffi) {
    const library = koffi.load(null);
    this.#koffi = koffi;
    this.#mmap = library.func('mmap', 'void *', [
      'void *',
      'size_t',
      'int',
      'int',
      'int',
      'int64_t',
    ]);
    this.#fallocate = library.func('posix_fallocate', 'int', ['int', 'int64_t', 'int64_t']);
    this.#flock = library.func('flock', 'int', ['int', 'int']);
    this.#getsockopt = library.func('getsockopt', 'int', ['int', 'int', 'int', 'void *', 'void *']);
    this.#setsockopt = library.func('setsockopt', 'int', [
      'int',
      'int',
      'int',
      'void *',
      'uint32_t',
    ]);
    this.#ioctl = library.func('ioctl', 'int', ['int', 'ulong', 'void *']);
    this.#socket = library.func('socket', 'int', ['int', 'int', 'int']);
    this.#prctl = library.func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong']);
    this.#setrlimit = library.func('setrlimit', 'int', ['int', 'void *']);
    const affinity = ['int', 'size_t', 'void *'];
    this.#schedSetaffinity = library.func('sched_setaffinity', 'int', affinity);
    const datagram = ['int', 'void *', 'size_t', 'int', 'void *', 'uint32_t'];
    this.#sendto = library.func('sendto', 'int64_t', datagram);
    this.#capset = library.func('capset', 'int', ['void *', 'void *']);
  }

  /** Maps a whole file shared and writable. The mapping stays until the process ends or `releasePages`. */
  mapShared(descriptor: number, bytes: number): { address: bigint; buffer: ArrayBuffer } {
    const address = this.#mmap(null, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (typeof address !== 'bigint' || address === MAP_FAILED) {
      throw this.#error('mmap', `${bytes} bytes`);
    }
    return { address, buffer: this.#koffi.view(address, bytes) };
  }

  /**
   * Gives the pages of a mapping back by mapping empty memory over it. The addresses stay valid: a forgotten view
   * reads zeros, where after munmap it would crash the process.
   */
  releasePages(address: bigint, bytes: number): void {
    const flags = MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE;
    const result = this.#mmap(address, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (result !== address) throw this.#error('mmap', `over ${bytes} bytes`);
  }

  /** Gives a file its size and its blocks, so that a full file system is an error here and not a SIGBUS at a store. */
  allocate(descriptor: number, bytes: number, path: string): void {
    // posix_fallocate returns the error instead of setting errno.
    const errno = Number(this.#fallocate(descriptor, 0, bytes));
    if (errno !== 0) {
      throw new SystemCallError(
        'posix_fallocate',
        errno,
        this.#nameOf(errno),
        `${path} (${bytes} bytes)`,
      );
    }
  }

  /** Takes the exclusive lock of an open file; false when another process has it. It goes with the descriptor. */
  tryLock(descriptor: number): boolean {
    if (this.#flock(descriptor, LOCK_EXCLUSIVE_NONBLOCKING) === 0) return true;
    const error = this.#error('flock', `descriptor ${descriptor}`);
    if (error.code === 'EAGAIN' || error.code === 'EWOULDBLOCK') return false;
    throw error;
  }

  /** Reads a socket option into `value`; returns its length in bytes. */
  getSocketOption(descriptor: number, level: number, option: number, value: Uint8Array): number {
    const length = new Uint32Array([value.byteLength]);
    if (this.#getsockopt(descriptor, level, option, value, length) !== 0) {
      throw this.#error('getsockopt', `level ${level} option ${option}`);
    }
    return length[0] ?? 0;
  }

  /** Sets a socket option whose value is a C int. */
  setSocketOption(descriptor: number, level: number, option: number, value: number): void {
    const bytes = new Int32Array([value]);
    if (this.#setsockopt(descriptor, level, option, bytes, bytes.byteLength) !== 0) {
      throw this.#error('setsockopt', `level ${level} option ${option}`);
    }
  }

  /**
   * One device ioctl on an `ifreq` that this fills with the name.
   * @param request SIOC number
   * @param data what `ifr_data` points at, for the ioctls that use it; written in place
   * @param flags `ifr_flags`, for the one that sets them
   * @returns the `ifreq` as the kernel left it
   */
  deviceIoctl(device: string, request: number, data?: Uint8Array, flags = 0): Buffer {
    const ifreq = Buffer.alloc(IFREQ_BYTES);
    if (ifreq.write(device, 'latin1') >= IFNAME_LIMIT) {
      throw new RangeError(`interface name "${device}" is longer than ${IFNAME_LIMIT - 1} bytes`);
    }
    ifreq.writeUInt16LE(flags, IFREQ_UNION_AT);
    if (data !== undefined) {
      ifreq.writeBigUInt64LE(this.#koffi.address(data), IFREQ_UNION_AT);
    }
    const socket = Number(this.#socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0));
    if (socket < 0) throw this.#error('socket', 'for device ioctls');
    try {
      // Above 0 it is an answer: ETHTOOL_SFEATURES tells so that a feature waits for another (ETHTOOL_F_WISH).
      if (Number(this.#ioctl(socket, request, ifreq)) < 0) {
        throw this.#error('ioctl', `0x${request.toString(16)} on ${device}`);
      }
    } finally {
      closeSync(socket);
    }
    return ifreq;
  }

  /** The kernel kills this process with SIGKILL when the thread that forked it ends (prctl(2)). */
  dieWithParent(): void {
    if (this.#prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) !== 0) {
      throw this.#error('prctl', 'PR_SET_PDEATHSIG');
    }
  }

  /** No core file when this process aborts: its memory holds packets. */
  forbidCoreDump(): void {
    const limit = new BigUint64Array([0n, 0n]);
    if (this.#setrlimit(RLIMIT_CORE, limit) !== 0) throw this.#error('setrlimit', 'RLIMIT_CORE');
  }

  /**
   * Keeps the calling thread on one processor; other threads of the process, such as the garbage collector's, stay
   * free.
   */
  pinToProcessor(processor: number): void {
    const mask = new Uint8Array(CPU_SET_BYTES);
    mask[processor >> 3] = 1 << (processor & 7);
    if (this.#schedSetaffinity(0, mask.length, mask) !== 0) {
      throw this.#error('sched_setaffinity', `processor ${processor}`);
    }
  }

  /**
   * Gives up every capability of the calling thread, for good. What is open stays open. Other threads of the process keep
   * theirs (capset(2)): those of V8, which run none of our code.
   */
  dropCapabilities(): void {
    if (this.#prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0) {
      throw this.#error('prctl', 'PR_SET_NO_NEW_PRIVS');
    }
    if (this.#prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) !== 0) {
      throw this.#error('prctl', 'PR_CAP_AMBIENT');
    }
    const header = new Uint32Array([CAPABILITY_VERSION_3, 0]);
    const none = new Uint32Array(6);
    if (this.#capset(header, none) !== 0) throw this.#error('capset', 'to none');
  }

  /**
   * Sends one datagram to a unix socket, without waiting.
   * @param path of the socket; one that starts with `@` is in the abstract namespace (unix(7))
   */
  sendDatagram(path: string, content: string): void {
    const name = Buffer.from(path.replace(/^@/, '\0'));
    if (name.length >= SUN_PATH_BYTES) throw new RangeError(`the socket path ${path} is too long`);
    const address = Buffer.alloc(SUN_PATH_AT + name.length);
    address.writeUInt16LE(AF_UNIX, 0);
    name.copy(address, SUN_PATH_AT);
    const socket = Number(this.#socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0));
    if (socket < 0) throw this.#error('socket', 'for a datagram');
    try {
      const bytes = Buffer.from(content);
      const sent = this.#sendto(
        socket,
        bytes,
        bytes.length,
        MSG_DONTWAIT_NOSIGNAL,
        address,
        address.length,
      );
      if (Number(sent) !== bytes.length) throw this.#error('sendto', path);
    } finally {
      closeSync(socket);
    }
  }

  #error(syscall: string, subject: string): SystemCallError {
    const errno = this.#koffi.errno();
    return new SystemCallError(syscall, errno, this.#nameOf(errno), subject);
  }

  #nameOf(errno: number): string {
    return errorName(this.#koffi, errno);
  }
}

let loaded: Libc | undefined;

/** The bindings, made on first use. @throws NativeUnavailableError where koffi cannot be loaded */
export function loadLibc(): Libc {
  loaded ??= new Libc(loadKoffi());
  return loaded;
}

/** For other files of bindings. @throws NativeUnavailableError where koffi cannot be loaded */
export function loadKoffi(): Koffi {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi;
  } catch (error) {
    throw new NativeUnavailableError(
      'optional dependency koffi is not installed; offline commands work without it; npm install koffi',
      { cause: error },
    );
  }
}

const errorNames = new Map<number, string>();

/** Name of an error number, as `EBUSY`. */
export function errorName(koffi: Koffi, errno: number): string {
  if (errorNames.size === 0) {
    for (const [name, value] of Object.entries(koffi.os.errno)) errorNames.set(value, name);
  }
  return errorNames.get(errno) ?? `errno ${errno}`;
}
