/**
 * Parts of an answer: by hand where a rule cuts a prefix, and for random policies and questions against the engine, which
 * judges packets of every part and of everything that was asked.
 */
import { describe, expect, test } from 'vitest';
import { IpProtocol } from '../../src/capture/packet.ts';
import { type AddressSet, ANY_ADDRESS, hasIpv4, hasIpv6 } from '../../src/engine/address-set.ts';
import { isWithin } from '../../src/engine/intervals.ts';
import { type NicPolicy, type Policy, printedRuleName } from '../../src/engine/policy.ts';
import { NO_PORT } from '../../src/engine/rule-set-layout.ts';
import { Direction, type PortMatch } from '../../src/engine/rule.ts';
import { formatAddressSet, setOf } from '../../src/policy/address.ts';
import { type Address, Explainer, type FlowTuple } from '../../src/policy/explain.ts';
import { addressesOf } from '../../src/policy/explain-box.ts';
import {
  evaluateRules,
  explainParts,
  TooManyParts,
  type TrafficPart,
  type TrafficQuestion,
} from '../../src/policy/explain-parts.ts';
import { loadGood } from '../helpers/load-text.ts';
import { configurationText, LOCAL, LOCAL6, type RigPolicy } from '../helpers/pipeline-rig.ts';
import { Random } from '../helpers/random.ts';
import { PROTOCOLS, randomPolicy, randomTuple } from '../helpers/random-tuples.ts';
import { flowTuple } from '../helpers/text-tuple.ts';

function policyOf(rig: RigPolicy): { policy: Policy; nic: NicPolicy } {
  const { policy } = loadGood(configurationText(rig));
  const [nic] = policy.nics;
  if (nic === undefined) throw new Error('no NIC');
  return { policy, nic };
}

const TCP = { ipv4: 6, ipv6: 6 };
const single = (port: number): PortMatch => [{ low: port, high: port }];

/** TCP to port 80 of the interface from `remote`. */
function http(remote: AddressSet, over: Partial<TrafficQuestion> = {}): TrafficQuestion {
  return {
    direction: Direction.Inbound,
    protocol: TCP,
    local: setOf(LOCAL),
    localPorts: single(80),
    remote,
    remotePorts: 'any',
    ...over,
  };
}

function lines(parts: readonly TrafficPart[]): string[] {
  return parts.map(({ access, deciding, box }) => {
    const name = deciding === undefined ? '-' : printedRuleName(deciding);
    return `${access} ${name} ${formatAddressSet(addressesOf(box, 'remote')).join(' ')}`;
  });
}

describe('a prefix', () => {
  test('that a rule cuts: the part that it takes, and the rest in one', () => {
    const { policy, nic } = policyOf({
      nic: [
        'Not 100 Inbound Deny Tcp 203.0.113.64/26 * * 80',
        'Web 200 Inbound Allow Tcp * * * 80',
      ],
    });
    expect(lines(explainParts(policy, nic, http(setOf('203.0.113.0/24'))))).toEqual([
      'Deny securityRules/Not 203.0.113.64/26',
      'Allow securityRules/Web 203.0.113.0/26 203.0.113.128/25',
    ]);
  });

  test('of both families, and a tag', () => {
    const { policy, nic } = policyOf({ nic: ['Web 200 Inbound Allow Tcp Internet * * 80'] });
    const remote = setOf('10.0.0.0/8', '2001:db8::/32');
    const question = http(remote, { local: setOf(LOCAL, LOCAL6) });
    expect(lines(explainParts(policy, nic, question)).toSorted()).toEqual([
      'Allow defaultSecurityRules/AllowVnetInBound 10.0.0.0/16',
      'Allow securityRules/Web 2001:db8::/32',
      expect.stringMatching(/^Deny defaultSecurityRules\/DenyAllInBound 10\.1\.0\.0\/16 10\.2\./),
    ]);
  });

  test('without a cut is one part', () => {
    const { policy, nic } = policyOf({ nic: ['Web 200 Inbound Allow Tcp * * * 80'] });
    expect(explainParts(policy, nic, http(ANY_ADDRESS))).toHaveLength(1);
  });
});

