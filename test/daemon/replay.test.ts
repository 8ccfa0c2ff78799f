/**
 * Replay: a capture's own clock and sides, and every real capture to its end with nothing uncounted.
 */
import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Replay } from '../../daemon/replay.ts';
import { CaptureFileError } from '../../src/capture/capture-file-error.ts';
import { openCaptureFile } from '../../src/capture/capture-file.ts';
import type { FrameSource } from '../../src/capture/frame.ts';
import { MemorySource } from '../../src/capture/memory.ts';
import type { Policy } from '../../src/engine/policy.ts';
import { reasonNames } from '../../src/engine/reason.ts';
import { FlowStat } from '../../src/flowtable/segment.ts';
import { type ScriptedFrame, TrafficScript, webServerTraffic } from '../helpers/captures.ts';
import { buildFrame, type FrameSpec } from '../helpers/frames.ts';
import { loadGood } from '../helpers/load-text.ts';
import {
  configurationText,
  LOCAL,
  LOCAL6,
  REMOTE,
  REMOTE6,
  type RigPolicy,
  tcp,
  udp,
  WEB,
} from '../helpers/pipeline-rig.ts';
import { sharedData } from '../helpers/shared-data.ts';

function replayBy(policy: Policy, maxFlows = 1024): Replay {
  const [nic] = policy.nics;
  if (nic === undefined) throw new Error('no NIC');
  return new Replay({ maxFlows, idleTimeout: 240 }, policy, nic);
}

function replayOf(policy: RigPolicy): Replay {
  return replayBy(loadGood(configurationText(policy)).policy);
}

/** `Inbound rule` and so on, one per frame of the source. */
function verdicts(replay: Replay, source: FrameSource): string[] {
  const lines: string[] = [];
  while (source.next()) {
    const { direction, reason } = replay.judge(source);
    lines.push(`${direction === 0 ? 'Inbound' : 'Outbound'} ${reasonNames[reason]}`);
  }
  return lines;
}

/** Frames at these times, in milliseconds. */
function at(...frames: readonly (readonly [number, FrameSpec])[]): MemorySource {
  const script = new TrafficScript(LOCAL);
  for (const [timestamp, spec] of frames) {
    const frame: ScriptedFrame = {
      name: '',
      direction: 'Inbound',
      timestamp,
      bytes: buildFrame(spec),
    };
    script.frames.push(frame);
  }
  return script.source();
}

describe('sides', () => {
  const rows: readonly (readonly [string, RigPolicy, FrameSpec, string])[] = [
    ['to the NIC', {}, udp(`${REMOTE}:1`, `${LOCAL}:2`), 'Inbound rule'],
    ['from the NIC', {}, udp(`${LOCAL}:2`, `${REMOTE}:1`), 'Outbound rule'],
    ['IPv6 to the NIC', {}, udp(`[${REMOTE6}]:1`, `[${LOCAL6}]:2`), 'Inbound rule'],
    ['IPv6 from the NIC', {}, udp(`[${LOCAL6}]:2`, `[${REMOTE6}]:1`), 'Outbound rule'],
    ['between others', {}, udp(`${REMOTE}:1`, '10.0.1.5:2'), 'Inbound unknown_address'],
    [
      'no addresses: from 10/8',
      { addresses: [] },
      udp(`10.9.9.9:1`, `${REMOTE}:2`),
      'Outbound rule',
    ],
    [
      'no addresses: from 172.16/12',
      { addresses: [] },
      udp(`172.31.255.255:1`, `${REMOTE}:2`),
      'Outbound rule',
    ],
    [
      'no addresses: from 172.32',
      { addresses: [] },
      udp(`172.32.0.1:1`, `10.9.9.9:2`),
      'Inbound rule',
    ],
    [
      'no addresses: from 192.168/16',
      { addresses: [] },
      udp(`192.168.0.1:1`, `${REMOTE}:2`),
      'Outbound rule',
    ],
    [
      'no addresses: from fc00::/7',
      { addresses: [] },
      udp(`[fdff::1]:1`, `[${REMOTE6}]:2`),
      'Outbound rule',
    ],
    [
      'no addresses: from fe80::/10',
      { addresses: [] },
      udp(`[febf::1]:1`, `[${REMOTE6}]:2`),
      'Outbound rule',
    ],
    [
      'no addresses: from elsewhere',
      { addresses: [] },
      udp(`[fec0::1]:1`, `[fdff::1]:2`),
      'Inbound rule',
    ],
  ];
  test.each(rows)('%s', (_name, policy, spec, line) => {
    expect(verdicts(replayOf(policy), at([0, spec]))).toEqual([line]);
  });

  test('scripted traffic goes the way its script says', () => {
    const script = webServerTraffic();
    const replay = replayOf(WEB);
    const directions = verdicts(replay, script.source()).map((line) => line.split(' ')[0]);
    for (const [index, frame] of script.frames.entries()) {
      if (frame.name !== 'ARP')
        expect([index, directions[index]]).toEqual([index, frame.direction]);
    }
  });
});

