import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import {
  ControlPage,
  ControlPageError,
  NO_GENERATION,
  Phase,
} from '../../daemon/data-plane/control-page.ts';
import {
  DataPlane,
  type LoadedPolicy,
  loadPolicyFile,
} from '../../daemon/data-plane/data-plane.ts';
import {
  policyGeneration,
  policyPath,
  segmentPaths,
} from '../../daemon/data-plane/segment-paths.ts';
import { Segment } from '../../daemon/native/segment.ts';
import { decode } from '../../src/capture/decode.ts';
import { Packet } from '../../src/capture/packet.ts';
import { Counters, InterfaceCounter } from '../../src/engine/counters.ts';
import { finish, type Steps } from '../../src/engine/steps.ts';
import { buildFrame } from '../helpers/frames.ts';
import { imageDenying } from './fixtures/policies.ts';

describe('the control page', () => {
  test('what one side stores the other reads', () => {
    const buffer = new ArrayBuffer(ControlPage.bytes);
    const one = ControlPage.create(buffer);
    const other = ControlPage.attach(buffer);
    one.wantedGeneration = 7;
    one.isStopRequested = true;
    one.setLinkRunning(1, true);
    other.beat();
    other.looseUntilSeconds = 30;
    other.longestCollectionMicroseconds = 700;
    expect(other).toMatchObject({ wantedGeneration: 7, isStopRequested: true, restarts: 0 });
    expect([other.isLinkRunning(0), other.isLinkRunning(1)]).toEqual([false, true]);
    expect([one.heartbeat, one.looseUntilSeconds]).toEqual([1, 30]);
    expect(one.longestCollectionMicroseconds).toBe(700);
  });

  test('the heartbeat wraps and never stops changing', () => {
    const buffer = new ArrayBuffer(ControlPage.bytes);
    const page = ControlPage.create(buffer);
    new Int32Array(buffer).fill(0x7fff_ffff, 18, 19);
    const before = page.heartbeat;
    page.beat();
    expect(page.heartbeat).not.toBe(before);
  });

  test.each([
    ['zeros', new ArrayBuffer(ControlPage.bytes)],
    ['too short', new ArrayBuffer(100)],
  ])('memory that is no page is refused: %s', (_, buffer) => {
    expect(() => ControlPage.attach(buffer)).toThrow(ControlPageError);
  });
});

describe('segment paths', () => {
  test.each(['../x', '', '.', '..', 'a/b', 'a'.repeat(81)])('%j is no wire name', (name) => {
    expect(() => segmentPaths('/run/nsgd', name)).toThrow(RangeError);
  });

  test('a policy file says its generation', () => {
    const paths = segmentPaths('/run/nsgd', 'wire0');
    expect(policyPath(paths, 12)).toBe('/run/nsgd/wires/wire0/policy.12');
    expect(policyGeneration('policy.12')).toBe(12);
    expect(policyGeneration('policy.x')).toBeUndefined();
    expect(policyGeneration('flows')).toBeUndefined();
  });
});

