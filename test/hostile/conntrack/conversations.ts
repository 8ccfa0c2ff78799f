/**
 * The conversations of the comparison with the kernel, from a seed: TCP of every kind in both directions and to a closed port,
 * UDP and ICMP.
 */
import { LOCAL } from '../../helpers/pipeline-rig.ts';
import type { Random } from '../../helpers/random.ts';
import {
  type Conversation,
  type ConversationPacket,
  datagram,
  errorAbout,
  message,
  type Opener,
  TcpScript,
} from './conversation.ts';
import { tcpKinds } from './tcp-conversations.ts';

/** What the rules of both filters allow from outside: these and ICMP. */
export const OPEN_TCP = 80;
export const OPEN_UDP = 53;
const CLOSED = 22;
/** How often every kind of TCP conversation is told, with other numbers each time. */
const TELLINGS = 10;
/** Client ports and identifiers: one for each conversation. */
const FIRST_PORT = 20_000;

type DatagramKind = (local: number, remote: number) => readonly ConversationPacket[];

const packet = (
  direction: 'in' | 'out',
  frame: ConversationPacket['frame'],
  label: string,
): ConversationPacket => ({ direction, frame, label });

const udpKinds: Readonly<Record<string, DatagramKind>> = {
  'asked from inside and answered': (local, remote) => [
    packet('out', datagram('out', local, remote), 'UDP request'),
    packet('in', datagram('in', local, remote), 'UDP reply'),
    packet('out', datagram('out', local, remote), 'UDP'),
  ],
  'asked from outside and answered': (_local, remote) => [
    packet('in', datagram('in', OPEN_UDP, remote), 'UDP request'),
    packet('out', datagram('out', OPEN_UDP, remote), 'UDP reply'),
    packet('in', datagram('in', OPEN_UDP, remote), 'UDP'),
  ],
  'to a closed port': (local, remote) => [
    packet('in', datagram('in', local, remote), 'UDP to a closed port'),
    packet('in', datagram('in', local, remote), 'UDP to a closed port'),
  ],
  'reply from another port': (local, remote) => [
    packet('out', datagram('out', local, remote), 'UDP request'),
    packet('in', datagram('in', local, remote + 1), 'UDP from another port'),
    packet('in', datagram('in', local, remote), 'UDP reply'),
  ],
  'never answered': (local, remote) =>
    [1, 2, 3].map(() => packet('out', datagram('out', local, remote), 'UDP request')),
  'without a checksum': (local, remote) => [
    packet('out', datagram('out', local, remote, 0), 'UDP without a checksum'),
    packet('in', datagram('in', local, remote, 0), 'UDP without a checksum'),
  ],
  'with a wrong checksum': (local, remote) => [
    packet('out', datagram('out', local, remote, 0x0bad), 'UDP, wrong checksum'),
    packet('in', datagram('in', local, remote), 'UDP reply to a wrong checksum'),
  ],
  'ICMP errors about it': (local, remote) => {
    const request = datagram('out', local, remote);
    return [
      packet('in', errorAbout(request, { code: 3 }), 'ICMP error, dead UDP'),
      packet('out', request, 'UDP request'),
      packet('in', errorAbout(request, { code: 3 }), 'ICMP error, live UDP'),
      packet('in', errorAbout(request, { type: 11, code: 0 }), 'ICMP error, live UDP'),
      packet('in', errorAbout(request, { code: 4, mtu: 1400 }), 'ICMP error, live UDP'),
      packet('in', errorAbout(datagram('out', local, remote + 1)), 'ICMP error, dead UDP'),
      packet(
        'in',
        errorAbout(datagram('in', local, remote), { dst: LOCAL }),
        'ICMP error, wrong direction',
      ),
      packet('in', errorAbout(request, { dst: '10.0.1.5' }), 'ICMP error, to another host'),
      packet('in', errorAbout(request, { checksum: 0x0bad }), 'ICMP error, wrong checksum'),
    ];
  },
  'the workload has no such port': (_local, remote) => {
    const request = datagram('in', OPEN_UDP, remote);
    return [
      packet('in', request, 'UDP request'),
      packet('out', errorAbout(request, { code: 3 }), 'ICMP error, live UDP'),
    ];
  },
  'advice about it': (local, remote) => {
    const request = datagram('out', local, remote);
    return [
      packet('out', request, 'UDP request'),
      packet('in', errorAbout(request, { type: 5 }), 'redirect, live UDP'),
      packet('in', errorAbout(request, { type: 4, code: 0 }), 'source quench, live UDP'),
    ];
  },
};

