/**
 * Reading a configuration for a command: problems go to stderr, an invalid one ends the command with code 2.
 */
import { type LoadedConfiguration, loadConfiguration } from '../../src/policy/load.ts';
import { formatProblem } from '../../src/policy/problem.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { printError } from '../output.ts';

/** @throws CommandError (2) with every problem of every file, when there is an error among them */
export function loadPolicy(file: string): LoadedConfiguration {
  const result = loadConfiguration(file);
  if (!result.ok) {
    throw new CommandError(ExitCode.Usage, result.problems.map(formatProblem).join('\n'));
  }
  for (const warning of result.warnings) printError(formatProblem(warning));
  return result;
}
