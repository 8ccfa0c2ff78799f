/**
 * A laboratory for live tests and the demo: network namespaces, the programs that run in them, and an end at which
 * everything is gone. Only what a lab made is ever killed or removed, also when the process ends early.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NetworkNamespace } from './network-namespace.ts';
import { Peer } from './peer-client.ts';
import { projectRoot } from './project-root.ts';
import { within } from './wait.ts';

const MEMORY = '/dev/shm';
/** How long a program may take to end when asked to. */
const STOP_TIMEOUT_MS = 5000;

/** Features that hand over frames no wire would carry: longer than the MTU, or with an unfinished checksum. */
const OFFLOADS = ['tx', 'rx', 'tso', 'gso', 'gro', 'lro', 'txvlan', 'rxvlan'];

/** Turns offloads off at one end, so that its neighbour sees frames as a cable would carry them. */
export function disableOffloads(namespace: NetworkNamespace, device: string): void {
  // A feature that is fixed is passed over.
  namespace.run('ethtool', '-K', device, ...OFFLOADS.flatMap((feature) => [feature, 'off']));
}

export class LabProcess {
  readonly name: string;
  readonly child: ChildProcessWithoutNullStreams;
  /** How it ended: `exit 0`, `signal SIGKILL`. */
  readonly exited: Promise<string>;
  #stderr = '';

  constructor(name: string, child: ChildProcessWithoutNullStreams) {
    this.name = name;
    this.child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    // The other end may close first; `exited` tells.
    child.stdin.on('error', () => undefined);
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        resolve(code === null ? `signal ${String(signal)}` : `exit ${code}`);
      });
      child.once('error', (error) => resolve(error.message));
    });
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** What it wrote to standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.child.kill(signal);
  }

  /**
   * Asks it to end, and waits.
   * @returns how it ended
   * @throws Error when it had to be killed
   */
  async stop(): Promise<string> {
    this.signal('SIGTERM');
    try {
      return await within(`${this.name} to end`, STOP_TIMEOUT_MS, this.exited);
    } catch (error) {
      this.signal('SIGKILL');
      throw error;
    }
  }
}

export class Lab {
  /** Removed at the end. */
  readonly directory: string;
  readonly #namespaces: NetworkNamespace[] = [];
  readonly #processes: LabProcess[] = [];
  readonly #onExit = (): void => this.#remove();
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#remove();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };

  constructor() {
    // In memory where there is such a place: nsgd's segments are to be on tmpfs.
    this.directory = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'nsgd-lab-'));
    process.on('exit', this.#onExit);
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
  }

  /** A namespace with loopback up, IPv4 only unless asked. */
  namespace(role: string, options: { readonly ipv6?: boolean } = {}): NetworkNamespace {
    const namespace = new NetworkNamespace(role);
    this.#namespaces.push(namespace);
    // Whatever the machine's defaults are, only the lab's own routes count here.
    this.#set(namespace, 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0');
    if (options.ipv6 === true) {
      const settings = ['disable_ipv6', 'accept_ra', 'accept_dad'];
      const ofScope = (scope: string) =>
        settings.map((setting) => `net.ipv6.conf.${scope}.${setting}=0`);
      this.#set(namespace, ...['all', 'default', 'lo'].flatMap(ofScope));
    }
    return namespace;
  }

  /** Makes a namespace forward, without telling hosts of shorter ways: all traffic is to pass through it. */
  makeRouter(namespace: NetworkNamespace, options: { readonly ipv6?: boolean } = {}): void {
    const settings = ['net.ipv4.ip_forward=1'];
    for (const scope of ['all', 'default']) {
      settings.push(`net.ipv4.conf.${scope}.send_redirects=0`);
    }
    if (options.ipv6 === true) settings.push('net.ipv6.conf.all.forwarding=1');
    this.#set(namespace, ...settings);
  }

  /** Starts a program in a namespace. It is killed at the end if it still runs. */
  spawn(namespace: NetworkNamespace, name: string, command: readonly string[]): LabProcess {
    // `ip netns exec` becomes the program, so the child's number is the program's.
    const child = spawn('ip', ['netns', 'exec', namespace.name, ...command], { stdio: 'pipe' });
    const started = new LabProcess(name, child);
    this.#processes.push(started);
    return started;
  }

  /** Starts a host that serves and asks (peer.ts). Needs a build. */
  peer(namespace: NetworkNamespace): Peer {
    const program = join(projectRoot, 'dist/test/helpers/peer.js');
    return new Peer(this.spawn(namespace, namespace.name, [process.execPath, program]));
  }

  /** Stops every program, the last started first, then removes namespaces and files. */
  async close(): Promise<void> {
    for (const started of this.#processes.toReversed()) {
      // Servers end after their clients, the daemon after both: one after another.
      await started.stop().catch(() => undefined);
    }
    this.#remove();
    process.off('exit', this.#onExit);
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }

  #set(namespace: NetworkNamespace, ...settings: readonly string[]): void {
    namespace.run('sysctl', '-qw', ...settings);
  }

  /** Synchronous, so that it also works while the process ends. Safe to call twice. */
  #remove(): void {
    for (const started of this.#processes.splice(0)) started.signal('SIGKILL');
    for (const namespace of this.#namespaces.splice(0)) {
      killInside(namespace);
      namespace.remove();
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Programs started by our programs are ours too: whatever is still in a namespace that we made. */
function killInside(namespace: NetworkNamespace): void {
  let inside: string;
  try {
    inside = execFileSync('ip', ['netns', 'pids', namespace.name], { encoding: 'utf8' });
  } catch {
    return;
  }
  for (const line of inside.split('\n')) {
    const pid = Number(line);
    if (pid > 1) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Ended on its own meanwhile.
      }
    }
  }
}
