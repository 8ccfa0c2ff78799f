/**
 * Reading a configuration for a command: problems go to stderr, an invalid one ends the command with code 2.
 */
import type { NicPolicy, Policy } from '../../src/engine/policy.ts';
import { type LoadedConfiguration, loadConfiguration } from '../../src/policy/load.ts';
import { nearestName } from '../../src/policy/names.ts';
import { formatProblem, quote } from '../../src/policy/problem.ts';
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

/** The NIC of that name, any letter case; without a name the only one. @throws CommandError (2) */
export function findNic(policy: Policy, name: string | undefined): NicPolicy {
  const names = policy.nics.map((nic) => nic.name);
  if (name === undefined) {
    const [only] = policy.nics;
    if (only !== undefined && policy.nics.length === 1) return only;
    throw new CommandError(ExitCode.Usage, `give --nic NAME; the configuration has ${names.join(', ') || 'none'}`);
  }
  const nic = policy.nics.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  if (nic !== undefined) return nic;
  const near = nearestName(name, names);
  const hint = near === undefined ? `it has ${names.join(', ') || 'none'}` : `did you mean ${near}?`;
  throw new CommandError(ExitCode.Usage, `--nic ${quote(name)}: the configuration has no such interface; ${hint}`);
}
