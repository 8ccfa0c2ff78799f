/**
 * Explainer: IP flow verify. What each step is called, who decides, and what was not asked.
 */
import { describe, expect, test } from 'vitest';
import { Explainer, type Explanation, type FlowTuple } from '../../src/policy/explain.ts';
import { loadGood } from '../helpers/load-text.ts';
import {
  ALLOW_ALL,
  configurationText,
  LOCAL,
  LOCAL6,
  REMOTE,
  REMOTE6,
  type RigPolicy,
} from '../helpers/pipeline-rig.ts';
import { address, flowTuple } from '../helpers/text-tuple.ts';

function explainer(policy: RigPolicy): Explainer {
  const loaded = loadGood(configurationText(policy));
  const [nic] = loaded.policy.nics;
  if (nic === undefined) throw new Error('no NIC');
  return new Explainer(loaded.policy, nic);
}

/** Remote to local for `in`, local to remote for `out`. */
function tuple(
  direction: 'in' | 'out',
  protocol: number,
  local: readonly [string, number],
  remote: readonly [string, number],
): FlowTuple {
  return flowTuple({
    isInbound: direction === 'in',
    protocol,
    local: local[0],
    localPort: local[1],
    remote: remote[0],
    remotePort: remote[1],
  });
}

const TCP = 6;
const UDP = 17;
const httpIn = tuple('in', TCP, [LOCAL, 80], [REMOTE, 50_000]);
const httpsOut = tuple('out', TCP, [LOCAL, 50_000], [REMOTE, 443]);
const allowHttp = 'AllowHttp 100 Inbound Allow Tcp * * * 80';
const denyHttps = 'DenyHttps 100 Outbound Deny Tcp * * * 443';

/** One line per step: stage, group, access, rule with priority. */
function steps(explanation: Explanation): string[] {
  return explanation.steps.map(
    ({ stage, networkSecurityGroup, access, ruleName, priority }) =>
      `${stage} ${networkSecurityGroup ?? '-'} ${access} ${ruleName ?? '-'} ${priority ?? '-'}`,
  );
}

