/**
 * Supervisor: keeps one data plane alive on one wire.
 *
 *   stopped -> waiting -> starting -> running -> (it ended) -> backing-off -> waiting ...
 *
 * A data plane that ends is started again, at once the first time and then at growing intervals of at most a second. It
 * ends when it is killed, when it fails, and, with the cap backend, whenever one of its links goes down; so before each
 * start the interfaces are looked at, and while one is missing or down the supervisor waits for it.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { fileURLToPath } from 'node:url';

import { NO_GENERATION, Phase } from './data-plane/control-page.ts';
import {
  type DataPlaneMessage,
  FLOW_TABLE_UNFIT,
  isDataPlaneMessage,
  type StartMessage,
} from './data-plane/messages.ts';
import type { WireSegments } from './supervisor-segments.ts';
import { OffloadError } from './native/offloads.ts';
import { SystemCallError } from './native/libc.ts';
import {
  type OffloadPolicy,
  readWireDevices,
  type WireDevices,
  WireOffloads,
  wireProblem,
} from './supervisor-wire.ts';

const WATCH_MILLISECONDS = 100;
const FIRST_BACKOFF_MILLISECONDS = 50;
const LONGEST_BACKOFF_MILLISECONDS = 1_000;
/** A data plane that ran this long did not fail at its start: the next one starts at once. */
const STEADY_MILLISECONDS = 2_000;
/** Far above what garbage collection or a busy machine takes. */
const DEFAULT_HUNG_MILLISECONDS = 10_000;
const STOP_TIMEOUT_MILLISECONDS = 3_000;
const STDERR_BYTES_KEPT = 4_096;
/**
 * Of a data plane's heap, where a few megabytes live for long: the young generation has its full size at once. V8 would begin
 * with 1 MiB, collect it every second or so, and give memory back whenever it grew, and packets would wait for each.
 */
const HEAP_FLAGS: readonly string[] = ['--min-semi-space-size=16'];
/**
 * The C library would give each of Node's threads a heap of its own, and what a reload frees in one is no use to the next
 * reload in another: some 25 KiB of each would stay for hundreds of them.
 */
const MALLOC_ENVIRONMENT = { MALLOC_ARENA_MAX: '1' } as const;
/** Node's exit code for an option that it does not know. */
const INVALID_ARGUMENT = 9;

export type SupervisorState =
  'stopped' | 'waiting' | 'starting' | 'running' | 'backing-off' | 'stopping';

/** How a data plane ended. */
export interface DataPlaneExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** A link was down or gone when it ended: expected, not a crash. */
  readonly isLinkDown: boolean;
  /** What it said last: its own report of failure, else the end of its standard error. */
  readonly detail: string;
}

export interface SupervisorEvents {
  /** @param detail why, in words; empty when the state says it all */
  state: [state: SupervisorState, detail: string];
  exit: [exit: DataPlaneExit];
  message: [message: DataPlaneMessage];
}

export interface SupervisorOptions {
  readonly start: Omit<StartMessage, 'type'>;
  readonly offloads: OffloadPolicy;
  /** Compiled entry file of the data plane; a default for the installed tree. */
  readonly entry?: string;
  /** What V8 is told of its heap; left out from the second start on where Node does not know one of them. */
  readonly heapFlags?: readonly string[];
  /**
   * How long TCP may be picked up mid-stream after an interface that was missing has come: in host mode the machine has
   * connections of which no flow is known. Unset where what comes has none.
   */
  readonly pickUpOnArrivalSeconds?: number;
  /** A packet loop that does no batch and no timer for this long hangs, and is killed. */
  readonly hungMilliseconds?: number;
}

export class Supervisor extends EventEmitter<SupervisorEvents> {
  readonly #options: SupervisorOptions;
  readonly #segments: WireSegments;
  readonly #offloads: WireOffloads;
  readonly #entry: string;
  #heapFlags: readonly string[];
  readonly #hungMilliseconds: number;
  #state: SupervisorState = 'stopped';
  #detail = '';
  #child: ChildProcess | undefined;
  /** What the data plane said of its own failure. */
  #failure = '';
  #isFlowTableUnfit = false;
  #stderr = '';
  #startedAt = 0;
  #backoff = 0;
  /** No start before this. */
  #retryAt = 0;
  #isFirstStart = true;
  /** An interface was missing since the last start, or the wire was passed by. */
  #wasMissing = false;
  #timer: NodeJS.Timeout | undefined;
  /** As they were when the kernel was asked last. */
  #devices: WireDevices = [undefined, undefined];
  #lastHeartbeat = 0;
  #lastHeartbeatAt = 0;
  #stopping: Promise<void> | undefined;

