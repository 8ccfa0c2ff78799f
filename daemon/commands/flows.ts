/**
 * `nsgd flows`: the flow table, as `conntrack -L` lists it.
 */
import type { Command } from 'commander';
import { callControl } from '../control/client.ts';
import type { FlowStatus } from '../status.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import { outputFormat, print, printError, printJson, printTable } from '../output.ts';
import { withSocketOption } from './control-option.ts';

interface FlowsOptions {
  readonly socket: string;
  readonly output: string;
  readonly limit: string;
}

async function listFlows(options: FlowsOptions): Promise<number> {
  const format = outputFormat(options.output, ['table', 'json', 'ndjson']);
  if (!/^\d{1,9}$/.test(options.limit)) {
    throw new CommandError(ExitCode.Usage, `--limit ${options.limit}: not a number`);
  }
  const { status, body } = await callControl(options.socket, {
    method: 'GET',
    target: `/v1/flows?limit=${options.limit}`,
  });
  if (status !== 200) throw new CommandError(ExitCode.Failed, body.trim());
  const flows = body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FlowStatus);
  if (format === 'json') {
    printJson(flows);
  } else if (format === 'ndjson') {
    for (const flow of flows) print(JSON.stringify(flow));
  } else {
    printTable(
      ['wire', 'protocol', 'direction', 'local', 'remote', 'state', 'idle', 'out', 'in', 'rules'],
      flows.map((flow) => [
        flow.wire,
        flow.protocol,
        flow.direction,
        flow.local,
        flow.remote,
        flow.state,
        `${flow.idleSeconds}s`,
        `${flow.packetsOut}/${flow.bytesOut}`,
        `${flow.packetsIn}/${flow.bytesIn}`,
        flow.rules.map((rule) => `${rule.networkSecurityGroup}/${rule.ruleName}`).join(' ') || '-',
      ]),
    );
  }
  if (flows.length > 0 && flows.length === Number(options.limit)) {
    printError(`nsgd: only ${flows.length} shown; --limit gives more`);
  }
  return ExitCode.Ok;
}

export function addFlowsCommand(program: Command): void {
  withSocketOption(program.command('flows'))
    .description('live flows with state, idle time, packets/bytes and the rules that admitted them')
    .option('--limit <count>', 'at most so many', '1000')
    .option('-o, --output <format>', 'table, json or ndjson', 'table')
    .action(async (options: FlowsOptions) => {
      process.exitCode = await listFlows(options);
    });
}
