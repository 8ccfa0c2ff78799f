/**
 * `nsgd tags`: service tags, as rules see them: which there are, what one stands for, which an address is in, and what a new
 * file of Microsoft's changes.
 */
import { Argument, type Command } from 'commander';
import { NO_ADDRESS } from '../../src/engine/address-set.ts';
import { explainPrefixFault, formatAddressSet, parsePrefix } from '../../src/policy/address.ts';
import { formatProblem, quote } from '../../src/policy/problem.ts';
import { diffServiceTags } from '../../src/policy/service-tags-diff.ts';
import { findTags } from '../../src/policy/service-tags-queries.ts';
import { ServiceTags, type TagEntry } from '../../src/policy/service-tags.ts';
import { printTagChanges, tagChangeJson } from '../diff-output.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import {
  type OutputFormat,
  outputOption,
  print,
  printError,
  printJson,
  printTable,
} from '../output.ts';
import { loadPolicy, readTagFile } from './load-policy.ts';

const QUESTIONS = ['list', 'show', 'find', 'diff'] as const;
type Question = (typeof QUESTIONS)[number];

interface TagsOptions {
  readonly config?: string;
  readonly file?: string;
  readonly output: OutputFormat;
}

function usage(message: string): CommandError {
  return new CommandError(ExitCode.Usage, message);
}

/** The tags of a configuration with the file that it names, or those of a file alone: then there are no others. */
function tagsOf(options: TagsOptions): { tags: ServiceTags; entries: readonly TagEntry[] } {
  if ((options.config === undefined) === (options.file === undefined)) {
    throw usage('give --config FILE or --file FILE');
  }
  if (options.config !== undefined) {
    const { tags } = loadPolicy(options.config);
    return { tags, entries: tags.entries() };
  }
  const file = readTagFile(options.file ?? '');
  const tags = new ServiceTags({ virtualNetwork: NO_ADDRESS, custom: [], file });
  return { tags, entries: tags.entries().filter(({ source }) => source === 'file') };
}

function textOf(value: string | number | undefined): string {
  return value === undefined ? '-' : String(value);
}

/** The facts of a tag for JSON: null where there is none. */
function factsOf({ name, source, facts }: TagEntry): Record<string, string | number | null> {
  return {
    name,
    source,
    changeNumber: facts?.changeNumber ?? null,
    region: facts?.region ?? null,
    systemService: facts?.systemService ?? null,
  };
}

function list(options: TagsOptions): number {
  const { entries } = tagsOf(options);
  if (options.output === 'json') {
    const tags = entries.map((entry) => ({
      ...factsOf(entry),
      publishedPrefixes: entry.facts?.prefixes ?? null,
    }));
    printJson({ schema: 1, tags });
    return ExitCode.Ok;
  }
  printTable(
    ['tag', 'source', 'change', 'region', 'service', 'prefixes'],
    entries.map(({ name, source, facts }) => [
      name,
      source,
      textOf(facts?.changeNumber),
      textOf(facts?.region),
      textOf(facts?.systemService),
      textOf(facts?.prefixes),
    ]),
  );
  return ExitCode.Ok;
}

/** @throws CommandError: 1 for a name that there is not, 2 for a tag whose prefixes are wrong */
function show(name: string, options: TagsOptions): number {
  const { tags, entries } = tagsOf(options);
  const found = tags.find(name);
  if (found.kind === 'invalid') throw usage(found.problems.map(formatProblem).join('\n'));
  const entry =
    found.kind === 'unknown' ? undefined : entries.find((tag) => tag.name === found.name);
  if (entry === undefined) {
    const message =
      found.kind === 'unknown' ? found.message : `${quote(name)} depends on a configuration`;
    throw new CommandError(ExitCode.Failed, message);
  }
  // A service at any address: its port is what rules for it match.
  const isLicensing = found.kind === 'licensing';
  const prefixes = found.kind === 'addresses' ? formatAddressSet(found.addresses) : [];
  if (options.output === 'json') {
    printJson({
      schema: 1,
      ...factsOf(entry),
      publishedPrefixes: entry.facts?.prefixes ?? null,
      addressPrefixes: isLicensing ? null : prefixes,
    });
    return ExitCode.Ok;
  }
  const { source, facts } = entry;
  print(`Tag:      ${entry.name}`);
  print(`Source:   ${source === 'file' ? `file, change ${textOf(facts?.changeNumber)}` : source}`);
  if (facts?.region !== undefined) print(`Region:   ${facts.region}`);
  if (facts?.systemService !== undefined) print(`Service:  ${facts.systemService}`);
  if (isLicensing) print('Stands for TCP port 1688 at any address');
  else {
    const merged = facts === undefined ? '' : ` (published: ${facts.prefixes})`;
    print(`Prefixes: ${prefixes.length}${merged}`);
    for (const prefix of prefixes) print(prefix);
  }
  return ExitCode.Ok;
}

