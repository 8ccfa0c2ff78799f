import { EventEmitter, once } from 'node:events';

import { newTable } from '../../../helpers/flows.ts';
import { describe, expect, test } from 'vitest';

import { openAfXdpWire } from '../../../../src/capture/live/af-xdp/open.ts';
import { SendError, WaitResult } from '../../../../src/capture/live/af-xdp/system.ts';
import { FRAMES_PER_TICK, type LiveWire } from '../../../../src/capture/live/live-wire.ts';
import { MemoryXdp, QUIET, READY, xdpDevice } from '../../../helpers/memory-xdp.ts';
import { Random } from '../../../helpers/random.ts';

const OUT = 1;
const IN = 2;
const DENIED = 0xff;

interface Rig {
  readonly system: MemoryXdp;
  readonly counts: Record<
    'judged' | 'sent' | 'bytes' | 'failed' | 'drops' | 'ringFull' | 'invalid',
    [number, number]
  >;
  readonly lost: string[];
  readonly batches: readonly [waiting: number, milliseconds: number][];
  /** Resolves when the wire was stopped. */
  readonly done: Promise<unknown>;
  readonly largestBatch: () => number;
}

interface RigOptions {
  /** What happens each time the wire sleeps; false to stop it. */
  readonly steps: (system: MemoryXdp, step: number) => boolean;
  readonly startIndex?: number;
  readonly queues?: readonly [number, number];
  readonly busyPoll?: number;
  /** Stop at the first tick after so many frames. */
  readonly stopAfter?: number;
}

/** A wire on a kernel in memory. The judge drops frames whose first byte is DENIED. */
function rig(options: RigOptions): Rig {
  const [outQueues, inQueues] = options.queues ?? [1, 1];
  const ended = new EventEmitter();
  const counts: Rig['counts'] = {
    judged: [0, 0],
    sent: [0, 0],
    bytes: [0, 0],
    failed: [0, 0],
    drops: [0, 0],
    ringFull: [0, 0],
    invalid: [0, 0],
  };
  const add = (name: keyof Rig['counts'], side: number, amount: number): void => {
    counts[name][side as 0 | 1] += amount;
  };
  const lost: string[] = [];
  const batches: [waiting: number, milliseconds: number][] = [];
  let step = 0;
  let sinceTick = 0;
  let largest = 0;
  let isStopping = false;
  const system = new MemoryXdp({
    devices: [
      xdpDevice('out0', OUT, { receiveQueues: outQueues, sendQueues: outQueues }),
      xdpDevice('in0', IN, { receiveQueues: inQueues, sendQueues: inQueues }),
    ],
    startIndex: options.startIndex ?? 0,
    onWait: (kernel) => {
      if (!options.steps(kernel, step++)) isStopping = true;
      return isStopping ? QUIET : READY;
    },
  });
  const { wire }: { wire: LiveWire } = openAfXdpWire(
    {
      outside: 'out0',
      inside: 'in0',
      busyPoll: options.busyPoll ?? 0,
      flows: newTable(),
      lost: (error) => {
        lost.push(error.message);
        ended.emit('end');
      },
    },
    {
      judge: (view, offset, _length, side) => {
        add('judged', side, 1);
        sinceTick++;
        return view.getUint8(offset) === DENIED ? 0 : 1;
      },
      tick: () => {
        largest = Math.max(largest, sinceTick);
        sinceTick = 0;
        const seen = counts.judged[0] + counts.judged[1];
        if (!isStopping && seen < (options.stopAfter ?? Infinity)) return;
        wire.stop();
        wire.stop();
        ended.emit('end');
      },
      counts: {
        sent: (side, bytes) => {
          add('sent', side, 1);
          add('bytes', side, bytes);
        },
        sendFailed: (side) => add('failed', side, 1),
        kernelDropped: (side, frames) => add('drops', side, frames),
        receiveRingFull: (side, frames) => add('ringFull', side, frames),
        invalidDescriptors: (side, entries) => add('invalid', side, entries),
        batch: (waiting, milliseconds) => batches.push([waiting, milliseconds]),
      },
    },
    system,
  );
  const done = once(ended, 'end');
  return { system, counts, lost, batches, done, largestBatch: () => largest };
}

