/**
 * The commands that measured what the report shows, from the options that the results record: all of them, since
 * defaults change.
 */
import type { HotPathResults } from '../hot-path/results.ts';
import type { MatcherResults } from '../matcher/results.ts';
import type { InlineResults } from '../tcpreplay/results.ts';

export function inlineCommand({ plan, repeats, options, devices, visits }: InlineResults): string {
  const { seconds, resolution, lossTolerance } = options;
  const measured = [...new Set(visits.map(({ device }) => device))];
  // Where it was not recorded: one device alone was chosen by its name, and more were all that there were.
  const chosen = devices ?? (measured.length === 1 ? measured : []);
  return commandOf('bench-inline', [
    `--plan ${plan}`,
    ...(chosen.length === 0 ? [] : [`--devices '${chosen.join(',')}'`]),
    `--seconds ${seconds}`,
    `--repeats ${repeats}`,
    `--resolution ${resolution}`,
    ...(lossTolerance === 0 ? [] : [`--loss-tolerance ${lossTolerance}`]),
  ]);
}

export function matcherCommand({ repeats }: MatcherResults): string {
  return commandOf('bench-matcher', [`--repeats ${repeats}`]);
}

/** Without options where it was not recorded which. */
export function hotPathCommand({ isQuick, processes }: HotPathResults): string {
  if (isQuick === undefined) return commandOf('bench', []);
  return commandOf('bench', [...(isQuick ? ['--quick'] : []), `--processes ${processes}`]);
}

function commandOf(target: string, options: readonly string[]): string {
  return `make ${target}${options.length === 0 ? '' : ` BENCH="${options.join(' ')}"`}`;
}
