/**
 * Open vSwitch's userspace datapath, on AF_PACKET (`system`) or AF_XDP ports, with the policy as OpenFlow rules and its
 * own connection tracking: the nearest relative of nsgd in C.
 *
 * It runs on a database and sockets of its own in the bed's folder; an Open vSwitch of the machine is not touched.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LabProcess } from '../../test/helpers/lab.ts';
import { waitFor } from '../../test/helpers/wait.ts';
import { packageVersion } from '../environment.ts';
import type { TrialRule } from '../rules/trial-policy.ts';
import type { DevicePolicy, DeviceUnderTest, RunningDevice } from '../tcpreplay/device.ts';
import { DEVICE_CORE, INSIDE, OUTSIDE, type TestBed } from '../tcpreplay/test-bed.ts';
import { missingProgram, pin } from './process.ts';

type PortType = 'system' | 'afxdp';

const SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema';
const BRIDGE = 'br0';
/** A veth sends in the call itself, so waiting for a wake-up gains nothing (Open vSwitch's own advice). */
const PORT_OPTIONS: Readonly<Record<PortType, readonly string[]>> = {
  system: [],
  afxdp: [
    'type=afxdp',
    'options:n_rxq=1',
    'options:xdp-mode=native',
    'options:use-need-wakeup=false',
  ],
};
const WARM_UP_MS = 500;
const HIGHEST_PRIORITY = 60_000;

export function openVSwitch(type: PortType): DeviceUnderTest {
  return {
    name: `Open vSwitch ${type === 'system' ? 'AF_PACKET' : 'AF_XDP'}`,
    policy: 'stateful',
    families: [4, 6],
    version: () => `Open vSwitch ${packageVersion('openvswitch-switch') ?? 'unknown'}`,
    obstacle: () => missingProgram({ 'ovs-vswitchd': 'openvswitch-switch' }),
    start: (bed, policy) => start(bed, policy, type),
  };
}

class Switch {
  readonly folder: string;
  readonly #bed: TestBed;
  readonly #environment: readonly string[];
  readonly #processes: LabProcess[] = [];

  constructor(bed: TestBed) {
    this.#bed = bed;
    this.folder = join(bed.lab.directory, 'ovs');
    mkdirSync(this.folder, { recursive: true });
    this.#environment = [
      `OVS_RUNDIR=${this.folder}`,
      `OVS_LOGDIR=${this.folder}`,
      `OVS_DBDIR=${this.folder}`,
    ];
  }

  get #database(): string {
    return `unix:${this.folder}/db.sock`;
  }

  spawn(program: string, ...args: readonly string[]): LabProcess {
    const command = ['env', ...this.#environment, program, ...args] as const;
    const started = this.#bed.lab.spawn(this.#bed.device, program, ['env', ...command.slice(1)]);
    this.#processes.push(started);
    return started;
  }

  run(program: string, ...args: readonly string[]): string {
    return this.#bed.device.run('env', ...this.#environment, program, ...args);
  }

  vsctl(...args: readonly string[]): void {
    this.run('ovs-vsctl', `--db=${this.#database}`, '--timeout=20', ...args);
  }

  async open(): Promise<void> {
    execFileSync('ovsdb-tool', ['create', join(this.folder, 'conf.db'), SCHEMA]);
    this.spawn('ovsdb-server', join(this.folder, 'conf.db'), `--remote=p${this.#database}`);
    await waitFor('the database of Open vSwitch', () => {
      try {
        this.vsctl('--no-wait', 'init');
        return true;
      } catch {
        return undefined;
      }
    });
    this.vsctl(
      '--no-wait',
      'set',
      'Open_vSwitch',
      '.',
      `other_config:pmd-cpu-mask=${1 << DEVICE_CORE}`,
    );
    const daemon = this.spawn('ovs-vswitchd', this.#database, '--pidfile', '-vconsole:warn');
    this.vsctl(
      'add-br',
      BRIDGE,
      '--',
      'set',
      'bridge',
      BRIDGE,
      'datapath_type=netdev',
      'fail-mode=secure',
    );
    const pid = daemon.child.pid;
    if (pid !== undefined) pin(pid, DEVICE_CORE);
  }

  async close(): Promise<void> {
    for (const each of this.#processes.toReversed()) {
      // The daemon before its database.
      // oxlint-disable-next-line no-await-in-loop
      await each.stop();
    }
  }
}

async function start(bed: TestBed, policy: DevicePolicy, type: PortType): Promise<RunningDevice> {
  const ovs = new Switch(bed);
  await ovs.open();
  for (const [index, name] of [OUTSIDE, INSIDE].entries()) {
    const options = [`ofport_request=${index + 1}`, ...PORT_OPTIONS[type]];
    ovs.vsctl('add-port', BRIDGE, name, '--', 'set', 'interface', name, ...options);
  }
  const file = join(ovs.folder, 'flows.txt');
  writeFileSync(file, openFlowRules(policy));
  ovs.run('ovs-ofctl', 'add-flows', BRIDGE, file);
  await sleep(WARM_UP_MS);
  return {
    counts: () => ({}),
    async stop() {
      ovs.vsctl('del-br', BRIDGE);
      await ovs.close();
    },
  };
}

/** The policy as a table behind connection tracking: established goes, new is matched, committed, and goes. */
export function openFlowRules({ rules, family }: DevicePolicy): string {
  const ip = family === 4 ? 'ip' : 'ipv6';
  const head = [
    `table=0,priority=10,${ip},actions=ct(table=1)`,
    'table=0,priority=0,actions=drop',
    `table=1,priority=65000,${ip},in_port=1,ct_state=+trk+est,actions=output:2`,
    `table=1,priority=65000,${ip},in_port=2,ct_state=+trk+est,actions=output:1`,
    'table=1,priority=0,actions=drop',
  ];
  const lines = rules.flatMap((rule, index) => ruleLines(rule, HIGHEST_PRIORITY - index, family));
  return `${[...head, ...lines].join('\n')}\n`;
}

function ruleLines(rule: TrialRule, priority: number, family: 4 | 6): string[] {
  const protocol = `${rule.protocol.toLowerCase()}${family === 4 ? '' : '6'}`;
  const source =
    rule.source === '*' ? '' : `,${family === 4 ? 'nw_src' : 'ipv6_src'}=${rule.source}`;
  const actions = rule.access === 'Allow' ? 'ct(commit),output:2' : 'drop';
  return portMasks(...rule.ports).map(
    (ports) =>
      `table=1,priority=${priority},${protocol},in_port=1,ct_state=+trk+new${source},tp_dst=${ports},actions=${actions}`,
  );
}

/** A range of ports as the fewest `value/mask` that cover it: OpenFlow has no ranges. */
export function portMasks(low: number, high: number): string[] {
  const masks: string[] = [];
  let port = low;
  while (port <= high) {
    let size = 1;
    while (port % (size * 2) === 0 && port + size * 2 - 1 <= high) size *= 2;
    masks.push(`0x${port.toString(16)}/0x${(0x1_0000 - size).toString(16)}`);
    port += size;
  }
  return masks;
}
