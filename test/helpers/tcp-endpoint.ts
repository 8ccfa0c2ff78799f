/**
 * TcpEndpoint: one end of a connection as RFC 9293 section 3.10 describes it, without windows, timers or content. It takes
 * segments in order only and repeats the first that is not acknowledged. What the flow table's idea of a connection is
 * compared with.
 */
export interface TcpSegment {
  readonly isSyn: boolean;
  readonly isFin: boolean;
  readonly isRst: boolean;
  readonly isAck: boolean;
  /** uint32 */
  readonly sequence: number;
  readonly acknowledgment: number;
  /** Bytes of data. */
  readonly length: number;
}

export type EndpointState =
  | 'CLOSED'
  | 'LISTEN'
  | 'SYN_SENT'
  | 'SYN_RECEIVED'
  | 'ESTABLISHED'
  | 'FIN_WAIT_1'
  | 'FIN_WAIT_2'
  | 'CLOSE_WAIT'
  | 'CLOSING'
  | 'LAST_ACK'
  | 'TIME_WAIT';

const AFTER_OWN_FIN: Readonly<Partial<Record<EndpointState, EndpointState>>> = {
  ESTABLISHED: 'FIN_WAIT_1',
  CLOSE_WAIT: 'LAST_ACK',
};
const AFTER_FIN_ACKNOWLEDGED: Readonly<Partial<Record<EndpointState, EndpointState>>> = {
  FIN_WAIT_1: 'FIN_WAIT_2',
  CLOSING: 'TIME_WAIT',
  LAST_ACK: 'CLOSED',
};
const AFTER_FIN_RECEIVED: Readonly<Partial<Record<EndpointState, EndpointState>>> = {
  ESTABLISHED: 'CLOSE_WAIT',
  FIN_WAIT_1: 'CLOSING',
  FIN_WAIT_2: 'TIME_WAIT',
};

export class TcpEndpoint {
  state: EndpointState = 'LISTEN';
  hasSentFin = false;
  hasSentReset = false;
  hasReceivedFin = false;
  readonly #send: (segment: TcpSegment) => void;
  /** Next number to send, and the next expected. */
  #next: number;
  #expected = 0;
  /** Sent and not acknowledged, oldest first. */
  #pending: TcpSegment[] = [];

  constructor(initial: number, send: (segment: TcpSegment) => void) {
    this.#next = initial;
    this.#send = send;
  }

  get next(): number {
    return this.#next;
  }

  get canSend(): boolean {
    return this.state === 'ESTABLISHED' || this.state === 'CLOSE_WAIT';
  }

  get isOver(): boolean {
    return this.state === 'CLOSED' || this.state === 'TIME_WAIT';
  }

  connect(): void {
    this.state = 'SYN_SENT';
    this.#queue({ isSyn: true, isAck: false });
  }

  write(length: number): void {
    this.#queue({ length });
  }

  close(): void {
    const next = AFTER_OWN_FIN[this.state];
    if (next === undefined) return;
    this.state = next;
    this.hasSentFin = true;
    this.#queue({ isFin: true });
  }

  abort(): void {
    this.#reset(this.#next, this.#expected);
    this.state = 'CLOSED';
  }

  /** What a timer would do. */
  repeat(): void {
    const [first] = this.#pending;
    if (first !== undefined) this.#send({ ...first, acknowledgment: this.#ackOf(first) });
  }

  receive(segment: TcpSegment): void {
    if (this.state === 'CLOSED') this.#refuse(segment);
    else if (this.state === 'LISTEN') this.#listen(segment);
    else if (this.state === 'SYN_SENT') this.#synSent(segment);
    else this.#synchronised(segment);
  }

