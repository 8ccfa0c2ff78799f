/**
 * `nsgd monitor`: what happens, as it happens: flows that open and end, packets that are denied, reloads, data planes that
 * start and end. Ends with Ctrl-C; with exit code 3 when the daemon ends.
 */
import type { Command } from 'commander';
import { escapeControls } from '../../src/policy/problem.ts';
import { openControlStream } from '../control/client.ts';
import { type DaemonEvent, EVENT_TYPES, type FlowEvent, type Notice } from '../events/event.ts';
import { FILTER_NAMES, type FilterName } from '../events/filter.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { type OutputFormat, outputOption, print } from '../output.ts';
import { withSocketOption } from './control-option.ts';

interface MonitorOptions extends Partial<Record<FilterName, string>> {
  readonly socket: string;
  readonly output: OutputFormat;
  readonly rate: string;
  readonly count?: string;
}

/** Widths of the columns; a longer cell moves the rest of its line. */
const COLUMNS = [
  ['time', 12],
  ['event', 10],
  ['wire', 8],
  ['nic', 8],
  ['protocol', 8],
  ['direction', 9],
  ['local', 21],
  ['remote', 21],
  ['detail', 0],
] as const;

/** A line of the table. */
function row(cells: readonly string[]): string {
  return cells
    .map((cell, index) => escapeControls(cell).padEnd(COLUMNS[index]?.[1] ?? 0))
    .join('  ')
    .trimEnd();
}

/** The local time of day with milliseconds. */
function timeOfDay(time: string): string {
  const date = new Date(time);
  return `${date.toTimeString().slice(0, 8)}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function rulesText({ rules }: FlowEvent): string {
  return rules
    .map(({ networkSecurityGroup, ruleName }) => `${networkSecurityGroup}/${ruleName}`)
    .join(' ');
}

function flowDetail(event: FlowEvent): string {
  const { packetsOut = 0, bytesOut = 0, packetsIn = 0, bytesIn = 0, durationSeconds } = event;
  const parts = [event.type === 'opened' ? '' : event.reason];
  if (event.type === 'ended') {
    parts.push(`out ${packetsOut}/${bytesOut}`, `in ${packetsIn}/${bytesIn}`);
    if (durationSeconds !== undefined) parts.push(`after ${durationSeconds.toFixed(1)} s`);
  }
  if (event.tcpFlags !== undefined) parts.push(event.tcpFlags);
  if (event.icmpType !== undefined) parts.push(`type ${event.icmpType} code ${event.icmpCode}`);
  if (event.vlans.length > 0) parts.push(`vlan ${event.vlans.join('.')}`);
  parts.push(rulesText(event));
  return parts.filter((part) => part !== '').join(' ');
}

/** What is not of a single flow, in words. */
function noticeText(notice: Notice): string {
  if (notice.type === 'reload') {
    const { isSuccessful, changes, problems, generation } = notice;
    const outcome = isSuccessful ? `${changes} rules changed` : 'refused';
    return `${outcome}, ${problems} problems, generation ${generation} is in force`;
  }
  if (notice.type === 'data-plane') {
    return notice.detail === '' ? notice.state : `${notice.state}: ${notice.detail}`;
  }
  if (notice.type === 'suppressed') return `${notice.count} events not shown (${notice.cause})`;
  return 'the daemon ends';
}

/** One event as a line for people. */
export function eventLine(event: DaemonEvent): string {
  const head = [timeOfDay(event.time), event.type, 'wire' in event ? (event.wire ?? '') : ''];
  if (!('direction' in event)) return row([...head, noticeText(event)]);
  const { networkInterface, protocol, direction, local, remote } = event;
  const cells = [networkInterface, protocol, direction, local, remote].map((cell) => cell ?? '-');
  return row([...head, ...cells, flowDetail(event)]);
}

/** The target of the request. @throws CommandError (2) */
function targetOf(options: MonitorOptions): string {
  const { rate } = options;
  const query = new URLSearchParams();
  for (const name of FILTER_NAMES) {
    const value = options[name];
    if (value !== undefined) query.set(name, value);
  }
  if (rate !== 'all') query.set('rate', rate.replace(/\/s$/, ''));
  return `/v1/events?${query.toString()}`;
}

function countOf({ count }: MonitorOptions): number {
  if (count === undefined) return Infinity;
  if (/^[1-9]\d{0,8}$/.test(count)) return Number(count);
  throw new CommandError(ExitCode.Usage, `--count ${count}: use a number from 1`);
}

async function monitor(options: MonitorOptions): Promise<void> {
  let left = countOf(options);
  const stream = await openControlStream(options.socket, targetOf(options));
  let isInterrupted = false;
  const stop = (): void => {
    isInterrupted = true;
    stream.close();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const isTable = options.output === 'table';
  if (isTable) print(row(COLUMNS.map(([name]) => name.toUpperCase())));
  for await (const line of stream.lines) {
    print(isTable ? eventLine(JSON.parse(line) as DaemonEvent) : line);
    if (--left === 0) {
      stop();
      break;
    }
  }
  if (!isInterrupted) throw new CommandError(ExitCode.NotRunning, 'the daemon has ended');
}

export function addMonitorCommand(program: Command): void {
  withSocketOption(program.command('monitor'))
    .description('flows that open and end, denied packets, reloads, as they happen; Ctrl-C ends it')
    .option('--type <types>', `only these, with commas between: ${EVENT_TYPES.join(', ')}`)
    .option('--wire <name>', 'only of this wire')
    .option('--nic <name>', 'only of this network interface')
    .option('--direction <direction>', 'only flows opened, and packets denied, Inbound or Outbound')
    .option('--protocol <protocol>', 'only this: TCP, UDP, ICMP, ESP, AH or a number')
    .option('--address <prefix>', 'only with a local or remote address in it')
    .option('--local <prefix>', 'only with a local address in it')
    .option('--remote <prefix>', 'only with a remote address in it')
    .option('--port <port>', 'only with this local or remote port')
    .option(
      '--rule <name>',
      'only decided by this rule: NAME, securityRules/NAME or GROUP/securityRules/NAME',
    )
    .option(
      '--rate <count>',
      'at most so many flow events a second, or all; how many are left out is told',
      '1000',
    )
    .option('--count <events>', 'end after so many')
    .addOption(outputOption(['table', 'ndjson']))
    .action(async (options: MonitorOptions) => {
      await monitor(options);
      process.exitCode = ExitCode.Ok;
    });
}
