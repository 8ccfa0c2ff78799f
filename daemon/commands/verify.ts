/**
 * `nsgd verify`: IP flow verify and NSG diagnostics. One packet, many from a file, or traffic between prefixes and tags.
 */
import type { Command } from 'commander';
import { Explainer, type Explanation, type FlowTuple } from '../../src/policy/explain.ts';
import type { LoadedConfiguration } from '../../src/policy/load.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { readInput } from '../input.ts';
import {
  type OutputFormat,
  outputOption,
  print,
  printError,
  printJson,
  printLines,
  printTable,
} from '../output.ts';
import { parseAddress, parseDirection, parsePort, parseProtocol } from '../tuple.ts';
import type { NsgDiagnostics } from '../nsg-diagnostics.ts';
import type { CarryingFlows } from '../carrying-flows.ts';
import {
  answerVerify,
  chooseNic,
  type PartsAnswer,
  type VerifyAnswer,
  type VerifyRequest,
} from '../verify-request.ts';
import { askDaemon, withSocketOption } from './control-option.ts';
import { loadPolicy } from './load-policy.ts';

/** What the running daemon adds for one packet. */
interface LiveAnswer {
  readonly flowTable?: CarryingFlows;
}
type Answer = (VerifyAnswer | PartsAnswer) & LiveAnswer;

interface VerifyOptions extends VerifyRequest {
  readonly config?: string;
  readonly live?: true;
  readonly socket: string;
  readonly batch?: string;
  readonly output: OutputFormat;
}

/** What is printed for a rule where no NSG applies. */
const NO_RULE_NAME = '-';
/** Prefixes of a part that a table has room for; JSON has them all. */
const PREFIXES_SHOWN = 3;

/** `direction protocol srcIP srcPort dstIP dstPort` */
function tupleOfLine(line: string): FlowTuple {
  const fields = line.split(/\s+/);
  const [
    direction = '',
    protocol = '',
    source = '',
    sourcePort = '',
    destination = '',
    destinationPort = '',
  ] = fields;
  if (fields.length !== 6) {
    throw new CommandError(
      ExitCode.Usage,
      `${fields.length} fields; expected: direction protocol srcIP srcPort dstIP dstPort`,
    );
  }
  const isInbound = parseDirection(direction) === 0;
  const from = parseAddress(source);
  const to = parseAddress(destination);
  if (typeof from !== typeof to)
    throw new CommandError(ExitCode.Usage, 'addresses of different families');
  const [fromPort, toPort] = [parsePort(sourcePort), parsePort(destinationPort)];
  return {
    direction: isInbound ? 0 : 1,
    protocol: parseProtocol(protocol, from),
    local: isInbound ? to : from,
    localPort: isInbound ? toPort : fromPort,
    remote: isInbound ? from : to,
    remotePort: isInbound ? fromPort : toPort,
  };
}

function readBatch(file: string): string {
  try {
    return readInput(file).toString('utf8');
  } catch (error) {
    throw new CommandError(ExitCode.Usage, `--batch ${file}: ${(error as Error).message}`);
  }
}

/** Lines that are empty or start with `#` are skipped. All lines are read before the first answer is printed. */
function verifyBatch(explainer: Explainer, file: string): number {
  const problems: string[] = [];
  const tuples: FlowTuple[] = [];
  for (const [index, raw] of readBatch(file).split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    try {
      tuples.push(tupleOfLine(line));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      problems.push(`${file}:${index + 1}: ${error.message}`);
    }
  }
  if (problems.length > 0) throw new CommandError(ExitCode.Usage, problems.join('\n'));
  const answers = tuples.map((tuple) => {
    const { access, ruleName } = explainer.explain(tuple);
    return `${access} ${ruleName ?? NO_RULE_NAME}`;
  });
  printLines(answers);
  return ExitCode.Ok;
}

function printExplanation(explanation: Explanation): void {
  print(`Access: ${explanation.access}`);
  print(`Rule:   ${explanation.ruleName ?? NO_RULE_NAME}`);
  print('');
  printTable(
    ['stage', 'security group', 'access', 'priority', 'rule'],
    explanation.steps.map((step) => [
      step.stage,
      step.networkSecurityGroup ?? NO_RULE_NAME,
      step.access,
      step.priority === undefined ? NO_RULE_NAME : String(step.priority),
      step.ruleName ?? NO_RULE_NAME,
    ]),
  );
}

function textOf(items: readonly string[]): string {
  const shown = items.slice(0, PREFIXES_SHOWN).join(' ');
  return items.length > PREFIXES_SHOWN ? `${shown} ... (${items.length})` : shown || NO_RULE_NAME;
}

function printParts({ access, parts }: PartsAnswer): void {
  print(`Access: ${access}`);
  print('');
  printTable(
    [
      'access',
      'security group',
      'rule',
      'protocol',
      'local',
      'local port',
      'remote',
      'remote port',
    ],
    parts.map((part) => [
      part.access,
      part.networkSecurityGroup ?? NO_RULE_NAME,
      part.ruleName ?? NO_RULE_NAME,
      part.protocol,
      textOf(part.local),
      textOf(part.localPorts),
      textOf(part.remote),
      textOf(part.remotePorts),
    ]),
  );
}

