/**
 * What the commands of host mode share: the folder of attachments, root, and errors in words.
 */
import type { Command } from 'commander';
import { CommandError, ExitCode } from '../exit-code.ts';
import { Attachments, DEFAULT_HOST_DIRECTORY } from '../host-mode/attachment.ts';

export interface HostOptions {
  readonly hostDirectory: string;
}

/** Adds `--host-directory`, for those who run several daemons. */
export function withHostDirectory(command: Command): Command {
  const text = 'folder that remembers how interfaces were';
  return command.option('--host-directory <dir>', text, DEFAULT_HOST_DIRECTORY);
}

/** @throws CommandError (4) without root, (1) where the folder cannot be used */
export function openAttachments({ hostDirectory }: HostOptions): Attachments {
  if (process.geteuid?.() !== 0) {
    throw new CommandError(
      ExitCode.PermissionDenied,
      'host mode changes interfaces: run it as root',
    );
  }
  try {
    return new Attachments(hostDirectory);
  } catch (error) {
    throw hostError(error);
  }
}

/** Errors with a code are for the operator; others are bugs. */
export function hostError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return 'code' in error ? new CommandError(ExitCode.Failed, error.message) : error;
}
