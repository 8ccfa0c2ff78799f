/**
 * `nsgd probe`: sends one packet and tells what became of it: never seen on a wire, denied and by which rule, forwarded, or
 * answered. Exit code 0 when it passed, 1 when not.
 */
import type { Command } from 'commander';
import { IpProtocol } from '../../src/capture/packet.ts';
import { quote } from '../../src/policy/problem.ts';
import type { FlowEvent } from '../events/event.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { type OutputFormat, outputOption, print, printError, printJson } from '../output.ts';
import { ipProtocolName } from '../packet-text.ts';
import { type Observation, probe, type ProbeRequest } from '../probe/probe.ts';
import type { DaemonStatus, FlowStatus } from '../status.ts';
import { type Endpoint, parseEndpoint, parseProtocol } from '../tuple.ts';
import type { VerifyAnswer } from '../verify-request.ts';
import { askDaemon, readFlows, withSocketOption } from './control-option.ts';

/** Flows that are looked through for one that has carried the probe. */
const FLOWS_LOOKED_AT = 100_000;
const LONGEST_SECONDS = 60;

interface ProbeOptions {
  readonly protocol: string;
  readonly to: string;
  readonly from?: string;
  readonly timeout: string;
  readonly socket: string;
  readonly output: OutputFormat;
}

/** `bypassed`: it was answered, and no wire has seen it. */
export type ProbeOutcome = 'answered' | 'forwarded' | 'denied' | 'not-seen' | 'bypassed';

/** What the interfaces of a wire counted meanwhile, of all packets. */
export interface InterfaceChange {
  readonly wire: string;
  readonly interface: string;
  readonly side: 'outside' | 'inside';
  readonly received: number;
  readonly sent: number;
  readonly sendErrors: number;
}

export interface ProbeReport {
  readonly protocol: string;
  readonly from: string;
  readonly to: string;
  readonly outcome: ProbeOutcome;
  readonly observation: Pick<
    Observation,
    'events' | 'deniedAnswers' | 'answer' | 'answerMilliseconds' | 'suppressed'
  >;
  /** A live flow that has the same ends, and carries the packet without asking a rule. */
  readonly liveFlow: FlowStatus | undefined;
  readonly interfaces: readonly InterfaceChange[];
  /** What the policy in force says of the same packet; absent when neither end is one of its interfaces. */
  readonly verify: VerifyAnswer | undefined;
}

/** @throws CommandError (2) */
function requestOf(options: ProbeOptions): ProbeRequest {
  const to = parseEndpoint(options.to);
  const from = options.from === undefined ? undefined : parseEndpoint(options.from);
  const protocol = parseProtocol(options.protocol, to.address);
  const seconds = Number(options.timeout);
  if (!(seconds > 0 && seconds <= LONGEST_SECONDS)) {
    throw usage(`--timeout ${options.timeout}: use seconds up to ${LONGEST_SECONDS}`);
  }
  const { Tcp, Udp, Icmp, Icmpv6 } = IpProtocol;
  if (![Tcp, Udp, Icmp, Icmpv6].some((known) => known === protocol)) {
    throw usage(`--protocol ${quote(options.protocol)}: a probe is TCP, UDP or ICMP`);
  }
  const hasPorts = protocol === Tcp || protocol === Udp;
  if (hasPorts && (to.port ?? 0) === 0) throw usage(`--to ${quote(options.to)}: write its port`);
  if (from !== undefined) checkFrom(from, to);
  return { protocol, from, to, socket: options.socket, timeoutMs: seconds * 1000 };
}

function checkFrom(from: Endpoint, to: Endpoint): void {
  if (typeof from.address !== typeof to.address) {
    throw usage('--from and --to are of different address families');
  }
  if (typeof from.address === 'bigint') {
    throw usage('--from: the kernel chooses the source address of IPv6; leave it out');
  }
}

function usage(message: string): CommandError {
  return new CommandError(ExitCode.Usage, message);
}

async function statusOf(socket: string): Promise<DaemonStatus> {
  return (await askDaemon(socket, 'GET', '/v1/status'))['status'] as DaemonStatus;
}

/** Interfaces of every wire; those of the wires that saw the probe when there are such. */
function interfaceChanges(
  before: DaemonStatus,
  after: DaemonStatus,
  events: readonly FlowEvent[],
): InterfaceChange[] {
  const seenOn = new Set(events.map(({ wire }) => wire));
  return after.wires.flatMap((wire, index) => {
    if (seenOn.size > 0 && !seenOn.has(wire.name)) return [];
    return wire.interfaces.map((now, side) => {
      const old = before.wires[index]?.interfaces[side] ?? now;
      return {
        wire: wire.name,
        interface: now.name,
        side: now.side,
        received: now.framesIn - old.framesIn,
        sent: now.framesOut - old.framesOut,
        sendErrors: now.sendErrors - old.sendErrors,
      };
    });
  });
}

/** The same packet, asked of the policy: as it was seen, else by whichever end is an interface of the policy. */
async function verifyOf(
  socket: string,
  { events, from, to }: Observation,
  protocol: string,
): Promise<VerifyAnswer | undefined> {
  const [seen] = events;
  const questions =
    seen === undefined
      ? [
          { direction: 'Inbound', local: to, remote: from },
          { direction: 'Outbound', local: from, remote: to },
        ]
      : [{ direction: seen.direction, local: seen.local, remote: seen.remote }];
  for (const question of questions) {
    try {
      // The second only when the first has no answer.
      // oxlint-disable-next-line no-await-in-loop
      const reply = await askDaemon(socket, 'POST', '/v1/verify', { protocol, ...question });
      const answer = reply['result'] as VerifyAnswer;
      if (answer.isLocalAddress) return answer;
    } catch (error) {
      // The policy has several interfaces, and none of them has the address.
      if (!(error instanceof CommandError) || error.exitCode !== ExitCode.Usage) throw error;
    }
  }
  return undefined;
}

