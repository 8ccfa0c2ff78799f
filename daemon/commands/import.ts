/**
 * `nsgd import`: a deployment as Azure's tools and Terraform write it becomes a configuration.
 */
import { dirname, isAbsolute, relative } from 'node:path';
import { type Command, Option } from 'commander';
import { importFiles } from '../../src/policy/import/import-files.ts';
import { nameKey } from '../../src/policy/names.ts';
import { formatProblem, type Problem } from '../../src/policy/problem.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { inputFiles } from '../input.ts';
import { printError, writeResult } from '../output.ts';

interface ImportCommandOptions {
  readonly output: string;
  readonly format: 'yaml' | 'json';
  readonly parameters: readonly string[];
  readonly virtualNetwork?: string;
  readonly address: readonly string[];
  readonly serviceTags?: string;
}

/** `NAME=ADDRESS[,ADDRESS]` of each option. @throws CommandError (2) */
function addressesOf(options: readonly string[]): Map<string, string[]> {
  const addresses = new Map<string, string[]>();
  for (const option of options) {
    const [, name, list] = /^([^=]+)=(.+)$/.exec(option) ?? [];
    if (name === undefined || list === undefined) {
      throw new CommandError(
        ExitCode.Usage,
        `--address ${option}: expected NAME=ADDRESS[,ADDRESS]`,
      );
    }
    addresses.set(nameKey(name), list.split(','));
  }
  return addresses;
}

/** What to do about values that no file has, once for all of them. */
function hintsOf(problems: readonly Problem[]): string[] {
  const has = (code: string, part: string): boolean =>
    problems.some((problem) => problem.code === code && problem.message.includes(part));
  return [
    ...(has('TemplateValueUnknown', '')
      ? ['give parameters of the template with --parameters FILE or --parameters NAME=VALUE']
      : []),
    ...(has('SecurityRuleInvalidAddressPrefix', 'no service tag file')
      ? ['give the published service tags with --service-tags FILE']
      : []),
  ];
}

function importCommand(paths: readonly string[], options: ImportCommandOptions): number {
  const folder = options.output === '-' ? '.' : dirname(options.output);
  const { serviceTags } = options;
  const { text, problems } = importFiles(
    paths,
    {
      parameters: options.parameters,
      virtualNetwork: options.virtualNetwork,
      addresses: addressesOf(options.address),
      serviceTags:
        serviceTags === undefined || isAbsolute(serviceTags)
          ? serviceTags
          : relative(folder, serviceTags),
      format: options.format,
      folder,
    },
    inputFiles,
  );
  for (const problem of problems) printError(formatProblem(problem));
  if (text === undefined) {
    for (const hint of hintsOf(problems)) printError(`nsgd: ${hint}`);
    return ExitCode.Usage;
  }
  writeResult(options.output, text);
  return ExitCode.Ok;
}

const append = (value: string, values: readonly string[]): readonly string[] => [...values, value];

export function addImportCommand(program: Command): void {
  program
    .command('import')
    .description('make a configuration of ARM templates, REST and az exports, or Terraform JSON')
    .argument(
      '<file...>',
      'templates, answers of az and the REST API, terraform show -json, *.tf.json; - for stdin',
    )
    .option('-o, --output <file>', 'where to write the configuration; - for stdout', '-')
    .addOption(
      new Option('--format <format>', 'of the configuration')
        .choices(['yaml', 'json'])
        .default('yaml'),
    )
    .option(
      '--parameters <file|name=value>',
      'parameters of a template, from a file or one by one; may be repeated',
      append,
      [],
    )
    .option('--virtual-network <name>', 'the network, when the files have several')
    .option(
      '--address <name=address>',
      'addresses of a network interface that Azure assigns; may be repeated',
      append,
      [],
    )
    .option('--service-tags <file>', 'the published service tags, for rules that name some')
    .action((files: string[], options: ImportCommandOptions) => {
      process.exitCode = importCommand(files, options);
    });
}
