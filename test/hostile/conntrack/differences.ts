/**
 * Where nsgd and the kernel's connection tracking judge the same packet differently, by the label of the packet, and why. The
 * comparison fails for a difference that is not here, and for one here that does not occur.
 */
export interface Difference {
  readonly kernel: 'pass' | 'drop';
  readonly nsgd: 'pass' | 'drop';
  readonly why: string;
}

const SUMS =
  'nsgd does not verify sums of the upper layer: behind an offload they are not there yet, and the endpoint drops what is wrong';
const AFTER_SUMS = 'follows from the packet before, which the kernel did not take';
const WINDOW =
  'nsgd keeps no windows: what is not believed passes for the endpoint to judge (RFC 5961), and does not touch the flow';

const FRAGMENTS =
  'nsgd puts no datagrams together: it judges each fragment by the first, and whoever receives them waits for the rest';
const AFTER_FRAGMENTS =
  'answers the datagram before, whose first fragment made a flow in nsgd; the kernel never had it whole';
const NOT_FIRST = 'hop-by-hop options come first or not at all (RFC 8200 section 4.1)';
const ROUTING_0 =
  'RFC 5095 forbids routing headers of type 0; the kernel refuses them only as their destination';

const passedBy = (why: string): Difference => ({ kernel: 'drop', nsgd: 'pass', why });
const droppedBy = (why: string): Difference => ({ kernel: 'pass', nsgd: 'drop', why });

export const differences: Readonly<Record<string, Difference>> = {
  'SYN, wrong checksum': passedBy(SUMS),
  'data, wrong checksum': passedBy(SUMS),
  'RST, wrong checksum': passedBy(SUMS),
  'UDP, wrong checksum': passedBy(SUMS),
  'echo request, wrong checksum': passedBy(SUMS),
  'ICMP error, wrong checksum': passedBy(SUMS),
  'UDP reply to a wrong checksum': passedBy(AFTER_SUMS),
  'echo reply to a wrong checksum': passedBy(AFTER_SUMS),
  'data far outside': passedBy(WINDOW),
  'ACK far ahead': passedBy(WINDOW),
  'RST far outside': passedBy(WINDOW),
  'RST behind the window': passedBy(WINDOW),
  'RST of a challenge': passedBy(WINDOW),
  'old SYN+ACK': passedBy(WINDOW),
  'timestamp reply without a request': passedBy(
    'ICMP that is no echo has no flow in nsgd: the rules judge each message, and here they allow ICMP',
  ),
  'ICMP error, TCP number far outside': droppedBy(
    'nsgd asks that the quoted number lies within what was sent (RFC 5927 section 4.1), the kernel does not',
  ),
  'packet too big, MTU below 1280': droppedBy(
    'every IPv6 link carries 1280 bytes (RFC 8200 section 5), so nobody has to believe less (RFC 8021)',
  ),
  'fragments, the first last': droppedBy(
    'nsgd keeps no packets: fragments that come before their first are dropped, because nothing has judged them yet',
  ),
  'fragments, the last missing': passedBy(FRAGMENTS),
  'fragments, one missing': passedBy(FRAGMENTS),
  'reply to fragments, the last missing': passedBy(AFTER_FRAGMENTS),
  'reply to fragments, one missing': passedBy(AFTER_FRAGMENTS),
  'reply to fragments that overlap': passedBy(AFTER_FRAGMENTS),
  'UDP behind hop-by-hop options that are not first': droppedBy(NOT_FIRST),
  'UDP behind hop-by-hop options that are not first, to an open port': droppedBy(NOT_FIRST),
  'ICMP error, UDP behind hop-by-hop options that are not first': droppedBy(NOT_FIRST),
  'UDP behind a routing header of type 0': droppedBy(ROUTING_0),
  'UDP behind a routing header of type 0, to an open port': droppedBy(ROUTING_0),
  'ICMP error, UDP behind a routing header of type 0': droppedBy(ROUTING_0),
};
