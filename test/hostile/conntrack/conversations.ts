/**
 * The conversations of the comparison with the kernel, from a seed: TCP of every kind in both directions and to a closed port,
 * UDP and ICMP, and IPv6 as well as IPv4; fragments and extension headers are in
 * fragment-conversations.ts.
 */
import type { Random } from '../../helpers/random.ts';
import {
  type Conversation,
  datagram,
  type DatagramKind,
  datagrams,
  errorAbout,
  type Hosts,
  IPV4,
  IPV6,
  message,
  messages,
  OPEN_TCP,
  OPEN_UDP,
  packet,
  type Opener,
  TcpScript,
  withOpenPort,
} from './conversation.ts';
import { extensionKinds, fragmentKinds } from './fragment-conversations.ts';
import { tcpKinds } from './tcp-conversations.ts';

const CLOSED = 22;
/** How often every kind of conversation is told, with other numbers each time. */
const TELLINGS = { ipv4: { tcp: 10, datagrams: 4 }, ipv6: { tcp: 2, datagrams: 2 } } as const;
/** Of messages that only IPv4 has. */
const ONLY_IPV4: ReadonlySet<string> = new Set(['advice about it', 'timestamps']);
/** Client ports and identifiers: one for each conversation. */
const FIRST_PORT = 20_000;

const udpKinds: Readonly<Record<string, DatagramKind>> = {
  'asked from inside and answered': datagrams(
    ['out', 'UDP request'],
    ['in', 'UDP reply'],
    ['out', 'UDP'],
  ),
  'asked from outside and answered': withOpenPort(
    datagrams(['in', 'UDP request'], ['out', 'UDP reply'], ['in', 'UDP']),
  ),
  'to a closed port': datagrams(['in', 'UDP to a closed port'], ['in', 'UDP to a closed port']),
  'reply from another port': datagrams(
    ['out', 'UDP request'],
    ['in', 'UDP from another port', { other: 1 }],
    ['in', 'UDP reply'],
  ),
  'never answered': datagrams(
    ['out', 'UDP request'],
    ['out', 'UDP request'],
    ['out', 'UDP request'],
  ),
  'without a checksum': datagrams(
    ['out', 'UDP without a checksum', { checksum: 0 }],
    ['in', 'UDP without a checksum', { checksum: 0 }],
  ),
  'with a wrong checksum': datagrams(
    ['out', 'UDP, wrong checksum', { checksum: 0x0bad }],
    ['in', 'UDP reply to a wrong checksum'],
  ),
  'ICMP errors about it': (hosts, local, remote) => {
    const request = datagram(hosts, 'out', local, remote);
    return [
      packet('in', errorAbout(request, { code: 3 }), 'ICMP error, dead UDP'),
      packet('out', request, 'UDP request'),
      packet('in', errorAbout(request, { code: 3 }), 'ICMP error, live UDP'),
      packet('in', errorAbout(request, { type: 11, code: 0 }), 'ICMP error, live UDP'),
      packet('in', errorAbout(request, { code: 4, mtu: 1400 }), 'ICMP error, live UDP'),
      packet('in', errorAbout(datagram(hosts, 'out', local, remote + 1)), 'ICMP error, dead UDP'),
      packet(
        'in',
        errorAbout(datagram(hosts, 'in', local, remote), { dst: hosts.local }),
        'ICMP error, wrong direction',
      ),
      packet('in', errorAbout(request, { dst: hosts.neighbour }), 'ICMP error, to another host'),
      packet('in', errorAbout(request, { checksum: 0x0bad }), 'ICMP error, wrong checksum'),
    ];
  },
  'the workload has no such port': (hosts, _local, remote) => {
    const request = datagram(hosts, 'in', OPEN_UDP, remote);
    return [
      packet('in', request, 'UDP request'),
      packet('out', errorAbout(request, { code: 3 }), 'ICMP error, live UDP'),
    ];
  },
  'advice about it': (hosts, local, remote) => {
    const request = datagram(hosts, 'out', local, remote);
    return [
      packet('out', request, 'UDP request'),
      packet('in', errorAbout(request, { type: 5 }), 'redirect, live UDP'),
      packet('in', errorAbout(request, { type: 4, code: 0 }), 'source quench, live UDP'),
    ];
  },
};

