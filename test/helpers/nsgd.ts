/**
 * The built program under test: the daemon in a namespace of a lab, and its commands.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callControl } from '../../daemon/control/client.ts';
import type { Lab, LabProcess } from './lab.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { projectRoot } from './project-root.ts';
import { waitFor } from './wait.ts';

const PROGRAM = join(projectRoot, 'bin/nsgd');
const READY_TIMEOUT_MS = 15_000;
const COMMAND_TIMEOUT_MS = 30_000;

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command, such as `nsgd check FILE`, to its end. */
export function runNsgd(...args: readonly string[]): CommandResult {
  return spawnSync(PROGRAM, args, { encoding: 'utf8', timeout: COMMAND_TIMEOUT_MS });
}

/** The configuration as an object; JSON is YAML too. */
export type ConfigurationText = Readonly<Record<string, unknown>>;

export class NsgdDaemon {
  readonly configurationFile: string;
  readonly socket: string;
  readonly runtimeDirectory: string;
  readonly process: LabProcess;

  /** Starts it and does not wait; most callers want `start`. Control socket and segments are in the lab's directory. */
  constructor(lab: Lab, namespace: NetworkNamespace, configuration: ConfigurationText) {
    this.runtimeDirectory = join(lab.directory, 'run');
    this.configurationFile = join(lab.directory, 'nsgd.yaml');
    this.socket = join(this.runtimeDirectory, 'control.sock');
    mkdirSync(this.runtimeDirectory, { recursive: true, mode: 0o750 });
    this.configure(configuration);
    const command = [PROGRAM, 'run', '--config', this.configurationFile] as const;
    this.process = lab.spawn(namespace, 'nsgd run', command);
  }

  /**
   * @returns when every wire forwards
   * @throws Error with what the daemon wrote to standard error
   */
  static async start(
    lab: Lab,
    namespace: NetworkNamespace,
    configuration: ConfigurationText,
  ): Promise<NsgdDaemon> {
    const daemon = new NsgdDaemon(lab, namespace, configuration);
    await daemon.ready();
    return daemon;
  }

  async ready(): Promise<void> {
    let state = 'nothing answers';
    try {
      await waitFor(
        'nsgd to be ready',
        async () => {
          if (!this.process.isRunning) throw new Error('nsgd ended');
          try {
            const { status, body } = await this.get('/-/ready');
            state = body;
            return status === 200 ? true : undefined;
          } catch {
            return undefined;
          }
        },
        READY_TIMEOUT_MS,
      );
    } catch (error) {
      const message = `${(error as Error).message}: ${state}\n${this.process.stderr}`;
      throw new Error(message, { cause: error });
    }
  }

  /** Writes the configuration; `reload` puts it in force. */
  configure(configuration: ConfigurationText): void {
    const text = { ...configuration, runtimeDirectory: this.runtimeDirectory };
    writeFileSync(this.configurationFile, `${JSON.stringify(text, undefined, 2)}\n`);
  }

  reload(): CommandResult {
    return this.ask('reload');
  }

  /** A command that speaks to this daemon. */
  ask(command: string, ...args: readonly string[]): CommandResult {
    return runNsgd(command, '--socket', this.socket, ...args);
  }

  get(target: string): Promise<{ readonly status: number; readonly body: string }> {
    return callControl(this.socket, { method: 'GET', target });
  }

  /** The text that Prometheus would scrape. */
  async metrics(): Promise<string> {
    return (await this.get('/metrics')).body;
  }

  /** Process numbers of the packet processes: the daemon's children. */
  dataPlanes(): number[] {
    const { pid } = this.process.child;
    if (pid === undefined) return [];
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return children.split(' ').filter(Boolean).map(Number);
  }
}
