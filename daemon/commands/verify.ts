/**
 * `nsgd verify`: IP flow verify. One tuple from options, or many from a file, answered by the engine itself.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { NicPolicy, Policy } from '../../src/engine/policy.ts';
import { Explainer, type Explanation, type FlowTuple } from '../../src/policy/explain.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { outputFormat, print, printError, printJson, printTable } from '../output.ts';
import { parseAddress, parseDirection, parseEndpoint, parsePort, parseProtocol } from '../tuple.ts';
import { findNic, loadPolicy } from './load-policy.ts';

interface VerifyOptions {
  readonly config: string;
  readonly nic?: string;
  readonly direction?: string;
  readonly protocol?: string;
  readonly local?: string;
  readonly remote?: string;
  readonly batch?: string;
  readonly output: string;
}

/** What is printed for a rule where no NSG applies. */
const NO_RULE_NAME = '-';

function tupleOfOptions(options: VerifyOptions): FlowTuple {
  const { direction, protocol, local, remote } = options;
  if (direction === undefined || protocol === undefined || local === undefined || remote === undefined) {
    throw new CommandError(
      ExitCode.Usage,
      'give --direction, --protocol, --local and --remote, or --batch FILE',
    );
  }
  const localEnd = parseEndpoint(local);
  const remoteEnd = parseEndpoint(remote);
  if (typeof localEnd.address !== typeof remoteEnd.address) {
    throw new CommandError(ExitCode.Usage, '--local and --remote are of different address families');
  }
  return {
    direction: parseDirection(direction),
    protocol: parseProtocol(protocol, localEnd.address),
    local: localEnd.address,
    localPort: localEnd.port,
    remote: remoteEnd.address,
    remotePort: remoteEnd.port,
  };
}

/** `direction protocol srcIP srcPort dstIP dstPort` */
function tupleOfLine(line: string): FlowTuple {
  const fields = line.split(/\s+/);
  const [direction = '', protocol = '', source = '', sourcePort = '', destination = '', destinationPort = ''] = fields;
  if (fields.length !== 6) {
    throw new CommandError(
      ExitCode.Usage,
      `${fields.length} fields; expected: direction protocol srcIP srcPort dstIP dstPort`,
    );
  }
  const isInbound = parseDirection(direction) === 0;
  const from = parseAddress(source);
  const to = parseAddress(destination);
  if (typeof from !== typeof to) throw new CommandError(ExitCode.Usage, 'addresses of different families');
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
    return readFileSync(file === '-' ? 0 : file, 'utf8');
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
  if (answers.length > 0) print(answers.join('\n'));
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

/** The NIC that was named, or else the one that has the local address, or else the only one. */
function chooseNic(policy: Policy, options: VerifyOptions, tuple: FlowTuple | undefined): NicPolicy {
  if (options.nic !== undefined) return findNic(policy, options.nic);
  if (tuple !== undefined) {
    const owner = policy.nics.find((nic) => new Explainer(policy, nic).hasAddress(tuple.local));
    if (owner !== undefined) return owner;
  }
  return findNic(policy, undefined);
}

function verify(options: VerifyOptions): number {
  const format = outputFormat(options.output, ['table', 'json']);
  const { policy } = loadPolicy(options.config);
  if (options.batch !== undefined) {
    return verifyBatch(new Explainer(policy, chooseNic(policy, options, undefined)), options.batch);
  }
  const tuple = tupleOfOptions(options);
  const explainer = new Explainer(policy, chooseNic(policy, options, tuple));
  if (!explainer.hasAddress(tuple.local)) {
    printError(
      `nsgd: warning: ${explainer.nic.name} does not have the local address; live, its wire drops such packets`,
    );
  }
  const explanation = explainer.explain(tuple);
  if (format === 'json') {
    printJson({ networkInterface: explainer.nic.name, ...explanation, ruleName: explanation.ruleName ?? null });
  } else {
    printExplanation(explanation);
  }
  return explanation.access === 'Allow' ? ExitCode.Ok : ExitCode.Failed;
}

export function addVerifyCommand(program: Command): void {
  program
    .command('verify')
    .description('what the rules say of one flow, or of a file of them, and which rule decides')
    .requiredOption('-c, --config <file>', 'configuration')
    .option('--nic <name>', 'network interface; else the one with the local address')
    .option('--direction <direction>', 'Inbound or Outbound, seen from the network interface')
    .option('--protocol <protocol>', 'TCP, UDP, ICMP, ESP, AH or a number')
    .option('--local <endpoint>', 'ADDRESS:PORT, [IPv6]:PORT, or an address alone')
    .option('--remote <endpoint>', 'ADDRESS:PORT, [IPv6]:PORT, or an address alone')
    .option('--batch <file>', 'lines "direction protocol srcIP srcPort dstIP dstPort" (- for stdin)')
    .option('-o, --output <format>', 'table or json', 'table')
    .action((options: VerifyOptions) => {
      process.exitCode = verify(options);
    });
}