const icmpKinds: Readonly<Record<string, DatagramKind>> = {
  'ping from inside': (id) => [
    packet('out', message('out', 8, id), 'echo request'),
    packet('in', message('in', 0, id), 'echo reply'),
    packet('out', message('out', 8, id), 'echo request'),
    packet('in', message('in', 0, id), 'echo reply'),
  ],
  'ping from outside': (id) => [
    packet('in', message('in', 8, id), 'echo request'),
    packet('out', message('out', 0, id), 'echo reply'),
  ],
  'replies nobody asked for': (id) => [
    packet('in', message('in', 0, id), 'echo reply without a request'),
    packet('out', message('out', 0, id), 'echo reply without a request'),
    packet('out', message('out', 8, id), 'echo request'),
    packet('in', message('in', 0, id + 1), 'echo reply without a request'),
  ],
  'wrong checksums': (id) => [
    packet('out', message('out', 8, id, 0x0bad), 'echo request, wrong checksum'),
    packet('in', message('in', 0, id), 'echo reply to a wrong checksum'),
  ],
  'an error about a ping': (id) => [
    packet('in', errorAbout(message('out', 8, id)), 'ICMP error, dead echo'),
    packet('out', message('out', 8, id), 'echo request'),
    packet('in', errorAbout(message('out', 8, id)), 'ICMP error, live echo'),
    packet(
      'in',
      errorAbout(errorAbout(datagram('in', OPEN_UDP, id), {})),
      'ICMP error about an error',
    ),
  ],
  timestamps: (id) => [
    packet('in', message('in', 13, id), 'timestamp request'),
    packet('out', message('out', 14, id), 'timestamp reply'),
    packet('in', message('in', 14, id + 1), 'timestamp reply without a request'),
  ],
};

export function conversationsFrom(random: Random): Conversation[] {
  let port = FIRST_PORT;
  const conversations: Conversation[] = [];
  for (const [name, tell] of Object.entries(tcpKinds)) {
    for (let telling = 0; telling < TELLINGS; telling++) {
      const opener: Opener = telling % 2 === 0 ? 'in' : 'out';
      const script = new TcpScript(random, opener, { client: port++, server: OPEN_TCP });
      tell(script, random);
      conversations.push({ name: `TCP from ${opener}side: ${name}`, packets: script.packets });
    }
  }
  for (const opener of ['in', 'out'] as const) {
    const script = new TcpScript(random, opener, { client: port++, server: CLOSED });
    script.open().exchange(random).close(0);
    const packets = script.packets.map((one) => ({
      ...one,
      label: `port ${CLOSED}: ${one.label}`,
    }));
    conversations.push({ name: `TCP from ${opener}side: to a port without a rule`, packets });
  }
  for (const [protocol, kinds] of [
    ['UDP', udpKinds],
    ['ICMP', icmpKinds],
  ] as const) {
    for (const [name, tell] of Object.entries(kinds)) {
      for (let telling = 0; telling < 4; telling++) {
        // Two of each, so that one conversation's neighbour is no other's.
        port += 2;
        conversations.push({ name: `${protocol}: ${name}`, packets: tell(port, port + 20_000) });
      }
    }
  }
  return conversations;
}