describe('ports and protocols', () => {
  const { policy, nic } = policyOf({
    nic: [
      'Low 100 Inbound Deny * 203.0.113.0/24 * * 0-1023',
      'All 200 Inbound Allow * 203.0.113.0/24 * * *',
    ],
  });
  const remote = setOf('203.0.113.9');

  test('any protocol and port: what has no ports matches no rule with ports', () => {
    const parts = explainParts(policy, nic, http(remote, { protocol: 'any', localPorts: 'any' }));
    // Ports below 1024 of UDP are cut by the platform's rule for DHCP too.
    const shown = parts
      .filter(({ box }) => JSON.stringify(box.protocols) !== '[[17,17]]')
      .map(({ access, box }) => `${access} ${JSON.stringify([box.protocols, box.localPorts])}`);
    expect(shown).toEqual([
      'Deny [[[6,6]],[[0,1023]]]',
      'Allow [[[6,6],[17,17]],[[1024,65535]]]',
      'Allow [[[0,5],[7,16],[18,255]],[[65536,65536]]]',
    ]);
  });

  test('any protocol with a port asks about those that have ports', () => {
    const [part, ...others] = explainParts(policy, nic, http(remote, { protocol: 'any' }));
    expect(others).toEqual([]);
    expect(part?.box.protocols).toEqual([
      [6, 6],
      [17, 17],
    ]);
  });

  test('ICMP has none, whatever was written', () => {
    const [part] = explainParts(policy, nic, http(remote, { protocol: { ipv4: 1, ipv6: 58 } }));
    expect([part?.access, part?.box.localPorts]).toEqual(['Allow', [[NO_PORT, NO_PORT]]]);
  });
});

describe('stages', () => {
  const { policy, nic } = policyOf({
    subnet: ['Sub 100 Inbound Deny Tcp 203.0.113.0/25 * * *', 'Rest 200 Inbound Allow Tcp * * * *'],
    nic: ['Nic 100 Inbound Deny Tcp 203.0.113.0/26 * * *', 'Web 200 Inbound Allow Tcp * * * 80'],
  });
  const parts = explainParts(policy, nic, http(setOf('203.0.113.0/24')));

  test('a part that the first denies is not cut by the second', () => {
    expect(lines(parts)).toEqual([
      'Deny securityRules/Sub 203.0.113.0/25',
      'Allow securityRules/Web 203.0.113.128/25',
    ]);
    const [denied, allowed] = parts;
    expect(denied?.stages.map(({ stage, isReached }) => `${stage} ${String(isReached)}`)).toEqual([
      'platform true',
      'subnet true',
      'networkInterface false',
    ]);
    // Of what was not reached: half of the part is Nic's, the other half Web's.
    expect(denied?.stages[2]?.matched).toBeUndefined();
    expect(allowed?.stages.map(({ matched }) => matched?.name)).toEqual([undefined, 'Rest', 'Web']);
  });

  test('every rule with the fields that matched', () => {
    const [denied] = parts;
    const list = denied?.stages[1]?.list;
    if (denied === undefined || list === undefined) throw new Error('no list');
    const [sub, , vnet] = evaluateRules(denied, list, Direction.Inbound);
    expect(sub).toMatchObject({
      protocolMatched: true,
      sourceMatched: true,
      sourcePortMatched: true,
      destinationMatched: true,
      destinationPortMatched: true,
    });
    expect(vnet).toMatchObject({
      rule: { name: 'AllowVnetInBound' },
      protocolMatched: true,
      sourceMatched: false,
      destinationMatched: true,
    });
  });

  test('no group at all: allowed by no rule', () => {
    const open = policyOf({});
    const [part] = explainParts(open.policy, open.nic, http(ANY_ADDRESS));
    expect([part?.access, part?.deciding]).toEqual(['Allow', undefined]);
  });
});

test('a question with too many parts is refused', () => {
  // Each rule makes a hole of its own in four fields: what is left is a box for each combination.
  const rules = Array.from(
    { length: 400 },
    (_, index) =>
      `R${index} ${100 + index} Inbound Deny ${index % 2 === 0 ? 'Tcp' : 'Udp'} 203.0.${index % 200}.0/24 ${index * 7} 10.0.${index % 100}.0/25 ${index * 11}`,
  );
  const { policy, nic } = policyOf({ nic: rules });
  const question: TrafficQuestion = {
    direction: Direction.Inbound,
    protocol: 'any',
    local: ANY_ADDRESS,
    localPorts: 'any',
    remote: ANY_ADDRESS,
    remotePorts: 'any',
  };
  const started = performance.now();
  try {
    expect(explainParts(policy, nic, question).length).toBeGreaterThan(400);
  } catch (error) {
    expect(error).toBeInstanceOf(TooManyParts);
  }
  expect(performance.now() - started).toBeLessThan(30_000);
});

