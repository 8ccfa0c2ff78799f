/**
 * Policy images that are broken on purpose: a policy with every part that an image can have, and a guard that throws when
 * asking an image reads outside it or does not end.
 */
import { decode } from '../../src/capture/decode.ts';
import { Packet } from '../../src/capture/packet.ts';
import { MAX_NICS, MAX_RULE_SLOTS } from '../../src/engine/counters.ts';
import { type Evaluation, evaluate } from '../../src/engine/evaluate.ts';
import type { PolicyImage } from '../../src/engine/policy-image.ts';
import type { Policy } from '../../src/engine/policy.ts';
import {
  addresses,
  allow,
  deny,
  engineNic,
  enginePolicy,
  protocol,
  ruleList,
} from './engine-policy.ts';
import { buildFrame, viewOf } from './frames.ts';
import { ipSeeds } from './seed-frames.ts';

export const vm1 = engineNic('vm1', {
  addresses: addresses([0x0a000104], [0xfd000db8000100000000000000000004n]),
});
export const vm2 = engineNic('vm2', { addresses: addresses([0x0a000105, 0x0a000106]) });

/** Two NICs, four lists, both families, a list long enough for every part of a rule set. */
export function wholePolicy(): Policy {
  const many = Array.from({ length: 60 }, (_, i) =>
    (i % 3 === 0 ? deny : allow)(`m${i}`, {
      ...protocol(i % 2 === 0 ? 6 : 17),
      source: addresses(
        [0xcb007100 + i, 0x0a000000 + i],
        [0x20010db8n << 96n, (0x20010db8n << 96n) + BigInt(i)],
      ),
      destinationPorts: [{ low: i * 10, high: i * 10 + 5 }],
    }),
  );
  const lists = [
    ruleList('platform', 0, [
      allow('dhcp', {
        ...protocol(17),
        destinationPorts: [{ low: 68, high: 68 }],
        isStateful: false,
      }),
    ]),
    ruleList('A', 0, [...many, deny('last')]),
    ruleList('B', 0, [allow('b', protocol(6)), deny('last')]),
    ruleList('C', 1, [allow('all')]),
  ];
  return enginePolicy(
    [
      {
        ...vm1,
        inbound: { platform: 0, stages: [1, 2] },
        outbound: { platform: -1, stages: [3, -1] },
      },
      {
        ...vm2,
        inbound: { platform: 0, stages: [-1, 2] },
        outbound: { platform: -1, stages: [-1, 3] },
        isFlushing: true,
      },
    ],
    lists,
  );
}

const READS_MAX = 10_000;

/** Throws on a read outside the words, and when one packet reads more than any lookup can need. */
export class ImageGuard {
  reads = 0;

  over(words: Int32Array): Int32Array {
    return new Proxy(words, {
      get: (target, key): unknown => {
        const index = typeof key === 'string' ? Number(key) : Number.NaN;
        if (!Number.isNaN(index)) {
          this.reads++;
          if (this.reads > READS_MAX) throw new Error('a lookup without end');
          if (!(index >= 0 && index < target.length))
            throw new Error(`word ${String(key)} of ${target.length}`);
        }
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** Puts guarded words into an image and its rule sets. */
  watch(image: PolicyImage): PolicyImage {
    Object.defineProperty(image, 'words', { value: this.over(image.words) });
    for (const ruleSet of image.ruleSets) {
      Object.defineProperty(ruleSet, 'words', { value: this.over(ruleSet.words) });
    }
    return image;
  }
}

const packets: readonly Packet[] = [
  ...Object.values(ipSeeds),
  buildFrame({
    ip: { src: '203.0.113.9', dst: '10.0.1.4' },
    tcp: { srcPort: 50_000, dstPort: 80 },
  }),
  buildFrame({ ip: { src: '203.0.113.33', dst: '10.0.1.5' }, udp: { srcPort: 67, dstPort: 68 } }),
  buildFrame({
    ip: { src: '2001:db8::7', dst: 'fd00:db8:1::4' },
    tcp: { srcPort: 1, dstPort: 120 },
  }),
  buildFrame({ ip: { src: '10.0.1.4', dst: '203.0.113.9' }, icmp: { type: 8 } }),
].map((frame) => {
  const packet = new Packet();
  decode(viewOf(frame), 0, frame.length, packet);
  return packet;
});

/** Asks an image everything a data plane asks. @throws Error from the guard */
export function askEverything(image: PolicyImage, guard: ImageGuard, evaluation: Evaluation): void {
  for (const packet of packets) {
    for (const direction of [0, 1]) {
      guard.reads = 0;
      const nic = image.nicOf(packet, direction);
      if (nic < -1 || nic >= image.nicCount) throw new Error(`NIC ${nic} of ${image.nicCount}`);
      for (let asked = 0; asked < image.nicCount; asked++) {
        guard.reads = 0;
        const reason = evaluate(image, asked, direction, packet, evaluation);
        if (reason < 0 || reason > 9) throw new Error(`reason ${reason}`);
        const counterIndex = image.counterIndex(asked);
        if (counterIndex < 0 || counterIndex >= MAX_NICS)
          throw new Error(`counter ${counterIndex}`);
        for (const slot of evaluation.slots) {
          if (slot < -1 || slot >= MAX_RULE_SLOTS) throw new Error(`rule slot ${slot}`);
        }
      }
    }
  }
}
