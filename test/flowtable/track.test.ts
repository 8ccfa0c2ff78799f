import { describe, expect, test } from 'vitest';
import { Fragment, type Packet } from '../../src/capture/packet.ts';
import { FlowList } from '../../src/flowtable/expiry.ts';
import { FlowKey, flowKey, quotedFlowKey } from '../../src/flowtable/key.ts';
import { FLOW_STATE_NAMES, FlowState, NO_FLOW } from '../../src/flowtable/record.ts';
import { isQuotePlausible, track, TrackCode } from '../../src/flowtable/track.ts';
import { buildFrame, buildIcmpError, type FrameSpec } from '../helpers/frames.ts';
import { newTable, NO_SLOTS, packetOf } from '../helpers/flows.ts';
import { TcpRig, TELLINGS, tellTcpStory } from '../helpers/tcp-story.ts';

const HANDSHAKE = `> S SYN_SENT
  < SA SYN_RECV
  > A ESTABLISHED`;
/** Both sides have closed. */
const CLOSED = `${HANDSHAKE}
  > FA FIN_WAIT
  < FA CLOSING
  > A TIME_WAIT`;

type Stories = Readonly<Record<string, string>>;

const RESETS: Stories = {
  'exact, from the opener': `${HANDSHAKE}
    > R CLOSED`,
  'exact, from the other side': `${HANDSHAKE}
    < R CLOSED`,
  'exact, with ACK, whatever it acknowledges': `${HANDSHAKE}
    < RA CLOSED ack=12345 seq+0`,
  'exact, right behind the last data': `${HANDSHAKE}
    < PA ESTABLISHED len=1400
    < R CLOSED`,
  'exact, of a receiver that has acknowledged data we did not see': `${HANDSHAKE}
    > PA - lost len=5000
    < A ESTABLISHED
    > R CLOSED`,
  'in the window, but not exact: passes, and the flow stays': `${HANDSHAKE}
    < R ESTABLISHED seq+1
    < R ESTABLISHED seq-1
    < R ESTABLISHED seq+1000
    < R ESTABLISHED seq+65535
    > R ESTABLISHED seq+1
    > R ESTABLISHED seq-1
    > RA ESTABLISHED seq+30000
    < PA ESTABLISHED len=10
    > A ESTABLISHED`,
  'out of the window': `${HANDSHAKE}
    < R ESTABLISHED seq+0x10000000
    < R ESTABLISHED seq+0x80000000
    < R ESTABLISHED seq-0x10000000
    > R ESTABLISHED seq+0x70000000
    > RA ESTABLISHED seq-0x70000000 ack=0`,
  'with the numbers of the other direction': `${HANDSHAKE}
    > PA ESTABLISHED len=77
    < A ESTABLISHED
    < R ESTABLISHED seq=424242
    > A ESTABLISHED`,
  'half closed: as exact as before': `${HANDSHAKE}
    > FA FIN_WAIT
    < R FIN_WAIT seq+1
    > R FIN_WAIT seq-1
    < R CLOSED`,
  'after the end nothing comes back to life': `${HANDSHAKE}
    < R CLOSED
    > PA CLOSED len=10
    < A CLOSED
    > FA CLOSED
    < SA CLOSED
    < R CLOSED`,
  'TIME_WAIT: inexact changes nothing': `${CLOSED}
    < R TIME_WAIT seq-1
    < R CLOSED`,
};

