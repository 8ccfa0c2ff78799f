/**
 * `nsgd check`: every problem of every file, with its position. Takes configurations and exported NSGs.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { checkFile } from '../../src/policy/check-file.ts';
import { DEFAULT_LINT } from '../../src/policy/lint.ts';
import { formatProblem, hasErrors, type Problem } from '../../src/policy/problem.ts';
import { ExitCode } from '../exit-code.ts';
import { inputFiles } from '../input.ts';
import { type OutputFormat, outputOption, print, printError, printJson } from '../output.ts';
import { sarifOf } from '../sarif.ts';
import { version } from '../version.ts';
import { readTagFile } from './load-policy.ts';

interface CheckOptions {
  readonly managementPorts: readonly number[];
  readonly tagsOld?: string;
  readonly output: OutputFormat;
}

/** `22,3389`; an empty list is no port at all. */
function parsePorts(text: string): number[] {
  const ports = text.split(',').filter((part) => part.trim() !== '');
  return ports.map((part) => {
    const port = Number(part);
    if (!/^\s*\d{1,5}\s*$/.test(part) || port < 1 || port > 65_535) {
      throw new InvalidArgumentError('give ports from 1 to 65535 with commas between them.');
    }
    return port;
  });
}

function check(files: readonly string[], options: CheckOptions): number {
  const { managementPorts, tagsOld } = options;
  const earlierTags = tagsOld === undefined ? undefined : readTagFile(tagsOld);
  const lint = { managementPorts, earlierTags };
  const problems: Problem[] = files.flatMap((file) => checkFile(file, inputFiles, lint));
  if (options.output === 'json') printJson({ schema: 1, problems });
  else if (options.output === 'sarif') printJson(sarifOf(problems, version, process.cwd()));
  else for (const problem of problems) print(formatProblem(problem));
  const isBad = hasErrors(problems);
  if (!isBad && options.output === 'table')
    printError(`nsgd: ${files.length === 1 ? 'the file is' : 'the files are'} valid`);
  return isBad ? ExitCode.Usage : ExitCode.Ok;
}

export function addCheckCommand(program: Command): void {
  program
    .command('check')
    .description(
      'all problems of configurations and NSG files, with position; warns of rules without effect',
    )
    .argument(
      '<file...>',
      'configurations (YAML or JSON) or NSGs as Azure exports them; - for stdin',
    )
    .addOption(
      new Option('--management-ports <ports>', 'TCP ports that the Internet should not reach')
        .argParser(parsePorts)
        .default(DEFAULT_LINT.managementPorts, DEFAULT_LINT.managementPorts.join(',')),
    )
    .option(
      '--tags-old <file>',
      'earlier service tag file: tell which tags of the rules changed since, and a packet that shows it',
    )
    .addOption(outputOption(['table', 'json', 'sarif'], '; sarif for code scanning'))
    .action((files: string[], options: CheckOptions) => {
      process.exitCode = check(files, options);
    });
}