const REMOTES = [
  '203.0.113.0/24',
  '10.0.0.0/8',
  '168.63.129.16',
  '169.254.0.0/16',
  '0.0.0.0/0',
  '2001:db8::/32',
  '::/0',
];
function randomQuestion(random: Random): TrafficQuestion {
  const ports = (): PortMatch =>
    random.below(2) === 0
      ? 'any'
      : [{ low: random.pick([0, 25, 80]), high: random.pick([80, 1024, 65_535]) }];
  const ipv4 = random.pick(PROTOCOLS);
  const ipv6 = ipv4 === IpProtocol.Icmp ? IpProtocol.Icmpv6 : ipv4;
  return {
    direction: random.below(2) === 0 ? Direction.Inbound : Direction.Outbound,
    protocol: random.below(2) === 0 ? 'any' : { ipv4, ipv6 },
    local: setOf(LOCAL, LOCAL6),
    localPorts: ports(),
    remote: setOf(...Array.from({ length: 1 + random.below(2) }, () => random.pick(REMOTES))),
    remotePorts: ports(),
  };
}

function isIn(set: AddressSet, one: Address): boolean {
  return typeof one === 'number' ? hasIpv4(set, one) : hasIpv6(set, one);
}

function hasPort(ports: PortMatch, port: number): boolean {
  return ports === 'any' || ports.some(({ low, high }) => low <= port && port <= high);
}

function isAsked(question: TrafficQuestion, tuple: FlowTuple): boolean {
  const { protocol, localPorts, remotePorts } = question;
  const family = typeof tuple.remote === 'number' ? 'ipv4' : 'ipv6';
  const number = protocol === 'any' ? tuple.protocol : protocol[family];
  if (number !== tuple.protocol || !isIn(question.remote, tuple.remote)) return false;
  const isPortless = tuple.protocol !== 6 && tuple.protocol !== 17;
  if (isPortless) return protocol !== 'any' || (localPorts === 'any' && remotePorts === 'any');
  return hasPort(localPorts, tuple.localPort) && hasPort(remotePorts, tuple.remotePort);
}

function isInPart({ box }: TrafficPart, tuple: FlowTuple): boolean {
  if ((box.family === 4) !== (typeof tuple.local === 'number')) return false;
  const isPortless = tuple.protocol !== 6 && tuple.protocol !== 17;
  const point = (value: number | bigint) => [[value, value]] as const;
  return (
    isWithin(point(tuple.protocol), box.protocols) &&
    isWithin(point(tuple.local), box.local) &&
    isWithin(point(tuple.remote), box.remote) &&
    isWithin(point(isPortless ? NO_PORT : tuple.localPort), box.localPorts) &&
    isWithin(point(isPortless ? NO_PORT : tuple.remotePort), box.remotePorts)
  );
}

describe('random policies and questions', () => {
  const seed = Number(process.env['NSGD_SEED'] ?? 20_261_126);
  test(`the engine agrees on every packet (seed ${seed})`, () => {
    const random = new Random(seed);
    let asked = 0;
    let mixed = 0;
    for (let round = 0; round < 60; round++) {
      const { policy, nic } = policyOf(randomPolicy(random));
      const explainer = new Explainer(policy, nic);
      const question = randomQuestion(random);
      const isInbound = question.direction === Direction.Inbound;
      const parts = explainParts(policy, nic, question);
      if (new Set(parts.map(({ access }) => access)).size > 1) mixed++;
      for (let index = 0; index < 300; index++) {
        const tuple = flowTuple(randomTuple(random, isInbound));
        const around = parts.filter((part) => isInPart(part, tuple));
        expect(around, `round ${round}`).toHaveLength(isAsked(question, tuple) ? 1 : 0);
        const [part] = around;
        if (part === undefined) continue;
        asked++;
        const { access, ruleName, steps } = explainer.explain(tuple);
        const name = part.deciding === undefined ? undefined : printedRuleName(part.deciding);
        expect([part.access, name], `round ${round}`).toEqual([access, ruleName]);
        for (const [step, { isReached, matched }] of part.stages.entries()) {
          expect(isReached, `round ${round}`).toBe(steps[step]?.access !== 'NotReached');
          if (isReached && matched !== undefined) {
            expect(printedRuleName(matched)).toBe(steps[step]?.ruleName);
          }
        }
        // The rule that matched is the first of which every field matched.
        const stage = part.stages.find(({ matched }) => matched !== undefined);
        if (stage?.list === undefined) continue;
        const first = evaluateRules(part, stage.list, question.direction).find((fields) =>
          Object.values(fields).every((value) => value !== false),
        );
        expect(first?.rule.name).toBe(stage.matched?.name);
      }
    }
    // That the test tests something.
    expect(asked).toBeGreaterThan(1000);
    expect(mixed).toBeGreaterThan(20);
  });
});