const icmpKinds: Readonly<Record<string, DatagramKind>> = {
  'ping from inside': messages(
    [8, 'out', 'echo request'],
    [0, 'in', 'echo reply'],
    [8, 'out', 'echo request'],
    [0, 'in', 'echo reply'],
  ),
  'ping from outside': messages([8, 'in', 'echo request'], [0, 'out', 'echo reply']),
  'replies nobody asked for': messages(
    [0, 'in', 'echo reply without a request'],
    [0, 'out', 'echo reply without a request'],
    [8, 'out', 'echo request'],
    [0, 'in', 'echo reply without a request', { other: 1 }],
  ),
  'wrong checksums': messages(
    [8, 'out', 'echo request, wrong checksum', { checksum: 0x0bad }],
    [0, 'in', 'echo reply to a wrong checksum'],
  ),
  'an error about a ping': (hosts, id) => [
    packet('in', errorAbout(message(hosts, 'out', 8, id)), 'ICMP error, dead echo'),
    packet('out', message(hosts, 'out', 8, id), 'echo request'),
    packet('in', errorAbout(message(hosts, 'out', 8, id)), 'ICMP error, live echo'),
    packet(
      'in',
      errorAbout(errorAbout(datagram(hosts, 'in', OPEN_UDP, id), {})),
      'ICMP error about an error',
    ),
  ],
  timestamps: messages(
    [13, 'in', 'timestamp request'],
    [14, 'out', 'timestamp reply'],
    [14, 'in', 'timestamp reply without a request', { other: 1 }],
  ),
};

/** One conversation's ports are no other's, nor its neighbour's. */
class PortNumbers {
  #last = FIRST_PORT;

  next(): number {
    this.#last += 2;
    return this.#last;
  }
}

function tcpConversations(random: Random, ports: PortNumbers, hosts: Hosts): Conversation[] {
  const isIpv4 = hosts === IPV4;
  const family = isIpv4 ? '' : ' over IPv6';
  const tellings = isIpv4 ? TELLINGS.ipv4.tcp : TELLINGS.ipv6.tcp;
  const conversations: Conversation[] = [];
  for (const [name, tell] of Object.entries(tcpKinds)) {
    for (let telling = 0; telling < tellings; telling++) {
      const opener: Opener = telling % 2 === 0 ? 'in' : 'out';
      const script = new TcpScript(
        random,
        opener,
        { client: ports.next(), server: OPEN_TCP },
        hosts,
      );
      tell(script, random);
      const { packets } = script;
      conversations.push({ name: `TCP${family} from ${opener}side: ${name}`, packets });
    }
  }
  for (const opener of ['in', 'out'] as const) {
    const script = new TcpScript(random, opener, { client: ports.next(), server: CLOSED }, hosts);
    script.open().exchange(random).close(0);
    const packets = script.packets.map((one) => ({
      ...one,
      label: `port ${CLOSED}: ${one.label}`,
    }));
    const name = `TCP${family} from ${opener}side: to a port without a rule`;
    conversations.push({ name, packets });
  }
  return conversations;
}

export function conversationsFrom(random: Random): Conversation[] {
  const ports = new PortNumbers();
  const conversations: Conversation[] = [];
  for (const hosts of [IPV4, IPV6]) {
    conversations.push(...tcpConversations(random, ports, hosts));
    const isIpv4 = hosts === IPV4;
    const family = isIpv4 ? '' : ' over IPv6';
    for (const [protocol, kinds] of [
      ['UDP', udpKinds],
      ['ICMP', icmpKinds],
      ['fragments', fragmentKinds],
      ...(isIpv4 ? [] : [['extension headers', extensionKinds] as const]),
    ] as const) {
      for (const [name, tell] of Object.entries(kinds)) {
        if (!isIpv4 && ONLY_IPV4.has(name)) continue;
        const tellings = isIpv4 ? TELLINGS.ipv4.datagrams : TELLINGS.ipv6.datagrams;
        for (let telling = 0; telling < tellings; telling++) {
          const port = ports.next();
          const packets = tell(hosts, port, port + 20_000);
          conversations.push({ name: `${protocol}${family}: ${name}`, packets });
        }
      }
    }
  }
  return conversations;
}
