/**
 * TCP conversations, by kind: the ways in which connections are opened, lose, reorder and repeat segments, end and are
 * attacked.
 */
import type { FrameSpec } from '../../helpers/frames.ts';
import type { Random } from '../../helpers/random.ts';
import { errorAbout, TcpScript } from './conversation.ts';

export type TcpKind = (script: TcpScript, random: Random) => void;

const side = (random: Random): 0 | 1 => (random.below(2) === 0 ? 0 : 1);
const other = (one: 0 | 1): 0 | 1 => (one === 0 ? 1 : 0);

/** RFC 8200 section 5. */
const LEAST_IPV6_MTU = 1280;
/** Far from every window. */
const FAR = 0x4000_0000;

const lives: Readonly<Record<string, TcpKind>> = {
  'open, talk, close': (tcp, random) => {
    tcp.open().exchange(random).close(side(random)).exchange(random, 0);
  },
  'SYN again, SYN+ACK again': (tcp, random) => {
    const syn = tcp.send(0, 'S', 'SYN');
    tcp.again(0, syn, 'SYN again');
    const synAck = tcp.send(1, 'SA', 'SYN+ACK');
    tcp.again(1, synAck, 'SYN+ACK again');
    tcp.send(0, 'A', 'ACK of the handshake');
    tcp.exchange(random);
  },
  'SYN+ACK lost, then sent again': (tcp, random) => {
    const syn = tcp.send(0, 'S', 'SYN');
    const synAck = tcp.send(1, 'SA', 'SYN+ACK', { isLost: true });
    tcp.again(0, syn, 'SYN again');
    tcp.again(1, synAck, 'SYN+ACK');
    tcp.send(0, 'A', 'ACK of the handshake');
    tcp.exchange(random).close(side(random));
  },
  'ACK of the handshake lost, data does it': (tcp, random) => {
    tcp.send(0, 'S', 'SYN');
    tcp.send(1, 'SA', 'SYN+ACK');
    tcp.send(0, 'A', 'ACK', { isLost: true });
    tcp.send(0, 'PA', 'data', { length: 100 });
    tcp.send(1, 'A', 'ACK');
    tcp.exchange(random);
  },
  'data in the SYN': (tcp, random) => {
    tcp.send(0, 'S', 'SYN with data', { length: 1 + random.below(500) });
    tcp.send(1, 'SA', 'SYN+ACK');
    tcp.send(0, 'A', 'ACK of the handshake');
    tcp.exchange(random);
  },
  'segments out of order': (tcp, random) => {
    tcp.open();
    const from = side(random);
    const late: FrameSpec[] = [];
    for (let index = 0; index < 6; index++) {
      const frame = tcp.send(from, 'PA', 'data', { length: 400, isLost: true });
      late.push(frame);
    }
    while (late.length > 0) {
      const [frame] = late.splice(random.below(late.length), 1);
      if (frame !== undefined) tcp.again(from, frame, 'data out of order');
    }
    tcp.send(other(from), 'A', 'ACK');
    tcp.exchange(random).close(from);
  },
  'segments lost and sent again': (tcp, random) => {
    tcp.open();
    const from = side(random);
    const sent = Array.from({ length: 5 }, () => {
      const isLost = random.below(2) === 0;
      return tcp.send(from, 'PA', 'data', { length: 300, isLost });
    });
    for (const frame of sent) tcp.again(from, frame, 'data again');
    tcp.send(other(from), 'A', 'ACK');
    for (const frame of sent) tcp.again(from, frame, 'data that is acknowledged, again');
    tcp.close(from);
  },
  'duplicate acknowledgments': (tcp, random) => {
    tcp.open();
    const from = side(random);
    const ack = tcp.send(other(from), 'A', 'ACK');
    for (let index = 0; index < 4; index++) tcp.again(other(from), ack, 'ACK again');
    tcp.exchange(random);
  },
  'keep-alive': (tcp, random) => {
    tcp.open().exchange(random, 2);
    tcp.send(0, 'A', 'keep-alive', { sequence: -1 });
    tcp.send(1, 'A', 'ACK');
    tcp.exchange(random);
  },
  'half-close, data the other way': (tcp, random) => {
    tcp.open().exchange(random);
    const first = side(random);
    tcp.send(first, 'FA', 'FIN');
    tcp.send(other(first), 'A', 'ACK of a FIN');
    for (let index = 0; index < 4; index++) {
      tcp.send(other(first), 'PA', 'data', { length: 500 });
      tcp.send(first, 'A', 'ACK');
    }
    tcp.send(other(first), 'FA', 'second FIN');
    tcp.send(first, 'A', 'last ACK');
  },
  'both close at once': (tcp, random) => {
    tcp.open().exchange(random);
    const late = tcp.send(1, 'FA', 'FIN', { isLost: true, acknowledgment: 0 });
    tcp.send(0, 'FA', 'FIN');
    tcp.again(1, late, 'second FIN');
    tcp.send(0, 'A', 'ACK of a FIN', { sequence: 0, acknowledgment: 1 });
    tcp.send(1, 'A', 'last ACK', { sequence: 1, acknowledgment: 0 });
  },
  'FIN again, last ACK again': (tcp, random) => {
    tcp.open().exchange(random);
    const fin = tcp.send(0, 'FA', 'FIN');
    tcp.again(0, fin, 'FIN again');
    tcp.send(1, 'FA', 'second FIN');
    const last = tcp.send(0, 'A', 'last ACK');
    tcp.again(0, last, 'last ACK again');
  },
  'both open at once': (tcp) => {
    tcp.send(0, 'S', 'SYN');
    tcp.send(1, 'S', 'SYN of a simultaneous open');
    tcp.send(0, 'SA', 'SYN+ACK of a simultaneous open', { sequence: -1 });
    tcp.send(1, 'SA', 'SYN+ACK of a simultaneous open', { sequence: -1 });
    tcp.send(0, 'PA', 'data', { length: 10 });
    tcp.send(1, 'A', 'ACK');
  },
  'opened again after the end': (tcp, random) => {
    tcp.open().exchange(random).close(0).restart(random);
    tcp.send(0, 'S', 'SYN after the end');
    tcp.send(1, 'SA', 'SYN+ACK');
    tcp.send(0, 'A', 'ACK of the handshake');
    tcp.exchange(random);
  },
};

