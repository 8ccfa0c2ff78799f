/**
 * The program that sends live frames, run in the generator's namespace and on its core:
 *
 *     node live-load.js '{"device": "g0", "traffic": {...}, "rate": 500000, "seconds": 2, "firstFlow": 0}'
 *
 * It prints the seconds it sent for. A run takes some 27 ms to end after its last frame; they are not counted.
 */
import { Generator } from '../generator.ts';
import { liveTraffic, STAMP_AT } from '../traffic/live-traffic.ts';
import type { Traffic } from '../traffic/traffic.ts';

export interface LiveLoadArguments {
  readonly device: string;
  readonly traffic: Traffic;
  /** Frames a second; absent: as fast as possible. */
  readonly rate?: number;
  readonly seconds: number;
  readonly firstFlow: number;
  /** Every so manieth frame has a time stamp: a power of two. */
  readonly stampEvery?: number;
}

/** One batch of the test run: as short as a run can be that has to wait for its frames at the end. */
const SHORTEST_RUN = 64;

const { device, traffic, rate, seconds, firstFlow, stampEvery } = JSON.parse(
  process.argv[2] ?? '{}',
) as LiveLoadArguments;
const generator = new Generator({
  device,
  ...liveTraffic(traffic, firstFlow),
  ...(rate === undefined ? {} : { perSecond: rate }),
  ...(stampEvery === undefined
    ? {}
    : { stamp: { every: stampEvery, at: STAMP_AT[traffic.family] } }),
});
const ending = generator.send(SHORTEST_RUN);
const took = generator.runFor(seconds);
generator.close();
process.stdout.write(`${JSON.stringify({ seconds: Math.max(0, took - ending) })}\n`);
