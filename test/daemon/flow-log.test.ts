/**
 * Flow logs: the tuples of scripted conversations in every format, deltas that add up, floods, files that stay JSON
 * whatever happens, a disk that is full, retention.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EventHub } from '../../daemon/events/hub.ts';
import { NicNames } from '../../daemon/events/nic-names.ts';
import { appendRecords, appendText } from '../../daemon/flow-log/azure-file.ts';
import { flowLogRuleName, macAddressFor, uuidOf } from '../../daemon/flow-log/azure-format.ts';
import { MAX_DENIALS } from '../../daemon/flow-log/denials.ts';
import { FlowLog } from '../../daemon/flow-log/flow-log.ts';
import { removeOldHours } from '../../daemon/flow-log/retention.ts';
import type { WireView } from '../../daemon/wire-view.ts';
import { type Prefix, setOf } from '../../src/policy/address.ts';
import type { NetworkInterface } from '../../src/policy/configuration-interfaces.ts';
import type { FlowLogSettings } from '../../src/policy/settings.ts';
import { filesBelow, readFlowLogs } from '../helpers/flow-log-files.ts';
import { buildFrame } from '../helpers/frames.ts';
import {
  icmp,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  tcp,
  TcpConversation,
  udp,
  WEB,
} from '../helpers/pipeline-rig.ts';
import { Random } from '../helpers/random.ts';

/** 10:00 UTC. */
const EPOCH = Date.UTC(2026, 0, 1, 10);
const EPOCH_SECONDS = EPOCH / 1000;
/** What a rig's clock shows at its second 0, in milliseconds. */
const START = 1_000_000;
const MAC = '000D3AF87856';
const PREFIX: Prefix = { family: 4, low: 0x0a00_0100, high: 0x0a00_01ff, length: 24 };

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nsgd-flow-log-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function settingsOf(format: FlowLogSettings['format'], path = folder): FlowLogSettings {
  return {
    format,
    path,
    retentionDays: 0,
    subscriptionId: 'aaaaaaaa-0000-0000-0000-000000000000',
    resourceGroup: 'rg1',
    region: 'eastus',
  };
}

/** A wire whose data plane is a rig, with a flow log. */
class Trial {
  readonly rig: PipelineRig;
  readonly hub: EventHub;
  readonly log: FlowLog;
  readonly lines: { level: number; msg: string; [field: string]: unknown }[] = [];
  readonly #clock = { now: 0 };

  constructor(settings: FlowLogSettings, rig = new PipelineRig(WEB)) {
    this.rig = rig;
    const nicNames = new NicNames();
    nicNames.update(rig.compiled.nics);
    const part: Partial<WireView> = {
      name: 'w0',
      events: rig.events,
      flows: rig.flows,
      registry: rig.registry,
      nicNames,
    };
    const wires = [part as WireView];
    const clock = {
      monotonic: () => START + this.#clock.now,
      wall: () => EPOCH + this.#clock.now,
    };
    this.hub = new EventHub(wires, clock);
    const logger = pino(
      {},
      { write: (line: string) => this.lines.push(JSON.parse(line) as (typeof this.lines)[0]) },
    );
    this.log = new FlowLog(settings, { wires, log: logger, clock });
    const nic: Partial<NetworkInterface> = {
      name: 'vm1',
      macAddress: MAC,
      addresses: setOf(LOCAL),
      subnet: { name: 's1', prefixes: [PREFIX], networkSecurityGroup: undefined },
    };
    this.log.useInterfaces([nic as NetworkInterface]);
    for (const wire of wires) this.log.adopt(wire);
    this.hub.add(this.log);
  }

  /** Moves the clock, and does what the daemon does meanwhile. */
  at(seconds: number): this {
    this.#clock.now = seconds * 1000;
    this.rig.at(seconds);
    while (this.rig.pipeline.housekeep() > 0) continue;
    this.hub.drain();
    return this;
  }

  async close(): Promise<void> {
    this.hub.stop();
    await this.log.close();
  }
}

