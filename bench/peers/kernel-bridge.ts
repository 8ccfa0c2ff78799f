/**
 * The kernel's bridge: no rules, or the policy in nftables' bridge family. As linear rules, and as a good administrator
 * would write it: one lookup in a set of networks, protocols and port ranges.
 *
 * Connection tracking for bridges is not in every kernel, so the policy is stateless here: less work than nsgd does.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstLineOf, packageVersion } from '../environment.ts';
import type { Family, TrialRule } from '../rules/trial-policy.ts';
import type { DevicePolicy, DeviceUnderTest, RunningDevice } from '../tcpreplay/device.ts';
import { INSIDE, OUTSIDE, type TestBed } from '../tcpreplay/test-bed.ts';
import { missingProgram } from './process.ts';

const BRIDGE = 'br0';

type Style = 'none' | 'linear' | 'sets';

export function kernelBridge(style: Style): DeviceUnderTest {
  const isFiltering = style !== 'none';
  return {
    name: isFiltering ? `bridge + nftables ${style}` : 'kernel bridge',
    policy: isFiltering ? 'stateless' : 'none',
    families: [4, 6],
    version: () =>
      isFiltering
        ? `nftables ${packageVersion('nftables') ?? 'unknown'}`
        : firstLineOf('ip', '-Version'),
    obstacle: () => missingProgram(isFiltering ? { nft: 'nftables' } : { ip: 'iproute2' }),
    start: (bed, policy) => Promise.resolve(start(bed, policy, style)),
  };
}

/** A bridge of both interfaces, its work on the device's core. */
export function makeBridge(bed: TestBed): void {
  const { device } = bed;
  device.ip('link', 'add', BRIDGE, 'type', 'bridge', 'stp_state', '0', 'mcast_snooping', '0');
  device.ip('link', 'set', OUTSIDE, 'master', BRIDGE);
  device.ip('link', 'set', INSIDE, 'master', BRIDGE);
  device.ip('link', 'set', BRIDGE, 'up');
  bed.receiveOnDeviceCore();
}

export function removeBridge(bed: TestBed): void {
  bed.device.ip('link', 'del', BRIDGE);
}

function start(bed: TestBed, policy: DevicePolicy, style: Style): RunningDevice {
  const { device } = bed;
  makeBridge(bed);
  if (style !== 'none') {
    const file = join(bed.lab.directory, 'rules.nft');
    writeFileSync(file, style === 'linear' ? linearRules(policy) : setRules(policy));
    device.run('nft', '-f', file);
  }
  return {
    counts: () => (style === 'none' ? {} : { denied: deniedFrames(bed) }),
    stop: () => {
      if (style !== 'none') device.run('nft', 'delete', 'table', 'bridge', 'trial');
      removeBridge(bed);
      return Promise.resolve();
    },
  };
}

/** The policy's denials: those of its rules, and of the drop at its end. */
function deniedFrames(bed: TestBed): number {
  const { nftables } = JSON.parse(
    bed.device.run('nft', '-j', 'list', 'table', 'bridge', 'trial'),
  ) as {
    nftables: { counter?: { packets: number } }[];
  };
  return nftables.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
}

const HEAD = `table bridge trial {
  counter denied { }`;
const CHAIN = `  chain forward {
    type filter hook forward priority 0; policy drop;
    iifname != "${OUTSIDE}" accept`;
const TAIL = `    counter name denied drop
  }
}
`;

const DENY = 'counter name denied drop';

function source(rule: TrialRule, family: Family): string {
  return rule.source === '*' ? '' : `${family === 4 ? 'ip' : 'ip6'} saddr ${rule.source} `;
}

function ports(rule: TrialRule): string {
  const [low, high] = rule.ports;
  return low === high ? String(low) : `${low}-${high}`;
}

/** One rule for each, in order. */
export function linearRules({ rules, family }: DevicePolicy): string {
  const lines = rules.map((rule) => {
    const verdict = rule.access === 'Allow' ? 'accept' : DENY;
    const service = `${rule.protocol.toLowerCase()} dport ${ports(rule)}`;
    return `    ${source(rule, family)}${service} ${verdict}`;
  });
  return [HEAD, CHAIN, ...lines, TAIL].join('\n');
}

/**
 * Networks, protocols and ports as elements of one verdict map with intervals. Its elements may not overlap, so a rule
 * that overlaps an earlier one follows as a rule, in order: what an administrator would be left with too. The rule for all addresses cannot be an element and stays a rule.
 */
export function setRules({ rules, family }: DevicePolicy): string {
  const elements: TrialRule[] = [];
  const remaining: TrialRule[] = [];
  for (const rule of rules) {
    const earlier = [...elements, ...remaining];
    const isFree = rule.source !== '*' && !earlier.some((other) => overlaps(rule, other, family));
    (isFree ? elements : remaining).push(rule);
  }
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const lines = elements.map((rule) => {
    const verdict = rule.access === 'Allow' ? 'accept' : 'goto refuse';
    return `      ${rule.source} . ${rule.protocol.toLowerCase()} . ${ports(rule)} : ${verdict}`;
  });
  const map =
    elements.length === 0
      ? []
      : [
          '  map verdicts {',
          `    type ${address} . inet_proto . inet_service : verdict`,
          '    flags interval',
          '    elements = {',
          lines.join(',\n'),
          '    }',
          '  }',
        ];
  const ip = family === 4 ? 'ip' : 'ip6';
  const lookup =
    elements.length === 0 ? [] : [`    ${ip} saddr . meta l4proto . th dport vmap @verdicts`];
  const rest = remaining.map((rule) => {
    const verdict = rule.access === 'Allow' ? 'accept' : DENY;
    return `    ${source(rule, family)}${rule.protocol.toLowerCase()} dport ${ports(rule)} ${verdict}`;
  });
  return [HEAD, `  chain refuse { ${DENY}; }`, ...map, CHAIN, ...lookup, ...rest, TAIL].join('\n');
}

function overlaps(a: TrialRule, b: TrialRule, family: Family): boolean {
  return (
    a.protocol === b.protocol &&
    a.ports[0] <= b.ports[1] &&
    b.ports[0] <= a.ports[1] &&
    doNetworksOverlap(a.source, b.source, family)
  );
}

function doNetworksOverlap(a: string, b: string, family: Family): boolean {
  const [first, second] = [networkBits(a, family), networkBits(b, family)];
  return first.startsWith(second) || second.startsWith(first);
}

/** The prefix as a string of binary digits: one network holds the other when its string starts the other's. */
function networkBits(network: string, family: Family): string {
  const [address = '', length = ''] = network.split('/');
  const parts = family === 4 ? address.split('.') : address.split(':');
  const bits = parts
    .map((part) =>
      parseInt(part, family === 4 ? 10 : 16)
        .toString(2)
        .padStart(family === 4 ? 8 : 16, '0'),
    )
    .join('');
  return bits.slice(0, Number(length));
}
