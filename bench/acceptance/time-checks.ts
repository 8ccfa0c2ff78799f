/**
 * Checks 6 and 8: how long a frame takes through nsgd, and how long answers take while frames take all there is.
 */
import { askWhileSaturated } from '../scrape/saturated.ts';
import { type Latency, measureLatency } from '../tcpreplay/latency.ts';
import { establish } from '../tcpreplay/load.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { Finding } from './results.ts';
import { inPercent, type TrialRun } from './trial-run.ts';

const LATENCY_RULES = 100;
const LATENCY_RATE = 10_000;
/** Microseconds. */
const LATENCY_AIMS = { p50: 150, p99: 1000, p999: 5000 } as const;
const SCRAPE_RULES = 500;
/** Answers are many in a short time. */
const SCRAPE_SECONDS_MAX = 20;

export async function latency(trials: TrialRun): Promise<Finding[]> {
  const traffic: Traffic = { kind: 'established', size: 64, family: 4, flows: 4096 };
  const [found, [before, after]] = await trials.besideBridge(
    () =>
      trials.withNsgd(LATENCY_RULES, async (subject) => {
        await establish(subject.bed, traffic);
        await trials.warmUp(subject, traffic);
        return measureLatency(subject.bed, traffic, LATENCY_RATE, trials.seconds);
      }),
    ({ bed }, { seconds }) => measureLatency(bed, traffic, LATENCY_RATE, seconds),
  );
  const { p50, p99, p999, samples } = found;
  return [
    {
      check: 6,
      aim: '10 k frames a second: half within 150 us, 99 % within 1 ms, 99.9 % within 5 ms',
      found: `${latencyInWords(found)} of ${samples}, the cables' part included`,
      bridge: `${latencyInWords(before)}, and ${latencyInWords(after)}`,
      isHeld: p50 < LATENCY_AIMS.p50 && p99 < LATENCY_AIMS.p99 && p999 < LATENCY_AIMS.p999,
    },
  ];
}

/** `40, 250 and 900 us, longest 2100 us with 1.1 % of the time stolen`. */
function latencyInWords({ p50, p99, p999, max, stolen }: Latency): string {
  return (
    `${p50.toFixed(0)}, ${p99.toFixed(0)} and ${p999.toFixed(0)} us, longest ${max.toFixed(0)} us ` +
    `with ${inPercent(stolen)} of the time stolen`
  );
}

export async function answers(trials: TrialRun): Promise<Finding[]> {
  const seconds = Math.min(trials.seconds, SCRAPE_SECONDS_MAX);
  const { times, load } = await trials.withNsgd(SCRAPE_RULES, async ({ bed, device }) =>
    askWhileSaturated(bed, device, seconds),
  );
  const offered = `${(load.offeredRate / 1e6).toFixed(1)} M frames a second offered`;
  return times.map(({ page, targetMs, answers: count, late, median, longest }) => ({
    check: 8,
    aim: `${page} in ${targetMs} ms while saturated`,
    found: `median ${median.toFixed(1)} ms, longest ${longest.toFixed(1)} ms of ${count}, ${late} late, ${offered}`,
    isHeld: late === 0 && count > 0,
  }));
}
