/**
 * `nsgd top`: what passes at this moment, drawn again every second on a terminal; in a pipe, one page after another.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { escapeControls } from '../../src/policy/problem.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { print, printText, tableLines } from '../output.ts';
import type { DaemonStatus, FlowStatus, RuleStatus, WireStatus } from '../status.ts';
import { askDaemon, readFlows, withSocketOption } from './control-option.ts';

/** Of each table, the busiest. */
const ROWS = 10;
/** Flows are compared with those of the page before, so more are asked for than are shown. */
const FLOWS_ASKED = 200;
const SHORTEST_INTERVAL = 0.1;
const MILLISECONDS = 1000;
const BITS = 8;

const USUAL_ROWS = 24;
const USUAL_COLUMNS = 80;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
/** To the upper left corner; then, line by line, to its end; then everything below. */
const HOME = '\u001b[H';
const CLEAR_LINE_END = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** Ctrl-C and Ctrl-D are keys like others while the terminal is raw. */
const ENDING_KEYS = ['q', 'Q', '\u0003', '\u0004'] as const;

interface TopOptions {
  readonly socket: string;
  readonly interval: string;
  readonly count?: string;
}

/** The daemon's counters at one moment. */
export interface Sample {
  /** Milliseconds, monotonic. */
  readonly at: number;
  readonly status: DaemonStatus;
  readonly rules: readonly RuleStatus[];
  readonly flows: readonly FlowStatus[];
}

/** 1234567 to `1.23M`. */
function short(value: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (value >= size) return `${(value / size).toPrecision(3)}${unit}`;
  }
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(2);
}

/** Differences of two samples, per second. A counter that went back began anew. */
class Rates {
  readonly #seconds: number;

  constructor(before: Sample, now: Sample) {
    this.#seconds = Math.max(1e-3, (now.at - before.at) / MILLISECONDS);
  }

  of(before: number, now: number): number {
    return (now >= before ? now - before : now) / this.#seconds;
  }
}

function byKey<Row>(rows: readonly Row[], key: (row: Row) => string): Map<string, Row> {
  return new Map(rows.map((row) => [key(row), row]));
}

/** The busiest rows of a table; those where nothing happened are left out. */
function busiest<Row extends { readonly rate: number }>(rows: readonly Row[]): Row[] {
  return rows
    .filter((row) => row.rate > 0)
    .toSorted((a, b) => b.rate - a.rate)
    .slice(0, ROWS);
}

function interfaceTable(before: WireStatus | undefined, wire: WireStatus, rates: Rates): string[] {
  const rows = wire.interfaces.map((now, index) => {
    const old = before?.interfaces[index] ?? now;
    const rate = (
      field: 'framesIn' | 'bytesIn' | 'framesOut' | 'bytesOut' | 'kernelDrops',
    ): number => rates.of(old[field], now[field]);
    return [
      now.name,
      now.side,
      now.isUp ? 'up' : 'down',
      short(rate('framesIn')),
      short(rate('bytesIn') * BITS),
      short(rate('framesOut')),
      short(rate('bytesOut') * BITS),
      short(rate('kernelDrops')),
    ];
  });
  const header = ['interface', 'side', 'link', 'in/s', 'bit/s', 'out/s', 'bit/s', 'kernel drops/s'];
  return tableLines(header, rows);
}

function reasonTable(before: WireStatus | undefined, wire: WireStatus, rates: Rates): string[] {
  const old = byKey(before?.reasons ?? [], ({ reason }) => reason);
  const rows = wire.reasons.map(({ reason, access, inbound, outbound }) => {
    const was = old.get(reason) ?? { inbound: 0, outbound: 0 };
    const [inward, outward] = [rates.of(was.inbound, inbound), rates.of(was.outbound, outbound)];
    return { rate: inward + outward, cells: [reason, access, short(inward), short(outward)] };
  });
  return tableLines(
    ['reason', 'access', 'inbound/s', 'outbound/s'],
    busiest(rows).map(({ cells }) => cells),
  );
}

function ruleKey({ wire, networkSecurityGroup, direction, ruleName }: RuleStatus): string {
  return [wire, networkSecurityGroup, direction, ruleName].join('|');
}

function ruleTable(before: Sample, now: Sample, rates: Rates): string[] {
  const old = byKey(before.rules, ruleKey);
  const rows = now.rules.map((rule) => {
    const was = old.get(ruleKey(rule));
    const packets = rates.of(was?.packets ?? 0, rule.packets);
    const cells = [
      rule.wire,
      rule.networkSecurityGroup,
      rule.direction,
      rule.ruleName,
      rule.access,
      short(rates.of(was?.hits ?? 0, rule.hits)),
      short(packets),
      short(rates.of(was?.bytes ?? 0, rule.bytes) * BITS),
    ];
    return { rate: packets, cells };
  });
  return tableLines(
    ['wire', 'security group', 'direction', 'rule', 'access', 'hits/s', 'packets/s', 'bit/s'],
    busiest(rows).map(({ cells }) => cells),
  );
}

