/**
 * `nsgd reload`: has the daemon read its configuration again, and tells what it found.
 */
import type { Command } from 'commander';
import { formatProblem } from '../../src/policy/problem.ts';
import type { ReloadResult } from '../control/server.ts';
import { ExitCode } from '../exit-code.ts';
import { type OutputFormat, outputOption, print, printError, printJson } from '../output.ts';
import { formatRuleChange } from '../rule-changes.ts';
import { askDaemon, withSocketOption } from './control-option.ts';

interface ReloadOptions {
  readonly socket: string;
  readonly output: OutputFormat;
}

async function reload(options: ReloadOptions): Promise<number> {
  const answer = await askDaemon(options.socket, 'POST', '/v1/reload');
  const result = answer['reload'] as ReloadResult;
  if (options.output === 'json') {
    printJson(answer);
  } else {
    for (const problem of result.problems) printError(formatProblem(problem));
    if (result.ok) {
      print(`reloaded: generation ${result.generation} is in force`);
      for (const change of result.changes) print(formatRuleChange(change));
    } else printError(`not reloaded: generation ${result.generation} stays in force`);
  }
  return result.ok ? ExitCode.Ok : ExitCode.Usage;
}

export function addReloadCommand(program: Command): void {
  withSocketOption(program.command('reload'))
    .description('make the daemon read its configuration again; a bad one changes nothing')
    .addOption(outputOption(['table', 'json']))
    .action(async (options: ReloadOptions) => {
      process.exitCode = await reload(options);
    });
}