describe('explain', () => {
  const rows: readonly (readonly [string, RigPolicy, FlowTuple, string, string[]])[] = [
    [
      'no group',
      {},
      httpIn,
      'Allow -',
      ['platform - NoMatch - -', 'subnet - Allow - -', 'networkInterface - Allow - -'],
    ],
    [
      'in, both allow: the last stage is named',
      { subnet: [allowHttp], nic: [allowHttp] },
      httpIn,
      'Allow securityRules/AllowHttp',
      [
        'platform - NoMatch - -',
        'subnet NSG1 Allow securityRules/AllowHttp 100',
        'networkInterface NSG2 Allow securityRules/AllowHttp 100',
      ],
    ],
    [
      'in, the subnet denies: the NIC is not reached',
      { subnet: [], nic: [allowHttp] },
      httpIn,
      'Deny defaultSecurityRules/DenyAllInBound',
      [
        'platform - NoMatch - -',
        'subnet NSG1 Deny defaultSecurityRules/DenyAllInBound 65500',
        'networkInterface NSG2 NotReached - -',
      ],
    ],
    [
      'in, the NIC denies',
      { subnet: [allowHttp], nic: [] },
      httpIn,
      'Deny defaultSecurityRules/DenyAllInBound',
      [
        'platform - NoMatch - -',
        'subnet NSG1 Allow securityRules/AllowHttp 100',
        'networkInterface NSG2 Deny defaultSecurityRules/DenyAllInBound 65500',
      ],
    ],
    [
      'out: the NIC comes first',
      { subnet: [], nic: [] },
      httpsOut,
      'Allow defaultSecurityRules/AllowInternetOutBound',
      [
        'platform - NoMatch - -',
        'networkInterface NSG2 Allow defaultSecurityRules/AllowInternetOutBound 65001',
        'subnet NSG1 Allow defaultSecurityRules/AllowInternetOutBound 65001',
      ],
    ],
    [
      'out, the NIC denies: the subnet is not reached',
      { subnet: [], nic: [denyHttps] },
      httpsOut,
      'Deny securityRules/DenyHttps',
      [
        'platform - NoMatch - -',
        'networkInterface NSG2 Deny securityRules/DenyHttps 100',
        'subnet NSG1 NotReached - -',
      ],
    ],
    [
      'only the subnet has a group',
      { subnet: [allowHttp] },
      httpIn,
      'Allow securityRules/AllowHttp',
      [
        'platform - NoMatch - -',
        'subnet NSG1 Allow securityRules/AllowHttp 100',
        'networkInterface - Allow - -',
      ],
    ],
    [
      'the platform allows',
      { nic: ['No 100 Outbound Deny * * * * *'] },
      tuple('out', UDP, [LOCAL, 5000], ['168.63.129.16', 53]),
      'Allow platformRules/AllowAzureDns',
      [
        'platform - Allow platformRules/AllowAzureDns 4',
        'networkInterface NSG2 NotReached - -',
        'subnet - NotReached - -',
      ],
    ],
    [
      'the platform denies',
      { ...ALLOW_ALL, settings: { subscription: { type: 'PayAsYouGo' } } },
      tuple('out', TCP, [LOCAL, 5000], [REMOTE, 25]),
      'Deny platformRules/DenySmtpOutBound',
      [
        'platform - Deny platformRules/DenySmtpOutBound 8',
        'networkInterface NSG2 NotReached - -',
        'subnet - NotReached - -',
      ],
    ],
    [
      'IPv6',
      { nic: [allowHttp] },
      tuple('in', TCP, [LOCAL6, 80], [REMOTE6, 50_000]),
      'Allow securityRules/AllowHttp',
      [
        'platform - NoMatch - -',
        'subnet - Allow - -',
        'networkInterface NSG2 Allow securityRules/AllowHttp 100',
      ],
    ],
  ];
  test.each(rows)('%s', (_name, policy, flow, answer, expected) => {
    const explanation = explainer(policy).explain(flow);
    expect(`${explanation.access} ${explanation.ruleName ?? '-'}`).toBe(answer);
    expect(steps(explanation)).toEqual(expected);
  });

  test('protocols: ICMP per family, others by number, ports only where there are any', () => {
    const asked = explainer({
      nic: [
        'AllowIcmp 100 Inbound Allow Icmp * * * *',
        'AllowEsp 110 Inbound Allow Esp * * * *',
        'Allow99 120 Inbound Allow * * * * 99',
      ],
    });
    const access = (protocol: number, family: 4 | 6, port = 0): string =>
      asked.explain(
        family === 4
          ? tuple('in', protocol, [LOCAL, port], [REMOTE, port])
          : tuple('in', protocol, [LOCAL6, port], [REMOTE6, port]),
      ).access;
    expect([access(1, 4), access(58, 6), access(58, 4), access(1, 6)]).toEqual([
      'Allow',
      'Allow',
      'Deny',
      'Deny',
    ]);
    expect([access(50, 4), access(50, 6), access(51, 4)]).toEqual(['Allow', 'Allow', 'Deny']);
    expect([access(TCP, 4, 99), access(UDP, 6, 99), access(132, 4, 99)]).toEqual([
      'Allow',
      'Allow',
      'Deny',
    ]);
  });

  test('an answer does not depend on the one before', () => {
    const asked = explainer({ subnet: [], nic: [allowHttp] });
    const denied = asked.explain(httpIn);
    asked.explain(httpsOut);
    asked.explain(tuple('in', UDP, [LOCAL6, 80], [REMOTE6, 1]));
    expect(asked.explain(httpIn)).toEqual(denied);
  });
});

describe('hasAddress', () => {
  test("the NIC's own, of both families, and no other", () => {
    const asked = explainer({});
    expect(
      [LOCAL, LOCAL6, '10.0.1.5', REMOTE6].map((text) => asked.hasAddress(address(text))),
    ).toEqual([true, true, false, false]);
  });

  test('a NIC without addresses has every one', () => {
    const asked = explainer({ addresses: [] });
    expect([LOCAL, REMOTE6].map((text) => asked.hasAddress(address(text)))).toEqual([true, true]);
  });
});
