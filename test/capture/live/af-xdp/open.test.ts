import { describe, expect, test } from 'vitest';

import { AF_XDP_MTU_MAX, openAfXdpWire } from '../../../../src/capture/live/af-xdp/open.ts';
import type { XdpDevice } from '../../../../src/capture/live/af-xdp/system.ts';
import { BackendUnsupportedError, LiveOpenError } from '../../../../src/capture/live/live-wire.ts';
import { newTable } from '../../../helpers/flows.ts';
import { MemoryXdp, type MemoryXdpOptions, QUIET, xdpDevice } from '../../../helpers/memory-xdp.ts';

const handler = {
  judge: () => 1,
  tick: () => undefined,
  counts: {
    sent: () => undefined,
    sendFailed: () => undefined,
    kernelDropped: () => undefined,
    receiveRingFull: () => undefined,
    invalidDescriptors: () => undefined,
    batch: () => undefined,
  },
};

class CallError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`call: ${code}`);
    this.code = code;
  }
}

function kernel(
  options: Partial<MemoryXdpOptions> = {},
  changes: Partial<XdpDevice> = {},
): MemoryXdp {
  return new MemoryXdp({
    devices: [xdpDevice('out0', 1), xdpDevice('in0', 2, changes)],
    onWait: () => QUIET,
    ...options,
  });
}

function open(system: MemoryXdp): ReturnType<typeof openAfXdpWire> {
  const options = {
    outside: 'out0',
    inside: 'in0',
    busyPoll: 0,
    lost: () => undefined,
    flows: newTable(),
  };
  const opened = openAfXdpWire(options, handler, system);
  opened.wire.stop();
  return opened;
}

function errorOf(system: MemoryXdp): LiveOpenError {
  try {
    open(system);
  } catch (error) {
    if (error instanceof LiveOpenError) return error;
    throw error;
  }
  throw new Error('it opened');
}

describe('opening an af-xdp wire', () => {
  test('uses the driver of both interfaces', () => {
    const system = kernel({ isZeroCopy: true });
    const { isZeroCopy, interfaces } = open(system);
    expect(isZeroCopy).toBe(true);
    expect(interfaces).toEqual([
      { name: 'out0', mode: 'native', queues: 1, ringSlots: 8192 },
      { name: 'in0', mode: 'native', queues: 1, ringSlots: 8192 },
    ]);
    expect(system.open.size).toBe(0);
  });

  test.each([
    ['1500', 1500, 2048],
    ['1770, the last that fits half a page', 1770, 2048],
    ['1771', 1771, 4096],
    ['the largest', AF_XDP_MTU_MAX, 4096],
  ])('with MTU %s', (_, mtu, chunkBytes) => {
    const system = kernel({}, { mtu });
    open(system);
    expect(system.chunkBytes).toBe(chunkBytes);
  });

  test('many queues share the rings, so that the memory stays the same', () => {
    const one = kernel();
    open(one);
    const eight = kernel({}, { receiveQueues: 8, sendQueues: 8 });
    open(eight);
    const bytes = (system: MemoryXdp): number => system.memory?.buffer.byteLength ?? 0;
    expect(eight.sockets.size).toBe(9);
    expect(bytes(eight)).toBeLessThan(bytes(one) * 1.25);
  });

  test('a driver without XDP gets the general path, its neighbour keeps its own', () => {
    const system = kernel({
      onCall: (name, device, mode) => {
        if (name === 'attach' && device === 2 && mode === 'native') throw new CallError('ERANGE');
      },
    });
    expect(open(system).interfaces.map(({ mode }) => mode)).toEqual(['native', 'generic']);
  });

  test('where one side has no zero-copy both copy', () => {
    const binds: unknown[] = [];
    const system = kernel({
      onCall: (name, binding) => {
        if (name !== 'bind') return;
        binds.push(binding);
        const { device, isCopying } = binding as { device: number; isCopying: boolean };
        if (device === 2 && !isCopying) throw new CallError('EOPNOTSUPP');
      },
    });
    open(system);
    expect(binds).toHaveLength(4);
    expect(system.open.size).toBe(0);
  });

  test('with zero-copy the general path is no way out, so it copies instead', () => {
    const modes: unknown[] = [];
    const system = kernel({
      isZeroCopy: true,
      onCall: (name, _device, mode) => {
        if (name !== 'attach') return;
        modes.push(mode);
        if (mode === 'native') throw new CallError('EINVAL');
      },
    });
    expect(errorOf(system)).toBeInstanceOf(BackendUnsupportedError);
    // Tried with zero-copy, then copying; this kernel says zero-copy both times.
    expect(modes).toEqual(['native', 'native']);
  });

  test('an interface that is busy for a moment is waited for', () => {
    let calls = 0;
    const system = kernel({
      onCall: (name) => {
        if (name === 'bind' && ++calls <= 3) throw new CallError('EBUSY');
      },
    });
    open(system);
    expect(calls).toBe(5);
  });

  const refusals: readonly [string, MemoryXdp, RegExp, boolean][] = [
    [
      'another program is attached',
      failing('attach', 'EBUSY'),
      /^cannot attach the XDP program to out0 \(native mode\): another program uses it; .* backend: cap \(call: EBUSY\)$/,
      false,
    ],
    ['the generic path is taken', failing('attach', 'EEXIST'), /another program uses it/, false],
    ['a socket has the queue', failing('bind', 'EBUSY'), /^cannot bind to queue 0 of out0/, false],
    ['rights are missing', failing('openSocket', 'EPERM'), /needs root/, false],
    [
      'the limit is low',
      failing('registerMemory', 'ENOBUFS'),
      /MiB of memory \(see LimitMEM/,
      false,
    ],
    ['the device went away', failing('bind', 'ENODEV'), /the interface is gone/, false],
    ['the kernel has no AF_XDP', failing('openSocket', 'EAFNOSUPPORT'), /AF_XDP socket/, true],
    ['the verifier refuses', failing('loadProgram', 'EINVAL'), /load the XDP program/, true],
    ['jumbo frames', kernel({}, { mtu: 9000 }), /in0 has MTU 9000; .* at most 3818: .*cap$/, true],
    ['no queues', kernel({}, { receiveQueues: 0 }), /in0 has no receive queue/, true],
    ['it is down', kernel({}, { isUp: false }), /^in0 is not an Ethernet interface/, false],
    ['no Ethernet', kernel({}, { isEthernet: false }), /^in0 is not an Ethernet interface/, false],
    ['it is missing', kernel({ devices: [] }), /^out0 is not an Ethernet interface/, false],
  ];
  test.each(refusals)(
    'is refused, leaving nothing open: %s',
    (_, system, message, isUnsupported) => {
      const error = errorOf(system);
      expect(error.message).toMatch(message);
      expect(error instanceof BackendUnsupportedError).toBe(isUnsupported);
      expect(system.open.size).toBe(0);
    },
  );

  function failing(call: string, code: string): MemoryXdp {
    return kernel({
      onCall: (name) => {
        if (name === call) throw new CallError(code);
      },
    });
  }
});
