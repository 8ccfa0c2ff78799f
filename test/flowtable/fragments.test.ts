import { describe, expect, test } from 'vitest';
import { Fragment, Packet } from '../../src/capture/packet.ts';
import {
  FragmentCode,
  FragmentTable,
  MAX_DATAGRAMS,
  MAX_FRAGMENTS,
} from '../../src/flowtable/fragments.ts';
import { buildFragments, type FrameSpec, type VlanTag } from '../helpers/frames.ts';
import { packetOf } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

const NAMES = Object.keys(FragmentCode);
const V4 = { src: '203.0.113.9', dst: '10.0.1.4' };
const V6 = { src: '2001:db8::9', dst: 'fd00::4' };
const DATAGRAM = { udp: { srcPort: 5000, dstPort: 53 }, payload: new Uint8Array(392) };

/** Packets of a datagram of 400 bytes in fragments. */
function fragmentsOf(
  spec: Partial<FrameSpec> = {},
  size = 80,
  id = 7,
): [first: Packet, ...rest: Packet[]] {
  const [first, ...rest] = buildFragments({ ip: V4, ...DATAGRAM, ...spec }, size, id).map(packetOf);
  if (first === undefined) throw new Error('no fragment');
  return [first, ...rest];
}

const [FIRST, LATER = FIRST] = fragmentsOf();

/** A first or later fragment with these bytes of datagram 7. */
function piece(start: number, end: number, more: boolean): Packet {
  const packet = Object.assign(new Packet(), start === 0 ? FIRST : LATER);
  packet.fragmentOffset = start;
  packet.l4Length = end - start;
  packet.fragmentLength = end - start;
  packet.hasMoreFragments = more;
  return packet;
}

/** Sends pieces as the pipeline does; a first that is not new is `Overlap`. */
class Rig {
  readonly table = new FragmentTable([3, 4]);
  now = 100;

  send(packet: Packet, direction = 0, access = 1): string {
    const { table, now } = this;
    if (packet.fragment === Fragment.Later) {
      return NAMES[table.later(packet, direction, now)] ?? 'none';
    }
    if (!table.isNew(packet, direction, now)) return 'Overlap';
    table.note(packet, direction, access, now);
    return access === 1 ? 'Allow' : 'Deny';
  }

  sendAll(packets: readonly Packet[], direction = 0): string[] {
    return packets.map((packet) => this.send(packet, direction));
  }
}

describe('the others follow the first', () => {
  test.each([
    ['IPv4', { ip: V4 }],
    ['IPv6', { ip: V6 }],
    ['VLAN', { ip: V4, vlans: [{ vid: 7 }] }],
    ['TCP', { ip: V4, udp: undefined, tcp: { srcPort: 1, dstPort: 2 } }],
    [
      'a protocol without ports',
      { ip: { ...V4, protocol: 47 }, udp: undefined, raw: new Uint8Array(400) },
    ],
  ] as const)('%s', (_name, spec) => {
    const { udp, ...rest } = { udp: DATAGRAM.udp, ...spec };
    const whole = { payload: DATAGRAM.payload, ...(udp === undefined ? {} : { udp }), ...rest };
    const packets = buildFragments(whole, 80).map(packetOf);
    for (const access of [1, 0]) {
      const rig = new Rig();
      const [first, ...others] = packets;
      expect(packets.length).toBeGreaterThanOrEqual(5);
      expect(rig.send(first as Packet, 0, access)).toBe(access === 1 ? 'Allow' : 'Deny');
      expect(rig.table.size).toBe(1);
      const expected = others.map(() => (access === 1 ? 'Allow' : 'Deny'));
      expect(rig.sendAll(others)).toEqual(expected);
      expect(rig.table.size).toBe(0);
    }
  });

  test('in any order', () => {
    const random = new Random();
    for (let round = 0; round < 50; round++) {
      const rig = new Rig();
      const [first, ...others] = fragmentsOf();
      for (let at = others.length - 1; at > 0; at--) {
        const other = random.below(at + 1);
        [others[at], others[other]] = [others[other] as Packet, others[at] as Packet];
      }
      expect(rig.sendAll([first, ...others])).toEqual([
        'Allow',
        'Allow',
        'Allow',
        'Allow',
        'Allow',
      ]);
      expect(rig.table.size).toBe(0);
    }
  });

  test('before the first they are unknown, and leave nothing', () => {
    const rig = new Rig();
    const [first, ...others] = fragmentsOf();
    expect(new Set(rig.sendAll(others))).toEqual(new Set(['Unknown']));
    expect(rig.table.size).toBe(0);
    expect(rig.send(first)).toBe('Allow');
    expect(new Set(rig.sendAll(others))).toEqual(new Set(['Allow']));
  });

  test('a datagram that is complete frees its identification at once', () => {
    const rig = new Rig();
    for (let round = 0; round < 3; round++) {
      expect(rig.sendAll(fragmentsOf())).toEqual(['Allow', 'Allow', 'Allow', 'Allow', 'Allow']);
    }
    const [, second] = fragmentsOf();
    expect(rig.send(second as Packet)).toBe('Unknown');
  });
});

