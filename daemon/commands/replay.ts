/**
 * `nsgd replay`: what the policy makes of a capture file, packet by packet, with state.
 */
import type { Command } from 'commander';
import { openCaptureFile } from '../../src/capture/capture-file.ts';
import { CaptureFileError } from '../../src/capture/capture-file-error.ts';
import type { FrameSource } from '../../src/capture/frame.ts';
import { linkTypeName } from '../../src/capture/link-type.ts';
import { InterfaceCounter } from '../../src/engine/counters.ts';
import { Reason, reasonNames } from '../../src/engine/reason.ts';
import type { LoadedConfiguration } from '../../src/policy/load.ts';
import { FlowStat } from '../../src/flowtable/segment.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { ipProtocolName, packetEndpoints } from '../packet-text.ts';
import {
  type OutputFormat,
  outputOption,
  print,
  printError,
  printJson,
  printTable,
} from '../output.ts';
import { type FrameDecision, type ReplayChange, ReplayComparison } from '../replay-against.ts';
import { Replay, type ReplayedFrame } from '../replay.ts';
import { type ReasonStatus, reasonStatuses, type RuleCounts, ruleCounts } from '../status.ts';
import { findNic } from './find-nic.ts';
import { loadPolicy } from './load-policy.ts';
import { printReasons } from './print-reasons.ts';

interface ReplayCommandOptions {
  readonly config: string;
  readonly nic?: string;
  readonly against?: string;
  readonly perPacket?: true;
  readonly output: OutputFormat;
}

const DIRECTIONS = ['Inbound', 'Outbound'] as const;

/** One line of `--per-packet`. */
interface PacketReport {
  readonly number: number;
  readonly time: string;
  readonly direction: 'Inbound' | 'Outbound';
  readonly access: 'Allow' | 'Deny';
  readonly reason: string;
  readonly ruleName: string | null;
  readonly protocol: string | null;
  readonly source: string | null;
  readonly destination: string | null;
  /** Bytes of the frame. */
  readonly length: number;
}

function packetReport(replay: Replay, frame: ReplayedFrame, length: number): PacketReport {
  const { packet } = replay.pipeline;
  const isIp = frame.reason !== Reason.UnsupportedLinkType && packet.ipVersion !== 0;
  const ends = isIp ? packetEndpoints(packet) : undefined;
  return {
    number: frame.number,
    time: formatTime(frame.timestamp),
    direction: DIRECTIONS[frame.direction],
    access: frame.isForwarded ? 'Allow' : 'Deny',
    reason: reasonNames[frame.reason] ?? 'unknown',
    ruleName: replay.decidingRule() ?? null,
    protocol: isIp ? ipProtocolName(packet.protocol) : null,
    source: ends?.source ?? null,
    destination: ends?.destination ?? null,
    length,
  };
}

/** RFC 3339; a capture may hold times that no calendar has. */
function formatTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? '-' : date.toISOString();
}

/** JSON is one list, printed as it grows: `printListEnd` closes it. */
function printPacket(report: PacketReport, format: OutputFormat): void {
  if (format !== 'table') {
    const opening = report.number === 1 ? '[' : ',';
    print(`${format === 'json' ? opening : ''}${JSON.stringify(report)}`);
    return;
  }
  const { number, time, direction, access, reason, ruleName, protocol, source, destination } =
    report;
  const what = source === null ? '-' : `${protocol} ${source} > ${destination}`;
  print(`${number} ${time} ${direction} ${access} ${reason} ${ruleName ?? '-'} ${what}`);
}

function printListEnd(packets: number, format: OutputFormat): void {
  if (format === 'json') print(packets === 0 ? '[]' : ']');
}

interface ReplaySummary {
  readonly networkInterface: string;
  readonly frames: number;
  readonly bytes: number;
  readonly forwarded: number;
  readonly dropped: number;
  readonly flows: { readonly live: number; readonly opened: number };
  readonly reasons: readonly ReasonStatus[];
  /** Only rules that were hit. */
  readonly rules: readonly RuleCounts[];
}

function summary(replay: Replay, nic: string): ReplaySummary {
  const { counters, flows } = replay;
  const bytesIn = InterfaceCounter.BytesIn;
  return {
    networkInterface: nic,
    frames: replay.frame.number,
    bytes: counters.interface(0, bytesIn) + counters.interface(1, bytesIn),
    forwarded: replay.total(true),
    dropped: replay.total(false),
    flows: { live: flows.size, opened: flows.stat(FlowStat.Inserts) },
    reasons: reasonStatuses(counters),
    rules: ruleCounts(replay.compiled, counters).filter((rule) => rule.hits > 0),
  };
}

function printSummary(result: ReplaySummary, format: OutputFormat): void {
  if (format === 'table') printTables(result);
  else if (format === 'json') printJson(result);
  else print(JSON.stringify(result));
}

function printTables(result: ReplaySummary): void {
  const { frames, forwarded, dropped, flows, reasons, rules } = result;
  print(
    `${frames} frames = ${forwarded} forwarded + ${dropped} dropped; ` +
      `${flows.opened} flows opened, ${flows.live} live at the end`,
  );
  print('');
  printReasons(reasons);
  if (rules.length === 0) return;
  print('');
  printTable(
    ['security group', 'direction', 'rule', 'hits', 'packets', 'bytes'],
    rules.map((row) => [
      row.networkSecurityGroup,
      row.direction,
      row.ruleName,
      String(row.hits),
      String(row.packets),
      String(row.bytes),
    ]),
  );
}

