/**
 * Imports files that stand in a test, by name.
 */
import { importFiles, type ImportOptions } from '../../src/policy/import/import-files.ts';
import { formatProblem } from '../../src/policy/problem.ts';
import { memoryFiles } from './load-text.ts';

export interface Imported {
  /** The configuration as plain data; undefined when there was an error. */
  readonly configuration: Record<string, unknown> | undefined;
  readonly problems: readonly string[];
}

export interface ImportTextOptions extends Partial<ImportOptions> {
  /** Files that are no part of the deployment. */
  readonly others?: Readonly<Record<string, string>>;
}

/** @param files texts, or values to be written as JSON */
export function importText(
  files: Readonly<Record<string, unknown>>,
  { others, ...options }: ImportTextOptions = {},
): Imported {
  const texts = Object.fromEntries(
    Object.entries(files).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value, null, 1),
    ]),
  );
  const { text, problems } = importFiles(
    Object.keys(files),
    {
      parameters: [],
      virtualNetwork: undefined,
      addresses: new Map(),
      serviceTags: undefined,
      format: 'json',
      folder: '.',
      ...options,
    },
    memoryFiles({ ...texts, ...others }),
  );
  return {
    configuration: text === undefined ? undefined : (JSON.parse(text) as Record<string, unknown>),
    problems: problems.map(formatProblem),
  };
}