/** Exit code 1 when no tag has it. */
function find(text: string, options: TagsOptions): number {
  const prefix = parsePrefix(text);
  if (typeof prefix === 'string') {
    throw usage(`${quote(text)} ${explainPrefixFault(text, prefix)}`);
  }
  const { tags, entries } = tagsOf(options);
  const known = new Set(entries.map(({ name }) => name));
  const matches = findTags(tags, prefix).filter(({ tag }) => known.has(tag.name));
  if (options.output === 'json') {
    const rows = matches.map(({ tag, extent, prefixes }) => ({
      ...factsOf(tag),
      extent,
      addressPrefixes: prefixes,
    }));
    printJson({ schema: 1, tags: rows });
  } else if (matches.length > 0) {
    printTable(
      ['tag', 'source', 'region', 'service', 'has', 'prefixes'],
      matches.map(({ tag: { name, source, facts }, extent, prefixes }) => [
        name,
        source,
        textOf(facts?.region),
        textOf(facts?.systemService),
        extent,
        prefixes.length > 3 ? `${prefixes.slice(0, 3).join(' ')} ...` : prefixes.join(' '),
      ]),
    );
  } else printError(`nsgd: no service tag has ${text}`);
  return matches.length > 0 ? ExitCode.Ok : ExitCode.Failed;
}

/** As `nsgd diff` of two such files, with the files' numbers; exit code 1 when they differ. */
function diff(older: string, newer: string, { output }: TagsOptions): number {
  const files = [readTagFile(older), readTagFile(newer)] as const;
  const result = diffServiceTags(...files);
  if (!result.ok) throw usage(result.problems.map(formatProblem).join('\n'));
  if (output === 'json') {
    const [from, to] = files.map(({ changeNumber }) => changeNumber ?? null);
    printJson({
      schema: 1,
      changeNumber: { from, to },
      serviceTags: result.changes.map(tagChangeJson),
    });
  } else printTagChanges(result.changes);
  return result.changes.length === 0 ? ExitCode.Ok : ExitCode.Failed;
}

function answer(question: Question, names: readonly string[], options: TagsOptions): number {
  const [first, second] = names;
  const isTooMany = names.length > (question === 'list' ? 0 : question === 'diff' ? 2 : 1);
  if (question === 'list' && !isTooMany) return list(options);
  if (question === 'show' && first !== undefined && !isTooMany) return show(first, options);
  if (question === 'find' && first !== undefined && !isTooMany) return find(first, options);
  if (question === 'diff' && first !== undefined && second !== undefined && !isTooMany) {
    return diff(first, second, options);
  }
  throw usage('give tags list, tags show NAME, tags find ADDRESS, or tags diff OLD NEW');
}

export function addTagsCommand(program: Command): void {
  program
    .command('tags')
    .description(
      'service tags: list them, show NAME, find those that an ADDRESS or prefix is in, or diff two files OLD NEW',
    )
    .addArgument(new Argument('<question>', 'what to do').choices(QUESTIONS))
    .argument('[names...]', 'NAME for show, ADDRESS for find, two files for diff')
    .option(
      '-c, --config <file>',
      'configuration: special and custom tags, and its service tag file',
    )
    .option('--file <file>', 'a service tag file alone')
    .addOption(outputOption(['table', 'json']))
    .action((question: Question, names: string[], options: TagsOptions) => {
      process.exitCode = answer(question, names, options);
    });
}
