/**
 * Reading a configuration or a service tag file for a command: problems go to stderr, an invalid one ends the command with
 * code 2.
 */
import {
  type FileSource,
  type LoadedConfiguration,
  loadConfiguration,
} from '../../src/policy/load.ts';
import { formatProblem } from '../../src/policy/problem.ts';
import { parseServiceTagFile, type ServiceTagFile } from '../../src/policy/service-tags-file.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { inputFiles } from '../input.ts';
import { printError } from '../output.ts';

/**
 * @param file `-` for standard input, unless `files` are those of the disk alone
 * @param tagFile service tags in place of those that the configuration names
 * @throws CommandError (2) with every problem of every file, when there is an error among them
 */
export function loadPolicy(
  file: string,
  files: FileSource = inputFiles,
  tagFile?: string,
): LoadedConfiguration {
  const result = loadConfiguration(file, files, tagFile);
  if (!result.ok) {
    throw new CommandError(ExitCode.Usage, result.problems.map(formatProblem).join('\n'));
  }
  for (const warning of result.warnings) printError(formatProblem(warning));
  return result;
}

/** @throws CommandError (2) with every problem of the file */
export function readTagFile(path: string): ServiceTagFile {
  let text: string;
  try {
    text = inputFiles.readText(path);
  } catch (error) {
    const message = `${path}: cannot read the file: ${(error as Error).message}`;
    throw new CommandError(ExitCode.Usage, message);
  }
  const result = parseServiceTagFile(text, path);
  if (!result.ok) {
    throw new CommandError(ExitCode.Usage, result.problems.map(formatProblem).join('\n'));
  }
  return result.tags;
}