const RESETS_IN_HANDSHAKE: Stories = {
  'SYN_SENT: without ACK it is not believed': `> S SYN_SENT
    < R SYN_SENT
    < R SYN_SENT seq=0`,
  'SYN_SENT: acknowledging another number it is not believed': `> S SYN_SENT
    < RA SYN_SENT ack+65536
    < RA SYN_SENT ack-65536
    < RA SYN_SENT ack+0x80000000
    < RA SYN_SENT ack=0x40004000
    < SA SYN_RECV`,
  'SYN_SENT: acknowledging the SYN': `> S SYN_SENT
    < RA CLOSED seq=0`,
  'SYN_SENT: acknowledging data in the SYN': `> S SYN_SENT len=500
    < RA CLOSED seq=0`,
  'SYN_SENT: acknowledging the SYN but not its data': `> S SYN_SENT len=500
    < RA CLOSED seq=0 ack-500`,
  'SYN_SENT: of the opener, exact or not': `> S SYN_SENT
    > R SYN_SENT seq+1
    > R SYN_SENT seq-1
    > R CLOSED`,
  'SYN_RECV: of the other side, exact or not': `> S SYN_SENT
    < SA SYN_RECV
    < RA SYN_RECV seq+1
    < RA SYN_RECV seq=0
    < RA CLOSED`,
  'SYN_RECV: of the opener, whom the answer of an old connection reached': `> S SYN_SENT
    < SA SYN_RECV
    > R SYN_RECV seq+1
    > R CLOSED`,
};

const BLIND: Stories = {
  'SYN in an established flow passes and changes nothing': `${HANDSHAKE}
    > S ESTABLISHED seq=1234567
    < S ESTABLISHED seq=7654321
    > S ESTABLISHED seq-1
    < PA ESTABLISHED len=10
    > R CLOSED`,
  'SYN+ACK in an established flow': `${HANDSHAKE}
    < SA ESTABLISHED seq+0x20000000 ack+0x20000000
    > SA ESTABLISHED seq+0x20000000 ack+0x20000000
    > R CLOSED`,
  'SYN while one side has closed': `${HANDSHAKE}
    < FA CLOSE_WAIT
    < S CLOSE_WAIT seq=7654321
    > S CLOSE_WAIT seq=7654321
    > FA LAST_ACK
    > S LAST_ACK seq=7654321
    < A TIME_WAIT`,
  'FIN is not believed, from either side': `${HANDSHAKE}
    > FA ESTABLISHED seq+0x20000000
    < FA ESTABLISHED seq-0x20000000
    < FA ESTABLISHED seq+0x1000000
    < FA ESTABLISHED seq-0x1000000
    > PA ESTABLISHED len=10`,
  'FIN within 16 MiB may be one that overtook data': `${HANDSHAKE}
    < FA CLOSE_WAIT seq+0xffffff`,
  'two forged FINs do not end a flow': `${HANDSHAKE}
    > FA ESTABLISHED seq=0x33333333
    < FA ESTABLISHED seq=0x44444444
    > S ESTABLISHED`,
  'ACK does not prepare for an RST: far sequence number': `${HANDSHAKE}
    > A ESTABLISHED seq+0x30000000 ack=0x55555555
    < R ESTABLISHED seq=0x55555555
    < R CLOSED`,
  'ACK does not prepare for an RST: far acknowledgment': `${HANDSHAKE}
    > A ESTABLISHED seq+10 ack+0x1000000
    < R ESTABLISHED seq+0x1000000
    > A ESTABLISHED seq+10 ack-5
    < R ESTABLISHED seq-5
    < R CLOSED`,
  'data out of order does not move what is expected': `${HANDSHAKE}
    > PA ESTABLISHED seq+5000 len=1000
    > R ESTABLISHED seq+6000
    > PA ESTABLISHED seq-300 len=200
    > R ESTABLISHED seq-100
    > R CLOSED`,
  'the last ACK of a close': `${HANDSHAKE}
    > FA FIN_WAIT
    < FA CLOSING
    > A CLOSING seq+0x20000000
    > A TIME_WAIT`,
};

