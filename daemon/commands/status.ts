/**
 * `nsgd status`: one page about the running daemon. Exit code 0 when it is ready, also when it has something that wants attention;
 * 1 when a wire does not forward or not by the wanted policy, 3 when it does not run.
 */
import type { Command } from 'commander';
import type { DeviceState } from '../device-state.ts';
import type { CandidateStatus } from '../candidate.ts';
import type { DaemonStatus } from '../status.ts';
import { ExitCode } from '../exit-code.ts';
import { type OutputFormat, outputOption, print, printJson, printTable } from '../output.ts';
import { askDaemon, withSocketOption } from './control-option.ts';
import { printReasons } from './print-reasons.ts';

interface StatusOptions {
  readonly socket: string;
  readonly output: OutputFormat;
}

const INTERFACE_COLUMNS =
  'interface|side|link|mtu|promisc|offloads|ring|received|transmitted|send errors|kernel drops'.split(
    '|',
  );

/** MTU, promiscuous mode, offloads that are on. */
function deviceCells(device: DeviceState | null): string[] {
  if (device === null) return ['-', '-', '-'];
  const { mtu, isPromiscuous, offloads } = device;
  const promiscuous = isPromiscuous === null ? '-' : isPromiscuous ? 'on' : 'off';
  return [String(mtu), promiscuous, offloads.length === 0 ? 'off' : `${offloads.length} on`];
}

function candidateText({ file, isWatched, problems, ...counts }: CandidateStatus): string {
  if (!isWatched) return `${file}: not watched (${problems[0] ?? 'no reason'})`;
  const { judged, wouldDeny, wouldAllow } = counts;
  return (
    `${file}: of ${judged} packets it would deny ${wouldDeny.inbound} inbound, ${wouldDeny.outbound} outbound, ` +
    `allow ${wouldAllow.inbound} inbound, ${wouldAllow.outbound} outbound`
  );
}

function printStatus(status: DaemonStatus): void {
  print(
    `nsgd ${status.version}, process ${status.processId}, up ${Math.floor(status.uptimeSeconds)} s`,
  );
  print(`configuration: ${status.configuration}`);
  print(
    `last reload:   ${status.isLastReloadSuccessful ? 'succeeded' : 'failed, the policy before it stays'}`,
  );
  print(`ready:         ${status.isReady ? 'yes' : `no (${status.notReadyReasons.join('; ')})`}`);
  for (const warning of status.warnings) print(`attention:     ${warning}`);
  if (status.candidate !== null) print(`candidate:     ${candidateText(status.candidate)}`);
  for (const wire of status.wires) {
    print('');
    print(`wire ${wire.name} (${wire.mode}, ${wire.backend}): ${wire.state}`);
    print(
      `  generation ${wire.activeGeneration}, data plane ${wire.processId}, ${wire.restarts} restarts, ` +
        `${wire.flows.live} of ${wire.flows.limit} flows`,
    );
    printTable(
      INTERFACE_COLUMNS,
      wire.interfaces.map((row) => [
        row.name,
        row.side,
        row.isUp ? 'up' : 'down',
        ...deviceCells(row.device),
        row.ringSlots === null ? '-' : String(row.ringSlots),
        String(row.framesIn),
        String(row.framesOut),
        String(row.sendErrors),
        String(row.kernelDrops),
      ]),
    );
    for (const { event, told, lost } of wire.events) {
      if (lost > 0) print(`  ${lost} ${event} events left out, ${told} told`);
    }
    if (wire.reasons.length === 0) continue;
    print('');
    printReasons(wire.reasons);
  }
}

async function showStatus(options: StatusOptions): Promise<number> {
  const answer = await askDaemon(options.socket, 'GET', '/v1/status');
  const status = answer['status'] as DaemonStatus;
  if (options.output === 'json') printJson(answer);
  else printStatus(status);
  return status.isReady ? ExitCode.Ok : ExitCode.Failed;
}

export function addStatusCommand(program: Command): void {
  withSocketOption(program.command('status'))
    .description('how the running daemon is: wires, counters, drops by reason')
    .addOption(outputOption(['table', 'json']))
    .action(async (options: StatusOptions) => {
      process.exitCode = await showStatus(options);
    });
}