function mark(isMatched: boolean): string {
  return isMatched ? 'yes' : 'no';
}

/** For each part and stage a table of its rules, with the fields that matched. */
function printDiagnostics({ results }: NsgDiagnostics): void {
  for (const { profile, networkSecurityGroupResult: result } of results) {
    const { direction, protocol, source, destination, destinationPort } = profile;
    print('');
    print(
      `${direction} ${protocol} from ${source} to ${destination}, port ${destinationPort}: ` +
        result.securityRuleAccessResult,
    );
    for (const group of result.evaluatedNetworkSecurityGroups) {
      const matched = group.matchedRule;
      const word = matched === null ? 'several rules' : `${matched.ruleName}, ${matched.action}`;
      print('');
      print(`${group.networkSecurityGroupId} on ${group.appliedTo}: ${word}`);
      printTable(
        ['rule', 'protocol', 'source', 'source port', 'destination', 'destination port'],
        group.rulesEvaluationResult.map((rule) => [
          rule.name,
          mark(rule.protocolMatched),
          mark(rule.sourceMatched),
          mark(rule.sourcePortMatched),
          mark(rule.destinationMatched),
          mark(rule.destinationPortMatched),
        ]),
      );
    }
  }
}

function printFlows({ flows }: CarryingFlows): void {
  print('');
  if (flows.length === 0) {
    print('Flow:   none; the rules decide');
    return;
  }
  for (const flow of flows) {
    const rules = flow.rules.map((rule) => `${rule.networkSecurityGroup}/${rule.ruleName}`);
    print(
      `Flow:   ${flow.state}, opened ${flow.direction}, idle ${flow.idleSeconds} s, admitted by ` +
        `${rules.join(' and ') || 'no rule'}: it carries the packet, whatever the rules say now`,
    );
  }
}

/** From the running daemon, or from the configuration file. */
async function answer(options: VerifyOptions): Promise<Answer> {
  if (options.live === undefined) return answerVerify(configurationOf(options), options).answer;
  const { nic, direction, protocol, local, remote, detail } = options;
  const request = { nic, direction, protocol, local, remote, detail };
  const reply = await askDaemon(options.socket, 'POST', '/v1/verify', request);
  return reply['result'] as Answer;
}

function configurationOf(options: VerifyOptions): LoadedConfiguration {
  if (options.config === undefined)
    throw new CommandError(ExitCode.Usage, 'give --config FILE, or --live');
  return loadPolicy(options.config);
}

function printAnswer(result: Answer, output: OutputFormat): void {
  if (output === 'json') {
    // Azure's answer and nothing beside it, so that what reads Azure's reads this.
    if (result.diagnostics !== undefined) printJson(result.diagnostics);
    else if (result.kind === 'parts') printJson(result);
    else printJson({ ...result, ruleName: result.ruleName ?? null });
    return;
  }
  if (result.kind === 'parts') printParts(result);
  else printExplanation(result);
  if (result.flowTable !== undefined) printFlows(result.flowTable);
  if (result.diagnostics !== undefined) printDiagnostics(result.diagnostics);
}

async function verify(options: VerifyOptions): Promise<number> {
  if (options.live === true && options.config !== undefined) {
    throw new CommandError(ExitCode.Usage, 'give --config FILE or --live, not both');
  }
  if (options.live === true && options.batch !== undefined) {
    throw new CommandError(ExitCode.Usage, '--live answers one flow; give --batch with --config');
  }
  if (options.batch !== undefined) {
    const { policy } = configurationOf(options);
    return verifyBatch(new Explainer(policy, chooseNic(policy, options.nic)), options.batch);
  }
  const result = await answer(options);
  if (!result.isLocalAddress) {
    printError(
      `nsgd: warning: ${result.networkInterface} does not have the local ${result.kind === 'packet' ? 'address' : 'addresses'}; live, its wire drops such packets`,
    );
  }
  printAnswer(result, options.output);
  return result.access === 'Allow' ? ExitCode.Ok : ExitCode.Failed;
}

const ENDPOINT_HELP =
  'ADDRESS:PORT, [IPv6]:PORT, or without port; also prefixes, service tags, port ranges and *';

export function addVerifyCommand(program: Command): void {
  withSocketOption(program.command('verify'))
    .description(
      'what the rules say of a packet, of a file of them, or of traffic between prefixes and tags: allowed, denied, or which parts',
    )
    .option('-c, --config <file>', 'configuration')
    .option('--live', 'ask the running daemon instead')
    .option('--nic <name>', 'network interface; else the one with the local address')
    .option('--direction <direction>', 'Inbound or Outbound, seen from the network interface')
    .option('--protocol <protocol>', 'TCP, UDP, ICMP, ESP, AH, a number, or * for any')
    .option('--local <endpoint>', `${ENDPOINT_HELP}; * for what the interface has`)
    .option('--remote <endpoint>', ENDPOINT_HELP)
    .option(
      '--detail',
      'every rule of every stage with the fields that matched; json as NSG diagnostics',
    )
    .option(
      '--batch <file>',
      'lines "direction protocol srcIP srcPort dstIP dstPort" (- for stdin)',
    )
    .addOption(outputOption(['table', 'json']))
    .action(async (options: VerifyOptions) => {
      process.exitCode = await verify(options);
    });
}