function outcomeOf({ events, answer }: Observation, liveFlow: unknown): ProbeOutcome {
  if (events.at(-1)?.type === 'denied') return 'denied';
  const isSeen = events.length > 0 || liveFlow !== undefined;
  if (answer !== undefined && answer.kind !== 'ICMP error') return isSeen ? 'answered' : 'bypassed';
  return isSeen ? 'forwarded' : 'not-seen';
}

async function makeReport(options: ProbeOptions): Promise<ProbeReport> {
  const request = requestOf(options);
  const before = await statusOf(request.socket);
  const observation = await probe(request);
  const { from, to, events, deniedAnswers, answer, answerMilliseconds, suppressed } = observation;
  const protocol = ipProtocolName(request.protocol);
  const liveFlow =
    events.length === 0 && request.from?.port !== undefined
      ? (await readFlows(request.socket, { limit: FLOWS_LOOKED_AT })).find(
          (flow) =>
            flow.protocol === protocol &&
            [flow.local, flow.remote].includes(from) &&
            [flow.local, flow.remote].includes(to),
        )
      : undefined;
  return {
    protocol,
    from,
    to,
    outcome: outcomeOf(observation, liveFlow),
    observation: { events, deniedAnswers, answer, answerMilliseconds, suppressed },
    liveFlow,
    interfaces: interfaceChanges(before, await statusOf(request.socket), events),
    verify: await verifyOf(request.socket, observation, String(request.protocol)),
  };
}

function ruleText({ rules }: FlowEvent): string {
  const last = rules.at(-1);
  return last === undefined ? 'no rule' : `${last.networkSecurityGroup}/${last.ruleName}`;
}

function eventText(event: FlowEvent): string {
  const place = `${event.wire} ${event.networkInterface ?? '-'} ${event.direction}`;
  const verdict = event.type === 'denied' ? `denied (${event.reason})` : `allowed`;
  return `${place}: ${verdict}, ${ruleText(event)}`;
}

function answerText({ answer, answerMilliseconds = 0 }: ProbeReport['observation']): string {
  if (answer === undefined) return 'none';
  const { kind, from, icmpType, icmpCode } = answer;
  const type = icmpType === undefined ? '' : ` type ${icmpType} code ${icmpCode}`;
  return `${kind}${type} from ${from} after ${answerMilliseconds.toFixed(1)} ms`;
}

/** What it comes to, in a sentence. */
function conclusion({ outcome, observation, interfaces }: ProbeReport): string {
  if (outcome === 'denied') return 'denied: a wire has seen it and dropped it';
  if (outcome === 'answered') return 'passed: it went through and was answered';
  if (outcome === 'bypassed') {
    return 'not seen: it was answered, but went past every wire of this daemon';
  }
  if (outcome === 'not-seen') {
    return observation.suppressed > 0
      ? `not seen, but ${observation.suppressed} events could not be told meanwhile: try again`
      : 'not seen on any wire: look at the routes, and for address translation on the way';
  }
  if (observation.deniedAnswers.length > 0) return 'passed, but its answer was denied';
  return interfaces.some(({ sendErrors }) => sendErrors > 0)
    ? 'allowed, but the kernel refused to send some packet meanwhile: see nsgd status'
    : 'passed: it was sent on the other side; nothing that counts as an answer came back';
}

function printReport(report: ProbeReport): void {
  const { observation, verify, liveFlow } = report;
  print(`probe:   ${report.protocol} ${report.from} > ${report.to}`);
  for (const event of observation.events) print(`seen:    ${eventText(event)}`);
  if (liveFlow !== undefined) print(`seen:    ${liveFlow.wire}: carried by a live flow`);
  if (observation.events.length === 0 && liveFlow === undefined) print('seen:    no');
  for (const event of observation.deniedAnswers) print(`answer:  ${eventText(event)}`);
  print(`answer:  ${answerText(observation)}`);
  if (verify !== undefined) {
    print(`verify:  ${verify.networkInterface}: ${verify.access}, ${verify.ruleName ?? 'no rule'}`);
  }
  for (const row of report.interfaces) {
    print(
      `counted: ${row.wire} ${row.interface} (${row.side}): ${row.received} received, ${row.sent} sent, ` +
        `${row.sendErrors} send errors, of all packets meanwhile`,
    );
  }
  const text = conclusion(report);
  if (isPassed(report)) print(text);
  else printError(`nsgd: ${text}`);
}

function isPassed({ outcome }: ProbeReport): boolean {
  return outcome === 'answered' || outcome === 'forwarded';
}

export function addProbeCommand(program: Command): void {
  withSocketOption(program.command('probe'))
    .description('send one packet from this host and tell whether it passed and which rule decided')
    .requiredOption('--to <endpoint>', 'ADDRESS:PORT, [IPv6]:PORT; for ICMP an address alone')
    .option('--protocol <protocol>', 'TCP (a SYN), UDP or ICMP (an echo request)', 'TCP')
    .option('--from <endpoint>', 'source ADDRESS or ADDRESS:PORT, IPv4; else as the routes say')
    .option('--timeout <seconds>', 'wait so long for it and its answer', '2')
    .addOption(outputOption(['table', 'json']))
    .action(async (options: ProbeOptions) => {
      const report = await makeReport(options);
      if (options.output === 'json') printJson(report);
      else printReport(report);
      process.exitCode = isPassed(report) ? ExitCode.Ok : ExitCode.Failed;
    });
}
