/**
 * What a peer can be asked to do (peer.ts does it, peer-client.ts asks). One JSON line a request, one an answer.
 */

/** How an attempt ended. `unreachable` is an ICMP error, `refused` a TCP RST (or port unreachable for UDP). */
export type Outcome =
  | 'connected'
  | 'answered'
  | 'complete'
  | 'refused'
  | 'timeout'
  | 'unreachable'
  | 'closed'
  | 'corrupt';

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs?: number;
  /** Source port; default any. */
  readonly localPort?: number;
  /** Source address; default the kernel's choice. */
  readonly localAddress?: string;
}

export interface PeerCalls {
  /** A TCP server that echoes. */
  readonly serveTcp: { request: { port: number }; answer: Record<string, never> };
  /** An HTTP server: `GET /` answers the peer's text, `GET /bytes/COUNT?rate=BYTES_PER_SECOND` a pattern. */
  readonly serveHttp: { request: { port: number; text: string }; answer: Record<string, never> };
  /** A UDP server that echoes and counts. */
  readonly serveUdp: { request: { port: number }; answer: Record<string, never> };
  readonly connect: {
    request: Target;
    answer: { outcome: Outcome; connection?: number; localPort?: number };
  };
  /** Sends a line on an open connection to an echo server and waits for it to come back. */
  readonly exchange: {
    request: { connection: number; text: string; timeoutMs?: number };
    answer: { outcome: Outcome };
  };
  /** Begins to send, on an open connection to an echo server, and to check what comes back, until `conclude`. */
  readonly converse: { request: { connection: number }; answer: Record<string, never> };
  /**
   * Ends what `converse` began: stops sending, waits until everything has come back. `complete` when every byte did, in
   * order; the longest pause is that between two pieces that came back.
   */
  readonly conclude: {
    request: { connection: number; timeoutMs?: number };
    answer: { outcome: Outcome; bytes: number; longestPauseMs: number };
  };
  readonly disconnect: { request: { connection: number }; answer: Record<string, never> };
  /** Sends a datagram up to `tries` times until one is echoed. */
  readonly askUdp: {
    request: Target & { text?: string; tries?: number };
    answer: { outcome: Outcome };
  };
  /** How many datagrams the server on `port` has received. */
  readonly udpReceived: { request: { port: number }; answer: { datagrams: number } };
  /** Reads `bytes` from an HTTP server of another peer and checks every one. */
  readonly download: {
    request: Target & { bytes: number; rate?: number };
    answer: { outcome: Outcome; bytes: number; milliseconds: number };
  };
  /** Bytes so far of the download that was asked for last. */
  readonly downloadProgress: {
    request: Record<string, never>;
    answer: { bytes: number };
  };
}

export type PeerMethod = keyof PeerCalls;

export interface PeerRequest {
  readonly id: number;
  readonly method: PeerMethod;
  readonly request: unknown;
}

export interface PeerAnswer {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}
