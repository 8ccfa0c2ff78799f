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

const passedBy = (why: string): Difference => ({ kernel: 'drop', nsgd: 'pass', why });

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
  'ICMP error, TCP number far outside': {
    kernel: 'pass',
    nsgd: 'drop',
    why: 'nsgd asks that the quoted number lies within what was sent (RFC 5927 section 4.1), the kernel does not',
  },
};