  constructor(options: SupervisorOptions, segments: WireSegments) {
    super();
    this.#options = options;
    this.#segments = segments;
    const { start, offloads } = options;
    this.#offloads = new WireOffloads(start, offloads, segments.paths.savedOffloads);
    this.#hungMilliseconds = options.hungMilliseconds ?? DEFAULT_HUNG_MILLISECONDS;
    this.#entry = options.entry ?? fileURLToPath(new URL('./data-plane/main.js', import.meta.url));
    this.#heapFlags = options.heapFlags ?? HEAP_FLAGS;
  }

  get state(): SupervisorState {
    return this.#state;
  }

  /** Why it waits or backs off; empty otherwise. */
  get detail(): string {
    return this.#detail;
  }

  /** True while frames can pass: the data plane runs and both links have carrier. */
  get isReady(): boolean {
    const { page } = this.#segments;
    return this.#state === 'running' && page.isLinkRunning(0) && page.isLinkRunning(1);
  }

  /** False when the packet loop has not turned for as long as makes it be killed; where there is none, nothing hangs. */
  get isAlive(): boolean {
    if (this.#child === undefined) return true;
    return performance.now() - this.#lastHeartbeatAt <= this.#hungMilliseconds;
  }

  get restarts(): number {
    return this.#segments.page.restarts;
  }

  /** Process of the running data plane; undefined while there is none. */
  get processId(): number | undefined {
    return this.#child?.pid;
  }

  /** Begins. The first policy should have been published, else the data plane waits for it by failing. */
  /** @param wasPassed frames passed the wire without a data plane until now, so there are flows of which none is known */
  start(wasPassed = false): void {
    if (this.#state !== 'stopped') return;
    this.#wasMissing = wasPassed;
    this.#segments.page.isStopRequested = false;
    this.#stopping = undefined;
    this.#isFirstStart = true;
    this.#timer = setInterval(() => this.#watch(), WATCH_MILLISECONDS);
    this.#tryStart();
  }

  /** Ends the data plane, by force after a while, and restores the offloads. Resolves when all is done. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    if (this.#state === 'stopped') return;
    clearInterval(this.#timer);
    this.#enter('stopping', '');
    const child = this.#child;
    if (child !== undefined) {
      // The word reaches a data plane that is too busy for signals; the signal one that sits idle.
      this.#segments.page.isStopRequested = true;
      const ended = new Promise<void>((resolve) => {
        child.once('close', () => resolve());
      });
      child.kill('SIGTERM');
      const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MILLISECONDS);
      await ended;
      clearTimeout(force);
    }
    this.#enter('stopped', this.#restoreOffloads());
  }

  /** @returns what could not be restored: no reason not to stop; empty when all could */
  #restoreOffloads(): string {
    try {
      this.#offloads.restore();
      return '';
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return `offloads are not as they were: ${error.message}`;
    }
  }

  /** Every 100 ms: link state onto the control page, hung data planes out, waiting ones in. */
  #watch(): void {
    const devices = this.#readDevices();
    switch (this.#state) {
      case 'running':
      case 'starting':
        this.#killIfHung();
        break;
      case 'waiting':
      case 'backing-off':
        if (performance.now() >= this.#retryAt) this.#tryStart(devices);
        break;
      case 'stopped':
      case 'stopping':
        break;
    }
  }

  /** Where the kernel cannot be asked, for want of descriptors or memory, what it said last: no reason to end. */
  #readDevices(): WireDevices {
    let devices = this.#devices;
    try {
      devices = readWireDevices(this.#options.start);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
    this.#devices = devices;
    for (const [side, device] of devices.entries()) {
      this.#segments.page.setLinkRunning(side, device?.isRunning ?? false);
    }
    return devices;
  }

  #killIfHung(): void {
    const { heartbeat } = this.#segments.page;
    if (heartbeat !== this.#lastHeartbeat) {
      this.#lastHeartbeat = heartbeat;
      this.#lastHeartbeatAt = performance.now();
    } else if (!this.isAlive) {
      // Again until it has ended; meanwhile it is not alive.
      this.#failure = `no heartbeat for ${this.#hungMilliseconds / 1000} s`;
      this.#child?.kill('SIGKILL');
    }
  }

  /** Starts a data plane if the interfaces allow it, else waits and says what for. */
  #tryStart(devices: WireDevices = this.#readDevices()): void {
    if (devices.includes(undefined)) this.#wasMissing = true;
    const problem = wireProblem(this.#options.start, devices);
    const refusal = problem ?? this.#applyOffloads();
    if (refusal === undefined) {
      this.#startChild();
      return;
    }
    // A link may come up at any moment; a driver that refuses is not asked ten times a second.
    this.#retryAt = problem === undefined ? performance.now() + LONGEST_BACKOFF_MILLISECONDS : 0;
    this.#enter('waiting', refusal);
  }

  /** @returns why the offloads are not as they have to be; undefined when they are */
  #applyOffloads(): string | undefined {
    try {
      this.#offloads.apply();
      return undefined;
    } catch (error) {
      // A device may go away between any two calls.
      if (error instanceof OffloadError || error instanceof SystemCallError) return error.message;
      throw error;
    }
  }

