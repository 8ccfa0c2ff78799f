/**
 * `nsgd attach`: host mode on a network interface. Undone unless confirmed in time, because a policy that shuts the
 * operator out could not be mended from outside.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Policy } from '../../src/engine/policy.ts';
import { hasIpv4, hasIpv6, isEmpty } from '../../src/engine/address-set.ts';
import { parseIpv4, parseIpv6 } from '../../src/policy/address.ts';
import type { Configuration } from '../../src/policy/configuration.ts';
import type { HostEnd, Wire } from '../../src/policy/configuration-interfaces.ts';
import { diskFiles } from '../../src/policy/load.ts';
import { controlSocketIn, parseDuration } from '../../src/policy/setting-values.ts';
import { CommandError, ExitCode } from '../exit-code.ts';
import type { Attachments } from '../host-mode/attachment.ts';
import type { AttachRequest } from '../host-mode/attach.ts';
import type { HostInterfaces } from '../host-mode/obstacles.ts';
import type { Address } from '../host-mode/snapshot.ts';
import { print, printError } from '../output.ts';
import type { DaemonStatus } from '../status.ts';
import { askDaemon } from './control-option.ts';
import { hostError, type HostOptions, openAttachments, withHostDirectory } from './host-option.ts';
import { loadPolicy } from './load-policy.ts';

const DEFAULT_CONFIGURATION = '/etc/nsgd/nsgd.yaml';
const POLL_MILLISECONDS = 100;
/** The watcher undoes at the deadline; so long after it, it is not there any more. */
const WATCHER_LATE_MILLISECONDS = 3_000;
const MILLISECONDS = 1000;

interface AttachOptions extends HostOptions {
  readonly config: string;
  readonly ready: string;
  /** False for `--no-confirm`. */
  readonly confirm: string | false;
}

type HostWire = Wire & { readonly host: HostEnd };

/** The wire that has the interface outside. @throws CommandError (2) */
function hostWire(configuration: Configuration, nic: string): HostWire {
  const wire = configuration.wires.find(({ outside }) => outside === nic);
  const { file } = configuration;
  if (wire === undefined) {
    throw new CommandError(
      ExitCode.Usage,
      `${file}: no wire has outside: ${nic}; host mode needs one, such as ` +
        `{ name: wire0, outside: ${nic}, inside: nsg0, host: host0 }`,
    );
  }
  if (wire.host === undefined) {
    throw new CommandError(
      ExitCode.Usage,
      `${file}: wire ${wire.name} has no host, so it is not for host mode; add host: host0`,
    );
  }
  return { ...wire, host: wire.host };
}

/** The daemon has to be there before the interface is taken from the host. @throws CommandError (2, 3) */
async function checkDaemon(configuration: Configuration, wire: Wire): Promise<void> {
  const { wires } = await readStatus(controlSocketOf(configuration));
  const isSame = wires.some(
    ({ name, interfaces }) =>
      name === wire.name &&
      interfaces[0]?.name === wire.outside &&
      interfaces[1]?.name === wire.inside,
  );
  if (!isSame) {
    throw new CommandError(
      ExitCode.Usage,
      `the running daemon has no wire ${wire.name} of ${wire.outside} and ${wire.inside}; restart it with this configuration`,
    );
  }
}

/** The one that every request may come by. */
function controlSocketOf({ controlSockets, runtimeDirectory }: Configuration): string {
  return controlSockets[0]?.path ?? controlSocketIn(runtimeDirectory);
}

async function readStatus(socket: string): Promise<DaemonStatus> {
  const answer = await askDaemon(socket, 'GET', '/v1/status');
  return answer['status'] as DaemonStatus;
}

/** Addresses of the host whose packets nsgd would drop as nobody's. */
export function unknownAddresses(
  policy: Policy,
  wire: string,
  addresses: readonly Address[],
): string[] {
  const sets = policy.nics.filter((nic) => nic.wire === wire).map((nic) => nic.addresses);
  if (sets.some(isEmpty)) return [];
  return addresses.flatMap(({ local, scope }) => {
    if (scope !== 'global') return [];
    const ipv4 = parseIpv4(local);
    const ipv6 = parseIpv6(local);
    const isKnown = sets.some(
      (set) =>
        (ipv4 !== undefined && hasIpv4(set, ipv4)) || (ipv6 !== undefined && hasIpv6(set, ipv6)),
    );
    return isKnown ? [] : [local];
  });
}

/** @throws CommandError (5) when the wire does not become ready in time */
async function untilReady(socket: string, wire: string, deadline: number): Promise<void> {
  let state = 'starting';
  while (Date.now() < deadline) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- polls; there is nothing to run in parallel
      const { wires } = await readStatus(socket);
      const found = wires.find(({ name }) => name === wire);
      if (found?.isReady === true) return;
      // Why the one before ended says more.
      if (found?.state !== 'starting') state = found?.state ?? 'it is gone';
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      state = error.message;
    }
    // oxlint-disable-next-line no-await-in-loop -- likewise
    await sleep(POLL_MILLISECONDS);
  }
  throw new CommandError(
    ExitCode.Failed,
    `nothing was moved: wire ${wire} did not become ready: ${state}`,
  );
}

