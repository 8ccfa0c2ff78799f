/**
 * Questions to an nsgd that forwards all it can: what is asked, how long each answer may take, and how long it took.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { projectRoot } from '../../test/helpers/project-root.ts';
import type { RunningNsgd } from '../peers/nsgd.ts';
import { quantile } from '../statistics.ts';
import { establish, liveFrames } from '../tcpreplay/load.ts';
import type { TestBed } from '../tcpreplay/test-bed.ts';
import { runTrial, type Trial } from '../tcpreplay/trial.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { ProberArguments, ProberResult, Question } from './prober.ts';

const PORT = 9469;
/** The load begins before the questions and ends after them. */
const MARGIN_MS = 1000;
const TRAFFIC: Traffic = { kind: 'established', size: 64, family: 4, flows: 4096 };

/** Pauses are longer than nsgd keeps a page for, so that each is made anew. */
const QUESTIONS: readonly (Question & { readonly targetMs: number })[] = [
  { page: '/metrics', pauseMs: 250, targetMs: 200 },
  { page: '/-/healthy', pauseMs: 50, targetMs: 100 },
  { page: '/v1/status', pauseMs: 250, isControl: true, targetMs: 500 },
];

/** The answers to one question. */
export interface AnswerTimes {
  readonly page: string;
  /** Milliseconds that are promised. */
  readonly targetMs: number;
  readonly answers: number;
  /** Answers that took longer than promised. */
  readonly late: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p99: number;
  readonly longest: number;
}

const run = promisify(execFile);

/** Asks for some seconds, all questions side by side. */
export async function ask(
  bed: TestBed,
  { daemon }: RunningNsgd,
  seconds: number,
): Promise<AnswerTimes[]> {
  const program = join(projectRoot, 'dist/bench/scrape/prober.js');
  const request: ProberArguments = {
    port: PORT,
    socket: daemon.socket,
    seconds,
    questions: QUESTIONS,
  };
  const { stdout } = await run('ip', [
    ...['netns', 'exec', bed.device.name, process.execPath, program, JSON.stringify(request)],
  ]);
  const result = JSON.parse(stdout) as ProberResult;
  return QUESTIONS.map(({ page, targetMs }) => {
    const times = result[page] ?? [];
    return {
      page,
      targetMs,
      answers: times.length,
      late: times.filter((time) => time > targetMs).length,
      median: quantile(times, 0.5),
      p99: quantile(times, 0.99),
      longest: quantile(times, 1),
    };
  });
}

/** Likewise, while a generator sends as much as it can. */
export async function askWhileSaturated(
  bed: TestBed,
  device: RunningNsgd,
  seconds: number,
): Promise<{ readonly times: AnswerTimes[]; readonly load: Trial }> {
  await establish(bed, TRAFFIC);
  const load = runTrial(bed, device, {
    load: liveFrames,
    traffic: TRAFFIC,
    rate: undefined,
    seconds: seconds + (2 * MARGIN_MS) / 1000,
  });
  await sleep(MARGIN_MS);
  const times = await ask(bed, device, seconds);
  return { times, load: await load };
}
