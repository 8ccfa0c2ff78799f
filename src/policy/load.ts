/**
 * Loads a configuration with every file it names, and resolves it. The only file of src/policy that touches the disk.
 *
 * All problems of all files are collected; with an error among them nothing is loaded.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import type { Policy } from '../engine/policy.ts';
import type { Configuration, GroupReading } from './configuration.ts';
import { readConfiguration, virtualNetworkAddresses } from './configuration.ts';
import { ConfigurationReader } from './configuration-reader.ts';
import type { DocumentPath } from './document.ts';
import { readDocument } from './document.ts';
import { nameKey } from './names.ts';
import { readInlineGroup, readNsgFile } from './nsg-file.ts';
import type { Position, Problem } from './problem.ts';
import { formatPosition, hasErrors, ProblemList, quote } from './problem.ts';
import { resolvePolicy } from './resolve.ts';
import type { NetworkSecurityGroup } from './security-rule.ts';
import type { ServiceTagFileResult } from './service-tags-file.ts';
import { parseServiceTagFile } from './service-tags-file.ts';
import type { ServiceTagFile } from './service-tags-file.ts';
import { ServiceTags } from './service-tags.ts';

/** A file larger than this is a mistake: the published service tags have 4 MB. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

export interface LoadedConfiguration {
  readonly ok: true;
  readonly configuration: Configuration;
  readonly policy: Policy;
  /** What tag names stand for here; effective.ts prints them. */
  readonly tags: ServiceTags;
  readonly warnings: readonly Problem[];
}

export type LoadResult =
  | LoadedConfiguration
  /** Warnings are among the problems. In the order of files and positions. */
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Where a configuration and the files it names come from. */
export interface FileSource {
  /** The text of a file. Throws an error whose message says why it cannot be had. */
  readText(path: string): string;
  /** Changes whenever the file does; undefined when that cannot be told, and the file is read each time. */
  versionOf(path: string): string | undefined;
}

/** Service tag files by path. Reloading a policy finds the same file there, with the tags already parsed. */
const tagFileCache = new Map<string, { version: string; result: ServiceTagFileResult }>();

/** UTF-8, or UTF-16 where a byte order mark says so: what PowerShell's `>` writes. @throws Error for other bytes */
export function decodeText(bytes: Uint8Array): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new Error(`it is not ${encoding.toUpperCase()} text`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOTDIR: 'a part of its path is no folder',
  ELOOP: 'too many symbolic links',
};

/** Regular files of this machine. */
export const diskFiles: FileSource = {
  readText(path) {
    try {
      const { size } = regularFile(path);
      if (size > FILE_BYTES_MAX) {
        throw new Error(`it has ${size} bytes; at most ${FILE_BYTES_MAX} are read`);
      }
      return decodeText(readFileSync(path));
    } catch (error) {
      throw new Error(reasonOf(error), { cause: error });
    }
  },
  versionOf(path) {
    try {
      const { ino, size, mtimeMs } = regularFile(path);
      return `${ino} ${size} ${mtimeMs}`;
    } catch {
      return undefined;
    }
  },
};

/** Pipes and devices would block or never end. */
function regularFile(path: string): { ino: number; size: number; mtimeMs: number } {
  const stat = statSync(path);
  if (!stat.isFile())
    throw new Error(stat.isDirectory() ? 'it is a folder' : 'it is no regular file');
  return stat;
}

function reasonOf(error: unknown): string {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  const known = typeof code === 'string' ? REASONS[code] : undefined;
  return known ?? (error instanceof Error ? error.message : String(error));
}

/**
 * The configuration of a file, with every file it names relative to its folder.
 * @param tagFile service tags to take in place of `serviceTags.file`; relative to the working folder
 * @param earlierTags what names that are unknown now may have stood for; nothing else is made of it
 */
export function loadConfiguration(
  path: string,
  files: FileSource = diskFiles,
  tagFile?: string,
  earlierTags?: ServiceTagFile,
): LoadResult {
  const problems = new ProblemList();
  const text = readText(path, files, problems, { file: path, line: 1, column: 1 });
  if (text === undefined) return { ok: false, problems: problems.sorted() };
  return loadConfigurationText(text, path, files, tagFile, earlierTags);
}

/** The same from a text. `name` stands in positions and its folder is where other files are. */
export function loadConfigurationText(
  text: string,
  name: string,
  files: FileSource,
  tagFile?: string,
  earlierTags?: ServiceTagFile,
): LoadResult {
  const { document, problems: syntaxProblems } = readDocument(text, name);
  const problems = new ProblemList();
  problems.addAll(syntaxProblems);
  if (document === undefined) return { ok: false, problems: problems.sorted() };
  const reader = new ConfigurationReader(document, problems);
  const configuration = readConfiguration(reader, readGroups(reader, files));
  const tags = new ServiceTags({
    virtualNetwork: virtualNetworkAddresses(configuration.virtualNetwork),
    custom: configuration.serviceTags.custom,
    file: readServiceTags(reader, configuration, files, tagFile),
    earlier: earlierTags,
  });
  const policy = resolvePolicy(configuration, tags, problems);
  const sorted = problems.sorted();
  if (hasErrors(sorted)) return { ok: false, problems: sorted };
  return { ok: true, configuration, policy, tags, warnings: sorted };
}