describe('clock', () => {
  const query = udp(`${LOCAL}:4000`, `${REMOTE}:53`);
  const reply = udp(`${REMOTE}:53`, `${LOCAL}:4000`);
  const denyIn: RigPolicy = { nic: ['DenyIn 100 Inbound Deny * * * * *'] };
  const EPOCH = 1_760_000_000_000;

  test('flows expire by the times of the capture', () => {
    const source = at(
      [EPOCH, query],
      [EPOCH + 30_000, reply],
      [EPOCH + 270_000, reply],
      [EPOCH + 511_000, reply],
    );
    expect(verdicts(replayOf(denyIn), source)).toEqual([
      'Outbound rule',
      'Inbound flow',
      'Inbound flow',
      'Inbound rule_deny',
    ]);
  });

  test('a step back does not move it', () => {
    const source = at([EPOCH, query], [0, reply], [10_000, reply], [40_000, reply]);
    expect(verdicts(replayOf(denyIn), source)).toEqual([
      'Outbound rule',
      'Inbound flow',
      'Inbound flow',
      'Inbound flow',
    ]);
  });

  test('absurd times hurt nothing', () => {
    const source = at(
      [Number.MAX_SAFE_INTEGER, query],
      [-1e15, reply],
      [Number.NaN, reply],
      [1e300, reply],
      [0, query],
    );
    expect(verdicts(replayOf(denyIn), source)).toHaveLength(5);
  });

  test('each frame has its number and time', () => {
    const replay = replayOf(denyIn);
    const source = at([5, query], [7, reply]);
    const seen: unknown[] = [];
    while (source.next()) {
      const { number, timestamp, isForwarded } = replay.judge(source);
      seen.push([number, timestamp, isForwarded]);
    }
    expect(seen).toEqual([
      [1, 5, true],
      [2, 7, true],
    ]);
  });
});

test('frames that are no Ethernet are counted and not read', () => {
  const replay = replayOf(WEB);
  const source = at([0, tcp(`${REMOTE}:1`, `${LOCAL}:80`, 'S')]);
  source.next();
  replay.judge({ ...sourceOf(source), linkType: 101 });
  expect(reasonNames[replay.frame.reason]).toBe('unsupported_link_type');
  expect([replay.total(true), replay.total(false), replay.flows.size]).toEqual([0, 1, 0]);
});

/** The current frame of a source as a plain object. */
function sourceOf(source: FrameSource): FrameSource {
  const { view, offset, length, originalLength, timestamp, linkType } = source;
  return {
    view,
    offset,
    length,
    originalLength,
    timestamp,
    linkType,
    next: () => false,
    close: () => undefined,
  };
}

test('totals', () => {
  const replay = replayOf(WEB);
  const script = webServerTraffic();
  verdicts(replay, script.source());
  expect(replay.frame.number).toBe(script.frames.length);
  expect(replay.total(true) + replay.total(false)).toBe(script.frames.length);
  expect(replay.total(false)).toBeGreaterThan(10);
  expect(replay.flows.lookups).toBeGreaterThan(0);
});

const folder = sharedData('pcaps');

describe.skipIf(folder === undefined)('every real capture (needs ../shared/data)', () => {
  const files =
    folder === undefined
      ? []
      : readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .map((name) => join(folder, name))
          .filter((file) => statSync(file).isFile())
          .toSorted();

  /** One file through one policy. @returns what became of it, and where it broke */
  function replayFile(
    file: string,
    policy: Policy,
  ): { replay: Replay; error: CaptureFileError | undefined } {
    const replay = replayBy(policy, 256);
    let error: CaptureFileError | undefined;
    try {
      const source = openCaptureFile(file);
      try {
        while (source.next()) replay.judge(source);
      } finally {
        source.close();
      }
    } catch (caught) {
      if (!(caught instanceof CaptureFileError)) throw new Error(basename(file), { cause: caught });
      error = caught;
    }
    return { replay, error };
  }

  // The second NIC has addresses that are frequent in the captures.
  const configurations: readonly (readonly [string, string])[] = [
    [
      'a NIC without addresses',
      'networkInterfaces: [{ name: nic0, wire: w0, networkSecurityGroup: nsg }]',
    ],
    [
      'a NIC with seven',
      `networkInterfaces:
  - name: nic0
    wire: w0
    networkSecurityGroup: nsg
    addresses: [10.0.2.15, 172.16.42.216, 192.168.1.29, 192.168.1.184, 10.0.0.1, 192.168.1.11, "2604:1380:4091:ce00::b"]`,
    ],
  ];
  test.each(configurations)('replays through %s: frames = forwarded + dropped', (_name, nics) => {
    const { policy } = loadGood(`${nics}
virtualNetwork: { addressSpace: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, "2604:1380:4091::/48"] }
networkSecurityGroups:
  - name: nsg
    securityRules:
      - { name: AllowWeb, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourceAddressPrefix: "*",
          sourcePortRange: "*", destinationAddressPrefix: "*", destinationPortRange: 80-443 }
wires: [{ name: w0, outside: out0, inside: in0 }]
`);
    let frames = 0;
    let forwarded = 0;
    let opened = 0;
    for (const file of files) {
      const { replay, error } = replayFile(file, policy);
      if (error !== undefined) expect(error.message, basename(file)).toMatch(/at byte \d+/);
      const sum = replay.total(true) + replay.total(false);
      expect([basename(file), sum]).toEqual([basename(file), replay.frame.number]);
      expect(replay.flows.size).toBeLessThanOrEqual(256);
      frames += sum;
      forwarded += replay.total(true);
      opened += replay.flows.stat(FlowStat.Inserts);
    }
    expect(files.length).toBeGreaterThan(800);
    expect(frames).toBeGreaterThan(45_000);
    expect(forwarded).toBeGreaterThan(5000);
    expect(opened).toBeGreaterThan(200);
  });
});
