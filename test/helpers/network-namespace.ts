/**
 * Network namespaces for live tests: made by `ip netns`, named after this process, removed at the end whatever happens.
 *
 * Live tests need root, `ip` and koffi; `liveTestObstacle` says what is missing.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const CLONE_NEWNET = 0x4000_0000;

let counter = 0;

/** Why live tests cannot run here; undefined when they can. */
export function liveTestObstacle(): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root';
  for (const name of ['koffi', 'cap']) {
    try {
      require.resolve(name);
    } catch {
      return `needs ${name}`;
    }
  }
  const probe = `nsgd-t-${process.pid}-probe`;
  if (spawnSync('ip', ['netns', 'add', probe]).status !== 0) return 'needs network namespaces';
  spawnSync('ip', ['netns', 'del', probe]);
  return undefined;
}

export class NetworkNamespace {
  readonly name: string;
  readonly #onExit = (): void => this.remove();

  constructor(role: string) {
    this.name = `nsgd-t-${process.pid}-${counter++}-${role}`;
    ip('netns', 'add', this.name);
    // Also when a test's own clean-up was not reached.
    process.once('exit', this.#onExit);
    const settings = ['all', 'default'].map((scope) => `net.ipv6.conf.${scope}.disable_ipv6=1`);
    this.run('sysctl', '-qw', ...settings);
    this.ip('link', 'set', 'lo', 'up');
  }

  /** Runs a program in the namespace and returns its standard output. @throws when it fails */
  run(program: string, ...args: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name, program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Like `run`, for what may fail: whether it succeeded. */
  succeeds(program: string, ...args: readonly string[]): boolean {
    return spawnSync('ip', ['netns', 'exec', this.name, program, ...args]).status === 0;
  }

  /** Starts a program in the namespace, with its output thrown away. */
  start(program: string, ...args: readonly string[]): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.name, program, ...args], { stdio: 'ignore' });
  }

  ip(...args: readonly string[]): string {
    return ip('-n', this.name, ...args);
  }

  /** Knows the hardware address of `address` beforehand: nothing is asked, so nothing is asked again later. */
  neighbour(address: string, hardwareAddress: string, device: string): void {
    this.ip('neigh', 'replace', address, 'lladdr', hardwareAddress, 'dev', device);
  }

  /** Frames an interface received, by the kernel's own count. */
  received(device: string): number {
    const [link] = JSON.parse(this.ip('-s', '-j', 'link', 'show', device)) as [
      { stats64: { rx: { packets: number } } },
    ];
    return link.stats64.rx.packets;
  }

  /** Makes this the namespace of the calling thread and of what it forks; the result goes back. */
  enter(): () => void {
    const before = openSync('/proc/self/ns/net', 'r');
    setNamespace(`/run/netns/${this.name}`);
    return () => {
      setNamespace(`/proc/self/fd/${before}`);
      closeSync(before);
    };
  }

  remove(): void {
    process.off('exit', this.#onExit);
    spawnSync('ip', ['netns', 'del', this.name]);
  }
}

/**
 * Joins two namespaces with a veth pair, both ends up.
 */
export function connect(
  [left, leftDevice]: readonly [NetworkNamespace, string],
  [right, rightDevice]: readonly [NetworkNamespace, string],
): void {
  const ends = [leftDevice, 'type', 'veth', 'peer', 'name', rightDevice, 'netns', right.name];
  left.ip('link', 'add', ...ends);
  left.ip('link', 'set', leftDevice, 'up');
  right.ip('link', 'set', rightDevice, 'up');
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

function setNamespace(path: string): void {
  const koffi = require('koffi') as typeof import('koffi');
  const setns = koffi.load(null).func('setns', 'int', ['int', 'int']);
  const descriptor = openSync(path, 'r');
  try {
    if (setns(descriptor, CLONE_NEWNET) !== 0) throw new Error(`setns ${path} failed`);
  } finally {
    closeSync(descriptor);
  }
}