/** TCP from outside, UDP from inside that goes on, SSH and a ping from outside, DHCP-like UDP that is denied twice. */
async function conversation(trial: Trial): Promise<void> {
  const { rig } = trial;
  const talk = new TcpConversation(`${REMOTE}:50000`, `${LOCAL}:80`);
  rig.inbound(talk.client('S'));
  rig.outbound(talk.server('SA'));
  rig.inbound(talk.client('A'));
  rig.inbound(talk.client('PA', '0123456789'));
  rig.outbound(talk.server('FA'));
  rig.inbound(talk.client('FA'));
  rig.outbound(talk.server('A'));
  rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`));
  rig.inbound(udp(`${REMOTE}:53`, `${LOCAL}:4000`));
  trial.at(2);
  rig.inbound(tcp(`${REMOTE}:51000`, `${LOCAL}:22`, 'S'));
  rig.inbound(tcp(`${REMOTE}:51000`, `${LOCAL}:22`, 'S'));
  rig.inbound(icmp(REMOTE, LOCAL, 8, 7));
  rig.outbound(udp(`[${LOCAL6}]:4000`, `[${REMOTE6}]:123`));
  trial.at(70);
  trial.at(200);
  rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`));
  trial.at(301);
  rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`, { payload: 'more' }));
  trial.at(400);
  trial.at(700);
  await trial.close();
}

const at = (seconds: number): number => EPOCH_SECONDS + seconds;
const HTTP = `${REMOTE},${LOCAL},50000,80`;
const DNS = `${LOCAL},${REMOTE},4000,53`;
const SSH = `${REMOTE},${LOCAL},51000,22`;
const NTP = `${LOCAL6},${REMOTE6},4000,123`;
const GROUP =
  'SUBSCRIPTIONS/AAAAAAAA-0000-0000-0000-000000000000/RESOURCEGROUPS/RG1/PROVIDERS/MICROSOFT.NETWORK/NETWORKSECURITYGROUPS/NSG2';

function ruleCounterLines(directory: string): number {
  return filesBelow(directory)
    .filter((path) => path.includes('rulecounter'))
    .reduce((sum, path) => sum + readFileSync(path, 'utf8').split('\n').length - 1, 0);
}

/** Tuples by rule. */
function tuplesOf(): Record<string, string[]> {
  const byRule: Record<string, string[]> = {};
  for (const { rule, tuple } of readFlowLogs(folder)) (byRule[rule] ??= []).push(tuple);
  return byRule;
}

describe('the tuples of a scripted conversation', () => {
  test('network security group flow logs, version 2', async () => {
    await conversation(new Trial(settingsOf('nsg-v2')));
    expect(tuplesOf()).toEqual({
      UserRule_AllowHttp: [`${at(0)},${HTTP},T,I,A,B,,,,`, `${at(70)},${HTTP},T,I,A,E,4,170,3,120`],
      DefaultRule_AllowInternetOutBound: [
        `${at(0)},${DNS},U,O,A,B,,,,`,
        `${at(2)},${NTP},U,O,A,B,,,,`,
        `${at(70)},${NTP},U,O,A,E,1,53,0,0`,
        `${at(301)},${DNS},U,O,A,C,2,66,1,33`,
        `${at(700)},${DNS},U,O,A,E,1,32,0,0`,
      ],
      DefaultRule_DenyAllInBound: [`${at(2)},${SSH},T,I,D,B,,,,`],
    });
    const [file, counters] = filesBelow(folder);
    expect(file).toBe(
      join(
        folder,
        'insights-logs-networksecuritygroupflowevent/resourceId=',
        GROUP,
        `y=2026/m=01/d=01/h=10/m=00/macAddress=${MAC}/PT1H.json`,
      ),
    );
    const { records } = JSON.parse(readFileSync(file ?? '', 'utf8')) as { records: object[] };
    expect(records[0]).toEqual({
      time: '2026-01-01T10:01:10.000Z',
      systemId: uuidOf('system aaaaaaaa-0000-0000-0000-000000000000'),
      category: 'NetworkSecurityGroupFlowEvent',
      resourceId: `/${GROUP}`,
      operationName: 'NetworkSecurityGroupFlowEvents',
      properties: expect.objectContaining({ Version: 2 }),
    });
    expect(counters).toBe(
      join(
        folder,
        'insights-logs-networksecuritygrouprulecounter/resourceId=',
        GROUP,
        'y=2026/m=01/d=01/h=10/m=00/PT1H.json',
      ),
    );
    const lines = readFileSync(counters ?? '', 'utf8')
      .trimEnd()
      .split('\n');
    const matches = lines.map((line) => JSON.parse(line) as { properties: { ruleName: string } });
    expect(matches[0]).toMatchObject({
      time: '2026-01-01T10:05:01.000Z',
      category: 'NetworkSecurityGroupRuleCounter',
      resourceId: `/${GROUP}`,
      operationName: 'NetworkSecurityGroupCounters',
    });
    expect(matches.map(({ properties }) => properties)).toMatchObject([
      { ruleName: 'AllowHttp', direction: 'In', type: 'allow', matchedConnections: 1 },
      { ruleName: 'AllowInternetOutBound', direction: 'Out', type: 'allow', matchedConnections: 2 },
      {
        subnetPrefix: '10.0.1.0/24',
        macAddress: '00-0D-3A-F8-78-56',
        primaryIPv4Address: LOCAL,
        ruleName: 'DenyAllInBound',
        direction: 'In',
        type: 'block',
        matchedConnections: 2,
      },
      { ruleName: 'AllowPing', direction: 'In', type: 'allow', matchedConnections: 1 },
    ]);
  });

  test('version 1: each flow once', async () => {
    await conversation(new Trial(settingsOf('nsg-v1')));
    expect(tuplesOf()).toEqual({
      UserRule_AllowHttp: [`${at(0)},${HTTP},T,I,A`],
      DefaultRule_AllowInternetOutBound: [`${at(0)},${DNS},U,O,A`, `${at(2)},${NTP},U,O,A`],
      DefaultRule_DenyAllInBound: [`${at(2)},${SSH},T,I,D`],
    });
  });

  test('virtual network flow logs, version 4: milliseconds, every protocol', async () => {
    await conversation(new Trial(settingsOf('vnet-v4')));
    const ms = (seconds: number): number => EPOCH + seconds * 1000;
    expect(tuplesOf()).toEqual({
      UserRule_AllowHttp: [
        `${ms(0)},${HTTP},6,I,B,NX,0,0,0,0`,
        `${ms(70)},${HTTP},6,I,E,NX,4,170,3,120`,
      ],
      DefaultRule_AllowInternetOutBound: [
        `${ms(0)},${DNS},17,O,B,NX,0,0,0,0`,
        `${ms(2)},${NTP},17,O,B,NX,0,0,0,0`,
        `${ms(70)},${NTP},17,O,E,NX,1,53,0,0`,
        `${ms(301)},${DNS},17,O,C,NX,2,66,1,33`,
        `${ms(700)},${DNS},17,O,E,NX,1,32,0,0`,
      ],
      UserRule_AllowPing: [
        `${ms(2)},${REMOTE},${LOCAL},0,0,1,I,B,NX,0,0,0,0`,
        `${ms(70)},${REMOTE},${LOCAL},0,0,1,I,E,NX,1,32,0,0`,
      ],
      DefaultRule_DenyAllInBound: [`${ms(2)},${SSH},6,I,D,NX,0,0,0,0`],
    });
    expect(filesBelow(folder)).toEqual([
      join(
        folder,
        'insights-logs-flowlogflowevent/flowLogResourceID=',
        'AAAAAAAA-0000-0000-0000-000000000000_NETWORKWATCHERRG/NETWORKWATCHER_EASTUS_NSGD',
        `y=2026/m=01/d=01/h=10/m=00/macAddress=${MAC}/PT1H.json`,
      ),
    ]);
  });

  test('lines of JSON', async () => {
    const path = join(folder, 'flows.ndjson');
    await conversation(new Trial(settingsOf('ndjson', path)));
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toHaveLength(10);
    expect(lines[0]).toEqual({
      time: '2026-01-01T10:00:00.000Z',
      record: 'begin',
      wire: 'w0',
      networkInterface: 'vm1',
      networkSecurityGroup: 'NSG2',
      ruleName: 'securityRules/AllowHttp',
      protocol: 'TCP',
      direction: 'Inbound',
      source: REMOTE,
      sourcePort: 50_000,
      destination: LOCAL,
      destinationPort: 80,
    });
    expect(lines.find(({ record }) => record === 'deny')).toMatchObject({
      destinationPort: 22,
      reason: 'rule_deny',
      packets: 2,
    });
    expect(lines.find(({ record }) => record === 'continue')).toMatchObject({
      source: LOCAL,
      packetsToDestination: 2,
      bytesToDestination: 66,
      packetsToSource: 1,
      bytesToSource: 33,
    });
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });
});

describe('deltas', () => {
  test('of all records of all flows add up to what the interfaces counted', async () => {
    const random = new Random();
    const trial = new Trial(settingsOf('vnet-v4'), new PipelineRig(WEB, { maxFlows: 64 }));
    const { rig } = trial;
    let seconds = 0;
    for (let step = 0; step < 4000; step++) {
      const port = 1000 + random.below(100);
      const payload = 'x'.repeat(random.below(100));
      if (random.below(2) === 0) rig.outbound(udp(`${LOCAL}:${port}`, `${REMOTE}:53`, { payload }));
      else rig.inbound(udp(`${REMOTE}:53`, `${LOCAL}:${port}`, { payload }));
      if (random.below(8) === 0) trial.at((seconds += random.below(40)));
    }
    await trial.close();
    const sums = [0, 0, 0, 0];
    const states = new Set<string>();
    for (const { tuple } of readFlowLogs(folder)) {
      const fields = tuple.split(',');
      states.add(fields[7] ?? '');
      // All are opened from inside: what goes to the destination goes out.
      if (fields[7] === 'D') continue;
      for (const [index, sum] of sums.entries()) sums[index] = sum + Number(fields[9 + index]);
    }
    const { counters } = rig;
    const nic = rig.registry.nics.slotOf('vm1');
    const [packetsOut, packetsIn] = [
      counters.nicPackets(nic, 1, 1),
      counters.nicPackets(nic, 0, 1),
    ];
    const linkBytes = 14;
    expect(sums, `seed ${random.seed}`).toEqual([
      packetsOut,
      counters.nicBytes(nic, 1, 1) - packetsOut * linkBytes,
      packetsIn,
      counters.nicBytes(nic, 0, 1) - packetsIn * linkBytes,
    ]);
    expect([...states].toSorted(), `seed ${random.seed}`).toEqual(['B', 'C', 'D', 'E']);
  });

  test('flows that an earlier run has left are not told again', async () => {
    const rig = new PipelineRig(WEB);
    rig.outbound(udp(`${LOCAL}:4000`, `${REMOTE}:53`));
    while (rig.events.next()) continue;
    const trial = new Trial(settingsOf('nsg-v2'), rig);
    trial.at(10);
    rig.inbound(udp(`${REMOTE}:53`, `${LOCAL}:4000`));
    await trial.close();
    expect(readFlowLogs(folder).map(({ tuple }) => tuple)).toEqual([
      `${at(10)},${DNS},U,O,A,C,0,0,1,33`,
    ]);
  });
});

describe('a flood', () => {
  test('is a bounded number of records; what has none is counted and told', async () => {
    const trial = new Trial(settingsOf('vnet-v4'));
    const frames = Array.from({ length: MAX_DENIALS * 1.5 }, (_, index) =>
      buildFrame(
        tcp(`198.51.${100 + (index >>> 14)}.9:${1 + (index % 16_384)}`, `${LOCAL}:22`, 'S'),
      ),
    );
    for (let sent = 0; sent < frames.length; sent += 1000) {
      for (const frame of frames.slice(sent, sent + 1000)) trial.rig.inbound(frame);
      trial.at(1 + sent / 1000);
    }
    trial.at(61);
    await trial.close();
    expect(readFlowLogs(folder)).toHaveLength(MAX_DENIALS);
    expect(trial.log.counts).toEqual({
      written: MAX_DENIALS,
      suppressed: MAX_DENIALS / 2,
      failed: 0,
    });
    expect(trial.lines).toMatchObject([
      { level: 40, msg: 'denied packets that are not in the flow log', packets: MAX_DENIALS / 2 },
    ]);
  });
});

describe('a file of an hour', () => {
  const path = (): string => join(folder, 'PT1H.json');
  const read = (): unknown => JSON.parse(readFileSync(path(), 'utf8'));

  test('is JSON after every addition', async () => {
    await appendRecords(folder, ['{"a":1}']);
    expect(read()).toEqual({ records: [{ a: 1 }] });
    await appendRecords(folder, ['{"a":2}', '{"a":3}']);
    expect(read()).toEqual({ records: [{ a: 1 }, { a: 2 }, { a: 3 }] });
    expect(statSync(path()).mode & 0o777).toBe(0o640);
  });

  test.each([
    ['cut short', (): void => truncateSync(path(), 20)],
    ['not ours', (): void => writeFileSync(path(), 'something else')],
  ])('that is %s is put aside', async (_, damage) => {
    await appendRecords(folder, ['{"a":1}']);
    damage();
    await appendRecords(folder, ['{"a":2}']);
    expect(read()).toEqual({ records: [{ a: 2 }] });
    expect(existsSync(`${path()}.damaged`)).toBe(true);
  });

  test('is never one that a link names', async () => {
    const other = join(folder, 'other');
    writeFileSync(other, '');
    symlinkSync(other, path());
    await expect(appendRecords(folder, ['{}'])).rejects.toThrow('ELOOP');
    expect(readFileSync(other, 'utf8')).toBe('');
  });
});

test.skipIf(process.getuid?.() !== 0)(
  'a full disk stops logs, is told once and counted; what is there stays JSON; it goes on (needs root)',
  async () => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'none', disk]);
    try {
      const trial = new Trial(settingsOf('nsg-v2', disk));
      const minute = async (number: number, flows: number): Promise<void> => {
        for (let flow = 0; flow < flows; flow++) {
          const port = 1 + ((number * 1000 + flow) % 65_535);
          trial.rig.inbound(udp(`${REMOTE}:${port}`, `${LOCAL}:53`));
        }
        trial.at(number * 60 + 1);
        // Files are written behind the clock's back.
        await new Promise((resolve) => setTimeout(resolve, 50));
      };
      const lines = join(disk, 'lines');
      await appendText(lines, 'first\n');
      await minute(1, 100);
      await minute(2, 100);
      const before = readFlowLogs(disk).length;
      expect(before).toBeGreaterThan(100);
      const filler = join(disk, 'filler');
      execFileSync('sh', ['-c', `cat /dev/zero > ${filler} 2>/dev/null || true`]);
      await minute(3, 900);
      await minute(4, 900);
      expect(trial.log.counts.failed).toBeGreaterThan(1000);
      expect(readFlowLogs(disk)).toHaveLength(before);
      // Some of it would have room.
      truncateSync(filler, statSync(filler).size - 4096);
      await expect(appendText(lines, `${'x'.repeat(20_000)}\n`)).rejects.toThrow('ENOSPC');
      expect(readFileSync(lines, 'utf8')).toBe('first\n');
      rmSync(filler);
      await minute(5, 10);
      await trial.close();
      expect(readFlowLogs(disk).length).toBeGreaterThan(before);
      const { written, failed } = trial.log.counts;
      expect(readFlowLogs(disk).length + ruleCounterLines(disk)).toBe(written);
      expect(trial.lines.map(({ level, msg }) => [level, msg])).toEqual([
        [50, 'flow log cannot be written; packets pass as before'],
        [30, 'flow log is written again'],
      ]);
      expect(trial.lines[1]?.['lost']).toBe(failed);
      expect(trial.lines[0]?.['detail']).toContain('ENOSPC');
    } finally {
      execFileSync('umount', [disk]);
    }
  },
);

describe('retention', () => {
  const container = (): string => join(folder, 'insights-logs-flowlogflowevent');
  const hour = (text: string): string => join(container(), 'flowLogResourceID=/x/y', text, 'm=00');

  test('removes hours that are too old, and nothing else', async () => {
    const old = ['y=2025/m=12/d=30/h=09', 'y=2025/m=12/d=31/h=08', 'y=2024/m=02/d=29/h=23'];
    const recent = ['y=2025/m=12/d=31/h=09', 'y=2026/m=01/d=01/h=10'];
    for (const text of [...old, ...recent]) {
      mkdirSync(hour(text), { recursive: true });
      writeFileSync(join(hour(text), 'PT1H.json'), '{}');
    }
    const outside = join(folder, 'y=2020/m=01/d=01/h=00');
    mkdirSync(outside, { recursive: true });
    symlinkSync(outside, join(container(), 'link'));
    mkdirSync(join(container(), 'flowLogResourceID=/x/y/y=2020/other'), { recursive: true });
    const removed = await removeOldHours([container(), join(folder, 'no such')], 1, EPOCH);
    expect(removed).toBe(3);
    for (const text of old) expect(existsSync(hour(text)), text).toBe(false);
    for (const text of recent) expect(existsSync(hour(text)), text).toBe(true);
    expect(existsSync(join(container(), 'flowLogResourceID=/x/y/y=2024'))).toBe(false);
    expect(existsSync(outside)).toBe(true);
    expect(existsSync(join(container(), 'flowLogResourceID=/x/y/y=2020/other'))).toBe(true);
  });
});

describe('names', () => {
  test.each([
    ['securityRules/AllowHttp', 'UserRule_AllowHttp'],
    ['defaultSecurityRules/DenyAllInBound', 'DefaultRule_DenyAllInBound'],
    ['platformRules/AllowDns', 'PlatformRule_AllowDns'],
    [undefined, 'unspecified'],
  ])('%s is %s', (ruleName, expected) => {
    expect(flowLogRuleName(ruleName)).toBe(expected);
  });

  test('an interface without an address of its own gets one that stays, locally administered', () => {
    const mac = macAddressFor('vm1');
    expect(mac).toMatch(/^[0-9A-F][26AE][0-9A-F]{10}$/);
    expect(macAddressFor('VM1')).toBe(mac);
    expect(macAddressFor('vm2')).not.toBe(mac);
    expect(uuidOf('x')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });
});