const resets: Readonly<Record<string, TcpKind>> = {
  refused: (tcp) => {
    tcp.send(0, 'S', 'SYN');
    tcp.send(1, 'RA', 'RST of a refusal');
  },
  'refused, and tried again': (tcp, random) => {
    tcp.send(0, 'S', 'SYN');
    tcp.send(1, 'RA', 'RST of a refusal');
    tcp.restart(random).send(0, 'S', 'SYN after the end');
    tcp.send(1, 'SA', 'SYN+ACK');
    tcp.send(0, 'A', 'ACK of the handshake');
    tcp.exchange(random);
  },
  'RST with the right number': (tcp, random) => {
    tcp.open().exchange(random);
    const from = side(random);
    tcp.send(from, random.below(2) === 0 ? 'R' : 'RA', 'RST, exact');
    tcp.restart(random).send(0, 'S', 'SYN after the end');
    tcp.send(1, 'SA', 'SYN+ACK');
  },
  'RST in the window, not exact': (tcp, random) => {
    tcp.open().exchange(random);
    const from = side(random);
    tcp.send(from, 'R', 'RST in the window', { sequence: 1 + random.below(20_000) });
    tcp.send(other(from), 'A', 'ACK after an attack');
    tcp.exchange(random).close(from);
  },
  'RST behind the window': (tcp, random) => {
    tcp.open().exchange(random);
    tcp.send(side(random), 'R', 'RST behind the window', { sequence: -1 - random.below(100_000) });
    tcp.exchange(random).close(0);
  },
  'RST far outside the window': (tcp, random) => {
    tcp.open().exchange(random);
    tcp.send(side(random), 'R', 'RST far outside', { sequence: FAR });
    tcp.exchange(random).close(1);
  },
  'RST with ACK far outside the window': (tcp, random) => {
    tcp.open().exchange(random);
    tcp.send(side(random), 'RA', 'RST far outside', { sequence: FAR, acknowledgment: 0 });
    tcp.exchange(random);
  },
};

