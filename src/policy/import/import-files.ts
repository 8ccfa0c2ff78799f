/**
 * Import: the files of a deployment become one configuration, or a list of everything in them that cannot be had.
 *
 * The result has no error of its own: it is loaded as `nsgd check` would, and what is wrong is reported at the place in
 * the files that it comes from.
 */
import { join } from 'node:path';
import { readDocument } from '../document.ts';
import type { DocumentNode } from '../document-node.ts';
import { nearestName } from '../names.ts';
import { type FileSource, loadConfigurationText } from '../load.ts';
import { hasErrors, type Problem, ProblemList, quote } from '../problem.ts';
import { type Assembly, assemble, type AssemblyOptions } from './assemble.ts';
import { configurationJson, configurationYaml, traceableJson } from './configuration-text.ts';
import { readDeployment } from './deployment.ts';
import type { FoundResource } from './resource.ts';
import { findResources } from './resource-file.ts';
import type { ParameterSetter } from './template.ts';
import { TemplateScope } from './template-scope.ts';
import { nodeOf, valueOf } from './template-values.ts';

export interface ImportOptions extends AssemblyOptions {
  /** Parameters files of ARM templates, and `NAME=VALUE`. */
  readonly parameters: readonly string[];
  readonly format: 'yaml' | 'json';
  /** The folder where the configuration will be, which the path of the service tags is relative to. */
  readonly folder: string;
}

export interface ImportResult {
  /** Undefined when there is an error among the problems. */
  readonly text: string | undefined;
  readonly problems: readonly Problem[];
}

/** @param paths as given; read through `files`, as are the service tags */
export function importFiles(
  paths: readonly string[],
  options: ImportOptions,
  files: FileSource,
): ImportResult {
  const problems = new ProblemList();
  const parameters = readParameters(options.parameters, files, problems);
  const resources: FoundResource[] = [];
  const passedOver = new Map<string, number>();
  for (const path of paths) {
    const text = readText(path, files, problems);
    if (text === undefined) continue;
    const found = findResources(text, path, problems, {
      setParameters: (scope) => parameters.set(scope),
    });
    resources.push(...found.resources);
    for (const [type, count] of found.passedOver) {
      passedOver.set(type, (passedOver.get(type) ?? 0) + count);
    }
  }
  parameters.reportUnused();
  if (resources.length === 0 && problems.errorCount === 0) {
    const at = { file: paths[0] ?? '', line: 1, column: 1 };
    problems.error(at, 'NoResource', 'no network resource is in the files');
  }
  const assembly = assemble(readDeployment(resources, problems), options, problems);
  if (problems.errorCount === 0) problems.addAll(problemsOfResult(assembly, options.folder, files));
  const sorted = problems.sorted();
  if (hasErrors(sorted)) return { text: undefined, problems: sorted };
  const text =
    options.format === 'json'
      ? configurationJson(assembly)
      : configurationYaml(assembly, headerOf(paths, passedOver));
  return { text, problems: sorted };
}

function headerOf(paths: readonly string[], passedOver: ReadonlyMap<string, number>): string[] {
  const header = [`Imported by nsgd from ${paths.join(' ')}`];
  if (passedOver.size > 0) header.push('Passed over:');
  for (const [type, count] of passedOver) header.push(`  ${type} (${count})`);
  return header;
}

function readText(path: string, files: FileSource, problems: ProblemList): string | undefined {
  try {
    return files.readText(path);
  } catch (error) {
    const at = { file: path, line: 1, column: 1 };
    problems.error(at, 'FileNotReadable', `cannot read the file: ${(error as Error).message}`);
    return undefined;
  }
}

/** Errors that the configuration itself would have. Its warnings are for `nsgd check` to tell. */
function problemsOfResult(assembly: Assembly, folder: string, files: FileSource): Problem[] {
  const { text, places } = traceableJson(assembly);
  const name = join(folder, '(import).json');
  const result = loadConfigurationText(text, name, files);
  if (result.ok) return [];
  const errors = result.problems.filter(({ severity }) => severity === 'error');
  return errors.map((problem) => {
    const place = problem.file === name ? places[problem.line - 1] : undefined;
    return { ...problem, ...place };
  });
}

/** Values for the parameters of templates. */
interface Parameters {
  set: ParameterSetter;
  reportUnused(): void;
}

type ParameterValue = DocumentNode | { readonly reason: string };

function readParameters(
  sources: readonly string[],
  files: FileSource,
  problems: ProblemList,
): Parameters {
  const values = new Map<string, ParameterValue>();
  const places = new Map<string, DocumentNode>();
  for (const source of sources) {
    const [, name, text] = /^([A-Za-z_][\w-]*)=(.*)$/s.exec(source) ?? [];
    const root =
      name === undefined || text === undefined
        ? readParametersFile(source, files, problems)
        : nodeOf({ [name]: scalarOf(text) }, OPTION);
    const wrapped = valueOf(root, 'parameters');
    const map = wrapped ?? root;
    for (const { key, value } of map?.kind === 'map' ? map.entries : []) {
      if (wrapped === undefined && (key === '$schema' || key === 'contentVersion')) continue;
      places.set(key, value);
      values.set(key, wrapped === undefined ? value : passedValue(value));
    }
  }
  const used = new Set<string>();
  const known = new Set<string>();
  const outer = new TemplateScope(problems);
  return {
    set(scope) {
      for (const name of scope.parameterNames) known.add(name);
      for (const [name, value] of values) {
        if (!scope.hasParameter(name)) continue;
        used.add(name);
        scope.pass(name, value, outer);
      }
    },
    reportUnused() {
      for (const [name, { at }] of places) {
        if (used.has(name)) continue;
        const nearest = nearestName(name, [...known]);
        const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
        const message = `no template has a parameter ${quote(name)}${hint}`;
        problems.error(at, 'UnknownParameter', message);
      }
    },
  };
}

/** Where the values of options stand. */
const OPTION: DocumentNode = {
  kind: 'scalar',
  at: { file: '--parameters', line: 1, column: 1 },
  path: undefined,
  value: null,
  text: '',
};

/** JSON where it is some, else text, as `az deployment` takes it. */
function scalarOf(text: string): unknown {
  if (!/^(?:[[{]|true$|false$|null$|-?\d+$)/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function passedValue(node: DocumentNode): ParameterValue {
  const value = valueOf(node, 'value');
  if (value !== undefined) return value;
  return { reason: 'its value is a secret of a key vault, or missing from the parameters file' };
}

function readParametersFile(
  path: string,
  files: FileSource,
  problems: ProblemList,
): DocumentNode | undefined {
  const text = readText(path, files, problems);
  if (text === undefined) return undefined;
  const { document, problems: syntax } = readDocument(text, path);
  problems.addAll(syntax);
  return document?.root;
}
