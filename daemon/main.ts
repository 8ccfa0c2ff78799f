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
  const program = await createProgram(process.argv[2]);
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed what is wrong, or the help that was asked for.
    process.exitCode = error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
  } else if (error instanceof CommandError) {
    for (const line of error.message.split('\n')) {
      printError(/^[^ ]+:\d+:/.test(line) ? line : `nsgd: ${line}`);
    }
    process.exitCode = error.exitCode;
  } else {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    for (const line of `nsgd: internal error: ${text}`.split('\n')) printError(line);
    process.exitCode = ExitCode.Failed;
  }
}
