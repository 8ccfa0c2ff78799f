/**
 * Random policies, and tuples that their rules are about: what `nsgd verify` says of them is compared with what the pipeline and
 * a wire do. Left out is what never reaches the rules: martians, port 0, addresses of no NIC.
 */
import { IpProtocol } from '../../src/capture/packet.ts';
import type { FrameSpec } from './frames.ts';
import { LOCAL, LOCAL6, type RigPolicy } from './pipeline-rig.ts';
import type { Random } from './random.ts';
import type { TextTuple } from './text-tuple.ts';

const HOSTS4 = [
  '203.0.113.1',
  '203.0.113.70',
  '203.0.113.200',
  '10.0.1.5',
  '10.0.9.9',
  '10.9.9.9',
  '168.63.129.16',
  '169.254.169.254',
  '192.168.1.1',
  '8.8.8.8',
  '224.0.0.251',
];
const HOSTS6 = [
  '2001:db8::1',
  '2001:db8:0:1::1',
  'fd00:db8:2::1',
  'fe80::1',
  '2600::1',
  'ff02::fb',
];
const PORTS = [1, 22, 25, 53, 67, 68, 80, 81, 443, 546, 547, 1024, 1688, 32_526, 65_535];
const PREFIXES = [
  '*',
  'Internet',
  'VirtualNetwork',
  'AzureLoadBalancer',
  '203.0.113.0/25',
  '203.0.113.64/26',
  '10.0.0.0/16',
  '10.0.1.4',
  '2001:db8::/64',
  'fd00:db8::/32',
  '0.0.0.0/0',
  '::/0',
];
const TAGS = ['AzurePlatformDNS', 'AzurePlatformIMDS', 'AzurePlatformLKM'];
const RULE_PORTS = ['*', '80', '0-1023', '443-65535', '53', '25'];
const RULE_PROTOCOLS = ['*', 'Tcp', 'Udp', 'Icmp', 'Esp', 'Ah'];
/** Of IPv4. */
export const PROTOCOLS: readonly number[] = [
  IpProtocol.Tcp,
  IpProtocol.Udp,
  IpProtocol.Icmp,
  IpProtocol.Esp,
  IpProtocol.Ah,
  47,
  0,
  255,
];

function randomRules(random: Random): string[] {
  return Array.from({ length: random.below(8) }, (_, i) => {
    const protocol = random.pick(RULE_PROTOCOLS);
    const hasPorts = protocol === '*' || protocol === 'Tcp' || protocol === 'Udp';
    const isIpv6 = random.below(3) === 0;
    const own = PREFIXES.filter(
      (prefix) => /^[A-Z*]/.test(prefix) || prefix.includes(':') === isIpv6,
    );
    const isOutbound = random.below(2) === 0;
    const access = random.pick(['Allow', 'Deny']);
    const source = random.pick(own);
    const destination = isOutbound && random.below(6) === 0 ? random.pick(TAGS) : random.pick(own);
    const port = (): string => (hasPorts ? random.pick(RULE_PORTS) : '*');
    return `R${i} ${100 + i} ${isOutbound ? 'Outbound' : 'Inbound'} ${access} ${protocol} ${source} ${port()} ${destination} ${port()}`;
  });
}

export function randomPolicy(random: Random): RigPolicy {
  const platform = { profile: random.pick(['azure', 'none']), defaultRoute: random.below(2) === 0 };
  const type = random.pick(['EnterpriseAgreement', 'FreeTrial', 'CSP']);
  return {
    ...(random.below(3) === 0 ? {} : { subnet: randomRules(random) }),
    ...(random.below(3) === 0 ? {} : { nic: randomRules(random) }),
    settings: { platform, ...(random.below(2) === 0 ? {} : { subscription: { type } }) },
  };
}

export function randomTuple(random: Random, isInbound = random.below(2) === 0): TextTuple {
  const isIpv6 = random.below(3) === 0;
  const protocol = random.pick(PROTOCOLS);
  const hosts = (isIpv6 ? HOSTS6 : HOSTS4).filter(
    (host) => !isInbound || !/^(?:224|ff)/.test(host),
  );
  return {
    isInbound,
    // IPv6 has ICMPv6 in place of ICMP, and 0 there is the hop-by-hop header.
    protocol: isIpv6 && protocol <= 1 ? IpProtocol.Icmpv6 : protocol,
    local: isIpv6 ? LOCAL6 : LOCAL,
    remote: random.pick(hosts),
    localPort: random.pick(PORTS),
    remotePort: random.pick(PORTS),
  };
}

/** The first packet of the flow. */
export function firstPacket(tuple: TextTuple): FrameSpec {
  const { isInbound, protocol, local, remote } = tuple;
  const ip = isInbound ? { src: remote, dst: local } : { src: local, dst: remote };
  const ports = isInbound
    ? { srcPort: tuple.remotePort, dstPort: tuple.localPort }
    : { srcPort: tuple.localPort, dstPort: tuple.remotePort };
  switch (protocol) {
    case IpProtocol.Tcp:
      return { ip, tcp: ports };
    case IpProtocol.Udp:
      return { ip, udp: ports };
    case IpProtocol.Icmp:
      return { ip, icmp: { type: 8, id: 1 } };
    case IpProtocol.Icmpv6:
      return { ip, icmp: { type: 128, id: 1 } };
    default:
      return { ip: { ...ip, protocol }, raw: new Uint8Array(16) };
  }
}
