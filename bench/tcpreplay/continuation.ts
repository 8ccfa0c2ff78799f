/**
 * A run that goes on where an earlier one ended: whether it may, what of the earlier results it keeps, what is missing.
 *
 * Results stand in one file only if they were measured in the same way, by the same build, on the same machine. A build
 * from changed files (`-dirty`) or from none that git knows is never the same for certain.
 */
import type { Environment } from '../environment.ts';
import type { MeasureOptions } from './measures.ts';
import { type Visit, visitName, type VisitPart } from './plan.ts';
import type { InlineResults, VisitResult } from './results.ts';

const OPTIONS: readonly (keyof MeasureOptions)[] = ['seconds', 'lossTolerance', 'resolution'];
/** All but when it was, and what else the machine did. */
const ENVIRONMENT: readonly (keyof Environment)[] = [
  'kernel',
  'cpu',
  'cores',
  'memoryGiB',
  'node',
  'v8',
  'nsgd',
];

/**
 * Why an earlier run cannot be continued, in words, one for each difference; empty when it can.
 * @param now a run as it would be, without visits
 */
export function obstaclesToContinue(earlier: InlineResults, now: InlineResults): string[] {
  const pairs: [what: string, then: unknown, now: unknown][] = [
    ['plan', earlier.plan, now.plan],
    ['repeats', earlier.repeats, now.repeats],
    ...OPTIONS.map((name): [string, unknown, unknown] => [
      name,
      earlier.options[name],
      now.options[name],
    ]),
    ...ENVIRONMENT.map((name): [string, unknown, unknown] => [
      name,
      earlier.environment[name],
      now.environment[name],
    ]),
    // A device that one of the runs goes without needs no version there.
    ...Object.entries(now.versions).map(([device, version]): [string, unknown, unknown] => [
      `version of ${device}`,
      earlier.versions[device] ?? version,
      version,
    ]),
  ];
  const differences = pairs
    .filter(([, before, after]) => before !== after)
    .map(([what, before, after]) => `${what}: ${String(before)} then, ${String(after)} now`);
  const { nsgd } = now.environment;
  const isCertain = nsgd !== 'unknown' && !nsgd.endsWith('-dirty');
  return isCertain || nsgd !== earlier.environment.nsgd
    ? differences
    : [...differences, `nsgd: ${nsgd}, then and now: perhaps not the same files`];
}

/**
 * The earlier results, to which those of this run are added. Failures of the visits that it makes again are forgotten.
 * @param now a run as it would be, without visits
 * @param visits that it makes
 */
export function continued(
  earlier: InlineResults,
  now: InlineResults,
  visits: readonly Visit[],
): InlineResults {
  const { date, load } = now.environment;
  return {
    ...earlier,
    devices: [...new Set([...(earlier.devices ?? []), ...(now.devices ?? [])])],
    versions: { ...earlier.versions, ...now.versions },
    continuations: [...(earlier.continuations ?? []), { date, load }],
    visits: [...earlier.visits],
    failures: earlier.failures.filter(
      (failure) => !visits.some((visit) => failure.startsWith(`${visitName(visit)}: `)),
    ),
  };
}

/** What of the visits is not among the results of that repeat; visits of which everything is are left out. */
export function missingVisits(
  visits: readonly Visit[],
  repeat: number,
  results: readonly VisitResult[],
): Visit[] {
  return visits
    .map((visit) => ({
      ...visit,
      parts: visit.parts.filter((part) => !results.some(isOf(visit, part, repeat))),
    }))
    .filter(({ parts }) => parts.length > 0);
}

function isOf(
  { device, rules }: Visit,
  { traffic }: VisitPart,
  repeat: number,
): (result: VisitResult) => boolean {
  return (result) =>
    result.device === device.name &&
    result.rules === rules &&
    result.repeat === repeat &&
    result.traffic.kind === traffic.kind &&
    result.traffic.size === traffic.size &&
    result.traffic.family === traffic.family &&
    result.traffic.flows === traffic.flows;
}
