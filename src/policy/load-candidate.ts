/**
 * The configuration that `candidate` of another one names, with its problems: for `nsgd check`, which reports them beside those
 * of the first, and for the daemon, which watches it.
 */
import { isAbsolute, join, dirname } from 'node:path';
import type { Configuration } from './configuration.ts';
import { type FileSource, loadConfiguration, type LoadResult } from './load.ts';
import type { Problem } from './problem.ts';
import type { ServiceTagFile } from './service-tags-file.ts';

export interface LoadedCandidate {
  /** Relative to the working folder, or absolute. */
  readonly path: string;
  /** A candidate of the candidate is not read. Its problems say whose they are. */
  readonly result: LoadResult;
}

/** The problem as one of the candidate: the files of both may be the same. */
export function problemOfCandidate(problem: Problem): Problem {
  return { ...problem, message: `in the candidate: ${problem.message}` };
}

/**
 * Undefined where there is no candidate.
 * @param earlierTags as those of `loadConfigurationText`
 */
export function loadCandidate(
  { candidate, file }: Configuration,
  files: FileSource,
  earlierTags?: ServiceTagFile,
): LoadedCandidate | undefined {
  if (candidate === undefined) return undefined;
  const path = isAbsolute(candidate.file) ? candidate.file : join(dirname(file), candidate.file);
  const result = loadConfiguration(path, files, undefined, earlierTags);
  if (result.ok) {
    return { path, result: { ...result, warnings: result.warnings.map(problemOfCandidate) } };
  }
  const problems = result.problems.map((problem) => {
    // A file that is not there has no line: where it is named there is one.
    const isItself = problem.code === 'FileNotReadable' && problem.file === path;
    return problemOfCandidate(isItself ? { ...problem, ...candidate.at } : problem);
  });
  return { path, result: { ok: false, problems } };
}