function open(file: string): FrameSource {
  try {
    return openCaptureFile(file === '-' ? '/dev/stdin' : file);
  } catch (error) {
    if (error instanceof CaptureFileError) throw new CommandError(ExitCode.Failed, error.message);
    throw new CommandError(ExitCode.Usage, `${file}: ${(error as Error).message}`);
  }
}

/** Calls `judge` for every frame of the source, and closes it. @throws CommandError (1) after a file that breaks off */
function eachFrame(source: FrameSource, judge: () => void, end: () => void): void {
  let broken: CaptureFileError | undefined;
  try {
    while (source.next()) judge();
  } catch (error) {
    if (!(error instanceof CaptureFileError)) throw error;
    broken = error;
  } finally {
    source.close();
  }
  end();
  if (broken !== undefined) throw new CommandError(ExitCode.Failed, broken.message);
}

function decisionText({ access, reason, ruleName }: FrameDecision): string {
  return `${access} ${ruleName ?? reason}`;
}

function packetText({ protocol, source, destination }: ReplayChange): string {
  return source === null ? '-' : `${protocol} ${source} > ${destination}`;
}

/** One frame that only one of the policies forwards. `isFirst` opens the list of JSON. */
function printChange(change: ReplayChange, format: OutputFormat, isFirst: boolean): void {
  const { frames: _, ...frame } = change;
  if (format === 'json') print(`${isFirst ? '[' : ','}${JSON.stringify(frame)}`);
  else if (format === 'ndjson') print(JSON.stringify(frame));
  else {
    const verdicts = `${decisionText(change.before)} > ${decisionText(change.after)}`;
    print(`${change.firstFrame} ${change.direction} ${verdicts} ${packetText(change)}`);
  }
}

function printComparison(comparison: ReplayComparison, format: OutputFormat): void {
  const { frames, changes } = comparison;
  const newlyForwarded = comparison.total('Allow');
  const newlyDropped = comparison.total('Deny');
  if (format !== 'table') {
    const result = { frames, newlyForwarded, newlyDropped, changes };
    if (format === 'json') printJson(result);
    else print(JSON.stringify(result));
    return;
  }
  print(`${frames} frames: ${newlyForwarded} newly forwarded, ${newlyDropped} newly dropped`);
  if (changes.length === 0) return;
  print('');
  printTable(
    ['frames', 'first', 'direction', 'before', 'after', 'first packet'],
    changes.map((change) => [
      String(change.frames),
      String(change.firstFrame),
      change.direction,
      decisionText(change.before),
      decisionText(change.after),
      packetText(change),
    ]),
  );
}

function compareReplays(file: string, against: string, options: ReplayCommandOptions): number {
  const [old, current] = [against, options.config].map((path) => loadPolicy(path));
  if (old === undefined || current === undefined) throw new RangeError('two files were read');
  const nic = findNic(current.policy, options.nic);
  const replayOf = ({ configuration, policy }: LoadedConfiguration): Replay =>
    new Replay(configuration.flowTable, policy, findNic(policy, nic.name));
  const comparison = new ReplayComparison(replayOf(old), replayOf(current));
  const source = open(file);
  let printed = 0;
  const judge = (): void => {
    const change = comparison.judge(source);
    if (change === undefined || options.perPacket !== true) return;
    printChange(change, options.output, printed === 0);
    printed++;
  };
  eachFrame(source, judge, () => {
    if (options.perPacket) printListEnd(printed, options.output);
    else printComparison(comparison, options.output);
  });
  return ExitCode.Ok;
}

function replayFile(file: string, options: ReplayCommandOptions): number {
  if (options.against !== undefined) return compareReplays(file, options.against, options);
  const { configuration, policy } = loadPolicy(options.config);
  const nic = findNic(policy, options.nic);
  const replay = new Replay(configuration.flowTable, policy, nic);
  const source = open(file);
  const judge = (): void => {
    const frame = replay.judge(source);
    if (
      frame.reason === Reason.UnsupportedLinkType &&
      replay.frames(Reason.UnsupportedLinkType) === 1
    ) {
      printError(
        `nsgd: ${file}: frame ${frame.number} has link type ${linkTypeName(source.linkType)}; only Ethernet is judged`,
      );
    }
    if (options.perPacket) printPacket(packetReport(replay, frame, source.length), options.output);
  };
  eachFrame(source, judge, () => {
    if (options.perPacket) printListEnd(replay.frame.number, options.output);
    else printSummary(summary(replay, nic.name), options.output);
  });
  return ExitCode.Ok;
}

export function addReplayCommand(program: Command): void {
  program
    .command('replay')
    .description('a capture file through the whole stateful path: verdicts, flows, drop reasons')
    .argument('<file>', 'capture file: pcap or pcapng, Ethernet; - for stdin')
    .requiredOption('-c, --config <file>', 'configuration')
    .option('--nic <name>', 'network interface whose rules judge; else the only one')
    .option('--against <file>', 'another configuration: only packets whose verdict changes from it')
    .option('--per-packet', 'one line for each packet')
    .addOption(outputOption(['table', 'json', 'ndjson']))
    .action((file: string, options: ReplayCommandOptions) => {
      process.exitCode = replayFile(file, options);
    });
}
