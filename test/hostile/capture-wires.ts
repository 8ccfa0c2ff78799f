/**
 * Capture files through real wires: tcpreplay (4.4) sends a file into both ends of two wires at once, one with each backend, and
 * every frame has to be found again in the kernel's and the daemon's counters.
 *
 * Every policy allows everything, so what is dropped is dropped for what it is. The far ends have no address and do not speak, so
 * no frame is on the wires but those of the captures.
 */
import { execFile, spawnSync } from 'node:child_process';
import { callControl } from '../../daemon/control/client.ts';
import type { DaemonStatus, InterfaceStatus, WireStatus } from '../../daemon/status.ts';
import { AF_XDP_MTU_MAX } from '../../src/capture/live/af-xdp/open.ts';
import { TestDaemon } from '../helpers/daemon.ts';
import { disableOffloads, type Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';
import { connect, type NetworkNamespace } from '../helpers/network-namespace.ts';
import { ALLOW_ALL, configurationText } from '../helpers/pipeline-rig.ts';
import { waitFor } from '../helpers/wait.ts';

/** Why captures cannot be sent here; undefined when they can. */
export const replayObstacle =
  liveObstacle ??
  (spawnSync('tcpreplay', ['--version']).error === undefined ? undefined : 'needs tcpreplay');

/** Into one end. Four at once are well below what two shared processors forward, so that most frames are judged. */
const FRAMES_PER_SECOND = 5000;
const REPLAY_TIMEOUT_MS = 60_000;
const SETTLE_MS = 5000;

/**
 * The wires by backend, each with the largest MTU it takes, so that as much of a capture as possible gets through. Frames beyond
 * it cannot be sent: the kernel refuses them to tcpreplay (EMSGSIZE). cap captures at most 65,535 bytes.
 */
const WIRES = [
  { backend: 'af-xdp', name: 'xdp', mtu: AF_XDP_MTU_MAX },
  { backend: 'cap', name: 'cap', mtu: 65_535 - 14 - 8 },
] as const;
const SIDES = ['outside', 'inside'] as const;
type SideName = (typeof SIDES)[number];

/** Where frames come from: one end of one wire. */
interface Entrance {
  /** Of the far end and of the daemon's interface alike. */
  readonly device: string;
  readonly mtu: number;
  readonly wire: string;
  readonly side: SideName;
}

const ENTRANCES: readonly Entrance[] = WIRES.flatMap(({ name, mtu }) =>
  SIDES.map((side) => ({ device: `${name}-${side}`, mtu, wire: name, side })),
);

/** What one tcpreplay did. */
export interface Replay {
  /** Where. */
  readonly device: string;
  readonly exitCode: number;
  readonly output: string;
  /** Frames that its interface took. */
  readonly sent: number;
  /** Frames that the kernel did not take from it. */
  readonly refused: number;
}

/** Of both wires and directions, since the start. */
export interface CaptureTotals {
  readonly sent: number;
  readonly kernelDrops: number;
  readonly forwarded: number;
  readonly dropped: number;
  /** Frames that the kernel did not take from nsgd. */
  readonly sendErrors: number;
  /** Names of those that occurred. */
  readonly reasons: readonly string[];
}

interface LinkCounts {
  readonly packets: number;
  readonly dropped: number;
  readonly errors: number;
}

interface Link {
  readonly ifname: string;
  readonly stats64: { readonly rx: LinkCounts; readonly tx: LinkCounts };
}

type Links = ReadonlyMap<string, Link['stats64']>;

export class CaptureWires {
  readonly #daemon: TestDaemon;
  readonly #ends: NetworkNamespace;
  readonly #filter: NetworkNamespace;
  readonly #processes: readonly number[];
  #sentBefore: Links;

  private constructor(
    daemon: TestDaemon,
    [ends, filter]: readonly [NetworkNamespace, NetworkNamespace],
    status: DaemonStatus,
  ) {
    this.#daemon = daemon;
    this.#ends = ends;
    this.#filter = filter;
    this.#processes = processesOf(status);
    this.#sentBefore = linksOf(ends);
  }

  static async start(lab: Lab): Promise<CaptureWires> {
    const ends = lab.namespace('ends');
    const filter = lab.namespace('nsgd');
    for (const { device, mtu } of ENTRANCES) {
      connect([ends, device], [filter, device]);
      disableOffloads(ends, device);
      for (const namespace of [ends, filter]) namespace.ip('link', 'set', device, 'mtu', `${mtu}`);
    }
    const daemon = await TestDaemon.start(lab, filter, (settings) =>
      configurationText({
        ...ALLOW_ALL,
        settings: {
          ...settings,
          metrics: { listen: 'off' },
          // Captures begin in the middle of connections; these are to make flows.
          tcp: { pickup: 'loose' },
          networkInterfaces: WIRES.map(({ name }) => ({
            name: `vm-${name}`,
            subnet: 's1',
            networkSecurityGroup: 'NSG2',
            wire: name,
          })),
          wires: WIRES.map(({ name, backend }) => ({
            name,
            backend,
            outside: `${name}-outside`,
            inside: `${name}-inside`,
          })),
        },
      }),
    );
    return new CaptureWires(daemon, [ends, filter], daemon.status());
  }

  /** Sends a file into every end at once. @param speed an option of tcpreplay */
  async replay(file: string, speed = `--pps=${FRAMES_PER_SECOND}`): Promise<Replay[]> {
    const ended = await Promise.all(
      ENTRANCES.map(({ device }) => tcpreplay(this.#ends, [`--intf1=${device}`, speed, file])),
    );
    const before = this.#sentBefore;
    const now = linksOf(this.#ends);
    this.#sentBefore = now;
    return ENTRANCES.map(({ device }, index) => {
      const { exitCode = -1, output = '' } = ended[index] ?? {};
      return {
        device,
        exitCode,
        output,
        sent: countsOf(now, device).tx.packets - countsOf(before, device).tx.packets,
        refused: output.match(/Unable to send packet/g)?.length ?? 0,
      };
    });
  }

  /**
   * What is wrong: a process that is not the one it was, or a sum that is not exact after every frame has been read. Counts are
   * those since the start.
   * @param cutTags frames sent into each end so far that no packet socket sees
   */
  async problems(cutTags: number): Promise<string[]> {
    const sent = this.#sentBefore;
    const isRead = (one: Entrance): boolean =>
      seen(status, one) + lost(one, cutTags) === countsOf(sent, one.device).tx.packets;
    let status = await this.#status();
    await waitFor(
      'every frame to be read or counted as dropped by the kernel',
      async () => {
        status = await this.#status();
        return ENTRANCES.every(isRead) ? true : undefined;
      },
      SETTLE_MS,
    ).catch(() => undefined);
    const received = linksOf(this.#ends);
    const between = linksOf(this.#filter);
    return [
      ...(processesOf(status).join() === this.#processes.join()
        ? []
        : [
            `processes and restarts were ${this.#processes.join()}, are ${processesOf(status).join()}`,
          ]),
      ...ENTRANCES.flatMap((one) => unbalanced(status, one, { sent, received, between, cutTags })),
    ];
  }

  async totals(): Promise<CaptureTotals> {
    const { wires } = await this.#status();
    const interfaces = wires.flatMap((wire) => wire.interfaces);
    const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
    return {
      sent: sum(ENTRANCES.map(({ device }) => countsOf(this.#sentBefore, device).tx.packets)),
      kernelDrops: sum(interfaces.map(({ kernelDrops }) => kernelDrops)),
      forwarded: sum(interfaces.map(({ framesOut }) => framesOut)),
      dropped: sum(wires.flatMap((wire) => SIDES.map((side) => judged(wire, side, 'Deny')))),
      sendErrors: sum(interfaces.map(({ sendErrors }) => sendErrors)),
      reasons: [...new Set(wires.flatMap(({ reasons }) => reasons.map(({ reason }) => reason)))],
    };
  }

  async #status(): Promise<DaemonStatus> {
    const { body } = await callControl(this.#daemon.socket, {
      method: 'GET',
      target: '/v1/status',
    });
    return (JSON.parse(body) as { status: DaemonStatus }).status;
  }
}

/** The kernel's counts at the far ends as tcpreplay left them, there now, and at the daemon's interfaces now. */
interface Counted {
  readonly sent: Links;
  readonly received: Links;
  readonly between: Links;
  readonly cutTags: number;
}

/** Of what came in at one end: each sum that does not hold. */
function unbalanced(status: DaemonStatus, entrance: Entrance, counted: Counted): string[] {
  const { device, side, wire: name } = entrance;
  const wire = wireOf(status, name);
  const other = side === 'outside' ? 'inside' : 'outside';
  const from = interfaceOf(wire, side);
  const to = interfaceOf(wire, other);
  const { tx } = countsOf(counted.sent, device);
  const { rx } = countsOf(counted.received, `${name}-${other}`);
  const forwarded = judged(wire, side, 'Allow');
  const sums: readonly (readonly [what: string, left: number, right: number])[] = [
    ['sent = received by the interface', tx.packets, countsOf(counted.between, device).rx.packets],
    [
      'sent = read + kernel drops',
      tx.packets,
      from.framesIn + from.kernelDrops + lost(entrance, counted.cutTags),
    ],
    ['read = forwarded + dropped by reason', from.framesIn, forwarded + judged(wire, side, 'Deny')],
    ['forwarded = left + send errors', forwarded, to.framesOut + to.sendErrors],
    ['left = received at the other end', to.framesOut, rx.packets],
  ];
  return sums
    .filter(([, left, right]) => left !== right)
    .map(([what, left, right]) => `${device}: ${what}: ${left} is not ${right}`);
}

/** Frames from one side that the daemon counted with that verdict. */
function judged(wire: WireStatus, side: SideName, access: 'Allow' | 'Deny'): number {
  return wire.reasons
    .filter((row) => row.access === access)
    .reduce((sum, row) => sum + (side === 'outside' ? row.inbound : row.outbound), 0);
}

/** Frames that came to the daemon's interface: read, or dropped by the kernel for want of room. */
function seen(status: DaemonStatus, { wire, side }: Entrance): number {
  const { framesIn, kernelDrops } = interfaceOf(wireOf(status, wire), side);
  return framesIn + kernelDrops;
}

/** Frames that the kernel dropped before the backend could have them. */
function lost({ wire }: Entrance, cutTags: number): number {
  return wire === 'cap' ? cutTags : 0;
}

function wireOf(status: DaemonStatus, name: string): WireStatus {
  const wire = status.wires.find((one) => one.name === name);
  if (wire === undefined) throw new Error(`there is no wire ${name}`);
  return wire;
}

function interfaceOf(wire: WireStatus, side: SideName): InterfaceStatus {
  const found = wire.interfaces.find((one) => one.side === side);
  if (found === undefined) throw new Error(`wire ${wire.name} has no ${side}`);
  return found;
}

/** Process numbers and restarts: of the daemon, and of each wire. */
function processesOf(status: DaemonStatus): number[] {
  return [
    status.processId,
    ...status.wires.flatMap(({ processId, restarts }) => [processId, restarts]),
  ];
}

function countsOf(links: Links, device: string): Link['stats64'] {
  const counts = links.get(device);
  if (counts === undefined) throw new Error(`there is no interface ${device}`);
  return counts;
}

function linksOf(namespace: NetworkNamespace): Links {
  const links = JSON.parse(namespace.ip('-s', '-j', 'link', 'show')) as Link[];
  return new Map(links.map(({ ifname, stats64 }) => [ifname, stats64]));
}

/**
 * Without flow statistics tcpreplay does not look into the frames, so it takes every link type and sends the bytes as they are.
 */
function tcpreplay(
  namespace: NetworkNamespace,
  options: readonly string[],
): Promise<{ exitCode: number; output: string }> {
  return new Promise((resolve) => {
    execFile(
      'ip',
      ['netns', 'exec', namespace.name, 'tcpreplay', '--no-flow-stats', ...options],
      { timeout: REPLAY_TIMEOUT_MS },
      (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : Number(error.code ?? -1);
        resolve({ exitCode, output: `${stdout}${stderr}` });
      },
    );
  });
}
