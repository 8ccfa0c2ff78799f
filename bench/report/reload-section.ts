/**
 * The part of the report about policy changes under load.
 */
import { rate } from '../numbers.ts';
import type { InlineResults } from '../tcpreplay/results.ts';
import { inlineCommand } from './commands.ts';
import { measuredOn, table } from './markdown.ts';

export function reloadSection(results: InlineResults): string {
  const { environment, visits } = results;
  const rows = visits.flatMap(({ device, found }) => {
    if (found.reload === undefined) return [];
    const { reloads, seconds, trial } = found.reload;
    return [
      [
        device,
        String(reloads),
        seconds.toFixed(0),
        rate(trial.offeredRate),
        String(trial.offered),
        String(trial.offered - trial.received),
      ],
    ];
  });
  return [
    '## Reloads under load',
    measuredOn(
      environment,
      inlineCommand(results),
      'A policy of 1,000 rules and one of 999 take turns.',
    ),
    table(['device', 'reloads', 'in seconds', 'frames a second', 'frames', 'lost'], rows),
  ].join('\n\n');
}
