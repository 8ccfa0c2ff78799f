/**
 * `nsgd flows`: the flow table, as `conntrack -L` lists it.
 */
import { type Command, Option } from 'commander';
import { CommandError, ExitCode } from '../exit-code.ts';
import {
  type OutputFormat,
  outputOption,
  print,
  printError,
  printJson,
  printTable,
} from '../output.ts';
import { type FlowSelection, readFlows, withSocketOption } from './control-option.ts';

interface FlowsOptions {
  readonly socket: string;
  readonly output: OutputFormat;
  readonly limit: string;
  readonly sort?: FlowSelection['sort'];
  readonly whatIf?: string;
}

async function listFlows(options: FlowsOptions): Promise<number> {
  if (!/^\d{1,9}$/.test(options.limit)) {
    throw new CommandError(ExitCode.Usage, `--limit ${options.limit}: not a number`);
  }
  const flows = await readFlows(options.socket, {
    limit: Number(options.limit),
    ...(options.sort === undefined ? {} : { sort: options.sort }),
  });
  if (options.whatIf !== undefined) {
    // Loaded here: to list flows takes no policy.
    const { printWhatIf } = await import('./flows-what-if.ts');
    printWhatIf(flows, options.whatIf, options.output);
  } else if (options.output === 'json') {
    printJson(flows);
  } else if (options.output === 'ndjson') {
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
    .addOption(new Option('--sort <by>', 'the largest first').choices(['bytes']))
    .option(
      '--what-if <file>',
      'a configuration: only flows that it would deny, or admit by other rules',
    )
    .addOption(outputOption(['table', 'json', 'ndjson']))
    .action(async (options: FlowsOptions) => {
      process.exitCode = await listFlows(options);
    });
}
