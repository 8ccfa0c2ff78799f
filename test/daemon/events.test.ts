/**
 * Events on their way from the rings to whoever watches: filters, rates, slow watchers, losses, starts of flows, the text.
 */
import { PassThrough } from 'node:stream';
import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { eventLine } from '../../daemon/commands/monitor.ts';
import { EventWatcher } from '../../daemon/control/event-watcher.ts';
import type { DaemonEvent, FlowEvent } from '../../daemon/events/event.ts';
import { EventHub } from '../../daemon/events/hub.ts';
import { EventQueryError } from '../../daemon/events/filter.ts';
import { NicNames } from '../../daemon/events/nic-names.ts';
import type { WireView } from '../../daemon/wire-view.ts';
import {
  icmp,
  LOCAL,
  LOCAL6,
  PipelineRig,
  REMOTE,
  REMOTE6,
  tcp,
  udp,
  WEB,
} from '../helpers/pipeline-rig.ts';

const EPOCH = Date.UTC(2026, 0, 1);
/** What a rig's clock shows at its second 0, in milliseconds. */
const START = 1_000_000;

/** A wire whose data plane is a rig, the hub that reads it, and a watcher. */
class Trial {
  readonly rig: PipelineRig;
  readonly hub: EventHub;
  /** Milliseconds since the start. */
  now = 0;
  /** What the wall clock is ahead, by being read later or by being set. */
  wallAhead = 0;
  readonly #nicNames = new NicNames();

  constructor(rig = new PipelineRig(WEB)) {
    this.rig = rig;
    this.#nicNames.update(rig.compiled.nics);
    const wire: Partial<WireView> = {
      name: 'w0',
      events: rig.events,
      flows: rig.flows,
      registry: rig.registry,
      nicNames: this.#nicNames,
    };
    this.hub = new EventHub([wire as WireView], {
      monotonic: () => START + this.now,
      wall: () => EPOCH + this.now + this.wallAhead,
    });
  }

  watch(query = '', stream = new PassThrough({ highWaterMark: 16 })): Watched {
    // Of a response only what a stream has is used.
    const response = stream as unknown as ServerResponse;
    const watcher = new EventWatcher(response, new URLSearchParams(query), () => this.now);
    this.hub.add(watcher);
    return new Watched(stream);
  }

  at(milliseconds: number): this {
    this.now = milliseconds;
    this.rig.pipeline.setTime(START + milliseconds);
    return this;
  }
}

class Watched {
  readonly #stream: PassThrough;

  constructor(stream: PassThrough) {
    this.#stream = stream;
  }