describe('overlaps', () => {
  type Row = readonly [
    name: string,
    sent: readonly (readonly [number, number, boolean])[],
    codes: string,
  ];
  const rows: readonly Row[] = [
    [
      'a later one again: dropped, the datagram goes on',
      [
        [0, 80, true],
        [80, 160, true],
        [80, 160, true],
        [160, 200, false],
      ],
      'Allow Allow Overlap Allow',
    ],
    [
      'the last one again',
      [
        [0, 80, true],
        [160, 200, false],
        [160, 200, false],
        [80, 160, true],
      ],
      'Allow Allow Overlap Allow',
    ],
    [
      'one byte over the one before',
      [
        [0, 80, true],
        [72, 160, true],
        [160, 200, false],
      ],
      'Allow Overlap Overlap',
    ],
    [
      'over the header of the first (RFC 3128)',
      [
        [0, 80, true],
        [8, 80, true],
        [80, 160, false],
      ],
      'Allow Overlap Overlap',
    ],
    [
      'the same start, longer',
      [
        [0, 80, true],
        [80, 160, true],
        [80, 168, true],
        [168, 200, false],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'the same start, shorter',
      [
        [0, 80, true],
        [80, 160, true],
        [80, 152, true],
        [160, 200, false],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'around another',
      [
        [0, 80, true],
        [120, 160, true],
        [80, 200, true],
        [200, 300, false],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'inside another',
      [
        [0, 80, true],
        [80, 200, true],
        [120, 160, true],
        [200, 300, false],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'behind the end',
      [
        [0, 80, true],
        [160, 200, false],
        [200, 240, true],
        [80, 160, true],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'over the end',
      [
        [0, 80, true],
        [160, 200, false],
        [152, 240, true],
        [80, 152, true],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'two ends, the second later',
      [
        [0, 80, true],
        [160, 200, false],
        [200, 240, false],
        [80, 160, true],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'two ends, the second earlier',
      [
        [0, 80, true],
        [160, 200, false],
        [80, 120, false],
        [120, 160, true],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'an end before what was seen',
      [
        [0, 80, true],
        [160, 200, true],
        [80, 120, false],
        [120, 160, true],
      ],
      'Allow Allow Overlap Overlap',
    ],
    [
      'the same range, once as the end',
      [
        [0, 80, true],
        [80, 160, true],
        [80, 160, false],
        [160, 200, false],
      ],
      'Allow Allow Overlap Allow',
    ],
    [
      'gaps are no overlap',
      [
        [0, 80, true],
        [800, 880, true],
        [400, 480, true],
        [80, 88, true],
      ],
      'Allow Allow Allow Allow',
    ],
    [
      'up to byte 65,535',
      [
        [0, 80, true],
        [65_528, 65_535, false],
      ],
      'Allow Allow',
    ],
  ];
  test.each(rows)('%s', (_name, sent, codes) => {
    const rig = new Rig();
    expect(rig.sendAll(sent.map(([start, end, more]) => piece(start, end, more))).join(' ')).toBe(
      codes,
    );
  });

  test('a denied datagram is denied, overlapping or not, to its end', () => {
    const rig = new Rig();
    expect(rig.send(piece(0, 80, true), 0, 0)).toBe('Deny');
    expect(rig.send(piece(80, 160, true))).toBe('Deny');
    expect(rig.send(piece(88, 168, true))).toBe('Overlap');
    expect(rig.send(piece(160, 200, false))).toBe('Overlap');
  });

  test('a second first poisons the datagram, whatever its verdict would be (RFC 1858)', () => {
    for (const access of [0, 1]) {
      const rig = new Rig();
      expect(rig.send(piece(0, 80, true), 0, access)).not.toBe('Overlap');
      expect(rig.send(piece(0, 80, true))).toBe('Overlap');
      expect(rig.send(piece(80, 160, false))).toBe('Overlap');
      expect(rig.send(piece(0, 80, true))).toBe('Overlap');
    }
  });

  test('poison lasts as long as the datagram would, not longer', () => {
    const rig = new Rig();
    rig.send(piece(0, 80, true));
    rig.now += 29;
    rig.send(piece(72, 160, true));
    expect(rig.send(piece(0, 80, true))).toBe('Overlap');
    rig.now += 1;
    expect(rig.send(piece(0, 80, true))).toBe('Allow');
    expect(rig.send(piece(80, 160, false))).toBe('Allow');
  });

  test(`no more than ${MAX_FRAGMENTS} fragments`, () => {
    const rig = new Rig();
    for (let index = 0; index < MAX_FRAGMENTS; index++) {
      expect(rig.send(piece(index * 8, index * 8 + 8, true))).toBe('Allow');
    }
    expect(rig.send(piece(MAX_FRAGMENTS * 8, MAX_FRAGMENTS * 8 + 8, true))).toBe('Full');
    expect(rig.send(piece(2000, 2008, false))).toBe('Overlap');
  });

  test('against bytes marked one by one: random fragments of small datagrams', () => {
    const random = new Random();
    for (let round = 0; round < 1500; round++) {
      const rig = new Rig();
      const naive = new NaiveDatagram();
      const sent: string[] = [];
      for (let index = 0; index < 12; index++) {
        const start = index === 0 ? 0 : 8 * (1 + random.below(12));
        const end = start + 8 * (1 + random.below(4));
        const more = index === 0 || random.below(5) !== 0;
        const expected = naive.add(start, end, more);
        const code = rig.send(piece(start, end, more));
        sent.push(`${start}-${end}${more ? '+' : ''} ${code}`);
        if (code !== expected) {
          throw new Error(`seed ${random.seed}: ${sent.join(', ')}, expected ${expected}`);
        }
        if (naive.isComplete) break;
      }
      expect(rig.table.size).toBe(naive.isComplete ? 0 : 1);
    }
  });
});

/** Every byte on its own. */
class NaiveDatagram {
  readonly #bytes = new Set<number>();
  readonly #ranges = new Set<string>();
  #length = Number.POSITIVE_INFINITY;
  #isPoisoned = false;

  get isComplete(): boolean {
    return !this.#isPoisoned && this.#bytes.size === this.#length;
  }

  add(start: number, end: number, more: boolean): string {
    const bytes = Array.from({ length: end - start }, (_, index) => start + index);
    if (this.#isPoisoned) return 'Overlap';
    if (this.#ranges.has(`${start} ${end}`)) return 'Overlap';
    const isEndWrong =
      end > this.#length ||
      (!more && (Number.isFinite(this.#length) || Math.max(-1, ...this.#bytes) >= end));
    if (isEndWrong || bytes.some((byte) => this.#bytes.has(byte))) {
      this.#isPoisoned = true;
      return 'Overlap';
    }
    this.#ranges.add(`${start} ${end}`);
    for (const byte of bytes) this.#bytes.add(byte);
    if (!more) this.#length = end;
    return 'Allow';
  }
}

describe('which datagram a fragment is of', () => {
  const base = { ip: V4, ...DATAGRAM };
  const vlans = (...vids: readonly number[]): VlanTag[] => vids.map((vid) => ({ vid }));
  type Row = readonly [name: string, spec: FrameSpec, id: number, direction: number];
  const others: readonly Row[] = [
    ['identification', base, 8, 0],
    ['direction', base, 7, 1],
    ['source', { ...base, ip: { ...V4, src: '203.0.113.8' } }, 7, 0],
    ['destination', { ...base, ip: { ...V4, dst: '10.0.1.5' } }, 7, 0],
    ['the other way round', { ...base, ip: { src: V4.dst, dst: V4.src } }, 7, 0],
    ['protocol (CVE-2017-7177)', { ip: { ...V4, protocol: 47 }, raw: new Uint8Array(400) }, 7, 0],
    ['a VLAN', { ...base, vlans: vlans(7) }, 7, 0],
    ['two VLANs', { ...base, vlans: vlans(0, 7) }, 7, 0],
    ['family', { ...base, ip: { src: '::cb00:7109', dst: '::a00:104' } }, 7, 0],
  ];
  test.each(others)('not with another %s', (_name, spec, id, direction) => {
    const rig = new Rig();
    const [first] = fragmentsOf();
    rig.send(first);
    const [, other] = buildFragments(spec, 80, id).map(packetOf);
    expect(rig.send(other as Packet, direction)).toBe('Unknown');
  });

  test.each(others)(
    'another %s is another datagram, also for a first',
    (_name, spec, id, direction) => {
      const rig = new Rig();
      rig.sendAll(fragmentsOf().slice(0, 2));
      const packets = buildFragments(spec, 80, id).map(packetOf);
      expect(new Set(rig.sendAll(packets, direction))).toEqual(new Set(['Allow']));
      expect(rig.sendAll(fragmentsOf().slice(2))).toEqual(['Allow', 'Allow', 'Allow']);
    },
  );

  test('IPv6: the next header of a later fragment does not count (RFC 8200 section 4.5)', () => {
    const rig = new Rig();
    const [first, second] = fragmentsOf({ ip: V6 });
    rig.send(first);
    if (second !== undefined) second.protocol = 59;
    expect(rig.send(second as Packet)).toBe('Allow');
  });

  test('IPv6: all 32 bits of the identification count', () => {
    const rig = new Rig();
    const [first] = fragmentsOf({ ip: V6 }, 80, 0x8001_0007);
    const [, other] = fragmentsOf({ ip: V6 }, 80, 7);
    const [, own] = fragmentsOf({ ip: V6 }, 80, 0x8001_0007);
    rig.send(first);
    expect(rig.send(other as Packet)).toBe('Unknown');
    expect(rig.send(own as Packet)).toBe('Allow');
  });
});

describe('time', () => {
  test.each([
    ['IPv4', V4, 30],
    ['IPv6', V6, 60],
  ])('%s: %s, known for %i seconds from its first fragment', (_name, ip, lifetime) => {
    const rig = new Rig();
    const [first, second, third, fourth] = fragmentsOf({ ip });
    rig.send(first);
    rig.now += lifetime - 2;
    expect(rig.send(second as Packet)).toBe('Allow');
    rig.now += 1;
    expect(rig.send(third as Packet)).toBe('Allow');
    rig.now += 1;
    expect(rig.send(fourth as Packet)).toBe('Unknown');
    expect(rig.table.size).toBe(0);
    expect(rig.send(first)).toBe('Allow');
  });
});

describe('a flood of datagrams that are never completed', () => {
  test(`100,000 identifications: ${MAX_DATAGRAMS} are remembered, the latest`, () => {
    const rig = new Rig();
    const [first, second = first] = fragmentsOf({ ip: V6 });
    for (let id = 0; id < 100_000; id++) {
      first.fragmentId = id;
      rig.table.note(first, 0, 1, rig.now);
    }
    expect(rig.table.size).toBe(MAX_DATAGRAMS);
    const codes = [0, 100_000 - MAX_DATAGRAMS - 1, 100_000 - MAX_DATAGRAMS, 99_999].map((id) => {
      second.fragmentId = id;
      return rig.send(second);
    });
    expect(codes).toEqual(['Unknown', 'Unknown', 'Allow', 'Allow']);
  });

  test('later fragments alone make nothing', () => {
    const rig = new Rig();
    const [, second] = fragmentsOf();
    for (let id = 0; id < 10_000; id++) {
      if (second !== undefined) second.fragmentId = id;
      rig.send(second as Packet);
    }
    expect(rig.table.size).toBe(0);
  });

  test('a datagram in use is not the first to go', () => {
    const rig = new Rig();
    const [first, ...others] = fragmentsOf();
    rig.send(first);
    const [flood] = fragmentsOf({ ip: { ...V4, src: '198.51.100.1' } });
    for (const other of others) {
      for (let id = 0; id < MAX_DATAGRAMS - 1; id++) {
        flood.fragmentId = id;
        rig.table.note(flood, 0, 0, rig.now);
      }
      expect(rig.send(other)).toBe('Allow');
    }
  });
});
