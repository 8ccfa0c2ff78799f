/**
 * `make bench`: nanoseconds and bytes for each packet, on one core. Every case has a process of its own, since a shared
 * one measures how the engine happened to compile the case before.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bytesPerCall } from '../test/helpers/bytes-per-call.ts';
import { CASES, type PacketCall } from './cases.ts';

/** What bytesPerCall needs: see there. */
const NODE_OPTIONS = ['--expose-gc', '--min-semi-space-size=16'];
const ROUND_CALLS = 1_000_000;
const ROUNDS = 9;

interface Measurement {
  readonly nanoseconds: number;
  readonly bytes: number;
}

/** The best round: others were disturbed by the machine, none was helped by it. */
function measure(call: PacketCall): Measurement {
  let best = Number.POSITIVE_INFINITY;
  let index = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.hrtime.bigint();
    for (const end = index + ROUND_CALLS; index < end; index++) call(index);
    best = Math.min(best, Number(process.hrtime.bigint() - started) / ROUND_CALLS);
  }
  return { nanoseconds: best, bytes: Math.max(0, bytesPerCall(call)) };
}

function measureInChild(name: string): Measurement {
  const file = fileURLToPath(import.meta.url);
  const text = execFileSync(process.execPath, [...NODE_OPTIONS, file, name], { encoding: 'utf8' });
  return JSON.parse(text) as Measurement;
}

function say(name: string, nanoseconds: string, rate: string, bytes: string): void {
  const columns = [name.padEnd(48), nanoseconds.padStart(9), rate.padStart(11), bytes.padStart(12)];
  process.stdout.write(`${columns.join('')}\n`);
}

const [, , name] = process.argv;
if (name !== undefined) {
  const prepare = CASES[name];
  if (prepare === undefined) throw new Error(`no case named ${name}`);
  process.stdout.write(JSON.stringify(measure(prepare())));
} else {
  say(`Node ${process.version}, one core`, 'ns', 'packets/s', 'bytes each');
  for (const each of Object.keys(CASES)) {
    const { nanoseconds, bytes } = measureInChild(each);
    say(each, nanoseconds.toFixed(1), `${(1e3 / nanoseconds).toFixed(2)} M`, bytes.toFixed(2));
  }
}