/** The text of a file that is named at `at`, or undefined and a problem there. */
function readText(
  path: string,
  files: FileSource,
  problems: ProblemList,
  at: Position,
): string | undefined {
  try {
    return files.readText(path);
  } catch (error) {
    problems.error(at, 'FileNotReadable', `cannot read ${quote(path)}: ${reasonOf(error)}`);
    return undefined;
  }
}

/** `path` as the configuration means it: relative to its own folder. */
function resolvePath(reader: ConfigurationReader, path: string): string {
  return isAbsolute(path) ? path : join(dirname(reader.document.file), path);
}

function readGroups(reader: ConfigurationReader, files: FileSource): GroupReading {
  const { document, problems } = reader;
  const list = document.nodeAt(['networkSecurityGroups']);
  if (list === undefined) return { groups: [], isComplete: true };
  if (list.kind !== 'list') {
    reader.error(['networkSecurityGroups'], 'InvalidValue', 'networkSecurityGroups must be a list');
    return { groups: [], isComplete: false };
  }
  let isComplete = true;
  const groups = list.items.flatMap((item, index): readonly NetworkSecurityGroup[] => {
    const path = ['networkSecurityGroups', index];
    if (item.kind === 'map' && item.entries.some(({ key }) => key === 'file')) {
      const errorsBefore = problems.errorCount;
      const fromFile = readGroupFile(reader, path, files);
      if (problems.errorCount > errorsBefore) isComplete = false;
      return fromFile;
    }
    const group = readInlineGroup(item, problems);
    if (group === undefined) isComplete = false;
    return group === undefined ? [] : [group];
  });
  checkUniqueGroups(groups, problems);
  return { groups, isComplete };
}

/** The groups of the file that the element at `path` names. */
function readGroupFile(
  reader: ConfigurationReader,
  path: DocumentPath,
  files: FileSource,
): readonly NetworkSecurityGroup[] {
  const { document, problems } = reader;
  const node = document.nodeAt(path);
  for (const { key, keyAt } of node?.kind === 'map' ? node.entries : []) {
    if (key === 'file') continue;
    const message = `${quote(key)} cannot stand beside "file": the groups are as the file has them`;
    problems.error(keyAt, 'UnknownProperty', message);
  }
  const file = document.nodeAt([...path, 'file']);
  if (file?.kind !== 'scalar' || typeof file.value !== 'string' || file.value === '') {
    reader.error([...path, 'file'], 'InvalidValue', 'file must be the path of a file');
    return [];
  }
  const filePath = resolvePath(reader, file.value);
  const text = readText(filePath, files, problems, file.at);
  if (text === undefined) return [];
  const reading = readNsgFile(text, filePath);
  problems.addAll(reading.problems);
  return reading.groups;
}

function checkUniqueGroups(groups: readonly NetworkSecurityGroup[], problems: ProblemList): void {
  const seen = new Map<string, NetworkSecurityGroup>();
  for (const group of groups) {
    const first = seen.get(nameKey(group.name));
    if (first === undefined) {
      seen.set(nameKey(group.name), group);
      continue;
    }
    const message =
      `network security group ${quote(group.name)} exists already (${formatPosition(first.position)}); ` +
      'names are compared without case';
    problems.error(group.position, 'DuplicateName', message);
  }
}

/** The service tag file of a configuration, from the cache when it has not changed. */
function readServiceTags(
  reader: ConfigurationReader,
  configuration: Configuration,
  files: FileSource,
  tagFile: string | undefined,
): ServiceTagFile | 'unreadable' | undefined {
  const { file, custom } = configuration.serviceTags;
  const path = tagFile ?? (file === undefined ? undefined : resolvePath(reader, file));
  if (path === undefined) return undefined;
  const at = tagFile === undefined ? reader.at(['serviceTags', 'file']) : reader.at([]);
  const result = readTagFile(path, files, reader.problems, at);
  if (result === undefined) return 'unreadable';
  if (!result.ok) {
    reader.problems.addAll(result.problems);
    return 'unreadable';
  }
  for (const { name } of custom) {
    if (!result.tags.has(name)) continue;
    const message = `${quote(name)} replaces the service tag of that name in ${quote(result.tags.file)}`;
    const keyAt = reader.document.keyPositionOf(['serviceTags', 'custom', name]);
    reader.problems.warning(keyAt, 'ServiceTagReplaced', message);
  }
  return result.tags;
}

function readTagFile(
  path: string,
  files: FileSource,
  problems: ProblemList,
  at: Position,
): ServiceTagFileResult | undefined {
  // Before the text is read: a file that changes meanwhile is then read again next time.
  const version = files.versionOf(path);
  const cached = tagFileCache.get(path);
  if (cached !== undefined && cached.version === version) return cached.result;
  const text = readText(path, files, problems, at);
  if (text === undefined) return undefined;
  const result = parseServiceTagFile(text, path);
  if (version !== undefined) tagFileCache.set(path, { version, result });
  return result;
}
