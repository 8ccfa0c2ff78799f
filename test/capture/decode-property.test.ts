/**
 * Properties of the decoder over bytes nobody chose. fast-check prints the seed and the smallest failing frame.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, DecodeCode, decodeCodeNames } from '../../src/capture/decode.ts';
import { Fragment, Packet } from '../../src/capture/packet.ts';
import { completePartialChecksum } from '../../src/capture/wire/checksum.ts';
import { addressesOf, decodeFrame, snapshot } from '../helpers/decode-frame.ts';
import {
  addressWords,
  buildFrame,
  ipPacket,
  naiveChecksum,
  toHex,
  viewOf,
  type Extension,
  type FrameSpec,
} from '../helpers/frames.ts';
import { seeds, V4, V6 } from '../helpers/seed-frames.ts';

const GUARD = 64;

/** The frame between guard bytes of one value: what stands around it may change nothing. */
function decodeGuarded(frame: Uint8Array, guard: number): Record<string, unknown> {
  const bytes = new Uint8Array(GUARD + frame.length + GUARD).fill(guard);
  bytes.set(frame, GUARD);
  const packet = new Packet();
  const code = decode(viewOf(bytes), GUARD, frame.length, packet);
  packet.ipOffset -= packet.ipOffset === 0 ? 0 : GUARD;
  packet.l4Offset -= packet.l4Offset === 0 ? 0 : GUARD;
  return { code, ...snapshot(packet) };
}

function expectSound(frame: Uint8Array): void {
  // Over exactly the frame's bytes a read outside throws a RangeError, in front too: offset 0 has nothing before it.
  const exact = frame.slice();
  const { code, packet } = decodeFrame(exact);
  expect(decodeCodeNames[code], toHex(frame)).toBeDefined();
  for (const guard of [0x00, 0xff, 0x45]) {
    expect(decodeGuarded(frame, guard), toHex(frame)).toEqual({ code, ...snapshot(packet) });
  }
  if (code !== DecodeCode.Ip) return;
  expect([4, 6]).toContain(packet.ipVersion);
  expect(packet.ipOffset + packet.ipLength).toBeLessThanOrEqual(frame.length);
  expect(packet.l4Offset + packet.l4Length).toBe(packet.ipOffset + packet.ipLength);
  expect(packet.l4Length).toBeGreaterThanOrEqual(0);
  expect(packet.hasPorts).toBe(
    (packet.protocol === 6 || packet.protocol === 17) && packet.fragment !== Fragment.Later,
  );
  expect(packet.tcpPayloadLength).toBeGreaterThanOrEqual(0);
  for (const [field, value] of Object.entries(packet)) {
    if (typeof value === 'number') expect(value | 0, field).toBe(value);
  }
  completePartialChecksum(viewOf(exact), packet);
  expect(exact.length).toBe(frame.length);
}

/** Rights the IPv4 header checksum, so that what a mutation did behind it is reached at all. */
function withIpv4Checksum(frame: Uint8Array): Uint8Array {
  const fixed = frame.slice();
  const packet = ipPacket(fixed);
  const first = packet[0] ?? 0;
  const header = packet.subarray(0, (first & 15) * 4);
  if (first >>> 4 !== 4 || header.length < 20) return fixed;
  header.set([0, 0], 10);
  const sum = naiveChecksum(header);
  header.set([sum >>> 8, sum & 255], 10);
  return fixed;
}

const anyBytes = fc.uint8Array({ maxLength: 200 });
/** Random bytes behind a header start that makes the decoder go on. */
const headed = fc
  .tuple(
    fc.constantFrom('0800', '86dd', '0806', '8100', '88a80001810000020800', '8100000186dd'),
    fc.constantFrom(0x45, 0x46, 0x4f, 0x60, 0x6f),
    fc.uint8Array({ maxLength: 160 }),
  )
  .map(([types, first, rest]) =>
    Uint8Array.from([...new Uint8Array(12).fill(2), ...Buffer.from(types, 'hex'), first, ...rest]),
  );
const mutated = fc
  .tuple(
    fc.constantFrom(...seeds.map(({ frame }) => frame)),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
    fc.option(fc.nat(200)),
  )
  .map(([seed, changes, cut]) => {
    const frame = seed.slice(0, cut ?? seed.length);
    for (const [at, value] of changes) if (frame.length > 0) frame[at % frame.length] = value;
    return frame;
  });
