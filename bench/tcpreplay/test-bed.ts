/**
 * The bed that every device is tested in, the same for all:
 *
 *     generator g0 ==== out0 [ device ] in0 ==== s0 sink
 *
 * Three network namespaces and two veth pairs; nothing of the machine's own network is touched. What the sink received
 * is the kernel's count of s0, never what a sender says. Addresses are absent, so nobody but the load sends anything.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { Lab } from '../../test/helpers/lab.ts';
import { connect, type NetworkNamespace } from '../../test/helpers/network-namespace.ts';

export const OUTSIDE = 'out0';
export const INSIDE = 'in0';
export const GENERATOR_END = 'g0';
export const SINK_END = 's0';

/** The core that generator and bookkeeping are kept on, and the one that the device gets. */
export const GENERATOR_CORE = 0;
export const DEVICE_CORE = 1;

/** Frames by the kernel's own counts, since the bed was made. */
export interface BedCounts {
  /** Frames that the device's end took from the generator. */
  readonly accepted: number;
  /** Frames that it did not take, because its receive ring was full. A sender that tries again counts each time. */
  readonly refused: number;
  /** Frames that came to the sink. */
  readonly received: number;
}

interface LinkStatistics {
  readonly ifname: string;
  readonly stats64: {
    readonly rx: { readonly packets: number; readonly dropped: number; readonly errors: number };
    readonly tx: { readonly packets: number; readonly dropped: number; readonly errors: number };
  };
}

export class TestBed {
  readonly lab: Lab;
  readonly generator: NetworkNamespace;
  readonly device: NetworkNamespace;
  readonly sink: NetworkNamespace;

  constructor() {
    this.lab = new Lab();
    this.generator = this.lab.namespace('gen');
    this.device = this.lab.namespace('dut');
    this.sink = this.lab.namespace('sink');
    connect([this.generator, GENERATOR_END], [this.device, OUTSIDE]);
    connect([this.device, INSIDE], [this.sink, SINK_END]);
    // Frames are as a cable carries them: no checksum left open, nothing merged or to be cut.
    for (const [namespace, name] of this.#ends()) {
      namespace.succeeds(
        'ethtool',
        '-K',
        name,
        'tx',
        'off',
        'rx',
        'off',
        'tso',
        'off',
        'gso',
        'off',
      );
      namespace.succeeds('ethtool', '-K', name, 'gro', 'off');
    }
    // A veth takes redirected frames only when its receiver polls (NAPI), which GRO switches on.
    this.device.run('ethtool', '-K', OUTSIDE, 'gro', 'on');
  }

  #ends(): [NetworkNamespace, string][] {
    return [
      [this.generator, GENERATOR_END],
      [this.device, OUTSIDE],
      [this.device, INSIDE],
      [this.sink, SINK_END],
    ];
  }

  counts(): BedCounts {
    const sent = statistics(this.generator, GENERATOR_END);
    const outside = statistics(this.device, OUTSIDE);
    const sink = statistics(this.sink, SINK_END);
    return {
      accepted: outside.rx.packets,
      refused: sent.tx.dropped,
      received: sink.rx.packets,
    };
  }

  /**
   * Receive work of out0 in a kernel thread on the device's core, instead of on whatever core sends to it: for devices
   * that are the kernel, so that the generator does not do their work in its own time.
   */
  receiveOnDeviceCore(): void {
    this.device.run('sh', '-c', `echo 1 > /sys/class/net/${OUTSIDE}/threaded`);
    for (const pid of threadsNamed(`napi/${OUTSIDE}-`)) {
      execFileSync('taskset', ['-p', '-c', String(DEVICE_CORE), String(pid)], { stdio: 'ignore' });
    }
  }

  async close(): Promise<void> {
    await this.lab.close();
  }
}

function statistics(namespace: NetworkNamespace, name: string): LinkStatistics['stats64'] {
  const [link] = JSON.parse(namespace.ip('-s', '-j', 'link', 'show', name)) as LinkStatistics[];
  if (link === undefined) throw new Error(`${name} is gone`);
  return link.stats64;
}

/** Kernel threads whose name starts so. Names in /proc are cut to 15 characters. */
function threadsNamed(prefix: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid)) return false;
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith(prefix.slice(0, 15));
      } catch {
        return false;
      }
    });
}
