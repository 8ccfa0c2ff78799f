/**
 * ControlPage: the few words through which the control process and one data plane steer and watch each other. It
 * works while the data plane's event loop does not turn (under flood the cap backend keeps it busy for seconds), which
 * IPC messages do not.
 *
 * One segment of 4096 bytes, Int32 words in host order. Each word has one writer; every access is atomic.
 */
const MAGIC = 0x4e534743; // "NSGC"
const VERSION = 1;
const WORD_COUNT = 1024;

const Word = Object.freeze({
  Magic: 0,
  Version: 1,
  /** Written by the control process. */
  WantedGeneration: 2,
  StopRequested: 3,
  Restarts: 4,
  OutsideRunning: 5,
  InsideRunning: 6,
  /** Written by the data plane. */
  ActiveGeneration: 16,
  RejectedGeneration: 17,
  Heartbeat: 18,
  ClockSeconds: 19,
  ProcessId: 20,
  Phase: 21,
  LooseUntilSeconds: 22,
  LongestCollectionMicroseconds: 23,
} as const);

/** What the data plane is doing. */
export const Phase = Object.freeze({ None: 0, Starting: 1, Running: 2, Stopped: 3 } as const);

/** No policy yet. Generations start at 1. */
export const NO_GENERATION = 0;

export class ControlPageError extends Error {
  readonly code = 'CONTROL_PAGE_UNFIT';
}

export class ControlPage {
  static readonly bytes = WORD_COUNT * 4;
  readonly #words: Int32Array;

  private constructor(buffer: ArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, WORD_COUNT);
  }

  /** Makes a page in zeroed memory. */
  static create(buffer: ArrayBuffer): ControlPage {
    const page = new ControlPage(buffer);
    page.#store(Word.Version, VERSION);
    page.#store(Word.Magic, MAGIC);
    return page;
  }

  /** @throws ControlPageError where the memory is no page of this version */
  static attach(buffer: ArrayBuffer): ControlPage {
    if (buffer.byteLength < ControlPage.bytes) {
      throw new ControlPageError(`a control page has ${ControlPage.bytes} bytes`);
    }
    const page = new ControlPage(buffer);
    if (page.#load(Word.Magic) !== MAGIC || page.#load(Word.Version) !== VERSION) {
      throw new ControlPageError('not a control page of this version');
    }
    return page;
  }

  /** Generation that the data plane shall enforce. */
  get wantedGeneration(): number {
    return this.#load(Word.WantedGeneration);
  }
  set wantedGeneration(generation: number) {
    this.#store(Word.WantedGeneration, generation);
  }

  /** Generation that it enforces; `NO_GENERATION` while no data plane runs. */
  get activeGeneration(): number {
    return this.#load(Word.ActiveGeneration);
  }
  set activeGeneration(generation: number) {
    this.#store(Word.ActiveGeneration, generation);
  }

  /** Generation that it could not load; it keeps the one before. */
  get rejectedGeneration(): number {
    return this.#load(Word.RejectedGeneration);
  }
  set rejectedGeneration(generation: number) {
    this.#store(Word.RejectedGeneration, generation);
  }

  get isStopRequested(): boolean {
    return this.#load(Word.StopRequested) !== 0;
  }
  set isStopRequested(isRequested: boolean) {
    this.#store(Word.StopRequested, isRequested ? 1 : 0);
  }

  /** Times the data plane was started again. */
  get restarts(): number {
    return this.#load(Word.Restarts);
  }
  set restarts(count: number) {
    this.#store(Word.Restarts, count);
  }

  /** Whether the interface on `side` had carrier when the control process last looked. */
  isLinkRunning(side: number): boolean {
    return this.#load(Word.OutsideRunning + side) !== 0;
  }
  setLinkRunning(side: number, isRunning: boolean): void {
    this.#store(Word.OutsideRunning + side, isRunning ? 1 : 0);
  }

  /** Advances with every batch and at least every 100 ms; wraps. Standing still means a hung data plane. */
  get heartbeat(): number {
    return this.#load(Word.Heartbeat);
  }
  beat(): void {
    Atomics.add(this.#words, Word.Heartbeat, 1);
  }

  /** The data plane's clock, seconds of CLOCK_MONOTONIC: what the flow records' times are compared with. */
  get clockSeconds(): number {
    return this.#load(Word.ClockSeconds);
  }
  set clockSeconds(seconds: number) {
    this.#store(Word.ClockSeconds, seconds);
  }

  get processId(): number {
    return this.#load(Word.ProcessId);
  }
  set processId(id: number) {
    this.#store(Word.ProcessId, id);
  }

  /** One of `Phase`. */
  get phase(): number {
    return this.#load(Word.Phase);
  }
  set phase(phase: number) {
    this.#store(Word.Phase, phase);
  }

  /**
   * Until then (same clock) TCP may be picked up mid-stream, because the flows of an earlier run are not known; 0
   * before the first data plane ran on these segments.
   */
  get looseUntilSeconds(): number {
    return this.#load(Word.LooseUntilSeconds);
  }
  set looseUntilSeconds(seconds: number) {
    this.#store(Word.LooseUntilSeconds, seconds);
  }

  /** The longest pause of the garbage collector in the data plane that runs. */
  get longestCollectionMicroseconds(): number {
    return this.#load(Word.LongestCollectionMicroseconds);
  }
  set longestCollectionMicroseconds(microseconds: number) {
    this.#store(Word.LongestCollectionMicroseconds, microseconds);
  }

  #load(word: number): number {
    return Atomics.load(this.#words, word);
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, word, value);
  }
}
