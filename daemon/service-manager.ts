/**
 * ServiceManager: tells systemd how the daemon is (sd_notify(3)): that it is ready, reloading, stopping, one line about it,
 * and, as long as every packet loop lives, the word that keeps the watchdog quiet. Without systemd it says nothing.
 */
import { escapeControls } from '../src/policy/problem.ts';
import { loadLibc } from './native/libc.ts';

/** How often to report where no watchdog asks for more. */
const REPORT_MILLISECONDS = 10_000;
/** systemd allows so many reports to be late. */
const REPORTS_PER_WATCHDOG = 3;
const MICROSECONDS = 1000;

/** Of the daemon, at one moment. */
export interface ServiceState {
  /** One line for `systemctl status`. */
  readonly summary: string;
  /** False while a packet loop hangs. */
  readonly isAlive: boolean;
}

export class ServiceManager {
  readonly #socket: string | undefined;
  readonly #isWatching: boolean;
  /** Milliseconds between two reports. */
  readonly interval: number;

  /** @param environment of this process: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID */
  constructor(environment: Readonly<Record<string, string | undefined>>) {
    const socket = environment['NOTIFY_SOCKET'] ?? '';
    this.#socket = /^[/@]./.test(socket) ? socket : undefined;
    const watchdog = Number(environment['WATCHDOG_USEC'] ?? 0) / MICROSECONDS;
    const watched = environment['WATCHDOG_PID'];
    this.#isWatching = watchdog > 0 && (watched === undefined || Number(watched) === process.pid);
    this.interval = this.#isWatching
      ? Math.min(REPORT_MILLISECONDS, watchdog / REPORTS_PER_WATCHDOG)
      : REPORT_MILLISECONDS;
  }

  ready(summary: string): void {
    this.#notify('READY=1', status(summary));
  }

  /** `ready` has to follow, also when the reload fails. */
  reloading(): void {
    const now = process.hrtime.bigint() / BigInt(MICROSECONDS);
    this.#notify('RELOADING=1', `MONOTONIC_USEC=${now}`);
  }

  /** To be called every `interval`. A daemon that is not alive gets no more time from the watchdog. */
  report({ summary, isAlive }: ServiceState): void {
    this.#notify(status(summary), ...(this.#isWatching && isAlive ? ['WATCHDOG=1'] : []));
  }

  stopping(): void {
    this.#notify('STOPPING=1', status('stopping'));
  }

  #notify(...assignments: readonly string[]): void {
    if (this.#socket === undefined) return;
    try {
      loadLibc().sendDatagram(this.#socket, assignments.join('\n'));
    } catch {
      // A service manager that does not listen is no reason to stop filtering.
    }
  }
}

function status(summary: string): string {
  return `STATUS=${escapeControls(summary)}`;
}
