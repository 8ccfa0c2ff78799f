/**
 * Exit codes of every command, and the error that carries one to `main`.
 */
export const ExitCode = Object.freeze({
  Ok: 0,
  /** The operation failed; `verify`: the verdict is Deny. */
  Failed: 1,
  /** Usage, or an invalid configuration. */
  Usage: 2,
  /** The daemon does not run (LSB `status` code 3). */
  NotRunning: 3,
  PermissionDenied: 4,
  Timeout: 5,
} as const);
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends a command with a message on stderr and an exit code. The message is written for the operator. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
