/**
 * `nsgd effective`: effective security rules of a network interface, as `az network nic list-effective-nsg` has them.
 */
import type { Command } from 'commander';
import { effectiveRows, effectiveRules, findNetworkInterface } from '../../src/policy/effective.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { type OutputFormat, outputOption, printError, printJson, printTable } from '../output.ts';
import { findNic } from './find-nic.ts';
import { loadPolicy } from './load-policy.ts';

interface EffectiveOptions {
  readonly config: string;
  readonly nic?: string;
  readonly output: OutputFormat;
}

function effective(options: EffectiveOptions): number {
  const { configuration, policy, tags } = loadPolicy(options.config);
  const { name } = findNic(policy, options.nic);
  const nic = findNetworkInterface(configuration, name);
  if (nic === undefined)
    throw new CommandError(ExitCode.Failed, `${name} is not in the configuration`);
  const rules = effectiveRules(configuration, tags, nic);
  if (options.output === 'json') {
    printJson(rules);
    return ExitCode.Ok;
  }
  const rows = effectiveRows(rules);
  if (rows.length === 0) {
    printError(`nsgd: no network security group applies to ${name}: everything is allowed`);
    return ExitCode.Ok;
  }
  printTable(
    [
      'association',
      'security group',
      'direction',
      'priority',
      'rule',
      'access',
      'protocol',
      'source',
      'source ports',
      'destination',
      'destination ports',
    ],
    rows.map((row) => [
      row.association,
      row.group,
      row.direction,
      String(row.priority),
      row.name,
      row.access,
      row.protocol,
      row.source,
      row.sourcePorts,
      row.destination,
      row.destinationPorts,
    ]),
  );
  return ExitCode.Ok;
}

export function addEffectiveCommand(program: Command): void {
  program
    .command('effective')
    .description('effective security rules of a network interface')
    .requiredOption('-c, --config <file>', 'configuration')
    .option('--nic <name>', 'network interface; else the only one')
    .addOption(outputOption(['table', 'json'], "; json in Azure's shape"))
    .action((options: EffectiveOptions) => {
      process.exitCode = effective(options);
    });
}