function frame(first: number, number: number, length = 64): Uint8Array {
  const bytes = new Uint8Array(length).fill(number & 0xff);
  bytes[0] = first;
  new DataView(bytes.buffer).setUint32(4, number);
  return bytes;
}

describe('an af-xdp wire', () => {
  test.each([
    ['from zero', 0],
    ['over 2^31', 0x7fff_ff00],
    ['over 2^32', -0x100],
  ])('forwards both ways, with ring indexes that run %s', async (_, startIndex) => {
    const total = 3000;
    const { system, counts, batches, done, largestBatch } = rig({
      startIndex,
      steps: (kernel, step) => {
        if (step === total / 100) return false;
        for (let n = 0; n < 100; n++) {
          kernel.deliver(OUT, 0, frame(n % 4 === 0 ? DENIED : 1, step * 100 + n));
          kernel.deliver(IN, 0, frame(2, step * 100 + n, 60));
        }
        if (step % 10 === 0) kernel.checkFrames();
        return true;
      },
    });
    await done;
    expect(counts).toEqual({
      judged: [total, total],
      sent: [total, (total * 3) / 4],
      bytes: [total * 60, (total * 3 * 64) / 4],
      failed: [0, 0],
      drops: [0, 0],
      ringFull: [0, 0],
      invalid: [0, 0],
    });
    const outbound = system.sent.filter(({ device }) => device === OUT);
    expect(outbound.map(({ bytes }) => new DataView(bytes.buffer).getUint32(4))).toEqual(
      Array.from({ length: total }, (_v, n) => n),
    );
    expect(largestBatch()).toBeLessThanOrEqual(FRAMES_PER_TICK);
    // 100 frames wait on each side at every step: a full batch, then the rest.
    expect(batches.map(([waiting]) => waiting)).toEqual(
      Array.from({ length: total / 100 }, () => [100, 100, 36, 36]).flat(),
    );
    expect(batches.every(([, milliseconds]) => milliseconds >= 0)).toBe(true);
    expect(system.open.size).toBe(0);
  });

  test('every frame is counted and in one place, whatever the devices do', async () => {
    const random = new Random();
    const delivered = [0, 0] as [number, number];
    const { system, counts, done } = rig({
      startIndex: -5000,
      steps: (kernel, step) => {
        if (step === 400) {
          kernel.sendErrors.clear();
          return true;
        }
        if (step > 400) return step < 402;
        for (const device of [OUT, IN]) {
          const error = random.pick([0, 0, 11, SendError.NetworkDown, 'drop'] as const);
          if (error === 0) kernel.sendErrors.delete(device);
          else kernel.sendErrors.set(device, error);
          const burst = random.below(random.below(20) === 0 ? 12_000 : 100);
          for (let n = 0; n < burst; n++) {
            const length = random.below(50) === 0 ? 2000 : 14 + random.below(1500);
            kernel.deliver(device, 0, frame(random.pick([1, DENIED]), n, length));
            delivered[device === OUT ? 0 : 1]++;
          }
        }
        if (step % 20 === 0) kernel.checkFrames();
        return true;
      },
    });
    await done;
    const seed = `seed ${random.seed}`;
    for (const side of [0, 1] as const) {
      expect(counts.judged[side] + counts.drops[side], seed).toBe(delivered[side]);
      const device = side === 0 ? OUT : IN;
      const left = system.sent.filter((sent) => sent.device === device);
      expect(counts.sent[side], seed).toBe(left.length);
      expect(counts.failed[side] + counts.drops[side], seed).toBeGreaterThan(0);
    }
    // No frame got lost on the way: the kernel has as many as it can hold.
    expect(system.freeFrames(), seed).toEqual([8192, 8192]);
  });

  test('statistics of the sockets: why frames were dropped, and what the kernel would not take', async () => {
    const { counts, done } = rig({
      steps: (kernel, step) => {
        if (step > 1) return false;
        const [outside, inside] = kernel.sockets.values();
        if (outside === undefined || inside === undefined) throw new Error('two sockets expected');
        outside.statistics.receiveDropped += 3;
        outside.statistics.receiveRingFull += 5;
        inside.statistics.invalidDescriptors += 2;
        return true;
      },
    });
    await done;
    expect(counts).toMatchObject({ drops: [16, 0], ringFull: [10, 0], invalid: [0, 4] });
  });

  test('stopped in the middle of a batch, it counts what it leaves behind', async () => {
    const { system, counts, done } = rig({
      steps: (kernel) => {
        for (let n = 0; n < 50; n++) kernel.deliver(OUT, 0, frame(1, n));
        return true;
      },
      stopAfter: 32,
    });
    await done;
    expect(counts).toMatchObject({
      judged: [32, 0],
      sent: [0, 0],
      failed: [0, 32],
      drops: [18, 0],
    });
    expect([system.sent.length, system.open.size]).toEqual([0, 0]);
  });

  test('frames of each queue leave by the queue of the same number, or by one that is shared', async () => {
    const { system, done } = rig({
      queues: [3, 2],
      steps: (kernel, step) => {
        if (step > 0) return false;
        for (let queue = 0; queue < 3; queue++) kernel.deliver(OUT, queue, frame(1, queue));
        for (let queue = 0; queue < 2; queue++) kernel.deliver(IN, queue, frame(1, 10 + queue));
        return true;
      },
    });
    await done;
    const ways = system.sent.map(({ device, queue, bytes }) => `${device}.${queue} ${bytes[7]}`);
    expect(ways.toSorted()).toEqual(['1.0 10', '1.1 11', '2.0 0', '2.0 2', '2.1 1']);
  });

  test('a device that is down fails frames at once and forwards again when it is up', async () => {
    const { system, counts, done } = rig({
      steps: (kernel, step) => {
        if (step === 0) kernel.sendErrors.set(IN, SendError.NetworkDown);
        if (step === 20) kernel.sendErrors.clear();
        if (step === 40) return false;
        for (let n = 0; n < 10; n++) kernel.deliver(OUT, 0, frame(1, n));
        return true;
      },
    });
    await done;
    expect(counts.sent[1] + counts.failed[1]).toBe(400);
    // What was in the ring when it went down waits there; the rest is not kept.
    expect(counts.failed[1]).toBeGreaterThanOrEqual(150);
    expect(counts.sent[1]).toBeGreaterThanOrEqual(200);
    expect(system.sent).toHaveLength(counts.sent[1]);
  });

  test('a device that is gone closes the wire and is named', async () => {
    const { system, lost, done } = rig({
      steps: (kernel, step) => {
        if (step === 2) kernel.sendErrors.set(IN, SendError.NoDevice);
        kernel.deliver(OUT, 0, frame(1, step));
        return true;
      },
    });
    await done;
    expect(lost).toEqual(['interface in0 is gone']);
    expect(system.open.size).toBe(0);
  });

  test('an interface that is gone is noticed without traffic too', async () => {
    let step = 0;
    const system = new MemoryXdp({
      devices: [xdpDevice('out0', OUT), xdpDevice('in0', IN)],
      onWait: (kernel) => {
        if (step++ === 2) kernel.sendErrors.set(OUT, SendError.NoDevice);
        return WaitResult.Quiet;
      },
    });
    const lost = await new Promise<Error>((resolve) => {
      const counts = {
        sent: () => {},
        sendFailed: () => {},
        kernelDropped: () => {},
        receiveRingFull: () => {},
        invalidDescriptors: () => {},
        batch: () => {},
      };
      const handler = { judge: () => 1, tick: () => {}, counts };
      openAfXdpWire(
        { outside: 'out0', inside: 'in0', busyPoll: 0, lost: resolve, flows: newTable() },
        handler,
        system,
      );
    });
    expect(lost.message).toBe('interface out0 is gone');
  });

  test('busy polling looks at the rings before it sleeps', async () => {
    let waits = 0;
    const { counts, done } = rig({
      busyPoll: 2000,
      steps: (kernel, step) => {
        waits++;
        if (step === 3) return false;
        kernel.deliver(IN, 0, frame(1, step));
        return true;
      },
    });
    const start = performance.now();
    await done;
    expect([waits, counts.judged[1]]).toEqual([4, 3]);
    expect(performance.now() - start).toBeGreaterThan(4 * 2 - 1);
  });
});
