/**
 * `nsgd replay`: what the policy makes of a capture file, packet by packet, with state.
 */
import type { Command } from 'commander';
import { openCaptureFile } from '../../src/capture/capture-file.ts';
import { CaptureFileError } from '../../src/capture/capture-file-error.ts';
import type { FrameSource } from '../../src/capture/frame.ts';
import { linkTypeName } from '../../src/capture/link-type.ts';
import { InterfaceCounter } from '../../src/engine/counters.ts';
import { NO_RULE } from '../../src/engine/evaluate.ts';
import { printedRuleName } from '../../src/engine/policy.ts';
import { Reason, reasonNames } from '../../src/engine/reason.ts';
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
import { Replay, type ReplayedFrame } from '../replay.ts';
import { type ReasonStatus, reasonStatuses, type RuleCounts, ruleCounts } from '../status.ts';
import { findNic } from './find-nic.ts';
import { loadPolicy } from './load-policy.ts';
import { printReasons } from './print-reasons.ts';

interface ReplayCommandOptions {
  readonly config: string;
  readonly nic?: string;
  readonly perPacket?: true;
  readonly output: OutputFormat;
}

const DIRECTIONS = ['Inbound', 'Outbound'] as const;

/** The rule that decided the frame judged last, or undefined when none did. */
function decidingRule(replay: Replay): string | undefined {
  const { pipeline } = replay;
  const { decidingStep, lists, rules } = pipeline.evaluation;
  if (!pipeline.isEvaluated || decidingStep === NO_RULE) return undefined;
  const list = replay.compiled.lists[lists[decidingStep] ?? NO_RULE];
  const rule = list?.rules[rules[decidingStep] ?? NO_RULE];
  return rule === undefined ? undefined : printedRuleName(rule);
}

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
    ruleName: decidingRule(replay) ?? null,
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

function replayFile(file: string, options: ReplayCommandOptions): number {
  const { configuration, policy } = loadPolicy(options.config);
  const nic = findNic(policy, options.nic);
  const replay = new Replay(configuration.flowTable, policy, nic);
  const source = open(file);
  let broken: CaptureFileError | undefined;
  try {
    while (source.next()) {
      const frame = replay.judge(source);
      if (
        frame.reason === Reason.UnsupportedLinkType &&
        replay.frames(Reason.UnsupportedLinkType) === 1
      ) {
        printError(
          `nsgd: ${file}: frame ${frame.number} has link type ${linkTypeName(source.linkType)}; only Ethernet is judged`,
        );
      }
      if (options.perPacket)
        printPacket(packetReport(replay, frame, source.length), options.output);
    }
  } catch (error) {
    if (!(error instanceof CaptureFileError)) throw error;
    broken = error;
  } finally {
    source.close();
  }
  if (options.perPacket) printListEnd(replay.frame.number, options.output);
  else printSummary(summary(replay, nic.name), options.output);
  if (broken !== undefined) throw new CommandError(ExitCode.Failed, broken.message);
  return ExitCode.Ok;
}

export function addReplayCommand(program: Command): void {
  program
    .command('replay')
    .description('a capture file through the whole stateful path: verdicts, flows, drop reasons')
    .argument('<file>', 'capture file: pcap or pcapng, Ethernet; - for stdin')
    .requiredOption('-c, --config <file>', 'configuration')
    .option('--nic <name>', 'network interface whose rules judge; else the only one')
    .option('--per-packet', 'one line for each packet')
    .addOption(outputOption(['table', 'json', 'ndjson']))
    .action((file: string, options: ReplayCommandOptions) => {
      process.exitCode = replayFile(file, options);
    });
}
