/**
 * What a reload cannot change: settings that the data planes and sockets were made with. They are errors of the
 * reload, so that nobody believes a change to be in force that is not.
 */
import type { Configuration } from '../src/policy/configuration.ts';
import type { Problem } from '../src/policy/problem.ts';

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
export function restartProblems(running: Configuration, next: Configuration): Problem[] {
  return FIXED_SETTINGS.flatMap(([name, read]) => {
    if (JSON.stringify(read(running)) === JSON.stringify(read(next))) return [];
    return [
      {
        file: next.file,
        line: 1,
        column: 1,
        code: 'RestartRequired',
        message: `${name} cannot change while the daemon runs; restart it, or put the old value back`,
        severity: 'error' as const,
      },
    ];
  });
}