const HANDSHAKES: Stories = {
  'SYN flood: a blind ACK behind the SYN does not establish': `> S SYN_SENT
    > A SYN_SENT ack=0x12345678
    > A SYN_SENT ack=0
    > PA SYN_SENT len=10 ack=0x12345678
    > FA SYN_SENT ack=0x12345678
    > SA SYN_SENT ack=0x12345678
    < SA SYN_RECV
    > A ESTABLISHED`,
  'SYN flood at an open port: the ACK must acknowledge the SYN+ACK': `> S SYN_SENT
    < SA SYN_RECV
    > A SYN_RECV ack+0x20000000
    > A SYN_RECV ack+65536
    > A SYN_RECV ack-65536
    > FA SYN_RECV ack+65536
    > A ESTABLISHED`,
  'SYN flood: nor does a blind ACK with a far sequence number': `> S SYN_SENT
    < SA SYN_RECV
    > A SYN_RECV seq+0x20000000
    > A ESTABLISHED`,
  'an ACK of the other side alone (challenge ACK)': `> S SYN_SENT
    < A SYN_SENT ack=99
    < A SYN_SENT
    < PA SYN_SENT len=10`,
  'SYN+ACK of an old connection': `> S SYN_SENT
    < SA SYN_SENT ack+0x20000000
    < SA SYN_SENT ack+70000
    > R SYN_SENT seq+70000
    < SA SYN_RECV
    > A ESTABLISHED`,
  'SYN again with another initial number: the latest counts': `> S SYN_SENT
    > S SYN_SENT seq=0x11111111
    < SA SYN_SENT
    < SA SYN_RECV ack=0x11111112
    > A ESTABLISHED seq=0x11111112
    > R CLOSED seq=0x11111112`,
  'SYN again once answered: the answered one counts': `> S SYN_SENT
    < SA SYN_RECV
    > S SYN_RECV seq=0x11111111
    > R SYN_RECV seq=0x11111112
    > A ESTABLISHED
    > R CLOSED`,
  'a forged SYN of the other side does not keep the handshake from completing': `> S SYN_SENT
    < S SYN_SENT2 seq=0x7a7a7a7a
    < SA SYN_RECV
    > A ESTABLISHED
    < PA ESTABLISHED len=10
    < R ESTABLISHED seq=0x7a7a7a7b
    < R CLOSED`,
  'nor does it prepare for an RST': `> S SYN_SENT
    < S SYN_SENT2 seq=0x7a7a7a7a
    < R SYN_SENT2 seq=0x7a7a7a7b
    < RA SYN_SENT2 seq=0x7a7a7a7b ack+0x20000000
    < SA SYN_RECV
    > A ESTABLISHED`,
  'simultaneous open, its SYN+ACKs lost: an ACK that acknowledges both SYNs is as good': `> S SYN_SENT
    < S SYN_SENT2
    < A SYN_SENT2 ack+70000
    < PA ESTABLISHED len=10`,
  'simultaneous open, its SYN+ACKs lost, and FIN': `> S SYN_SENT
    < S SYN_SENT2
    > FA FIN_WAIT
    < FA CLOSING
    > A TIME_WAIT`,
  'simultaneous open, aborted': `> S SYN_SENT
    < S SYN_SENT2
    < RA CLOSED`,
  'simultaneous open, aborted by the opener': `> S SYN_SENT
    < S SYN_SENT2
    > R SYN_SENT2 seq+1
    > R CLOSED`,
  'a forged SYN of the other side after its SYN+ACK': `> S SYN_SENT
    < SA SYN_RECV
    < S SYN_RECV seq=0x7a7a7a7a
    < R SYN_RECV seq=0x7a7a7a7b
    > A ESTABLISHED
    < R CLOSED`,
  'simultaneous open: a blind ACK does not establish': `> S SYN_SENT
    < S SYN_SENT2
    > A SYN_SENT2 ack+70000
    > SA SYN_SENT2 ack+70000 seq-1
    < SA SYN_SENT2 ack+70000 seq-1
    < SA SYN_RECV seq-1
    > A ESTABLISHED`,
};

