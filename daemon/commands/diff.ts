/**
 * `nsgd diff`: the traffic about which two configurations give different verdicts, or what two service tag files say
 * differently. Nothing is printed where nothing changes.
 */
import { type Command, Option } from 'commander';
import { AddressNames } from '../../src/policy/address-names.ts';
import type { FileSource, LoadedConfiguration } from '../../src/policy/load.ts';
import { nameKey, nearestName } from '../../src/policy/names.ts';
import { diffPolicies, isWidening, type PolicyDiff } from '../../src/policy/policy-diff.ts';
import { formatProblem, quote } from '../../src/policy/problem.ts';
import { TooComplexError } from '../../src/policy/regions/difference.ts';
import { parseServiceTagFile, type ServiceTagFile } from '../../src/policy/service-tags-file.ts';
import { diffServiceTags, type ServiceTagChange } from '../../src/policy/service-tags-diff.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { rememberedFiles } from '../input.ts';
import { type OutputFormat, outputOption, printError, printJson } from '../output.ts';
import { diffJson, printDiff, printTagChanges, tagChangeJson } from '../diff-output.ts';
import { loadPolicy } from './load-policy.ts';

interface DiffOptions {
  readonly nic: string;
  readonly config?: string;
  readonly tagsOld?: string;
  readonly tagsNew?: string;
  readonly failOn?: 'widen' | 'any';
  readonly output: OutputFormat;
}

/** The service tag file, or undefined when the text is something else. @throws CommandError (2) for a broken one */
function serviceTagsOf(path: string, files: FileSource): ServiceTagFile | undefined {
  let text: string;
  try {
    text = files.readText(path);
  } catch (error) {
    throw new CommandError(ExitCode.Usage, `${quote(path)}: ${(error as Error).message}`);
  }
  // Looked at only as far as is needed: a configuration never starts so.
  if (!/^\uFEFF?\s*\{\s*"(?:changeNumber|name|id|cloud|type|values)"/.test(text)) return undefined;
  const result = parseServiceTagFile(text, path);
  if (!result.ok) return undefined;
  return result.tags;
}

function isWantedNic(
  nic: string,
  policies: readonly LoadedConfiguration[],
): (name: string) => boolean {
  if (nic === 'all') return () => true;
  const names = policies.flatMap(({ policy }) => policy.nics.map(({ name }) => name));
  if (!names.some((name) => nameKey(name) === nameKey(nic))) {
    const near = nearestName(nic, names);
    const hint = near === undefined ? `they have ${names.join(', ')}` : `did you mean ${near}?`;
    const message = `--nic ${quote(nic)}: neither configuration has such an interface; ${hint}`;
    throw new CommandError(ExitCode.Usage, message);
  }
  return (name) => nameKey(name) === nameKey(nic);
}

function comparePolicies(
  old: LoadedConfiguration,
  current: LoadedConfiguration,
  nic: string,
): PolicyDiff {
  const isWanted = isWantedNic(nic, [old, current]);
  if (JSON.stringify(old.policy.link) !== JSON.stringify(current.policy.link)) {
    printError('nsgd: the settings link and tcp differ too; they are about no region of traffic');
  }
  try {
    return diffPolicies(old.policy, current.policy, isWanted);
  } catch (error) {
    if (!(error instanceof TooComplexError)) throw error;
    const message = `the policies differ in too many ways to be compared (${error.message}); give --nic NAME`;
    throw new CommandError(ExitCode.Failed, message);
  }
}

function exitCodeOf(
  policies: PolicyDiff | undefined,
  isTagChanged: boolean,
  failOn: DiffOptions['failOn'],
): ExitCode {
  if (failOn === undefined) return ExitCode.Ok;
  const isWider = policies !== undefined && isWidening(policies);
  if (failOn === 'widen') return isWider ? ExitCode.Failed : ExitCode.Ok;
  const { added = [], removed = [], nics = [] } = policies ?? {};
  const isChanged = isTagChanged || [...added, ...removed, ...nics].length > 0;
  return isChanged ? ExitCode.Failed : ExitCode.Ok;
}

interface Comparison {
  readonly loaded: readonly [LoadedConfiguration, LoadedConfiguration] | undefined;
  readonly tags: readonly ServiceTagChange[] | undefined;
}

function compareTags(old: ServiceTagFile, current: ServiceTagFile): readonly ServiceTagChange[] {
  const result = diffServiceTags(old, current);
  if (result.ok) return result.changes;
  throw new CommandError(ExitCode.Usage, result.problems.map(formatProblem).join('\n'));
}

function readBoth(oldFile: string, newFile: string, options: DiffOptions): Comparison {
  const { config, tagsOld, tagsNew } = options;
  const files = rememberedFiles();
  const oldTags = serviceTagsOf(oldFile, files);
  const newTags = serviceTagsOf(newFile, files);
  if ((oldTags === undefined) !== (newTags === undefined)) {
    const message = `${quote(oldTags === undefined ? newFile : oldFile)} is a service tag file and the other is none`;
    throw new CommandError(ExitCode.Usage, message);
  }
  if (oldTags === undefined || newTags === undefined) {
    if (config !== undefined) {
      const message =
        '--config is for two service tag files; OLD and NEW are configurations already';
      throw new CommandError(ExitCode.Usage, message);
    }
    const old = loadPolicy(oldFile, files, tagsOld);
    return { loaded: [old, loadPolicy(newFile, files, tagsNew)], tags: undefined };
  }
  if (tagsOld !== undefined || tagsNew !== undefined) {
    const message =
      '--tags-old and --tags-new are for two configurations; OLD and NEW are service tag files';
    throw new CommandError(ExitCode.Usage, message);
  }
  const tags = compareTags(oldTags, newTags);
  if (config === undefined) return { loaded: undefined, tags };
  return {
    loaded: [loadPolicy(config, files, oldFile), loadPolicy(config, files, newFile)],
    tags,
  };
}

function diff(oldFile: string, newFile: string, options: DiffOptions): ExitCode {
  const { loaded, tags } = readBoth(oldFile, newFile, options);
  const policyDiff = loaded && comparePolicies(...loaded, options.nic);
  if (options.output === 'json') {
    printJson({
      schema: 1,
      ...(tags && { serviceTags: tags.map(tagChangeJson) }),
      ...(policyDiff && diffJson(policyDiff)),
    });
  } else {
    if (tags) printTagChanges(tags);
    if (loaded && policyDiff) printDiff(policyDiff, new AddressNames(loaded));
  }
  return exitCodeOf(policyDiff, (tags ?? []).length > 0, options.failOn);
}

export function addDiffCommand(program: Command): void {
  program
    .command('diff')
    .description(
      'the traffic whose verdict changes from one configuration or service tag file to another',
    )
    .argument('<old>', 'configuration, or service tag file')
    .argument('<new>', 'the same kind of file')
    .option('--nic <name>', 'network interface, or all', 'all')
    .option(
      '-c, --config <file>',
      'between service tag files: configuration whose traffic is compared',
    )
    .option('--tags-old <file>', 'service tags for the old configuration, in place of its own')
    .option('--tags-new <file>', 'service tags for the new configuration, in place of its own')
    .addOption(
      new Option(
        '--fail-on <change>',
        'exit code 1 when something is newly allowed, or when anything changes',
      ).choices(['widen', 'any']),
    )
    .addOption(outputOption(['table', 'json']))
    .action((oldFile: string, newFile: string, options: DiffOptions) => {
      process.exitCode = diff(oldFile, newFile, options);
    });
}
