/**
 * The program that floods, run in the namespace that the flood comes from:
 *
 *     node flood-load.js '{"device": "wire0", "flood": "ack scan", "rate": 100000, "seconds": 5}'
 *
 * It prints the seconds it sent for.
 */
import { Generator } from '../generator.ts';
import { type Flood, floodTraffic } from './floods.ts';

export interface FloodLoadArguments {
  readonly device: string;
  readonly flood: Flood;
  /** Frames a second; absent: as fast as possible. */
  readonly rate?: number;
  readonly seconds: number;
  /** Of the tuples of a flood that are chosen, see `floods.ts`. */
  readonly numbers?: readonly number[];
}

const { device, flood, rate, seconds, numbers } = JSON.parse(
  process.argv[2] ?? '{}',
) as FloodLoadArguments;
const generator = new Generator({
  device,
  ...floodTraffic(flood),
  ...(rate === undefined ? {} : { perSecond: rate }),
  ...(numbers === undefined ? {} : { numbers }),
});
const took = generator.runFor(seconds);
generator.close();
process.stdout.write(`${JSON.stringify({ seconds: took })}\n`);
