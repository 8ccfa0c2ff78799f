/**
 * What a reload is to put in force, and everything that stands against it. Settings that the data planes and sockets were
 * made with cannot change: that is an error, so that nobody believes a change to be in force that is not.
 */
import type { Configuration } from '../src/policy/configuration.ts';
import { type LoadedConfiguration, loadConfiguration } from '../src/policy/load.ts';
import { fileError, hasErrors, type Problem } from '../src/policy/problem.ts';
import { Candidate } from './candidate.ts';
import type { ReadFiles } from './read-files.ts';

export type NextConfiguration =
  | {
      readonly ok: true;
      readonly loaded: LoadedConfiguration;
      readonly candidate: Candidate | undefined;
      /** Warnings only. */
      readonly problems: readonly Problem[];
    }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads the file of the running configuration again, and all that it names. */
export function readNextConfiguration(running: Configuration, files: ReadFiles): NextConfiguration {
  files.begin();
  const loaded = loadConfiguration(running.file, files);
  if (!loaded.ok) return loaded;
  const candidate = Candidate.load(loaded.configuration, files);
  const problems = [
    ...loaded.warnings,
    ...restartProblems(running, loaded.configuration),
    // A reload is one thing: with a candidate that cannot be watched nothing of it is taken.
    ...(candidate?.problems ?? []),
  ];
  return hasErrors(problems) ? { ok: false, problems } : { ok: true, loaded, candidate, problems };
}

/** By what the operator calls it: how to read it from a configuration. */
const FIXED_SETTINGS: readonly (readonly [
  name: string,
  read: (configuration: Configuration) => unknown,
])[] = [
  ['wires', ({ wires }) => wires],
  ['flowTable', (configuration) => configuration.flowTable],
  ['metrics', (configuration) => configuration.metrics ?? 'off'],
  ['control', (configuration) => configuration.controlSockets],
  ['flowLogs', (configuration) => configuration.flowLogs ?? 'off'],
  ['runtimeDirectory', (configuration) => configuration.runtimeDirectory],
  ['stateDirectory', (configuration) => configuration.stateDirectory],
];

/** One error per setting that differs; the position is the file's start, as defaults stand nowhere in it. */
function restartProblems(running: Configuration, next: Configuration): Problem[] {
  return FIXED_SETTINGS.flatMap(([name, read]) => {
    if (JSON.stringify(read(running)) === JSON.stringify(read(next))) return [];
    const message = `${name} cannot change while the daemon runs; restart it, or put the old value back`;
    return [fileError(next.file, 'RestartRequired', message)];
  });
}
