/**
 * What sends the frames of a trial into g0. Two do: tcpreplay, which paces well and ends near 300,000 frames a second
 * here, and live frames made by the kernel, which saturate anything.
 */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { liveObstacle } from '../../test/helpers/live.ts';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { missingProgram } from '../peers/process.ts';
import type { LiveLoadArguments } from './live-load.ts';
import { writeCapture } from '../traffic/capture-file.ts';
import { answersOf, framesOf, type Traffic } from '../traffic/traffic.ts';
import { GENERATOR_CORE, GENERATOR_END, SINK_END, type TestBed } from './test-bed.ts';
import type { NetworkNamespace } from '../../test/helpers/network-namespace.ts';

export interface LoadOptions {
  readonly traffic: Traffic;
  /** Frames a second; undefined: as fast as it can. */
  readonly rate: number | undefined;
  readonly seconds: number;
  /** Number of the first flow, so that a trial of new flows does not repeat those of the one before. */
  readonly firstFlow: number;
  /** Every so manieth frame has a time stamp: a power of two. Live frames only. */
  readonly stampEvery?: number;
}

export interface Load {
  readonly name: string;
  obstacle(): string | undefined;
  /** Sends for that time. @returns the seconds it sent for, as it measured them */
  send(bed: TestBed, options: LoadOptions): Promise<number>;
}

/** Slow enough that no device loses any of it. */
const PRIMING_RATE = 20_000;
/** More than any trial needs at this generator's speed: new flows are as many as are sent. */
const NEW_FLOWS_RATE = 400_000;

const run = promisify(execFile);

export const tcpreplay: Load = {
  name: 'tcpreplay',
  obstacle: () => missingProgram({ tcpreplay: 'tcpreplay' }),
  async send(bed, { traffic, rate, seconds, firstFlow }) {
    const isNew = traffic.kind === 'new';
    const flows = isNew ? Math.ceil((rate ?? NEW_FLOWS_RATE) * seconds) : traffic.flows;
    const file = join(bed.lab.directory, 'load.pcap');
    writeCapture(file, framesOf({ ...traffic, flows }, firstFlow));
    try {
      const speed = rate === undefined ? ['--topspeed'] : [`--pps=${Math.round(rate)}`];
      // Frames that are not repeated are sent once; the others until the time is over.
      const length = isNew ? ['--loop=1'] : ['--loop=100000000', `--duration=${seconds}`];
      return await replay(bed.generator, GENERATOR_END, file, [...speed, ...length]);
    } finally {
      rmSync(file, { force: true });
    }
  },
};

export const liveFrames: Load = {
  name: 'live frames',
  obstacle: () => liveObstacle,
  async send(bed, { rate, ...options }) {
    const load: LiveLoadArguments = {
      device: GENERATOR_END,
      ...options,
      ...(rate === undefined ? {} : { rate }),
    };
    const program = join(projectRoot, 'dist/bench/tcpreplay/live-load.js');
    const command = [process.execPath, program, JSON.stringify(load)];
    const { stdout } = await run('ip', [
      ...['netns', 'exec', bed.generator.name, 'taskset', '-c', String(GENERATOR_CORE)],
      ...command,
    ]);
    return (JSON.parse(stdout) as { seconds: number }).seconds;
  },
};

/** Opens the flows of a traffic from both sides. */
export async function establish(bed: TestBed, traffic: Traffic): Promise<void> {
  const opening = join(bed.lab.directory, 'opening.pcap');
  const answers = join(bed.lab.directory, 'answers.pcap');
  writeCapture(opening, framesOf({ ...traffic, kind: 'established', size: 64 }, 0));
  writeCapture(answers, answersOf(traffic));
  await replay(bed.generator, GENERATOR_END, opening, [`--pps=${PRIMING_RATE}`]);
  await replay(bed.sink, SINK_END, answers, [`--pps=${PRIMING_RATE}`]);
}

/** @returns the seconds that tcpreplay says it sent for */
async function replay(
  namespace: NetworkNamespace,
  device: string,
  file: string,
  options: readonly string[],
): Promise<number> {
  const command = ['tcpreplay', '-q', '-K', '-i', device, ...options, file];
  const pinned = ['taskset', '-c', String(GENERATOR_CORE), ...command];
  const { stdout } = await run('ip', ['netns', 'exec', namespace.name, ...pinned]);
  const [, text] = / sent in ([\d.]+) seconds/.exec(stdout) ?? [];
  if (text === undefined) throw new Error(`tcpreplay said something new:\n${stdout}`);
  return Number(text);
}
