/**
 * Metrics of the policy in shadow (candidate.ts). There are none without one.
 */
import type { Disagreement } from './candidate.ts';
import { define, type MetricDefinition } from './metrics-definition.ts';
import type { MetricsSource, Sample } from './metrics-readers.ts';

const DIRECTIONS = [
  [0, 'inbound'],
  [1, 'outbound'],
] as const;
const DISAGREEMENTS: readonly Disagreement[] = ['would-deny', 'would-allow'];

function* judged({ candidate }: MetricsSource): Iterable<Sample> {
  if (candidate?.isWatched !== true) return;
  for (const [direction, name] of DIRECTIONS)
    yield [{ direction: name }, candidate.judged(direction)];
}

function* disagreements({ candidate }: MetricsSource): Iterable<Sample> {
  if (candidate?.isWatched !== true) return;
  for (const [direction, name] of DIRECTIONS) {
    for (const disagreement of DISAGREEMENTS) {
      yield [{ direction: name, disagreement }, candidate.count(disagreement, direction)];
    }
  }
}

function* isWatched({ candidate }: MetricsSource): Iterable<Sample> {
  if (candidate !== undefined) yield [{}, candidate.isWatched ? 1 : 0];
}

export const candidateMetrics: readonly MetricDefinition[] = [
  define(
    'candidate_watched',
    'gauge',
    'Whether the candidate judges traffic in shadow: 0 when its file had errors as the daemon started. Absent without a candidate.',
    [],
    isWatched,
  ),
  define(
    'candidate_judged_total',
    'counter',
    'Packets that the rules in force judged and the candidate too.',
    ['direction'],
    judged,
  ),
  define(
    'candidate_disagreements_total',
    'counter',
    'Packets that the candidate would deny and the policy in force allows (would-deny), or the other way round (would-allow).',
    ['direction', 'disagreement'],
    disagreements,
  ),
];