describe.each([
  ['RST (RFC 5961 section 3)', RESETS],
  ['RST in the handshake (RFC 9293 section 3.10.7.3)', RESETS_IN_HANDSHAKE],
  ['blind segments (RFC 5961)', BLIND],
  ['handshakes', HANDSHAKES],
] as const)('%s', (_group, stories: Stories) => {
  describe.each(TELLINGS)('opener $opener, IPv$version, $first', (telling) => {
    test.each(Object.entries(stories))('%s', (_name, story) => {
      const { actual, expected } = tellTcpStory(story, telling);
      expect(actual).toEqual(expected);
    });
  });
});

test('RST where nothing is known of the numbers', () => {
  const rig = new TcpRig();
  for (const side of [0, 1] as const) {
    rig.send(side, { flags: 'R', sequence: 0 });
    rig.send(side, { flags: 'RA', sequence: 0, acknowledgment: 0 });
  }
  expect(rig.state).toBe('UNREPLIED');
});

describe('picked up in the middle', () => {
  const PICKED: Stories = {
    'data, then the answer': `> PA UNREPLIED len=100
      < A ESTABLISHED
      > R CLOSED`,
    'the answer must be near what the opener acknowledges': `> PA UNREPLIED len=100
      < A UNREPLIED seq+0x20000000
      < FA UNREPLIED seq+0x20000000
      < A ESTABLISHED`,
    'only one side is heard': `> PA UNREPLIED len=100
      > PA UNREPLIED len=100
      > FA UNREPLIED`,
    'answered by FIN': `> A UNREPLIED
      < FA CLOSE_WAIT
      > FA LAST_ACK
      < A TIME_WAIT`,
    'by FIN, answered by ACK': `> FA UNREPLIED
      < A ESTABLISHED`,
    'RST must be exact at once': `> A UNREPLIED
      < R UNREPLIED seq+1
      > R UNREPLIED seq-1
      < R CLOSED`,
    'SYN of the opener starts anew': `> A UNREPLIED
      > S SYN_SENT
      < SA SYN_RECV
      > A ESTABLISHED`,
    'SYN and SYN+ACK of the other side say nothing': `> A UNREPLIED
      < S UNREPLIED
      < SA UNREPLIED
      < A ESTABLISHED`,
  };
  describe.each(TELLINGS)('opener $opener, IPv$version, $first', (telling) => {
    test.each(Object.entries(PICKED))('%s', (_name, story) => {
      const { actual, expected } = tellTcpStory(story, telling);
      expect(actual).toEqual(expected);
    });
  });
});

describe('long transfers', () => {
  test.each(TELLINGS)('20 GB and their end, opener $opener, $first', ({ opener, first }) => {
    const rig = new TcpRig(opener);
    const [clientIsn, serverIsn] = first;
    rig.send(0, { flags: 'S', sequence: clientIsn });
    let client = clientIsn + 1;
    let server = serverIsn + 1;
    rig.send(1, { flags: 'SA', sequence: serverIsn, acknowledgment: client });
    rig.send(0, { flags: 'A', sequence: client, acknowledgment: server });
    const data = rig.packet(1, { flags: 'A', length: 1 });
    // What one segmentation offload frame carries at most, and no checksum to compute.
    data.tcpPayloadLength = 65_160;
    const acknowledgment = rig.packet(0, { flags: 'A' });
    const { table, flow, now } = rig;
    for (let index = 0; index < 300_000; index++) {
      data.tcpSequence = server | 0;
      data.tcpAcknowledgment = client | 0;
      server = (server + data.tcpPayloadLength) >>> 0;
      // Every 97th never reached us, or is lost: the receiver acknowledges it later.
      if (index % 97 !== 0) track(table, flow, data, 1 - opener, now);
      if (index % 3 !== 0) continue;
      acknowledgment.tcpSequence = client | 0;
      acknowledgment.tcpAcknowledgment = server | 0;
      track(table, flow, acknowledgment, opener, now);
    }
    expect(rig.state).toBe('ESTABLISHED');
    rig.send(0, { flags: 'A', sequence: client, acknowledgment: server });
    rig.send(1, { flags: 'FA', sequence: server, acknowledgment: client });
    expect(rig.state).toBe('CLOSE_WAIT');
    client = (client + 1) >>> 0;
    rig.send(0, { flags: 'RA', sequence: client - 1, acknowledgment: server + 1 });
    expect(rig.state).toBe('CLOSED');
  });
});

