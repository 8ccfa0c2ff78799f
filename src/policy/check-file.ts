/**
 * Every problem of one file, whatever it is: a configuration with all it names, an NSG as exported, or a published
 * service tag file.
 */
import type { Configuration } from './configuration.ts';
import { configurationSchema } from './configuration-schema.ts';
import { readDocument, type TextDocument } from './document.ts';
import { isTerraform } from './import/terraform.ts';
import { type FileSource, loadConfigurationText } from './load.ts';
import { loadCandidate, problemOfCandidate } from './load-candidate.ts';
import { readNsgFile } from './nsg-file.ts';
import { DEFAULT_LINT, type LintOptions, lintPolicy } from './lint.ts';
import { nameKey } from './names.ts';
import { fileError, type Problem, sortProblems } from './problem.ts';
import { parseServiceTagFile } from './service-tags-file.ts';

type FileKind = 'configuration' | 'network security groups' | 'service tags';

/** What an NSG, a list of them, a template or a building block has at its top, in lower case. */
const EXPORT_KEYS: ReadonlySet<string> = new Set([
  'type',
  'properties',
  'securityrules',
  'defaultsecurityrules',
  'value',
  'resources',
  'parameters',
]);

/** Keys of a configuration that tell nothing: templates have a `$schema`, and NSGs from `az` the others. */
const SHARED_KEYS: ReadonlySet<string> = new Set(['$schema', 'networkInterfaces', 'flowLogs']);

/** By the keys at the top. What is none of them is checked as a configuration: its errors name the keys it may have. */
function kindOf(document: TextDocument): FileKind {
  const { root, file } = document;
  if (root.kind === 'list') return 'network security groups';
  if (root.kind !== 'map') return 'configuration';
  if (isTerraform(root, file)) return 'network security groups';
  const keys = new Set(root.entries.map(({ key }) => key));
  if (keys.has('changeNumber') && keys.has('values')) return 'service tags';
  const isConfiguration = Object.keys(configurationSchema.shape).some(
    (key) => !SHARED_KEYS.has(key) && keys.has(key),
  );
  const isExport = root.entries.some(({ key }) => EXPORT_KEYS.has(nameKey(key)));
  return isExport && !isConfiguration ? 'network security groups' : 'configuration';
}

/** Warnings are among the problems; sorted by file and position. */
export function checkFile(
  path: string,
  files: FileSource,
  lint: LintOptions = DEFAULT_LINT,
): readonly Problem[] {
  let text: string;
  try {
    text = files.readText(path);
  } catch (error) {
    const message = `cannot read the file: ${(error as Error).message}`;
    return [fileError(path, 'FileNotReadable', message)];
  }
  if (/\.(?:bicep|tf|tf\.txt)$/i.test(path)) return readNsgFile(text, path).problems;
  // A tag file is larger than a configuration may be, so it is recognised before it is read as one.
  if (/^\uFEFF?\s*\{\s*"changeNumber"/.test(text)) return serviceTagProblems(text, path);
  const { document, problems } = readDocument(text, path);
  if (document === undefined) return problems;
  const kind = kindOf(document);
  if (kind === 'service tags') return serviceTagProblems(text, path);
  if (kind === 'network security groups') return readNsgFile(text, path).problems;
  const result = loadConfigurationText(text, path, files, undefined, lint.earlierTags);
  if (!result.ok) return result.problems;
  const own = [...result.warnings, ...lintPolicy(result, lint)];
  return sortProblems([...own, ...candidateProblems(result.configuration, files, lint)]);
}

/** Those of the configuration that `candidate` names, in its files. */
function candidateProblems(
  configuration: Configuration,
  files: FileSource,
  lint: LintOptions,
): readonly Problem[] {
  const candidate = loadCandidate(configuration, files, lint.earlierTags);
  if (candidate === undefined) return [];
  const { result } = candidate;
  if (!result.ok) return result.problems;
  return [...result.warnings, ...lintPolicy(result, lint).map(problemOfCandidate)];
}

function serviceTagProblems(text: string, path: string): readonly Problem[] {
  const result = parseServiceTagFile(text, path);
  return result.ok ? [] : result.problems;
}
