/** The part of npm pcap-parser that the tests use; the package has no types of its own. */
declare module 'pcap-parser' {
  import type { EventEmitter } from 'node:events';

  export type ParsedPacket = {
    readonly header: {
      readonly timestampSeconds: number;
      readonly timestampMicroseconds: number;
      readonly capturedLength: number;
      readonly originalLength: number;
    };
    readonly data: Buffer;
  };

  /** Emits `packet` (ParsedPacket), then `end`; or `error`. */
  export function parse(path: string): EventEmitter;
}
