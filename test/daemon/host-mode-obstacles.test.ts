/**
 * What host mode refuses, and what becomes of lifetimes: asked of a machine that answers what the test says.
 */
import { expect, test } from 'vitest';
import { liftLeases, returnLeases } from '../../daemon/host-mode/leases.ts';
import { obstacles } from '../../daemon/host-mode/obstacles.ts';
import { type Address, NO_END, type Snapshot } from '../../daemon/host-mode/snapshot.ts';
import { type HostSystem, hostSystem } from '../../daemon/host-mode/system.ts';

const NAMES = { nic: 'eth0', host: 'host0', inside: 'nsg0', bridge: 'nsg0-br' };
const ETH0 = { ifname: 'eth0', flags: ['UP'], mtu: 1500, link_type: 'ether', address: '02::1' };
const ADDRESS: Address = {
  family: 'inet',
  local: '10.0.1.4',
  prefixlen: 24,
  scope: 'global',
  label: 'eth0',
  valid_life_time: NO_END,
  preferred_life_time: NO_END,
};

/** What `ip -j` answers, by the last words of the question; nothing to everything else. */
function machine(answers: Readonly<Record<string, unknown[]>>): HostSystem {
  const all: Readonly<Record<string, unknown[]>> = { 'link show': [ETH0], ...answers };
  return {
    ...hostSystem,
    ipJson: (words) =>
      Object.entries(all).find(([question]) => words.join(' ').endsWith(question))?.[1] ?? [],
  };
}

const route = { type: 'unicast', dst: 'default', dev: 'eth0', table: 'main', protocol: 'boot' };

test.each<[what: string, answers: Readonly<Record<string, unknown[]>>, found: RegExp[]]>([
  ['nothing in the way', {}, []],
  ['no such interface', { 'link show': [] }, [/no interface eth0/]],
  ['loopback', { 'link show': [{ ...ETH0, link_type: 'loopback' }] }, [/no Ethernet interface/]],
  ['down', { 'link show': [{ ...ETH0, flags: [] }] }, [/eth0 is down/]],
  ['in a bond', { 'link show': [{ ...ETH0, master: 'bond0' }] }, [/member of bond0/]],
  ['an XDP program', { 'link show': [{ ...ETH0, xdp: {} }] }, [/XDP program/]],
  [
    'a VLAN on top, and a name that is taken: both at once',
    {
      'link show': [
        ETH0,
        { ...ETH0, ifname: 'eth0.5', link: 'eth0', linkinfo: { info_kind: 'vlan' } },
        { ...ETH0, ifname: 'nsg0' },
      ],
    },
    [/eth0\.5 \(vlan\) is on top of eth0/, /interface nsg0 already/],
  ],
  [
    'its peer is no child',
    {
      'link show': [ETH0, { ...ETH0, ifname: 'v', link: 'eth0', linkinfo: { info_kind: 'veth' } }],
    },
    [],
  ],
  ['a routing rule', { '-4 rule show': [{ priority: 5, iif: 'eth0' }] }, [/rule 5 .* as iif/]],
  [
    'several next hops',
    { '-4 route show table all': [{ dst: 'default', nexthops: [{ dev: 'eth0' }, { dev: 'e1' }] }] },
    [/several next hops/],
  ],
  [
    'an attribute that would be lost',
    { '-4 route show table all': [{ ...route, scope: 'global', flags: [], encap: 'mpls' }] },
    [/cannot move route .*encap/],
  ],
  [
    'a label that does not fit',
    { 'addr show dev eth0': [{ addr_info: [{ ...ADDRESS, label: 'eth0:elevenchar' }] }] },
    [/label eth0:elevenchar of 10\.0\.1\.4 does not fit/],
  ],
  ['a proxy for neighbours', { 'neigh show proxy dev eth0': [{}] }, [/answers for neighbours/]],
])('obstacles: %s', (_, answers, found) => {
  const texts = obstacles(machine(answers), NAMES);
  expect(texts).toHaveLength(found.length);
  for (const [index, pattern] of found.entries()) expect(texts[index]).toMatch(pattern);
});

test('an address that a client renews has no lifetime on the other end, and gets back what is left', () => {
  const leased = {
    ...ADDRESS,
    dynamic: true,
    valid_life_time: 3600,
    preferred_life_time: 1800,
  } as const;
  const own = { ...leased, family: 'inet6', local: '2001:db8::1', mngtmpaddr: true } as const;
  const snapshot: Snapshot = { addresses: [leased, own], routes: [], neighbours: [] };
  const lifted = liftLeases(snapshot, { isAutoconfigured: true, now: 1_000_000 });
  expect(lifted.snapshot.addresses.map((address) => address.valid_life_time)).toEqual([
    NO_END,
    3600,
  ]);
  expect(lifted.leases.map(({ local }) => local)).toEqual([ADDRESS.local]);

  const back = (now: number): number | undefined =>
    returnLeases(lifted.snapshot, lifted.leases, now).addresses[0]?.valid_life_time;
  expect(back(1_000_000 + 600_000)).toBe(3000);
  // Run out: without end rather than gone.
  expect(back(1_000_000 + 3_600_000)).toBe(NO_END);
  expect(
    liftLeases(snapshot, { isAutoconfigured: false, now: 0 }).leases.map(({ local }) => local),
  ).toEqual([ADDRESS.local, own.local]);
});