describe('a data plane', () => {
  let now: number;
  let page: ControlPage;
  let counters: Counters;
  let released: number[];
  let plane: DataPlane;
  const pipeline = {
    packet: new Packet(),
    judge: vi.fn((view: DataView, offset: number, length: number) => {
      decode(view, offset, length, pipeline.packet);
      return 1;
    }),
    lookAhead: vi.fn(),
    setTime: vi.fn(),
    housekeep: vi.fn(() => 0),
    usePolicy: vi.fn(),
  };
  const events = { policyActive: vi.fn(), policyRejected: vi.fn(), stopped: vi.fn() };
  const wire = { collectKernelDrops: vi.fn(), stop: vi.fn() };
  /** Steps before a policy is loaded, each as long as a slice. */
  let loadSteps = 0;
  const loadPolicy = vi.fn(function* load(generation: number): Steps<LoadedPolicy> {
    let isLoaded = false;
    try {
      for (let step = 0; step < loadSteps; step++) {
        now += 1;
        yield;
      }
      isLoaded = true;
      return policy(generation);
    } finally {
      if (!isLoaded) released.push(generation);
    }
  });

  function policy(generation: number): LoadedPolicy {
    const release = (): number => released.push(generation);
    return { image: { generation }, segment: { release } } as unknown as LoadedPolicy;
  }

  beforeEach(() => {
    vi.clearAllMocks();
    now = 5_000_000;
    released = [];
    loadSteps = 0;
    page = ControlPage.create(new ArrayBuffer(ControlPage.bytes));
    page.wantedGeneration = 1;
    counters = new Counters(new ArrayBuffer(Counters.bytes));
    plane = new DataPlane({
      page,
      counters,
      pipeline,
      policy: policy(1),
      loadPolicy,
      clock: () => now,
      events,
    });
    plane.run(wire);
  });

  test('says that it runs, and which policy is in force', () => {
    expect(page).toMatchObject({ activeGeneration: 1, phase: Phase.Running, clockSeconds: 5000 });
    expect(loadPolicy).not.toHaveBeenCalled();
  });

  test('every tick sets the time, does bounded work and beats', () => {
    const before = page.heartbeat;
    now += 250;
    plane.tick();
    expect(pipeline.setTime).toHaveBeenLastCalledWith(5_000_250);
    expect(pipeline.housekeep).toHaveBeenCalledTimes(2);
    expect(page.heartbeat).toBe(before + 1);
  });

  test('the kernel is asked for drops once a second, not once a tick', () => {
    for (let index = 0; index < 100; index++) {
      now += 10;
      plane.tick();
    }
    // At the start, and after 1,000 ms.
    expect(wire.collectKernelDrops).toHaveBeenCalledTimes(2);
    plane.counts.kernelDropped(0, 3);
    expect(counters.interface(0, InterfaceCounter.KernelDrops)).toBe(3);
  });

  test('another wanted generation is put in force and the old one given back', () => {
    page.wantedGeneration = 2;
    plane.tick();
    plane.tick();
    expect(pipeline.usePolicy.mock.calls).toEqual([[{ generation: 2 }]]);
    expect([page.activeGeneration, released]).toEqual([2, [1]]);
    expect(events.policyActive.mock.calls).toEqual([[2]]);
  });

  test('one that cannot be loaded is tried once; the old one stays', () => {
    // oxlint-disable-next-line require-yield -- breaks at once
    loadPolicy.mockImplementationOnce(function* broken() {
      throw new Error('broken');
    });
    page.wantedGeneration = 2;
    plane.tick();
    plane.tick();
    expect([page.activeGeneration, page.rejectedGeneration, released]).toEqual([1, 2, []]);
    expect(pipeline.usePolicy).not.toHaveBeenCalled();
    expect(events.policyRejected).toHaveBeenCalledTimes(1);
    page.wantedGeneration = 1;
    plane.tick();
    expect([page.activeGeneration, released]).toEqual([1, []]);
    page.wantedGeneration = 3;
    plane.tick();
    expect([page.activeGeneration, released]).toEqual([3, [1]]);
  });

  test('a policy that takes long is loaded in slices, with packets between them', () => {
    loadSteps = 3;
    page.wantedGeneration = 2;
    plane.tick();
    expect([plane.isTickWanted, page.activeGeneration]).toEqual([true, 1]);
    // The next slice is not due yet.
    const before = now;
    plane.tick();
    expect(now).toBe(before);
    let slices = 1;
    for (; plane.isTickWanted; slices++) {
      now += 2;
      plane.tick();
      expect(slices).toBeLessThan(10);
    }
    expect([slices, page.activeGeneration, released]).toEqual([4, 2, [1]]);
    expect(pipeline.usePolicy).toHaveBeenCalledTimes(1);
  });

  test('a policy that is wanted no more before it is loaded is given back', () => {
    loadSteps = 3;
    page.wantedGeneration = 2;
    plane.tick();
    page.wantedGeneration = 3;
    loadSteps = 0;
    now += 2;
    plane.tick();
    expect([plane.isTickWanted, page.activeGeneration, released]).toEqual([false, 3, [2, 1]]);
    expect(events.policyActive.mock.calls).toEqual([[3]]);
    expect(events.policyRejected).not.toHaveBeenCalled();
  });

  test('a stop request closes the wire once, with the last drops counted', () => {
    page.isStopRequested = true;
    plane.tick();
    plane.tick();
    plane.stop();
    expect(wire.stop).toHaveBeenCalledTimes(1);
    expect(wire.collectKernelDrops).toHaveBeenCalledTimes(2);
    expect(events.stopped).toHaveBeenCalledTimes(1);
    expect(page).toMatchObject({ activeGeneration: NO_GENERATION, phase: Phase.Stopped });
  });

  test('a forwarded frame with a partial checksum leaves with a whole one, others untouched', () => {
    const ip = { src: '10.0.0.1', dst: '10.0.0.2' };
    const udp = { srcPort: 1, dstPort: 2 };
    const right = buildFrame({ ip, udp, payload: 'x' });
    const partial = buildFrame({ ip, udp: { ...udp, checksum: 'partial' }, payload: 'x' });
    for (const frame of [partial, Uint8Array.from(right), new Uint8Array(60)]) {
      const copy = Uint8Array.from(frame);
      expect(plane.judge(new DataView(copy.buffer), 0, copy.length, 0)).toBe(1);
      expect(copy).toEqual(frame[12] === 8 ? Uint8Array.from(right) : frame);
    }
  });

  test('sends and failed sends are counted on the side they leave by', () => {
    plane.counts.sent(1, 60);
    plane.counts.sent(1, 40);
    plane.counts.sendFailed(0);
    expect([
      counters.interface(1, InterfaceCounter.FramesOut),
      counters.interface(1, InterfaceCounter.BytesOut),
      counters.interface(0, InterfaceCounter.SendErrors),
      counters.interface(0, InterfaceCounter.FramesOut),
    ]).toEqual([2, 100, 1, 0]);
  });
});

describe('a policy file', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'nsgd-t-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  test('is mapped and checked', () => {
    const path = join(directory, 'policy.4');
    Segment.write(path, new Uint8Array(imageDenying(9, 4)));
    const { image } = finish(loadPolicyFile(path, 4));
    expect([image.generation, image.nicCount]).toEqual([4, 1]);
  });

  const unfit: readonly [string, (path: string) => void, RegExp][] = [
    ['missing', () => undefined, /ENOENT/],
    ['rubbish', (path) => writeFileSync(path, Buffer.alloc(4096, 7), { mode: 0o600 }), /image/],
    ['a folder', (path) => mkdirSync(path), /EISDIR/],
    [
      'of another generation',
      (path) => Segment.write(path, new Uint8Array(imageDenying(9, 5))),
      /holds generation 5, expected 4/,
    ],
    [
      'cut short',
      (path) => Segment.write(path, new Uint8Array(imageDenying(9, 4)).subarray(0, 200)),
      /do not fit/,
    ],
  ];
  test.each(unfit)('that is %s is refused', (_, make, message) => {
    const path = join(directory, 'policy.4');
    make(path);
    expect(() => finish(loadPolicyFile(path, 4))).toThrow(message);
  });
});