  #startChild(): void {
    const { page } = this.#segments;
    if (!this.#isFirstStart) page.restarts += 1;
    this.#isFirstStart = false;
    page.phase = Phase.Starting;
    this.#failure = '';
    this.#isFlowTableUnfit = false;
    this.#stderr = '';
    this.#startedAt = performance.now();
    this.#lastHeartbeatAt = this.#startedAt;
    this.#enter('starting', '');
    const child = fork(this.#entry, [], {
      // Neither this process's flags nor what NODE_OPTIONS may hold: a data plane opens no inspector.
      execArgv: [...this.#heapFlags],
      env: { PATH: process.env['PATH'], ...MALLOC_ENVIRONMENT },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES_KEPT);
    });
    child.on('message', (message) => {
      if (isDataPlaneMessage(message)) this.#receive(message);
    });
    child.on('error', (error) => {
      this.#failure = error.message;
    });
    // Not 'exit': its standard error is complete only now.
    child.on('close', (code, signal) => this.#ended(code, signal));
    const start: StartMessage = { type: 'start', ...this.#options.start, ...this.#arrival() };
    // A child that died before it could read is seen by its exit.
    child.send(start, () => undefined);
  }

  /** What is different at the first start after an interface was missing. */
  #arrival(): Partial<StartMessage> {
    const { pickUpOnArrivalSeconds } = this.#options;
    const isArrival = this.#wasMissing && pickUpOnArrivalSeconds !== undefined;
    this.#wasMissing = false;
    if (!isArrival) return {};
    this.#segments.page.looseUntilSeconds = 0;
    return { pickUpSeconds: pickUpOnArrivalSeconds };
  }

  #receive(message: DataPlaneMessage): void {
    if (message.type === 'running' && this.#state === 'starting') this.#enter('running', '');
    if (message.type === 'failed') {
      this.#failure = message.message;
      this.#isFlowTableUnfit = message.code === FLOW_TABLE_UNFIT;
    }
    this.emit('message', message);
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    const { page } = this.#segments;
    this.#child = undefined;
    page.activeGeneration = NO_GENERATION;
    page.phase = Phase.None;
    page.processId = 0;
    if (this.#isFlowTableUnfit) this.#segments.resetFlows();
    if (code === INVALID_ARGUMENT) this.#heapFlags = [];
    const devices = this.#readDevices();
    const problem = wireProblem(this.#options.start, devices);
    const detail = this.#failure || lastWords(this.#stderr);
    this.emit('exit', { code, signal, isLinkDown: problem !== undefined, detail });
    if (this.#state === 'stopping') return;
    const now = performance.now();
    const isSteady = now - this.#startedAt >= STEADY_MILLISECONDS;
    if (problem !== undefined) {
      this.#backoff = 0;
      this.#retryAt = 0;
      this.#enter('waiting', problem);
    } else if (isSteady) {
      this.#backoff = 0;
      this.#tryStart(devices);
    } else {
      this.#backoff = Math.min(
        LONGEST_BACKOFF_MILLISECONDS,
        Math.max(FIRST_BACKOFF_MILLISECONDS, this.#backoff * 2),
      );
      this.#retryAt = now + this.#backoff;
      this.#enter('backing-off', detail);
    }
  }

  /** Same state with the same reason is not news: a data plane that fails forever is reported once per start. */
  #enter(state: SupervisorState, detail: string): void {
    if (state === this.#state && detail === this.#detail) return;
    this.#state = state;
    this.#detail = detail;
    this.emit('state', state, detail);
  }
}

/** libpcap's remark at every start on an interface without an IPv4 address, which is how a wire's should be. */
const USUAL_REMARK = 'This may not actually work';

/** The line of standard error that says most. */
function lastWords(text: string): string {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.includes(USUAL_REMARK));
  return lines.find((line) => line.includes('Assertion')) ?? lines.at(-1) ?? '';
}
