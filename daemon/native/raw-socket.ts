/**
 * Raw IP sockets (raw(7)), through the npm package raw-socket: to send one packet that no other program has, and to see
 * what comes back for it. They hold copies; the kernel's own stack gets the same packets.
 *
 * What the package does not do is done here: its buffer is large enough for any datagram, or it would cut silently; each
 * message is copied, as it uses the buffer again; failures of the system come as words, and get their error names.
 */
import { createRequire } from 'node:module';
import { NativeUnavailableError } from './libc.ts';

const BUFFER_BYTES = 65_535;

interface RawSocketPackage {
  readonly AddressFamily: { readonly IPv4: number; readonly IPv6: number };
  readonly SocketLevel: { readonly IPPROTO_IP: number };
  readonly SocketOption: { readonly IP_HDRINCL: number };
  createSocket(options: {
    readonly addressFamily: number;
    readonly protocol: number;
    readonly bufferSize: number;
  }): PackageSocket;
}

interface PackageSocket {
  on(event: 'message', listener: (message: Buffer, source: string) => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
  setOption(level: number, option: number, value: number): void;
  send(
    buffer: Buffer,
    offset: number,
    length: number,
    address: string,
    done: (error: Error | null) => void,
  ): void;
  close(): void;
}

/** The texts of strerror(3) that a sender should tell apart. */
const ERROR_NAMES: readonly (readonly [text: string, code: string])[] = [
  ['Operation not permitted', 'EPERM'],
  ['Permission denied', 'EACCES'],
  ['Network is unreachable', 'ENETUNREACH'],
  ['No route to host', 'EHOSTUNREACH'],
];

/** A call on a raw socket that failed. */
export class RawSocketError extends Error {
  /** As on Node's own errors; `EIO` for what has no name here. */
  readonly code: string;

  constructor(cause: unknown) {
    const text = cause instanceof Error ? cause.message : String(cause);
    super(text, { cause });
    this.code = ERROR_NAMES.find(([message]) => text.includes(message))?.[1] ?? 'EIO';
  }
}

export class RawSocket {
  readonly #socket: PackageSocket;

  /**
   * @param family 4: packets are sent with the IP header that they are given, and received with theirs; 6: the kernel makes
   *   the header, and received ones have none
   * @param protocol IP protocol number
   * @throws RawSocketError, EPERM without CAP_NET_RAW; NativeUnavailableError without the package
   */
  constructor(family: 4 | 6, protocol: number) {
    const raw = loadRawSocket();
    try {
      this.#socket = raw.createSocket({
        addressFamily: family === 4 ? raw.AddressFamily.IPv4 : raw.AddressFamily.IPv6,
        protocol,
        bufferSize: BUFFER_BYTES,
      });
      if (family === 4) {
        this.#socket.setOption(raw.SocketLevel.IPPROTO_IP, raw.SocketOption.IP_HDRINCL, 1);
      }
    } catch (error) {
      throw new RawSocketError(error);
    }
    // What cannot be received is as if it had not come.
    this.#socket.on('error', () => undefined);
  }

  /** @param listener gets a copy of each packet of the protocol that reaches this host, and the address of its sender */
  onMessage(listener: (message: Uint8Array, source: string) => void): void {
    this.#socket.on('message', (message, source) => listener(Uint8Array.from(message), source));
  }

  /** @throws RawSocketError, ENETUNREACH or EHOSTUNREACH without a route */
  send(packet: Uint8Array, address: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(Buffer.from(packet), 0, packet.length, address, (error) => {
        if (error === null) resolve();
        else reject(new RawSocketError(error));
      });
    });
  }

  close(): void {
    this.#socket.close();
  }
}

function loadRawSocket(): RawSocketPackage {
  try {
    return createRequire(import.meta.url)('raw-socket') as RawSocketPackage;
  } catch (error) {
    throw new NativeUnavailableError(
      'optional dependency raw-socket is not installed; npm install raw-socket builds it, with make and g++',
      { cause: error },
    );
  }
}
