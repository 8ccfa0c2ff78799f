/**
 * `nsgd verify`: IP flow verify. One tuple from options, or many from a file, answered by the engine itself.
 */
import type { Command } from 'commander';
import type { Policy } from '../../src/engine/policy.ts';
import { Explainer, type Explanation, type FlowTuple } from '../../src/policy/explain.ts';
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
import {
  answerVerify,
  chooseNic,
  type VerifyAnswer,
  type VerifyRequest,
} from '../verify-request.ts';
import { askDaemon, withSocketOption } from './control-option.ts';
import { loadPolicy } from './load-policy.ts';

interface VerifyOptions extends VerifyRequest {
  readonly config?: string;
  readonly live?: true;
  readonly socket: string;
  readonly batch?: string;
  readonly output: OutputFormat;
}

/** What is printed for a rule where no NSG applies. */
const NO_RULE_NAME = '-';

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

/** From the running daemon, or from the configuration file. */
async function answer(options: VerifyOptions): Promise<VerifyAnswer> {
  if (options.live === undefined) return answerVerify(policyOf(options), options);
  const { nic, direction, protocol, local, remote } = options;
  const request = { nic, direction, protocol, local, remote };
  const reply = await askDaemon(options.socket, 'POST', '/v1/verify', request);
  return reply['result'] as VerifyAnswer;
}

function policyOf(options: VerifyOptions): Policy {
  if (options.config === undefined)
    throw new CommandError(ExitCode.Usage, 'give --config FILE, or --live');
  return loadPolicy(options.config).policy;
}

async function verify(options: VerifyOptions): Promise<number> {
  if (options.live === true && options.config !== undefined) {
    throw new CommandError(ExitCode.Usage, 'give --config FILE or --live, not both');
  }
  if (options.live === true && options.batch !== undefined) {
    throw new CommandError(ExitCode.Usage, '--live answers one flow; give --batch with --config');
  }
  if (options.batch !== undefined) {
    const policy = policyOf(options);
    return verifyBatch(new Explainer(policy, chooseNic(policy, options.nic)), options.batch);
  }
  const result = await answer(options);
  if (!result.isLocalAddress) {
    printError(
      `nsgd: warning: ${result.networkInterface} does not have the local address; live, its wire drops such packets`,
    );
  }
  if (options.output === 'json') printJson({ ...result, ruleName: result.ruleName ?? null });
  else printExplanation(result);
  return result.access === 'Allow' ? ExitCode.Ok : ExitCode.Failed;
}

export function addVerifyCommand(program: Command): void {
  withSocketOption(program.command('verify'))
    .description('what the rules say of one flow, or of a file of them, and which rule decides')
    .option('-c, --config <file>', 'configuration')
    .option('--live', 'ask the running daemon instead')
    .option('--nic <name>', 'network interface; else the one with the local address')
    .option('--direction <direction>', 'Inbound or Outbound, seen from the network interface')
    .option('--protocol <protocol>', 'TCP, UDP, ICMP, ESP, AH or a number')
    .option('--local <endpoint>', 'ADDRESS:PORT, [IPv6]:PORT, or an address alone')
    .option('--remote <endpoint>', 'ADDRESS:PORT, [IPv6]:PORT, or an address alone')
    .option(
      '--batch <file>',
      'lines "direction protocol srcIP srcPort dstIP dstPort" (- for stdin)',
    )
    .addOption(outputOption(['table', 'json']))
    .action(async (options: VerifyOptions) => {
      process.exitCode = await verify(options);
    });
}
