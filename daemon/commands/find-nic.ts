/**
 * Which network interface a command is about.
 */
import type { NicPolicy, Policy } from '../../src/engine/policy.ts';
import { nearestName } from '../../src/policy/names.ts';
import { quote } from '../../src/policy/problem.ts';
import { CommandError, ExitCode } from '../exit-code.ts';

/** The NIC of that name, any letter case; without a name the only one. @throws CommandError (2) */
export function findNic(policy: Policy, name: string | undefined): NicPolicy {
  const names = policy.nics.map((nic) => nic.name);
  if (name === undefined) {
    const [only] = policy.nics;
    if (only !== undefined && policy.nics.length === 1) return only;
    throw new CommandError(
      ExitCode.Usage,
      `give --nic NAME; the configuration has ${names.join(', ') || 'none'}`,
    );
  }
  const nic = policy.nics.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase());
  if (nic !== undefined) return nic;
  const near = nearestName(name, names);
  const hint =
    near === undefined ? `it has ${names.join(', ') || 'none'}` : `did you mean ${near}?`;
  throw new CommandError(
    ExitCode.Usage,
    `--nic ${quote(name)}: the configuration has no such interface; ${hint}`,
  );
}