/** What the operator says: Enter to keep it, Ctrl-C to have it back. */
class Operator {
  isConfirming = false;
  signal: NodeJS.Signals | undefined;
  readonly #interrupt = (signal: NodeJS.Signals): void => {
    this.signal = signal;
  };
  readonly #enter = (): void => {
    this.isConfirming = true;
  };

  listen(): void {
    process.on('SIGINT', this.#interrupt).on('SIGTERM', this.#interrupt);
    if (!process.stdin.isTTY) return;
    process.stdin.on('data', this.#enter).on('error', () => undefined);
  }

  leave(): void {
    process.off('SIGINT', this.#interrupt).off('SIGTERM', this.#interrupt);
    process.stdin.off('data', this.#enter).pause();
  }
}

/** @returns undefined when it is confirmed, else why it is not */
async function untilConfirmed(
  attachments: Attachments,
  { nic, deadline }: { readonly nic: string; readonly deadline: number },
  operator: Operator,
): Promise<string | undefined> {
  const { confirm } = await import('../host-mode/operations.ts');
  for (;;) {
    const present = attachments.read(nic);
    if (present === undefined) return 'not confirmed in time';
    if (present.phase === 'confirmed') return undefined;
    if (operator.signal !== undefined) return operator.signal;
    if (Date.now() >= deadline + WATCHER_LATE_MILLISECONDS) return 'not confirmed in time';
    // oxlint-disable-next-line no-await-in-loop -- polls; there is nothing to run in parallel
    if (operator.isConfirming) await confirm(attachments, nic);
    // oxlint-disable-next-line no-await-in-loop -- likewise
    else await sleep(POLL_MILLISECONDS);
  }
}

interface Window {
  readonly nic: string;
  readonly host: string;
  /** Milliseconds since 1970. */
  readonly deadline: number;
  /** Milliseconds to confirm; undefined: it is confirmed by itself. */
  readonly window: number | undefined;
}

async function keepOrUndo(
  attachments: Attachments,
  { nic, host, deadline, window }: Window,
): Promise<void> {
  const { confirm, undo } = await import('../host-mode/operations.ts');
  const { hostSystem } = await import('../host-mode/system.ts');
  const operator = new Operator();
  operator.listen();
  try {
    if (window === undefined) {
      await confirm(attachments, nic);
    } else {
      const keys = process.stdin.isTTY ? 'Press Enter, or run' : 'Run';
      print(`${nic} is attached: the host's addresses are on ${host}.`);
      print(`${keys} "nsgd confirm ${nic}" within ${window / MILLISECONDS} s to keep it.`);
      const reason = await untilConfirmed(attachments, { nic, deadline }, operator);
      if (reason !== undefined) throw new CommandError(ExitCode.Timeout, reason);
    }
    print(`${nic} is attached and confirmed.`);
  } catch (error) {
    await undo(hostSystem, attachments, nic);
    if (!(error instanceof CommandError)) throw error;
    throw new CommandError(error.exitCode, `${nic} is as it was: ${error.message}`);
  } finally {
    operator.leave();
  }
}

/** @throws CommandError (2) */
function milliseconds(option: string, text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds < 1) {
    throw new CommandError(ExitCode.Usage, `${option} ${text}: give a duration such as 60s or 5m`);
  }
  return seconds * MILLISECONDS;
}

async function attachNic(nic: string, options: AttachOptions): Promise<void> {
  const { confirm } = options;
  const window = confirm === false ? undefined : milliseconds('--confirm', confirm);
  const patience = milliseconds('--ready', options.ready);
  const { configuration, policy } = loadPolicy(options.config, diskFiles);
  const wire = hostWire(configuration, nic);
  const attachments = openAttachments(options);
  // Loaded here: the offline commands run without any native module.
  const { hostSystem } = await import('../host-mode/system.ts');
  const { attach, startWatcher } = await import('../host-mode/operations.ts');
  const { readSnapshot } = await import('../host-mode/snapshot.ts');
  await checkDaemon(configuration, wire);
  const { interface: host, bridge } = wire.host;
  const interfaces: HostInterfaces = { nic, host, inside: wire.inside, bridge };
  try {
    const now = Date.now();
    const request: AttachRequest = {
      wire: wire.name,
      interfaces,
      now,
      // Then the move, which takes no time beside that.
      patience: 2 * patience,
      window: window ?? patience,
    };
    const attachment = await attach(hostSystem, attachments, request, {
      check: () => {
        const unknown = unknownAddresses(
          policy,
          wire.name,
          readSnapshot(hostSystem, nic).addresses,
        );
        return unknown.map(
          (address) =>
            `${address} of ${nic} is no address of a network interface on wire ${wire.name}, so its packets would be dropped; add it to addresses`,
        );
      },
      watch: () => startWatcher(options.hostDirectory, nic),
      ready: () => untilReady(controlSocketOf(configuration), wire.name, Date.now() + patience),
    });
    for (const { local } of attachment.leases) {
      printError(
        `nsgd: ${local} has a lifetime on ${nic}; on ${host} it has none, because what renews it does not know ${host}`,
      );
    }
    await keepOrUndo(attachments, { nic, host, deadline: attachment.deadline, window });
  } catch (error) {
    throw hostError(error);
  }
}

export function addAttachCommand(program: Command): void {
  withHostDirectory(program.command('attach'))
    .description(
      'host mode: put nsgd between this machine and a network interface; undone unless confirmed in time',
    )
    .argument('<interface>', 'the network interface: outside of a wire with host')
    .option('-c, --config <file>', 'configuration', DEFAULT_CONFIGURATION)
    .option('--ready <duration>', 'how long the daemon may take to filter', '15s')
    .option('--confirm <duration>', 'how long to wait for a confirmation', '60s')
    .option('--no-confirm', 'keep it as soon as the wire is ready')
    .action(async (nic: string, options: AttachOptions) => {
      await attachNic(nic, options);
      process.exitCode = ExitCode.Ok;
    });
}
