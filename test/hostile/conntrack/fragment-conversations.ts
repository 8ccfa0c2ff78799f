/**
 * Conversations in fragments, and behind IPv6 extension headers. The kernel puts a datagram together before it judges it; nsgd
 * judges every fragment by the first. So a datagram is compared as a whole: it passes when all of its fragments come out.
 */
import {
  buildFragments,
  type Extension,
  fragmentExtension,
  type FrameSpec,
} from '../../helpers/frames.ts';
import {
  type ConversationPacket,
  datagram,
  type DatagramKind,
  datagrams,
  errorAbout,
  messages,
  type Oddity,
  OPEN_UDP,
  packet,
  withOpenPort,
} from './conversation.ts';

type Cut = NonNullable<ConversationPacket['cut']>;

const PAYLOAD_BYTES = 400;
/** Of the fragmentable part, in each fragment but the last. */
const FRAGMENT_BYTES = 136;

const inOrder: Cut = (frame, id) => buildFragments(frame, FRAGMENT_BYTES, id);

/** The fragments of `inOrder`, in another order, or not all of them. */
function picked(...order: readonly number[]): Cut {
  return (frame, id) => {
    const fragments = inOrder(frame, id);
    return order.flatMap((index) => fragments[index] ?? []);
  };
}

/** In the middle a fragment of another cut, which covers part of two others with the same bytes. */
const overlapping: Cut = (frame, id) => {
  const [first, second, third] = inOrder(frame, id);
  const over = buildFragments(frame, FRAGMENT_BYTES / 2 + 4, id)[1];
  return [first, over, second, third].flatMap((fragment) => fragment ?? []);
};

/** In place of a packet a large one, cut so. */
function cut(by: Cut = inOrder): Oddity {
  return {
    as: ({ frame, ...others }) => ({
      ...others,
      frame: { ...frame, payload: new Uint8Array(PAYLOAD_BYTES).fill(0x42) },
      cut: by,
    }),
  };
}

/** A datagram from inside, cut so, and its answer in one piece. */
function cutRequest(label: string, by: Cut): DatagramKind {
  return datagrams(['out', label, cut(by)], ['in', `reply to ${label}`]);
}

export const fragmentKinds: Readonly<Record<string, DatagramKind>> = {
  'in order, both ways': datagrams(
    ['out', 'fragments in order', cut()],
    ['in', 'fragments in order', cut()],
    ['out', 'fragments in order', cut()],
  ),
  'from outside to an open port': withOpenPort(
    datagrams(['in', 'fragments in order', cut()], ['out', 'fragments in order', cut()]),
  ),
  'from outside to a closed port': datagrams(
    ['in', 'fragments to a closed port', cut()],
    ['in', 'fragments to a closed port', cut(picked(1, 0, 2))],
  ),
  'a large ping': messages(
    [8, 'out', 'fragments of a ping', cut()],
    [0, 'in', 'fragments of a ping', cut()],
    [0, 'in', 'fragments of a reply without a request', { ...cut(), other: 1 }],
  ),
  'later ones in another order': cutRequest('later fragments in another order', picked(0, 2, 1)),
  'the first one last': cutRequest('fragments, the first last', picked(1, 2, 0)),
  'one twice': cutRequest('fragments, one twice', picked(0, 1, 1, 2)),
  'the last missing': cutRequest('fragments, the last missing', picked(0, 1)),
  'one in the middle missing': cutRequest('fragments, one missing', picked(0, 2)),
  'without the first': cutRequest('fragments without the first', picked(1, 2)),
  overlapping: cutRequest('fragments that overlap', overlapping),
};

const PAD: Extension['body'] = [1, 4, 0, 0, 0, 0];
const HOP_BY_HOP: Extension = { type: 0, body: PAD };
const DESTINATION: Extension = { type: 60, body: PAD };
/** Type 0, with no segments left; RFC 5095 forbids it. */
const ROUTING_0: Extension = { type: 43, body: [0, 0, 0, 0, 0, 0] };

/** Asked and answered, with these headers on each packet, also on those that an error quotes. */
function behind(label: string, ...extensions: readonly Extension[]): DatagramKind {
  const wrapped = (frame: FrameSpec): FrameSpec =>
    frame.ip === undefined ? frame : { ...frame, ip: { ...frame.ip, extensions } };
  return (hosts, local, remote) => [
    packet('out', wrapped(datagram(hosts, 'out', local, remote)), label),
    packet('in', wrapped(datagram(hosts, 'in', local, remote)), label),
    packet('in', wrapped(datagram(hosts, 'in', local, remote + 1)), `${label}, to no flow`),
    packet('in', wrapped(datagram(hosts, 'in', OPEN_UDP, remote)), `${label}, to an open port`),
    packet(
      'in',
      errorAbout(wrapped(datagram(hosts, 'out', local, remote)), { code: 3 }),
      `ICMP error, ${label}`,
    ),
    packet(
      'in',
      errorAbout(wrapped(datagram(hosts, 'out', local, remote + 1)), { code: 3 }),
      `ICMP error, ${label}, to no flow`,
    ),
  ];
}

export const extensionKinds: Readonly<Record<string, DatagramKind>> = {
  'hop-by-hop options': behind('UDP behind hop-by-hop options', HOP_BY_HOP),
  'destination options': behind('UDP behind destination options', DESTINATION),
  both: behind('UDP behind both options', HOP_BY_HOP, DESTINATION),
  'an atomic fragment': behind('UDP in an atomic fragment', fragmentExtension(0, false)),
  'hop-by-hop options, not first': behind(
    'UDP behind hop-by-hop options that are not first',
    DESTINATION,
    HOP_BY_HOP,
  ),
  'a routing header of type 0': behind('UDP behind a routing header of type 0', ROUTING_0),
};