function flowKey({ wire, protocol, direction, local, remote, vlans }: FlowStatus): string {
  return [wire, protocol, direction, local, remote, ...vlans].join('|');
}

function bytesOf(flow: FlowStatus): number {
  return flow.bytesIn + flow.bytesOut;
}

function flowTable(before: Sample, now: Sample, rates: Rates): string[] {
  const old = byKey(before.flows, flowKey);
  const rows = now.flows.map((flow) => {
    const was = old.get(flowKey(flow));
    const rate = was === undefined ? 0 : rates.of(bytesOf(was), bytesOf(flow)) * BITS;
    const cells = [
      flow.wire,
      flow.protocol,
      flow.direction,
      flow.local,
      flow.remote,
      flow.state,
      short(bytesOf(flow)),
      short(rate),
    ];
    return { rate, cells };
  });
  return tableLines(
    ['wire', 'protocol', 'direction', 'local', 'remote', 'state', 'bytes', 'bit/s'],
    busiest(rows).map(({ cells }) => cells),
  );
}

/** The page of what happened between two samples, line by line; without control characters. */
export function topPage(before: Sample, now: Sample): string[] {
  const { status } = now;
  const rates = new Rates(before, now);
  const ready = status.isReady ? 'ready' : `not ready: ${status.notReadyReasons.join('; ')}`;
  const lines = [`nsgd ${status.version}, up ${Math.floor(status.uptimeSeconds)} s, ${ready}`];
  const wires = byKey(before.status.wires, ({ name }) => name);
  for (const wire of status.wires) {
    const old = wires.get(wire.name);
    const { live, limit } = wire.flows;
    lines.push(
      '',
      `wire ${wire.name} (${wire.mode}, ${wire.backend}): ${wire.state}, generation ${wire.activeGeneration}, ${live} of ${limit} flows`,
      ...interfaceTable(old, wire, rates),
      '',
      ...reasonTable(old, wire, rates),
    );
  }
  lines.push('', ...ruleTable(before, now, rates), '', ...flowTable(before, now, rates));
  return lines.map(escapeControls);
}

async function sample(socket: string): Promise<Sample> {
  const [status, rules, flows] = await Promise.all([
    askDaemon(socket, 'GET', '/v1/status'),
    askDaemon(socket, 'GET', '/v1/rules'),
    readFlows(socket, { limit: FLOWS_ASKED, sort: 'bytes' }),
  ]);
  return {
    at: performance.now(),
    status: status['status'] as DaemonStatus,
    rules: rules['rules'] as RuleStatus[],
    flows,
  };
}

/** Draws over the page before, as much as fits; no flicker, because nothing is cleared first. */
function draw(lines: readonly string[]): void {
  // Of a terminal that nobody looks at the size is 0.
  const rows = process.stdout.rows || USUAL_ROWS;
  const columns = process.stdout.columns || USUAL_COLUMNS;
  const visible = lines.slice(0, rows - 1).map((line) => line.slice(0, columns));
  printText(`${HOME}${visible.map((line) => `${line}${CLEAR_LINE_END}\n`).join('')}${CLEAR_BELOW}`);
}

/** Ends with q, as other programs of its kind, and with Ctrl-C. @returns what gives the keyboard back */
function watchKeys(stop: AbortController): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => undefined;
  stdin.setRawMode(true);
  stdin.on('data', (keys) => {
    if (ENDING_KEYS.some((key) => keys.includes(key))) stop.abort();
  });
  return () => {
    stdin.setRawMode(false);
    stdin.pause();
  };
}

function positive(text: string, option: string): number {
  const value = Number(text);
  if (!(value > 0))
    throw new CommandError(ExitCode.Usage, `${option} ${text}: not a positive number`);
  return value;
}

async function top(options: TopOptions): Promise<void> {
  const seconds = Math.max(SHORTEST_INTERVAL, positive(options.interval, '--interval'));
  const pages = options.count === undefined ? Infinity : positive(options.count, '--count');
  const isScreen = process.stdout.isTTY;
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  let before = await sample(options.socket);
  const releaseKeys = watchKeys(stop);
  if (isScreen) printText(HIDE_CURSOR);
  try {
    for (let page = 0; page < pages; page++) {
      // One page after another.
      // oxlint-disable-next-line no-await-in-loop
      await sleep(seconds * MILLISECONDS, undefined, { signal: stop.signal }).catch(
        () => undefined,
      );
      if (stop.signal.aborted) return;
      // oxlint-disable-next-line no-await-in-loop
      const now = await sample(options.socket);
      const lines = topPage(before, now);
      if (isScreen) draw(lines);
      else for (const line of [...lines, '']) print(line);
      before = now;
    }
  } finally {
    if (isScreen) printText(SHOW_CURSOR);
    releaseKeys();
  }
}

export function addTopCommand(program: Command): void {
  withSocketOption(program.command('top'))
    .description('what passes now: rates, drops, the busiest rules and flows; q ends it')
    .option('--interval <seconds>', 'between two pages', '1')
    .option('--count <pages>', 'end after so many')
    .action(async (options: TopOptions) => {
      await top(options);
      process.exitCode = ExitCode.Ok;
    });
}
