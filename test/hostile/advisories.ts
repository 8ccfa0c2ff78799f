/**
 * What peers had to publish about themselves, one lesson each, and the tests and rows of the catalogue that hold nsgd to it.
 * `make hostile HOSTILE=--json` prints the list with what became of each.
 */
export interface Held {
  /** Relative to the project root. */
  readonly file: string;
  /** Part of the name of a test or suite in it. */
  readonly test: string;
}

export interface Advisory {
  readonly id: string;
  readonly peer: string;
  readonly lesson: string;
  /** Rows of the catalogue. */
  readonly rows?: readonly number[];
  readonly tests?: readonly Held[];
  /** Why it cannot happen here, where that is by construction. */
  readonly byDesign?: string;
}

const DAEMON = 'test/e2e/daemon.test.ts';
const SUPERVISOR = 'test/daemon/supervisor.test.ts';

export const advisories: readonly Advisory[] = [
  {
    id: 'CVE-2025-64715',
    peer: 'Cilium',
    lesson: 'an empty set of prefixes is not "any", at any layer',
    rows: [59],
    tests: [
      { file: 'test/policy/resolve.test.ts', test: 'nothing empty ever becomes it' },
      {
        file: 'test/policy/asg.test.ts',
        test: 'a member without addresses leaves its group empty',
      },
    ],
  },
  {
    id: 'CVE-2023-27595',
    peer: 'Cilium',
    lesson: 'a restart opens no gap',
    tests: [
      { file: DAEMON, test: 'SIGTERM ends it cleanly; then nothing passes and nothing is left' },
      { file: SUPERVISOR, test: 'killed, it is back soon with its flows' },
    ],
    byDesign: 'without a data plane nothing joins the two interfaces',
  },
  {
    id: 'GO-2024-3072',
    peer: 'Cilium',
    lesson: 'the policy is in force before the first packet; one writer swaps it',
    tests: [
      {
        file: SUPERVISOR,
        test: 'without a policy it fails and says so; once there is one it runs',
      },
      {
        file: SUPERVISOR,
        test: 'a new policy is in force when publishing says so, and a broken one changes nothing',
      },
    ],
  },
  {
    id: 'GO-2022-0393',
    peer: 'Cilium',
    lesson: 'ICMP is denied by default like everything else',
    rows: [36, 38],
    tests: [
      {
        file: 'test/engine/pipeline-link.test.ts',
        test: 'is judged by the rules each time and makes no flow',
      },
    ],
  },
  {
    id: 'GO-2022-0457',
    peer: 'Cilium',
    lesson: 'a control socket is a way in',
    tests: [
      {
        file: 'test/daemon/supervisor-segments.test.ts',
        test: 'in a folder that others cannot enter',
      },
      {
        file: 'test/daemon/run.test.ts',
        test: 'a control socket that would replace a file is refused',
      },
    ],
  },
  {
    id: 'CVE-2024-28248, CVE-2026-33726',
    peer: 'Cilium',
    lesson: 'every way into forwarding goes through one verdict',
    tests: [
      {
        file: 'test/property/pipeline.test.ts',
        test: 'frames in are the sum of their reasons, in each direction',
      },
      {
        file: 'test/e2e/network.test.ts',
        test: 'a packet between VMs of one subnet crosses the wire twice',
      },
    ],
  },
  {
    id: 'CVE-2025-54410, CVE-2025-54388',
    peer: 'Moby with firewalld',
    lesson: 'rules of the kernel that somebody else flushes',
    byDesign: 'nsgd has no rules in the kernel: forwarding is between two sockets of its own',
  },
  {
    id: 'CVE-2023-4809',
    peer: 'FreeBSD pf',
    lesson: 'more than one fragment header is no packet',
    rows: [8],
  },
  {
    id: 'CVE-2019-5597',
    peer: 'FreeBSD pf',
    lesson: 'what is known of a datagram comes from its first fragment alone',
    rows: [1, 4, 10],
    tests: [
      {
        file: 'test/engine/pipeline-fragments.test.ts',
        test: 'a first for an address of no NIC, and one from a martian',
      },
    ],
  },
  {
    id: 'CVE-2019-5598',
    peer: 'FreeBSD pf',
    lesson: 'an ICMP error goes to the sender of the packet it quotes',
    rows: [35],
  },
  {
    id: 'CVE-2024-6640',
    peer: 'FreeBSD pf',
    lesson: 'neighbour discovery and echo share no state',
    rows: [38],
  },
  {
    id: 'CVE-2023-6534',
    peer: 'FreeBSD pf',
    lesson: 'numbers are checked as RFC 5961 says, in both directions',
    rows: [21, 22, 23],
    tests: [{ file: 'test/property/flowtable-tcp.test.ts', test: ' connections' }],
  },
  {
    id: 'FreeBSD-SA-26:09',
    peer: 'FreeBSD pf',
    lesson: 'two rules that differ in anything are two rules',
    tests: [
      { file: 'test/engine/compile.test.ts', test: 'every rule of a list can be the first match' },
      {
        file: 'test/daemon/rule-changes.test.ts',
        test: 'the same name in another group or direction is another rule',
      },
    ],
  },
  {
    id: 'CVE-2004-1799',
    peer: 'OpenBSD pf',
    lesson: 'state is bound to the interface',
    rows: [48],
  },
  {
    id: 'CVE-2001-0183',
    peer: 'ipfw',
    lesson: 'no flag makes a packet part of a connection',
    rows: [17, 18],
  },
  {
    id: 'CVE-2014-8160',
    peer: 'netfilter',
    lesson: 'a rule with ports matches no protocol without ports',
    rows: [34],
    tests: [
      {
        file: 'test/engine/pipeline-stages.test.ts',
        test: 'a rule with ports does not match a protocol without ports',
      },
    ],
  },
  {
    id: 'CVE-2023-1668',
    peer: 'Open vSwitch',
    lesson: '0 is a value; a cached verdict is for no more than was examined',
    rows: [33, 34],
  },
  {
    id: 'CVE-2020-35498',
    peer: 'Open vSwitch',
    lesson: 'the length of a packet is its own, not the frame’s',
    rows: [14],
  },
  {
    id: 'CVE-2016-10377, CVE-2016-2074',
    peer: 'Open vSwitch',
    lesson: 'no read and no loop goes beyond the frame',
    rows: [10, 13],
    tests: [
      { file: 'test/property/pipeline.test.ts', test: 'bytes around it are not read' },
      {
        file: 'test/capture/decode-property.test.ts',
        test: 'any bytes: no throw, no read outside the frame',
      },
    ],
  },
  {
    id: 'CVE-2019-25076',
    peer: 'Open vSwitch',
    lesson: 'the worst case of a look-up is bounded',
    rows: [30, 31],
  },
  {
    id: 'CVE-2025-0650',
    peer: 'OVN',
    lesson: 'services of the platform are rules, not ways around the rules',
    tests: [
      {
        file: 'test/engine/pipeline-stages.test.ts',
        test: 'platform rules come before the stages',
      },
      { file: 'test/policy/platform.test.ts', test: 'a deny rule that names a platform tag' },
    ],
    rows: [41],
  },
  {
    id: 'CVE-2024-47187',
    peer: 'Suricata',
    lesson: 'hashes are seeded',
    rows: [30],
  },
  {
    id: 'CVE-2024-37151, CVE-2024-32867, CVE-2024-45796, CVE-2017-7177',
    peer: 'Suricata',
    lesson: 'identity and order of fragments',
    rows: [3, 4, 5, 6],
  },
  {
    id: 'CVE-2021-45098, CVE-2021-37592',
    peer: 'Suricata',
    lesson: 'a forged RST or an odd order of segments does not end what the endpoints go on with',
    rows: [24, 46, 47],
  },
  {
    id: 'CVE-2026-25793',
    peer: 'Nebula',
    lesson: 'what is compared has one form',
    tests: [
      { file: 'test/policy/address.test.ts', test: 'parsePrefix takes' },
      {
        file: 'test/daemon/rule-changes.test.ts',
        test: 'a name in other letters is the same rule, as in Azure',
      },
    ],
  },
  {
    id: 'TS-2024-005',
    peer: 'Tailscale',
    lesson: 'a default of statefulness that changes needs a switch and a note',
    tests: [
      {
        file: 'test/engine/pipeline-flows.test.ts',
        test: 'the window after a start: loose until then, strict from then on',
      },
    ],
    byDesign: 'strict from the first release on; tcp.pickup is the switch',
  },
  {
    id: 'CVE-2026-21717, CVE-2025-27209',
    peer: 'Node.js',
    lesson: 'strings of an attacker are hashed with a seed, by a Node that has the fix',
    tests: [{ file: 'test/hostile/advisories.test.ts', test: 'an old Node is refused' }],
    rows: [30],
  },
  {
    id: 'CVE-2002-0060',
    peer: 'netfilter',
    lesson: 'no helpers',
    rows: [49],
  },
];
