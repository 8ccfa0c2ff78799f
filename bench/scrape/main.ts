/**
 * How long /metrics, /-/healthy and the control socket's status take while the packet path is saturated: `make
 * bench-scrape` (root).
 *
 *     node dist/bench/scrape/main.js [--seconds 20] [--rules 500]
 *
 * A generator sends as fast as it can through nsgd (af-xdp), so that generator and data plane take a processor each; the
 * control process and the one that asks have to find their time between them. Beside it the same without load.
 */
import { parseArgs } from 'node:util';
import { liveObstacle } from '../../test/helpers/live.ts';
import { startNsgd } from '../peers/nsgd.ts';
import { trialRules } from '../rules/trial-policy.ts';
import { TestBed } from '../tcpreplay/test-bed.ts';
import { type AnswerTimes, ask, askWhileSaturated } from './saturated.ts';

function print(situation: string, times: readonly AnswerTimes[]): void {
  for (const { page, targetMs, answers, late, median, p99, longest } of times) {
    process.stdout.write(
      `${situation.padEnd(10)} ${page.padEnd(11)} median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ` +
        `max ${longest.toFixed(1)} ms, ${late} of ${answers} over ${targetMs} ms\n`,
    );
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '20' },
      rules: { type: 'string', default: '500' },
    },
  });
  const seconds = Number(values.seconds);
  const bed = new TestBed();
  try {
    const rules = trialRules(Number(values.rules), 4);
    const device = await startNsgd(bed, { rules }, { backend: 'af-xdp' });
    print('idle', await ask(bed, device, seconds));
    const { times, load } = await askWhileSaturated(bed, device, seconds);
    print('saturated', times);
    const kilo = (rate: number): string => `${Math.round(rate / 1000)} kpps`;
    process.stdout.write(
      `meanwhile  offered ${kilo(load.offeredRate)}, forwarded ${kilo(load.receivedRate)}, ` +
        `loss ${(load.loss * 100).toFixed(1)} %\n`,
    );
    await device.stop();
  } finally {
    await bed.close();
  }
}

if (liveObstacle === undefined) await main();
else process.stdout.write(`skipped: ${liveObstacle}\n`);
