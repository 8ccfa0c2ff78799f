/**
 * `nsgd export`: a configuration as an ARM template, Terraform's JSON or an nftables ruleset.
 */
import { type Command, Option } from 'commander';
import { armTemplate } from '../../src/policy/export/arm.ts';
import { reportNotExported } from '../../src/policy/export/azure-network.ts';
import { nftablesRuleset } from '../../src/policy/export/nftables.ts';
import { terraformConfiguration } from '../../src/policy/export/terraform.ts';
import type { LoadedConfiguration } from '../../src/policy/load.ts';
import { nameKey } from '../../src/policy/names.ts';
import { formatProblem, hasErrors, ProblemList } from '../../src/policy/problem.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { printError, writeResult } from '../output.ts';
import { findNic } from './find-nic.ts';
import { loadPolicy } from './load-policy.ts';

type Format = 'arm' | 'terraform' | 'nftables';

interface ExportOptions {
  readonly config: string;
  readonly format: Format;
  readonly nic?: string;
  readonly output: string;
}

/** @throws CommandError (2) with everything that Azure has no place for, when it would change verdicts */
function azureText({ configuration }: LoadedConfiguration, format: 'arm' | 'terraform'): string {
  const list = new ProblemList();
  reportNotExported(configuration, list);
  const problems = list.sorted();
  if (hasErrors(problems)) {
    throw new CommandError(ExitCode.Usage, problems.map(formatProblem).join('\n'));
  }
  for (const problem of problems) printError(formatProblem(problem));
  const value =
    format === 'arm' ? armTemplate(configuration) : terraformConfiguration(configuration);
  return `${JSON.stringify(value, null, 2)}\n`;
}

function nftablesText({ configuration, policy }: LoadedConfiguration, name?: string): string {
  const nic = findNic(policy, name);
  const wire = configuration.wires.find(
    (candidate) => nic.wire !== undefined && nameKey(candidate.name) === nameKey(nic.wire),
  );
  return nftablesRuleset(policy, nic, wire);
}

function exportCommand(options: ExportOptions): number {
  const { format, nic } = options;
  if (nic !== undefined && format !== 'nftables') {
    throw new CommandError(ExitCode.Usage, `--nic is for nftables; ${format} has all of them`);
  }
  const loaded = loadPolicy(options.config);
  const text = format === 'nftables' ? nftablesText(loaded, nic) : azureText(loaded, format);
  writeResult(options.output, text);
  return ExitCode.Ok;
}

export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('a configuration as an ARM template, Terraform JSON or an nftables ruleset')
    .requiredOption('-c, --config <file>', 'configuration')
    .addOption(
      new Option('--format <format>', 'what to make of it')
        .choices(['arm', 'terraform', 'nftables'])
        .makeOptionMandatory(),
    )
    .option('--nic <name>', 'for nftables: network interface; else the only one')
    .option('-o, --output <file>', 'where to write; - for stdout', '-')
    .action((options: ExportOptions) => {
      process.exitCode = exportCommand(options);
    });
}