const extension: fc.Arbitrary<Extension> = fc
  .record({
    type: fc.constantFrom(0, 43, 44, 60, 60, 60, 51, 135),
    body: fc.uint8Array({ maxLength: 30 }),
    length: fc.option(fc.integer({ min: 0, max: 40 })),
  })
  .map(({ type, body, length }) => (length === null ? { type, body } : { type, body, length }));
const chained = fc
  .tuple(fc.array(extension, { maxLength: 11 }), fc.constantFrom(6, 17, 58, 50), anyBytes)
  .map(([extensions, protocol, raw]) => buildFrame({ ip: { ...V6, extensions, protocol }, raw }));
const optioned = fc
  .tuple(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(1, 6, 17), anyBytes)
  .map(([options, protocol, raw]) => buildFrame({ ip: { ...V4, options, protocol }, raw }));
const quoting = fc
  .tuple(fc.constantFrom(V4, V6), fc.oneof(mutated, chained, optioned), fc.nat(120))
  .map(([ip, inner, kept]) =>
    buildFrame({
      ip,
      icmp: { type: ip === V4 ? 3 : 1 },
      payload: ipPacket(inner).subarray(0, kept),
    }),
  );

describe('any bytes: no throw, no read outside the frame, a known code, a consistent record', () => {
  test.each([
    ['random', anyBytes],
    ['random behind a header start', headed],
    ['mutated seeds', mutated],
    ['mutated seeds with a right IPv4 checksum', mutated.map(withIpv4Checksum)],
    ['extension chains', chained],
    ['IPv4 options', optioned],
    ['ICMP errors', quoting],
  ])('%s', (_name, frames) => {
    fc.assert(fc.property(frames, expectSound), { numRuns: 1500 });
  });
});

const port = fc.integer({ min: 0, max: 65_535 });
const word = fc.integer({ min: 0, max: 0xffff_ffff });
const payload = fc.uint8Array({ maxLength: 40 });
const vlans = fc.array(fc.record({ vid: fc.integer({ min: 0, max: 4095 }) }), { maxLength: 2 });
const ip4 = fc.record({
  src: fc.ipV4(),
  dst: fc.ipV4(),
  hopLimit: fc.integer({ min: 0, max: 255 }),
});
const ip6 = fc.record({
  src: fc.ipV6(),
  dst: fc.ipV6(),
  hopLimit: fc.integer({ min: 0, max: 255 }),
});

const expectFields = (spec: FrameSpec, fields: object): void => {
  const { name, packet } = decodeFrame(buildFrame(spec));
  const { ip, vlans: tags = [] } = spec;
  if (ip === undefined) throw new Error('an IP packet is needed');
  expect(name).toBe('ip');
  expect(packet).toMatchObject({
    ...fields,
    hopLimit: ip.hopLimit,
    vlanCount: tags.length,
    vlanOuter: tags[0]?.vid ?? 0,
    vlanInner: tags[1]?.vid ?? 0,
  });
  expect(addressesOf(packet)).toEqual([...addressWords(ip.src), ...addressWords(ip.dst)]);
};

describe('what was built is what is read', () => {
  test('TCP', () => {
    const tcp = fc.record({
      srcPort: port,
      dstPort: port,
      sequence: word,
      acknowledgment: word,
      window: port,
      flags: fc.constantFrom('S', 'SA', 'A', 'PA', 'FA', 'R', 'RA', 'SEC'),
      options: fc.uint8Array({ maxLength: 40 }),
    });
    fc.assert(
      fc.property(fc.oneof(ip4, ip6), vlans, tcp, payload, (ip, tags, fields, data) => {
        expectFields(
          { ip, vlans: tags, tcp: fields, payload: data },
          {
            protocol: 6,
            srcPort: fields.srcPort,
            dstPort: fields.dstPort,
            tcpSequence: fields.sequence | 0,
            tcpAcknowledgment: fields.acknowledgment | 0,
            tcpWindow: fields.window,
            tcpPayloadLength: data.length,
          },
        );
      }),
      { numRuns: 500 },
    );
  });

  test('UDP', () => {
    const udp = fc.record({ srcPort: port, dstPort: port });
    fc.assert(
      fc.property(fc.oneof(ip4, ip6), vlans, udp, payload, (ip, tags, fields, data) => {
        expectFields(
          { ip, vlans: tags, udp: fields, payload: data },
          { protocol: 17, ...fields, l4Length: 8 + data.length },
        );
      }),
      { numRuns: 500 },
    );
  });
});