  /** What came since the last call. */
  read(): DaemonEvent[] {
    const parts: Buffer[] = [];
    for (let part: unknown; (part = this.#stream.read()) !== null;) parts.push(part as Buffer);
    return Buffer.concat(parts)
      .toString()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as DaemonEvent);
  }
}

/** One of each: HTTP and a ping opened, SSH denied, DNS out over IPv6, a malformed frame. */
function traffic(rig: PipelineRig): void {
  rig.inbound(tcp(`${REMOTE}:5000`, `${LOCAL}:80`, 'S'));
  rig.inbound(icmp(REMOTE, LOCAL, 8, 7));
  rig.inbound(tcp(`${REMOTE}:5001`, `${LOCAL}:22`, 'S'));
  rig.outbound(udp(`[${LOCAL6}]:4000`, `[${REMOTE6}]:53`));
  rig.inbound({ ...udp(`${REMOTE}:1`, `${LOCAL}:80`), ip: { src: REMOTE, dst: LOCAL, ihl: 4 } });
}

describe('filters', () => {
  const HTTP = 'opened TCP';
  const PING = 'opened ICMP';
  const SSH = 'denied TCP';
  const DNS = 'opened UDP';
  const UNFIT = 'denied -';

  test.each<readonly [string, readonly string[]]>([
    ['', [HTTP, PING, SSH, DNS, UNFIT]],
    ['type=denied', [SSH, UNFIT]],
    ['type=opened,ended', [HTTP, PING, DNS]],
    ['wire=w0', [HTTP, PING, SSH, DNS, UNFIT]],
    ['wire=w1', []],
    ['nic=VM1', [HTTP, PING, SSH, DNS]],
    ['nic=vm2', []],
    ['direction=out', [DNS]],
    ['protocol=tcp', [HTTP, SSH]],
    ['protocol=icmp', [PING]],
    ['protocol=0', []],
    ['address=10.0.1.0/24', [HTTP, PING, SSH]],
    ['local=10.0.1.4', [HTTP, PING, SSH]],
    ['remote=10.0.1.4', []],
    ['remote=2001:db8::/32', [DNS]],
    ['remote=0.0.0.0/0', [HTTP, PING, SSH]],
    ['port=53', [DNS]],
    ['port=5001', [SSH]],
    ['rule=allowhttp', [HTTP]],
    ['rule=NSG2/securityRules/AllowPing', [PING]],
    ['rule=defaultSecurityRules/DenyAllInBound', [SSH]],
    ['rule=Http', []],
    ['protocol=tcp&type=opened', [HTTP]],
  ])('%s', (query, expected) => {
    const trial = new Trial();
    const watched = trial.watch(query);
    traffic(trial.rig);
    trial.hub.drain();
    const seen = watched.read().map((event) => {
      const { type, protocol = '-' } = event as FlowEvent;
      return `${type} ${protocol}`;
    });
    expect(seen).toEqual(expected);
  });

  test.each([
    ['type=new', 'type "new": use opened, ended, denied, reload, data-plane'],
    ['direction=up', 'direction: direction "up": use Inbound or Outbound'],
    ['protocol=x', 'protocol: protocol "x": use TCP'],
    ['port=x', 'port: port "x"'],
    ['remote=10.0.0.1/8', '"10.0.0.1/8" '],
    ['rate=0', 'rate: use a number'],
    ['rate=fast', 'rate: use a number'],
  ])('%s is refused', (query, message) => {
    const watch = (): unknown => new Trial().watch(query);
    expect(watch).toThrow(EventQueryError);
    expect(watch).toThrow(message);
  });
});

describe('a watcher', () => {
  test('sees what an event says, with the time of the wall clock', () => {
    const trial = new Trial();
    const watched = trial.watch('type=denied');
    trial.at(1500);
    traffic(trial.rig);
    trial.at(1550).hub.drain();
    const [ssh, unfit] = watched.read();
    expect(ssh).toEqual({
      type: 'denied',
      time: '2026-01-01T00:00:01.500Z',
      wire: 'w0',
      networkInterface: 'vm1',
      direction: 'Inbound',
      protocol: 'TCP',
      local: `${LOCAL}:22`,
      remote: `${REMOTE}:5001`,
      vlans: [],
      tcpFlags: 'S',
      reason: 'rule_deny',
      rules: [{ networkSecurityGroup: 'NSG2', ruleName: 'defaultSecurityRules/DenyAllInBound' }],
      generation: 1,
      frameBytes: 54,
    });
    expect(unfit).toMatchObject({ vlans: [], rules: [], direction: 'Inbound' });
    expect(Object.keys(unfit ?? {})).not.toContain('local');
  });

  test('tells one moment the same way each time, unless the clock was set', () => {
    const trial = new Trial();
    const watched = trial.watch('type=denied');
    const timeAfter = (wallAhead: number): string | undefined => {
      trial.wallAhead = wallAhead;
      trial.at(1500).rig.inbound(tcp(`${REMOTE}:5001`, `${LOCAL}:22`, 'S'));
      trial.hub.drain();
      return watched.read()[0]?.time;
    };
    expect(timeAfter(0)).toBe('2026-01-01T00:00:01.500Z');
    expect(timeAfter(1)).toBe('2026-01-01T00:00:01.500Z');
    expect(timeAfter(-1)).toBe('2026-01-01T00:00:01.500Z');
    expect(timeAfter(3_600_000)).toBe('2026-01-01T01:00:01.500Z');
  });

  test('gets at most its rate, a burst of a second first, and is told what it did not get', () => {
    const trial = new Trial();
    const watched = trial.watch('rate=10&type=denied');
    const flood = (packets: number): void => {
      for (let packet = 0; packet < packets; packet++) {
        trial.rig.inbound(tcp(`${REMOTE}:${1 + packet}`, `${LOCAL}:22`, 'S'));
      }
      trial.hub.drain();
    };
    flood(100);
    expect(watched.read().map(({ type }) => type)).toEqual([
      ...Array.from({ length: 10 }, () => 'denied'),
      'suppressed',
    ]);
    trial.at(500);
    flood(100);
    expect(watched.read()).toEqual([]);
    trial.at(1000);
    flood(100);
    const later = watched.read();
    expect(later.map(({ type }) => type)).toEqual([
      ...Array.from({ length: 5 }, () => 'denied'),
      'suppressed',
    ]);
    expect(later.at(-1)).toMatchObject({ count: 195, cause: 'rate' });
  });

  test('that does not read loses events, is told how many, and holds up nobody', () => {
    const trial = new Trial();
    const slow = trial.watch('type=denied');
    const quick = trial.watch('type=denied');
    let seen = 0;
    for (let round = 0; round < 40; round++) {
      for (let packet = 0; packet < 100; packet++) {
        trial.rig.inbound(tcp(`${REMOTE}:5001`, `${LOCAL}:22`, 'S'));
      }
      trial.hub.drain();
      seen += quick.read().length;
    }
    expect(seen).toBe(4000);
    const got = slow.read();
    expect(got.length).toBeGreaterThan(500);
    expect(got.length).toBeLessThan(1500);
    trial.at(1000).hub.drain();
    expect(slow.read()).toMatchObject([
      { type: 'suppressed', cause: 'slow', count: 4000 - got.length },
    ]);
  });

  test('is told of reloads, of data planes, of what the rings lost, and of the end', async () => {
    const trial = new Trial();
    const watched = trial.watch();
    const some = trial.watch('type=opened&wire=w1');
    trial.hub.reloaded({ isSuccessful: true, generation: 2, changes: 3, problems: 0 });
    trial.hub.dataPlane({ wire: 'w0', state: 'waiting', detail: 'interface eth1 is down' });
    for (let packet = 0; packet < 5000; packet++) {
      trial.rig.inbound(tcp(`${REMOTE}:5001`, `${LOCAL}:22`, 'S'));
    }
    trial.at(2000).hub.drain();
    const seen = watched.read().filter(({ type }) => type !== 'denied');
    expect(seen).toMatchObject([
      { type: 'reload', time: '2026-01-01T00:00:00.000Z', generation: 2 },
      { type: 'data-plane', wire: 'w0', state: 'waiting' },
      { type: 'suppressed', cause: 'denied', count: 904, wire: 'w0' },
    ]);
    trial.at(4000).hub.drain();
    expect(watched.read()).toMatchObject([{ type: 'suppressed', cause: 'slow' }]);
    await trial.hub.end();
    expect(watched.read().at(-1)).toMatchObject({ type: 'stopping' });
    expect(some.read()).toMatchObject([{ type: 'stopping' }]);
  });

  test('knows when a flow began, unless that was lost or is of another flow', () => {
    const trial = new Trial();
    const watched = trial.watch('type=ended');
    trial.at(0);
    trial.rig.inbound(udp(`${REMOTE}:1`, `${LOCAL}:53`));
    trial.hub.drain();
    trial.at(40_250);
    trial.rig.pipeline.housekeep();
    // The same record, another flow, and its beginning is not told.
    trial.rig.inbound(udp(`${REMOTE}:2`, `${LOCAL}:53`));
    while (trial.rig.events.next() && trial.rig.events.kind !== 1) {
      expect(trial.rig.events.kind).toBe(2);
    }
    trial.at(90_000);
    trial.rig.pipeline.housekeep();
    trial.hub.drain();
    const [ended] = watched.read() as FlowEvent[];
    expect(ended).toMatchObject({ remote: `${REMOTE}:2`, reason: 'timeout', packetsIn: 1 });
    expect(ended?.startTime).toBeUndefined();
    trial.rig.inbound(udp(`${REMOTE}:3`, `${LOCAL}:53`));
    trial.at(130_000);
    trial.rig.pipeline.housekeep();
    trial.hub.drain();
    expect(watched.read()).toMatchObject([
      { remote: `${REMOTE}:3`, startTime: '2026-01-01T00:01:30.000Z', durationSeconds: 40 },
    ]);
  });
});

test('an interface that left the policy keeps its name for its flows', () => {
  const names = new NicNames();
  const { nics } = new PipelineRig(WEB).compiled;
  const address = [0, 0, 0, 0x0a00_0104] as const;
  names.update(nics);
  expect(names.nameOf(true, [...address])).toBe('vm1');
  names.update([]);
  expect(names.nameOf(true, [...address])).toBe('vm1');
  expect(names.nameOf(false, [...address])).toBeUndefined();
  names.update(new PipelineRig({ ...WEB, addresses: [] }).compiled.nics);
  expect(names.nameOf(true, [0, 0, 0, 1])).toBe('vm1');
});

describe('a line of the table', () => {
  const time = new Date(2026, 0, 1, 12, 0, 0, 7).toISOString();

  test.each<readonly [DaemonEvent, string]>([
    [
      {
        type: 'ended',
        time,
        wire: 'w0',
        networkInterface: 'vm1',
        direction: 'Inbound',
        protocol: 'TCP',
        local: '10.0.1.4:80',
        remote: '203.0.113.9:5000',
        vlans: [5, 7],
        reason: 'fin',
        rules: [{ networkSecurityGroup: 'NSG2', ruleName: 'securityRules/AllowHttp' }],
        generation: 1,
        startTime: time,
        durationSeconds: 1.25,
        packetsOut: 3,
        bytesOut: 120,
        packetsIn: 4,
        bytesIn: 170,
      },
      '12:00:00.007  ended       w0        vm1       TCP       Inbound    10.0.1.4:80            203.0.113.9:5000       fin out 3/120 in 4/170 after 1.3 s vlan 5.7 NSG2/securityRules/AllowHttp',
    ],
    [
      {
        type: 'denied',
        time,
        wire: 'w0',
        direction: 'Outbound',
        vlans: [],
        reason: 'oversize',
        rules: [],
        generation: 1,
        frameBytes: 0,
      },
      '12:00:00.007  denied      w0        -         -         Outbound   -                      -                      oversize',
    ],
    [
      { type: 'data-plane', time, wire: 'w0', state: 'waiting', detail: 'link\u001b[2J' },
      '12:00:00.007  data-plane  w0        waiting: link\\u001b[2J',
    ],
    [
      { type: 'reload', time, isSuccessful: false, generation: 4, changes: 0, problems: 2 },
      '12:00:00.007  reload                refused, 2 problems, generation 4 is in force',
    ],
    [
      { type: 'suppressed', time, count: 12, cause: 'slow' },
      '12:00:00.007  suppressed            12 events not shown (slow)',
    ],
  ])('%#', (event, line) => {
    expect(eventLine(event)).toBe(line);
  });
});