describe('UDP, ICMP echo and other protocols: who has spoken', () => {
  const rows: readonly (readonly [string, FrameSpec, FrameSpec])[] = [
    ['UDP', frame('udp', true), frame('udp', false)],
    ['echo', frame('echo', true), frame('echo', false)],
    ['GRE', frame('gre', true), frame('gre', false)],
  ];
  test.each(rows)('%s', (_name, out, back) => {
    for (const opener of [0, 1]) {
      const table = newTable();
      const key = new FlowKey();
      const first = packetOf(out);
      const reply = packetOf(back);
      flowKey(first, opener, key);
      const flow = table.insert(key, opener, 5, 1, NO_SLOTS);
      expect(table.opener(flow)).toBe(opener);
      const states: (string | undefined)[] = [];
      const send = (packet: Packet, direction: number): void => {
        expect(track(table, flow, packet, direction, 5)).toBe(TrackCode.Pass);
        states.push(FLOW_STATE_NAMES[table.state(flow)]);
      };
      send(first, opener);
      send(first, opener);
      expect(table.sizeOf(FlowList.Unreplied)).toBe(1);
      send(reply, 1 - opener);
      send(first, opener);
      expect(states).toEqual(['UNREPLIED', 'UNREPLIED', 'ESTABLISHED', 'ESTABLISHED']);
      expect(table.sizeOf(FlowList.Established)).toBe(1);
      expect([table.packets(flow, opener), table.packets(flow, 1 - opener)]).toEqual([3, 1]);
      expect([table.bytes(flow, opener), table.bytes(flow, 1 - opener)]).toEqual([
        3 * first.ipLength,
        reply.ipLength,
      ]);
    }
  });

  test('an answered flow stays so when its opener falls silent', () => {
    const table = newTable();
    const key = new FlowKey();
    const reply = packetOf(frame('udp', false));
    flowKey(reply, 0, key);
    const flow = table.insert(key, 1, 5, 1, NO_SLOTS);
    for (let second = 5; second < 1000; second += 200) {
      track(table, flow, reply, 0, second);
      expect(table.find(key, second + 200)).toBe(flow);
    }
  });
});

function frame(kind: 'udp' | 'echo' | 'gre', isFirst: boolean): FrameSpec {
  const [src, dst] = isFirst ? ['10.0.1.4', '203.0.113.9'] : ['203.0.113.9', '10.0.1.4'];
  if (kind === 'gre') return { ip: { src, dst, protocol: 47 }, raw: [0, 0, 8, 0] };
  if (kind === 'echo') return { ip: { src, dst }, icmp: { type: isFirst ? 8 : 0, id: 9 } };
  const [srcPort, dstPort] = isFirst ? [5000, 53] : [53, 5000];
  return { ip: { src, dst }, udp: { srcPort, dstPort }, payload: 'x'.repeat(isFirst ? 10 : 99) };
}

describe('counting', () => {
  test('by the IP length, not by the frame: padding is no traffic', () => {
    const rig = new TcpRig(1);
    rig.send(0, { flags: 'S' });
    expect(rig.packet(0, { flags: 'S' }).frameLength).toBe(54);
    expect(rig.table.bytes(rig.flow, 1)).toBe(40);
    expect(rig.table.packets(rig.flow, 1)).toBe(1);
    expect(rig.table.packets(rig.flow, 0)).toBe(0);
  });

  test('a segment that is not believed is counted, and keeps the flow from expiring: it passed', () => {
    const rig = new TcpRig();
    rig.send(0, { flags: 'S', sequence: 1 });
    rig.now += 20;
    rig.send(0, { flags: 'A', sequence: 5, acknowledgment: 99 });
    expect(rig.state).toBe('SYN_SENT');
    expect(rig.table.packets(rig.flow, 0)).toBe(2);
    expect(rig.table.idle(rig.flow, rig.now)).toBe(0);
  });

  test('a first fragment with a whole header is tracked like a packet', () => {
    const rig = new TcpRig();
    const packet = rig.packet(0, { flags: 'S' });
    packet.fragment = Fragment.First;
    const key = new FlowKey();
    flowKey(packet, 0, key);
    const flow = rig.table.insert(key, 0, 1, 1, NO_SLOTS);
    expect(track(rig.table, flow, packet, 0, 1)).toBe(TrackCode.Pass);
    expect(rig.table.state(flow)).toBe(FlowState.SynSent);
  });
});