const attacks: Readonly<Record<string, TcpKind>> = {
  'data far outside the window': (tcp, random) => {
    tcp.open().exchange(random);
    tcp.send(side(random), 'PA', 'data far outside', { sequence: FAR, length: 10 });
    tcp.exchange(random).close(0);
  },
  'acknowledgment of what was never sent': (tcp, random) => {
    tcp.open().exchange(random);
    tcp.send(side(random), 'A', 'ACK far ahead', { acknowledgment: FAR });
    tcp.exchange(random).close(0);
  },
  'blind SYN': (tcp, random) => {
    tcp.open().exchange(random);
    tcp.send(0, 'S', 'SYN in a connection', { sequence: FAR });
    tcp.send(1, 'A', 'challenge ACK');
    tcp.exchange(random);
  },
  'blind SYN+ACK': (tcp, random) => {
    tcp.open().exchange(random);
    tcp.send(1, 'SA', 'SYN+ACK in a connection', { sequence: FAR });
    tcp.exchange(random);
  },
  'SYN+ACK for an old connection': (tcp, random) => {
    const syn = tcp.send(0, 'S', 'SYN');
    tcp.send(1, 'SA', 'old SYN+ACK', { acknowledgment: FAR });
    tcp.again(0, syn, 'SYN again');
    tcp.send(1, 'SA', 'SYN+ACK');
    tcp.send(0, 'A', 'ACK of the handshake');
    tcp.exchange(random);
  },
  'challenge ACK for an old connection, RST, SYN again': (tcp, random) => {
    const syn = tcp.send(0, 'S', 'SYN');
    tcp.send(1, 'A', 'challenge ACK', { acknowledgment: FAR });
    tcp.send(0, 'R', 'RST of a challenge', { sequence: FAR - 1 });
    tcp.again(0, syn, 'SYN again');
    tcp.send(1, 'SA', 'SYN+ACK');
    tcp.send(0, 'A', 'ACK of the handshake');
    tcp.exchange(random);
  },
  'segments without a connection': (tcp, random) => {
    const flags = random.pick(['A', 'PA', 'FA', 'SA', 'R', 'RA']);
    tcp.send(side(random), flags, `${flags} without a connection`);
  },
  'flags that no TCP sends': (tcp, random) => {
    const flags = random.pick(['SF', 'SR', 'FR', '', 'FPU', 'F', 'SFA', 'U']);
    tcp.send(0, flags, 'impossible flags');
    tcp.open();
    tcp.send(0, flags, 'impossible flags', { sequence: 0 });
    tcp.exchange(random);
  },
  'SYN with a wrong checksum': (tcp, random) => {
    tcp.send(0, 'S', 'SYN, wrong checksum', { checksum: 0x0bad, sequence: 0 });
    tcp.open().exchange(random);
  },
  'data with a wrong checksum': (tcp, random) => {
    tcp.open();
    const from = side(random);
    tcp.send(from, 'PA', 'data, wrong checksum', { checksum: 0x0bad, length: 20, sequence: 0 });
    tcp.exchange(random);
  },
  'RST with a wrong checksum': (tcp, random) => {
    tcp.open().exchange(random);
    tcp.send(side(random), 'R', 'RST, wrong checksum', { checksum: 0x0bad, sequence: 0 });
    tcp.exchange(random).close(0);
  },
  'ICMP errors about a live connection': (tcp, random) => {
    tcp.open().exchange(random, 2);
    const from = side(random);
    const frame = tcp.send(from, 'PA', 'data', { length: 50 });
    const direction = tcp.directionOf(other(from));
    const type = random.pick([3, 3, 11, 12]);
    tcp.packets.push({
      direction,
      frame: errorAbout(frame, { type }),
      label: 'ICMP error, live TCP',
    });
    tcp.send(other(from), 'A', 'ACK');
    tcp.exchange(random);
  },
  'fragmentation needed': (tcp, random) => {
    tcp.open();
    const frame = tcp.send(0, 'PA', 'data', { length: 900 });
    const direction = tcp.directionOf(1);
    const small = 576 + random.below(LEAST_IPV6_MTU - 576);
    const isIpv6 = frame.ip?.src.includes(':') === true;
    for (const [mtu, label] of [
      [LEAST_IPV6_MTU + random.below(200), 'ICMP error, live TCP'],
      [small, isIpv6 ? 'packet too big, MTU below 1280' : 'ICMP error, live TCP'],
    ] as const) {
      tcp.packets.push({ direction, frame: errorAbout(frame, { code: 4, mtu }), label });
    }
    tcp.again(0, frame, 'data again');
    tcp.exchange(random);
  },
  'an ICMP error that quotes a number far outside': (tcp, random) => {
    tcp.open().exchange(random);
    const forged = tcp.send(0, 'PA', 'data', { sequence: FAR, length: 10, isLost: true });
    const frame = errorAbout(forged, { code: 3 });
    tcp.packets.push({
      direction: tcp.directionOf(1),
      frame,
      label: 'ICMP error, TCP number far outside',
    });
    tcp.exchange(random);
  },
};

export const tcpKinds: Readonly<Record<string, TcpKind>> = { ...lives, ...resets, ...attacks };