  #listen(segment: TcpSegment): void {
    if (segment.isRst) return;
    if (segment.isAck || !segment.isSyn) return this.#refuse(segment);
    this.#expected = add(segment.sequence, 1);
    this.state = 'SYN_RECEIVED';
    this.#queue({ isSyn: true });
  }

  /** RFC 9293 section 3.10.7.3. */
  #synSent(segment: TcpSegment): void {
    const isAcceptable = segment.isAck && segment.acknowledgment === this.#next;
    if (segment.isAck && !isAcceptable) return this.#refuse(segment);
    if (segment.isRst) {
      if (isAcceptable) this.state = 'CLOSED';
      return;
    }
    if (!segment.isSyn) return;
    this.#expected = add(segment.sequence, 1);
    if (isAcceptable) {
      this.#pending = [];
      this.state = 'ESTABLISHED';
      this.#acknowledge();
      return;
    }
    this.state = 'SYN_RECEIVED';
    this.#pending = this.#pending.map((sent) => ({ ...sent, isAck: true }));
    this.repeat();
  }

  /** RFC 9293 section 3.10.7.4, with RFC 5961 for RST and SYN. */
  #synchronised(segment: TcpSegment): void {
    if (segment.isRst) {
      if (segment.sequence === this.#expected) this.state = 'CLOSED';
      return;
    }
    if (segment.isSyn && !(this.state === 'SYN_RECEIVED' && segment.isAck)) {
      if (this.state === 'SYN_RECEIVED') this.repeat();
      else this.#acknowledge();
      return;
    }
    if (!segment.isAck) return;
    if (!this.#takeAcknowledgment(segment)) return;
    if (segment.isSyn) return;
    if (segment.sequence === this.#expected) this.#takeData(segment);
    else if (segment.length > 0 || segment.isFin) this.#acknowledge();
  }

  /** @returns false when the segment goes no further */
  #takeAcknowledgment(segment: TcpSegment): boolean {
    const { acknowledgment } = segment;
    const [first] = this.#pending;
    const isNew =
      first !== undefined &&
      distance(first.sequence, acknowledgment) > 0 &&
      distance(acknowledgment, this.#next) >= 0;
    if (this.state === 'SYN_RECEIVED') {
      if (!isNew) {
        this.#refuse(segment);
        return false;
      }
      this.state = 'ESTABLISHED';
    }
    if (!isNew) return true;
    this.#pending = this.#pending.filter((sent) => distance(endOf(sent), acknowledgment) < 0);
    if (this.hasSentFin && acknowledgment === this.#next) {
      this.state = AFTER_FIN_ACKNOWLEDGED[this.state] ?? this.state;
    }
    return this.state !== 'CLOSED';
  }

  #takeData(segment: TcpSegment): void {
    if (segment.length === 0 && !segment.isFin) return;
    this.#expected = endOf(segment);
    if (segment.isFin) {
      this.hasReceivedFin = true;
      this.state = AFTER_FIN_RECEIVED[this.state] ?? this.state;
    }
    this.#acknowledge();
  }

  #queue(fields: Partial<TcpSegment>): void {
    const segment = segmentOf({ isAck: true, ...fields, sequence: this.#next });
    this.#next = endOf(segment);
    this.#pending.push(segment);
    this.#send({ ...segment, acknowledgment: this.#ackOf(segment) });
  }

  #acknowledge(): void {
    const fields = { isAck: true, sequence: this.#next, acknowledgment: this.#expected };
    this.#send(segmentOf(fields));
  }

  #refuse(segment: TcpSegment): void {
    if (segment.isRst) return;
    if (segment.isAck) this.#reset(segment.acknowledgment);
    else this.#reset(0, endOf(segment));
  }

  #reset(sequence: number, acknowledgment?: number): void {
    this.hasSentReset = true;
    const isAck = acknowledgment !== undefined;
    this.#send(segmentOf({ isRst: true, isAck, sequence, acknowledgment: acknowledgment ?? 0 }));
  }

  #ackOf(segment: TcpSegment): number {
    return segment.isAck ? this.#expected : 0;
  }
}

function segmentOf(fields: Partial<TcpSegment>): TcpSegment {
  return {
    isSyn: false,
    isFin: false,
    isRst: false,
    isAck: false,
    sequence: 0,
    acknowledgment: 0,
    length: 0,
    ...fields,
  };
}

function endOf(segment: TcpSegment): number {
  const flags = (segment.isSyn ? 1 : 0) + (segment.isFin ? 1 : 0);
  return add(segment.sequence, segment.length + flags);
}

function add(sequence: number, count: number): number {
  return (sequence + count) >>> 0;
}

/** From one number to another, negative when it lies behind. */
function distance(from: number, to: number): number {
  return (to - from) | 0;
}
