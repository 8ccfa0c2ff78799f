/**
 * A daemon between real hosts, with what must go on whatever happens to it: a session that was open before, and datagrams that
 * no rule allows, which must never arrive.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { callControl } from '../../daemon/control/client.ts';
import type { DaemonStatus } from '../../daemon/status.ts';
import { type ConfigurationText, type StartOptions, TestDaemon } from '../helpers/daemon.ts';
import { Lab } from '../helpers/lab.ts';
import { hostOf, type Network } from '../helpers/network.ts';
import { allowIn, oneVm, oneVmNetwork, VM } from '../helpers/one-vm.ts';
import type { Peer } from '../helpers/peer-client.ts';
import { readiness } from '../helpers/readiness.ts';
import { waitFor } from '../helpers/wait.ts';

const ECHO = 7;
const DENIED = 53;

/** Rounds of a fault that is repeated; a hundred for `make faults`. */
export const ROUNDS = Number(process.env['NSGD_FAULT_ROUNDS'] ?? 2);
/** `make faults`: also what takes long. */
export const IS_LONG = ROUNDS >= 10;
/** `make faults` holds recoveries to their times; otherwise a machine with other work may take longer, but not for ever. */
const PATIENCE = IS_LONG ? 1 : 5;

export interface RigOptions extends StartOptions {
  /** In the configuration, in place of the usual ones. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Called before the first start, in place of `wrapper`. @returns the wrapper */
  readonly before?: (lab: Lab) => readonly string[];
}

export class FaultRig {
  readonly lab: Lab;
  readonly network: Network;
  readonly stateDirectory: string;
  daemon: TestDaemon;
  readonly #options: RigOptions;
  #session = 0;

  private constructor(network: Network, lab: Lab, daemon: TestDaemon, options: RigOptions) {
    this.network = network;
    this.lab = lab;
    this.daemon = daemon;
    this.stateDirectory = join(lab.directory, 'state');
    this.#options = options;
  }

  static async build({ before, ...rest }: RigOptions = {}): Promise<FaultRig> {
    const lab = new Lab();
    const options = before === undefined ? rest : { ...rest, wrapper: before(lab) };
    const network = oneVmNetwork(lab);
    mkdirSync(join(lab.directory, 'state'), { recursive: true, mode: 0o700 });
    const configuration = configurationIn(lab, 0, options.settings);
    const daemon = await TestDaemon.start(lab, network.filter, configuration, options);
    const rig = new FaultRig(network, lab, daemon, options);
    await rig.vm.call('serveTcp', { port: ECHO });
    await rig.vm.call('serveUdp', { port: DENIED });
    await rig.openSession();
    return rig;
  }

  get internet(): Peer {
    return hostOf(this.network, 'internet').peer;
  }
  get vm(): Peer {
    return hostOf(this.network, 'vm1').peer;
  }

  /** The configuration, with another rule in it for every number: what reloads go to and fro between. */
  configuration(variant = 0): ConfigurationText {
    return configurationIn(this.lab, variant, this.#options.settings);
  }

  async openSession(): Promise<void> {
    const { connection, outcome } = await this.internet.call('connect', {
      address: VM,
      port: ECHO,
      timeoutMs: 5000,
    });
    if (connection === undefined) throw new Error(`no session: ${outcome}`);
    this.#session = connection;
  }

  /** A line through the open session and back. @returns milliseconds it took @throws Error where the session is dead */
  async useSession(timeoutMs = 15_000): Promise<number> {
    const start = performance.now();
    const { outcome } = await this.internet.call('exchange', {
      connection: this.#session,
      text: 'still there',
      timeoutMs,
    });
    if (outcome !== 'answered') throw new Error(`the session that was open: ${outcome}`);
    return performance.now() - start;
  }

  /** Starts the daemon again, as the service manager would. */
  async restart(options: StartOptions = this.#options): Promise<void> {
    const { filter } = this.network;
    this.daemon = await TestDaemon.start(this.lab, filter, this.configuration(), options);
  }

  /**
   * Does something to the daemon while datagrams that no rule allows are sent all the time.
   * @returns milliseconds until the wire was ready again, from the end of the fault
   * @throws Error when a datagram arrived, or the open session died
   */
  async survive(fault: () => Promise<void> | void, readyMs: number): Promise<number> {
    const arrived = async () => (await this.vm.call('udpReceived', { port: DENIED })).datagrams;
    const before = await arrived();
    const over = new AbortController();
    const stray = (async () => {
      while (!over.signal.aborted) {
        await this.internet.call('askUdp', { address: VM, port: DENIED, tries: 5, timeoutMs: 20 });
      }
    })();
    try {
      await fault();
      const start = performance.now();
      await this.untilReady(readyMs);
      const recovery = performance.now() - start;
      await this.useSession();
      return recovery;
    } finally {
      over.abort();
      await stray;
      const passed = (await arrived()) - before;
      // oxlint-disable-next-line no-unsafe-finally -- worse than what else went wrong
      if (passed > 0) throw new Error(`${passed} datagrams passed that no rule allows`);
    }
  }

  async untilReady(timeoutMs: number): Promise<void> {
    await waitFor(
      'the wire to be ready',
      async () => ((await readiness(this.daemon.socket)) === 200 ? true : undefined),
      timeoutMs * PATIENCE,
    );
  }

  /**
   * Waits until another data plane than this filters.
   * @param processId of one that was killed: the daemon may not know yet, and call the wire ready
   * @returns milliseconds it took
   */
  async untilReplaced(processId: number, timeoutMs: number): Promise<number> {
    const start = performance.now();
    await waitFor(
      'another data plane to filter',
      async () => {
        const { body } = await callControl(this.daemon.socket, {
          method: 'GET',
          target: '/v1/status',
        });
        const [wire] = (JSON.parse(body) as { status: DaemonStatus }).status.wires;
        const isOther = wire?.isReady === true && wire.processId !== processId;
        return isOther && wire.activeGeneration > 0 ? true : undefined;
      },
      timeoutMs * PATIENCE,
    );
    return performance.now() - start;
  }

  /** Waits for a line of the daemon's log. */
  async logged(line: RegExp): Promise<void> {
    await waitFor(`the log to have ${line.source}`, () =>
      line.test(this.daemon.process.stderr) ? true : undefined,
    );
  }

  async close(): Promise<void> {
    await this.lab.close();
  }
}

function configurationIn(
  lab: Lab,
  variant = 0,
  own: Readonly<Record<string, unknown>> = {},
): ConfigurationText {
  const port = String(8000 + variant);
  return oneVm(
    [
      allowIn('AllowEcho', 'Tcp', { destinationPortRange: String(ECHO) }),
      allowIn(`Allow${port}`, 'Tcp', { priority: 200, destinationPortRange: port }),
    ],
    {
      settings: {
        flowTable: { maxFlows: 65_536 },
        stateDirectory: join(lab.directory, 'state'),
        ...own,
      },
    },
  );
}

/** True while a process runs; one that waits for its parent to look at it does not. */
export function isRunning(pid: number): boolean {
  try {
    return (
      existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    );
  } catch {
    return false;
  }
}

/** A figure for docs/RELIABILITY.md, on standard output. */
export function report(fault: string, times: readonly number[], what = 'ready again after'): void {
  const sorted = times.toSorted((a, b) => a - b);
  const figure = (at: number): string => `${Math.round(sorted[at] ?? 0)} ms`;
  const middle = figure(Math.floor(sorted.length / 2));
  console.info(
    `faults: ${fault}: ${times.length} times, ${what} ${middle}, at most ${figure(sorted.length - 1)}`,
  );
}
