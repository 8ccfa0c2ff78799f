/**
 * `nsgd replay`: what the policy makes of a capture file, packet by packet, with state.
 */
import type { Command } from 'commander';
import { openCaptureFile } from '../../src/capture/capture-file.ts';
import { CaptureFileError } from '../../src/capture/capture-file-error.ts';
import type { FrameSource } from '../../src/capture/frame.ts';
import { linkTypeName } from '../../src/capture/link-type.ts';
import { InterfaceCounter, RuleCounter } from '../../src/engine/counters.ts';
import { NO_RULE } from '../../src/engine/evaluate.ts';
import { Reason, reasonNames } from '../../src/engine/reason.ts';
import { FlowStat } from '../../src/flowtable/segment.ts';
import { printedRuleName } from '../../src/policy/explain.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { packetEndpoints, protocolName } from '../packet-text.ts';
import { type OutputFormat, outputFormat, print, printJson, printTable } from '../output.ts';
import { Replay, type ReplayedFrame } from '../replay.ts';
import { findNic } from './find-nic.ts';
import { loadPolicy } from './load-policy.ts';

interface ReplayCommandOptions {
  readonly config: string;
  readonly nic?: string;
  readonly perPacket?: true;
  readonly output: string;
}

const DIRECTIONS = ['Inbound', 'Outbound'] as const;

/** The rule that decided the frame judged last, or undefined when none did. */
function decidingRule(replay: Replay): string | undefined {
  const { pipeline } = replay;
  const { decidingStep, lists, rules } = pipeline.evaluation;
  if (!pipeline.isEvaluated || decidingStep === NO_RULE) return undefined;
  const list = replay.compiled.lists[lists[decidingStep] ?? NO_RULE];
  return list === undefined ? undefined : printedRuleName(list, rules[decidingStep] ?? NO_RULE);
}

function packetRecord(replay: Replay, frame: ReplayedFrame): Record<string, unknown> {
  const isIp =
    frame.reason !== Reason.UnsupportedLinkType && replay.pipeline.packet.ipVersion !== 0;
  const ends = isIp ? packetEndpoints(replay.pipeline.packet) : undefined;
  return {
    number: frame.number,
    time: new Date(frame.timestamp).toISOString(),
    direction: DIRECTIONS[frame.direction],
    access: frame.isForwarded ? 'Allow' : 'Deny',
    reason: reasonNames[frame.reason],
    ruleName: decidingRule(replay) ?? null,
    protocol: isIp ? protocolName(replay.pipeline.packet) : null,
    source: ends?.source ?? null,
    destination: ends?.destination ?? null,
    length: replay.pipeline.packet.frameLength,
  };
}

function printPacket(replay: Replay, frame: ReplayedFrame, format: OutputFormat): void {
  const record = packetRecord(replay, frame);
  if (format !== 'table') {
    print(JSON.stringify(record));
    return;
  }
  const what =
    record['source'] === null
      ? '-'
      : `${String(record['protocol'])} ${String(record['source'])} > ${String(record['destination'])}`;
  const rule = record['ruleName'] ?? '-';
  print(
    `${frame.number} ${String(record['time'])} ${String(record['direction'])} ${String(record['access'])} ` +
      `${String(record['reason'])} ${String(rule)} ${what}`,
  );
}

function summary(replay: Replay, nic: string): Record<string, unknown> {
  const { counters, flows } = replay;
  const reasons = reasonNames.flatMap((reason, number) => {
    const frames = replay.frames(number);
    if (frames === 0) return [];
    return [
      {
        reason,
        access: number < Reason.RuleDeny ? 'Allow' : 'Deny',
        inbound: counters.reasonFrames(0, number),
        outbound: counters.reasonFrames(1, number),
      },
    ];
  });
  const rules = replay.compiled.lists.flatMap((list) =>
    list.rules.flatMap((rule, index) => {
      const slot = replay.compiled.registry.rules.slotOf(
        `${list.owner}|${DIRECTIONS[list.direction]}|${rule.name}`,
      );
      const hits = counters.rule(slot, RuleCounter.Hits);
      if (hits === 0) return [];
      return [
        {
          networkSecurityGroup: list.owner,
          direction: DIRECTIONS[list.direction],
          ruleName: printedRuleName(list, index),
          hits,
          packets: counters.rule(slot, RuleCounter.Packets),
          bytes: counters.rule(slot, RuleCounter.Bytes),
        },
      ];
    }),
  );
  return {
    networkInterface: nic,
    frames: replay.frame.number,
    bytes:
      counters.interface(0, InterfaceCounter.BytesIn) +
      counters.interface(1, InterfaceCounter.BytesIn),
    forwarded: replay.total(true),
    dropped: replay.total(false),
    flows: { live: flows.size, opened: flows.stat(FlowStat.Inserts) },
    reasons,
    rules,
  };
}

function printSummary(result: ReturnType<typeof summary>): void {
  const flows = result['flows'] as { live: number; opened: number };
  print(
    `${String(result['frames'])} frames = ${String(result['forwarded'])} forwarded + ${String(result['dropped'])} dropped; ` +
      `${flows.opened} flows opened, ${flows.live} live at the end`,
  );
  print('');
  const reasons = result['reasons'] as {
    reason: string;
    access: string;
    inbound: number;
    outbound: number;
  }[];
  printTable(
    ['reason', 'access', 'inbound', 'outbound'],
    reasons.map((row) => [row.reason, row.access, String(row.inbound), String(row.outbound)]),
  );
  const rules = result['rules'] as Record<string, unknown>[];
  if (rules.length === 0) return;
  print('');
  const columns = ['networkSecurityGroup', 'direction', 'ruleName', 'hits', 'packets', 'bytes'];
  printTable(
    ['security group', 'direction', 'rule', 'hits', 'packets', 'bytes'],
    rules.map((row) => columns.map((column) => String(row[column]))),
  );
}

function open(file: string): FrameSource {
  try {
    return openCaptureFile(file);
  } catch (error) {
    if (error instanceof CaptureFileError) throw new CommandError(ExitCode.Failed, error.message);
    throw new CommandError(ExitCode.Usage, `${file}: ${(error as Error).message}`);
  }
}

function replayFile(file: string, options: ReplayCommandOptions): number {
  const format = outputFormat(options.output, ['table', 'json', 'ndjson']);
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
        process.stderr.write(
          `nsgd: ${file}: frame ${frame.number} has link type ${linkTypeName(source.linkType)}; only Ethernet is judged\n`,
        );
      }
      if (options.perPacket) printPacket(replay, frame, format);
    }
  } catch (error) {
    if (!(error instanceof CaptureFileError)) throw error;
    broken = error;
  } finally {
    source.close();
  }
  if (!options.perPacket) {
    const result = summary(replay, nic.name);
    if (format === 'table') printSummary(result);
    else if (format === 'json') printJson(result);
    else print(JSON.stringify(result));
  }
  if (broken !== undefined) throw new CommandError(ExitCode.Failed, broken.message);
  return ExitCode.Ok;
}

export function addReplayCommand(program: Command): void {
  program
    .command('replay')
    .description('a capture file through the whole stateful path: verdicts, flows, drop reasons')
    .argument('<file>', 'capture file: pcap or pcapng, Ethernet')
    .requiredOption('-c, --config <file>', 'configuration')
    .option('--nic <name>', 'network interface whose rules judge; else the only one')
    .option('--per-packet', 'one line for each packet')
    .option('-o, --output <format>', 'table, json or ndjson', 'table')
    .action((file: string, options: ReplayCommandOptions) => {
      process.exitCode = replayFile(file, options);
    });
}
