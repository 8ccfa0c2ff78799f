/**
 * A running nsgd in a namespace of a lab: the built program, started and asked as an operator does.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonStatus, FlowStatus, RuleStatus, WireStatus } from '../../daemon/status.ts';
import type { Lab, LabProcess } from './lab.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { projectRoot } from './project-root.ts';
import { readiness } from './readiness.ts';
import { waitFor } from './wait.ts';

/** The launcher, as it is installed. */
export const nsgdProgram = join(projectRoot, 'bin/nsgd');

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one nsgd command to its end. */
export function nsgd(args: readonly string[], input = ''): CommandResult {
  const { status, stdout, stderr } = spawnSync(nsgdProgram, args, {
    encoding: 'utf8',
    input,
    timeout: 60_000,
  });
  return { status, stdout, stderr };
}

export interface StartOptions {
  /** Its runtime directory; by default one in the lab's folder. */
  readonly directory?: string;
  /** A program, with its arguments, that becomes the daemon: it is given the daemon's command line behind its own. */
  readonly wrapper?: readonly string[];
}

export class TestDaemon {
  readonly configurationFile: string;
  readonly socket: string;
  readonly process: LabProcess;
  readonly #namespace: NetworkNamespace;

  private constructor(
    lab: Lab,
    namespace: NetworkNamespace,
    configuration: ConfigurationText,
    { directory = join(lab.directory, 'run'), wrapper = [] }: StartOptions,
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    this.socket = join(directory, 'control.sock');
    this.configurationFile = join(lab.directory, 'nsgd.json');
    this.#namespace = namespace;
    writeFileSync(
      this.configurationFile,
      configuration({ runtimeDirectory: directory, control: { socket: this.socket } }),
    );
    const command = [nsgdProgram, 'run', '--config', this.configurationFile];
    this.process = lab.spawn(namespace, 'nsgd', [...wrapper, ...command]);
  }

  /**
   * Starts it and waits until it is ready.
   * @throws Error with what it printed when it does not become so
   */
  static async start(
    lab: Lab,
    namespace: NetworkNamespace,
    configuration: ConfigurationText,
    options: StartOptions = {},
  ): Promise<TestDaemon> {
    const daemon = TestDaemon.launch(lab, namespace, configuration, options);
    await daemon.untilReady();
    return daemon;
  }

  /** Starts it, and waits for nothing. */
  static launch(
    lab: Lab,
    namespace: NetworkNamespace,
    configuration: ConfigurationText,
    options: StartOptions = {},
  ): TestDaemon {
    return new TestDaemon(lab, namespace, configuration, options);
  }

  async untilReady(timeoutMs = 15_000): Promise<void> {
    try {
      await waitFor(
        'nsgd to be ready',
        async () => {
          if (!this.process.isRunning) throw new Error('nsgd ended');
          return (await readiness(this.socket)) === 200 ? true : undefined;
        },
        timeoutMs,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.process.stderr}`, { cause: error });
    }
  }

  /** One command to this daemon. */
  command(...args: readonly string[]): CommandResult {
    return nsgd([...args, '--socket', this.socket]);
  }

  status(): DaemonStatus {
    const { stdout } = this.command('status', '-o', 'json');
    return (JSON.parse(stdout) as { status: DaemonStatus }).status;
  }

  /** The first wire. */
  wire(): WireStatus {
    const [wire] = this.status().wires;
    if (wire === undefined) throw new Error('the daemon has no wire');
    return wire;
  }

  /**
   * The process of the first wire's data plane.
   * @throws Error while there is none: a signal to process 0 would be one to the tests themselves
   */
  dataPlane(): number {
    const { processId } = this.wire();
    if (processId === 0) throw new Error('no data plane runs');
    return processId;
  }

  rules(): RuleStatus[] {
    return (JSON.parse(this.command('rules', '-o', 'json').stdout) as { rules: RuleStatus[] })
      .rules;
  }

  flows(): FlowStatus[] {
    return JSON.parse(this.command('flows', '-o', 'json').stdout) as FlowStatus[];
  }

  /** Rewrites the configuration with the settings the daemon was started with, and reloads. */
  reload(configuration: ConfigurationText): CommandResult {
    this.write(configuration);
    return this.command('reload');
  }

  write(configuration: ConfigurationText): void {
    const directory = join(this.socket, '..');
    writeFileSync(
      this.configurationFile,
      configuration({ runtimeDirectory: directory, control: { socket: this.socket } }),
    );
  }

  /** A page of the metrics port, fetched from inside the namespace. */
  fetch(page: string): string {
    return this.#namespace.run('curl', '-sS', '--max-time', '5', `http://127.0.0.1:9469${page}`);
  }
}

/** The text of a configuration, given the settings that tie it to the lab. */
export type ConfigurationText = (settings: Readonly<Record<string, unknown>>) => string;
