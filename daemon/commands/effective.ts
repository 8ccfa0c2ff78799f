/**
 * `nsgd effective`: effective security rules of a network interface, as `az network nic list-effective-nsg` has them.
 */
import type { Command } from 'commander';
import {
  type EffectiveRow,
  effectiveRows,
  effectiveRules,
  findNetworkInterface,
} from '../../src/policy/effective.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import {
  type OutputFormat,
  outputOption,
  printCsv,
  printError,
  printJson,
  printTable,
} from '../output.ts';
import { findNic } from './find-nic.ts';
import { loadPolicy } from './load-policy.ts';

interface EffectiveOptions {
  readonly config: string;
  readonly nic?: string;
  readonly output: OutputFormat;
}

const TABLE_HEADER = [
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
];

function tableCells(row: EffectiveRow): string[] {
  return [
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
  ];
}

/** The names of the JSON, beside what tags and groups stand for. */
const CSV_HEADER = [
  'association',
  'networkSecurityGroup',
  'direction',
  'priority',
  'name',
  'access',
  'protocol',
  'sourceAddressPrefix',
  'sourcePortRange',
  'destinationAddressPrefix',
  'destinationPortRange',
  'expandedSourceAddressPrefix',
  'expandedDestinationAddressPrefix',
];

function csvCells(row: EffectiveRow): string[] {
  const expanded = [row.expandedSource, row.expandedDestination];
  return [...tableCells(row), ...expanded.map((prefixes) => prefixes?.join(' ') ?? '')];
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
  }
  if (options.output === 'csv') printCsv(CSV_HEADER, rows.map(csvCells));
  else if (rows.length > 0) printTable(TABLE_HEADER, rows.map(tableCells));
  return ExitCode.Ok;
}

export function addEffectiveCommand(program: Command): void {
  program
    .command('effective')
    .description('effective security rules of a network interface')
    .requiredOption('-c, --config <file>', 'configuration')
    .option('--nic <name>', 'network interface; else the only one')
    .addOption(outputOption(['table', 'json', 'csv'], "; json in Azure's shape"))
    .action((options: EffectiveOptions) => {
      process.exitCode = effective(options);
    });
}
