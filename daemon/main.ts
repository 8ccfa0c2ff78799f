/**
 * nsgd: one executable. Every command is a file in commands/; this one knows their order, how errors end the process,
 * and nothing else.
 */
// oxlint-disable-next-line import/no-unassigned-import -- imported for what it does
import './no-inspector.ts';
import { Command, CommanderError } from 'commander';
import { addCheckCommand } from './commands/check.ts';
import { addEffectiveCommand } from './commands/effective.ts';
import { addFlowsCommand } from './commands/flows.ts';
import { addReloadCommand } from './commands/reload.ts';
import { addReplayCommand } from './commands/replay.ts';
import { addRulesCommand } from './commands/rules.ts';
import { addRunCommand } from './commands/run.ts';
import { addStatusCommand } from './commands/status.ts';
import { addVerifyCommand } from './commands/verify.ts';
import { CommandError, ExitCode } from './exit-code.ts';
import { printError } from './output.ts';
import { version } from './version.ts';

function createProgram(): Command {
  const program = new Command('nsgd')
    .description('enforces Azure network security groups on any Linux network interface')
    .version(version, '-V, --version')
    .showHelpAfterError('(run with --help for the options)')
    .exitOverride();
  addRunCommand(program);
  addCheckCommand(program);
  addVerifyCommand(program);
  addEffectiveCommand(program);
  addReplayCommand(program);
  addStatusCommand(program);
  addRulesCommand(program);
  addFlowsCommand(program);
  addReloadCommand(program);
  return program;
}

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