describe('the quoted segment of an ICMP error (RFC 5927 section 4.1)', () => {
  const WINDOW = 0xff_ffff;

  function isPlausible(rig: TcpRig, side: 0 | 1, sequence: number): boolean {
    const [src, dst] = side === 0 ? rig.ends : [rig.ends[1], rig.ends[0]];
    const [srcPort, dstPort] = side === 0 ? [50_000, 80] : [80, 50_000];
    const quoted = buildFrame({
      ip: { src, dst },
      tcp: { srcPort, dstPort, flags: 'A', sequence },
    });
    const isIpv6 = src.includes(':');
    const error = packetOf(
      buildIcmpError({
        src: isIpv6 ? '2001:db8:1::1' : '198.51.100.1',
        dst: src,
        type: isIpv6 ? 1 : 3,
        code: 1,
        quoted,
      }),
    );
    const direction = 1 - (side ^ rig.opener);
    const key = new FlowKey();
    expect(quotedFlowKey(error, direction, key)).toBe(1);
    expect(rig.table.find(key, rig.now)).toBe(rig.flow);
    return isQuotePlausible(rig.table, rig.flow, error, direction);
  }

  test.each(TELLINGS)('opener $opener, IPv$version, $first', (telling) => {
    const { rig } = tellTcpStory(
      `${HANDSHAKE}
      > PA ESTABLISHED len=1000
      < A ESTABLISHED`,
      telling,
    );
    const before = rig.table.words.slice();
    for (const side of [0, 1] as const) {
      const next = telling.first[side] + 1 + (side === 0 ? 1000 : 0);
      const plausible = [0, -1, -1000, -WINDOW, WINDOW].map((offset) =>
        isPlausible(rig, side, (next + offset) >>> 0),
      );
      const forged = [-WINDOW - 1, WINDOW + 1, 0x4000_0000, 0x8000_0000].map((offset) =>
        isPlausible(rig, side, (next + offset) >>> 0),
      );
      expect(plausible).toEqual([true, true, true, true, true]);
      expect(forged).toEqual([false, false, false, false]);
    }
    expect(rig.table.words).toEqual(before);
  });

  test('about a SYN, before anything is known of the other side', () => {
    const rig = new TcpRig(1);
    rig.send(0, { flags: 'S', sequence: 0xffff_ffff });
    expect(isPlausible(rig, 0, 0xffff_ffff)).toBe(true);
    expect(isPlausible(rig, 0, 0x7fff_ffff)).toBe(false);
    expect(isPlausible(rig, 1, 0x4000_0000)).toBe(true);
  });

  test('other protocols have no numbers', () => {
    const table = newTable();
    const key = new FlowKey();
    const quoted = frame('udp', true);
    flowKey(packetOf(quoted), 1, key);
    const flow = table.insert(key, 1, 1, 1, NO_SLOTS);
    expect(flow).not.toBe(NO_FLOW);
    const error = packetOf(
      buildIcmpError({
        src: '198.51.100.1',
        dst: '10.0.1.4',
        type: 3,
        code: 3,
        quoted: buildFrame(quoted),
      }),
    );
    expect(isQuotePlausible(table, flow, error, 0)).toBe(true);
  });
});
