/**
 * nsgd: one executable. This file knows how errors end the process, and nothing else.
 */
// oxlint-disable-next-line import/no-unassigned-import -- imported for what it does
import './no-inspector.ts';
import { CommanderError } from 'commander';
import { CommandError, ExitCode } from './exit-code.ts';
import { printError } from './output.ts';
import { createProgram } from './program.ts';

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed what is wrong, or the help that was asked for.
    process.exitCode = error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
  } else if (error instanceof CommandError) {
    printError(
      error.message
        .split('\n')
        .map((line) => (/^[^ ]+:\d+:/.test(line) ? line : `nsgd: ${line}`))
        .join('\n'),
    );
    process.exitCode = error.exitCode;
  } else {
    printError(
      `nsgd: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    process.exitCode = ExitCode.Failed;
  }
}
