/**
 * Loads configurations that stand in a test, with the files they name in memory.
 */
import {
  loadConfigurationText,
  type FileSource,
  type LoadedConfiguration,
  type LoadResult,
} from '../../src/policy/load.ts';
import { formatProblem } from '../../src/policy/problem.ts';

/** Files in memory, by path. */
export function memoryFiles(files: Readonly<Record<string, string>>): FileSource {
  return {
    readText(path) {
      const text = Object.hasOwn(files, path) ? files[path] : undefined;
      if (text === undefined) throw new Error('there is no such file');
      return text;
    },
    versionOf: () => undefined,
  };
}

export function loadText(text: string, files: Readonly<Record<string, string>> = {}): LoadResult {
  return loadConfigurationText(text, 'nsgd.yaml', memoryFiles(files));
}

/** The configuration of a text that has no error; throws with the problems otherwise. */
export function loadGood(
  text: string,
  files: Readonly<Record<string, string>> = {},
): LoadedConfiguration {
  const result = loadText(text, files);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result;
}

/** All problems and warnings of a text, as they are printed. */
export function problemsOf(text: string, files: Readonly<Record<string, string>> = {}): string[] {
  const result = loadText(text, files);
  return (result.ok ? result.warnings : result.problems).map(formatProblem);
}

/**
 * The text without its `^` marks, and where they stood as `file:line:column`: the places of the problems that a test
 * expects, in their order. Two marks in a row are two problems at one place.
 */
export function unmark(marked: string, file = 'nsgd.yaml'): { text: string; places: string[] } {
  const places: string[] = [];
  const lines = marked.split('\n').map((line, index) => {
    const parts = line.split('^');
    let column = 1;
    for (const part of parts.slice(0, -1)) {
      column += part.length;
      places.push(`${file}:${index + 1}:${column}`);
    }
    return parts.join('');
  });
  return { text: lines.join('\n'), places };
}

/** The problems of a marked text beside those expected at its marks, for one `toEqual`. */
export function compareProblems(
  marked: string,
  problems: readonly string[],
): { found: string[]; expected: string[] } {
  const { text, places } = unmark(marked);
  if (places.length !== problems.length) throw new Error('a mark for each problem, please');
  return {
    found: problemsOf(text),
    expected: problems.map((problem, index) => `${places[index]}: ${problem}`),
  };
}
