/**
 * A unix datagram socket that receives, which Node has none of: systemd's end of sd_notify(3).
 */
import { closeSync } from 'node:fs';
import { loadKoffi } from '../../daemon/native/libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT = 0x40;
const MAX_BYTES = 4096;

export class DatagramSocket {
  readonly #descriptor: number;
  readonly #receive: (...args: readonly unknown[]) => unknown;

  /** @param path one that starts with `@` is in the abstract namespace */
  constructor(path: string) {
    const library = loadKoffi().load(null);
    const socket = library.func('socket', 'int', ['int', 'int', 'int']);
    const bind = library.func('bind', 'int', ['int', 'void *', 'uint32_t']);
    this.#receive = library.func('recv', 'int64_t', ['int', 'void *', 'size_t', 'int']);
    this.#descriptor = Number(socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0));
    const name = Buffer.from(path.replace(/^@/, '\0'));
    const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), name]);
    if (bind(this.#descriptor, address, address.length) !== 0) throw new Error(`bind ${path}`);
  }

  /** Every datagram that has arrived since the last call. */
  received(): string[] {
    const all: string[] = [];
    const buffer = Buffer.alloc(MAX_BYTES);
    for (;;) {
      const length = Number(this.#receive(this.#descriptor, buffer, buffer.length, MSG_DONTWAIT));
      if (length < 0) return all;
      all.push(buffer.toString('utf8', 0, length));
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
