/**
 * The semantic diff is exact: on random policies every packet that their rules can tell apart is in a region of the diff
 * when, and only when, asking every rule in order gives two verdicts, and then the rules named are those that decide.
 */
import { describe, expect, test } from 'vitest';
import { hasIpv4, hasIpv6 } from '../../src/engine/address-set.ts';
import { type Policy, printedRuleName } from '../../src/engine/policy.ts';
import { Access } from '../../src/engine/rule.ts';
import { type Change, diffPolicies } from '../../src/policy/policy-diff.ts';
import type { Region } from '../../src/policy/regions/region.ts';
import { Random } from '../helpers/random.ts';
import {
  changedPolicy,
  everyProbe,
  linearDecision,
  type Probe,
  randomPolicy,
  randomProbe,
} from '../helpers/random-policy.ts';

function hasPort(ports: Region['localPorts'], port: number): boolean {
  return ports === 'any' || ports.some(({ low, high }) => low <= port && port <= high);
}

function isIn(change: Change, probe: Probe): boolean {
  const { local, remote } = probe;
  const hasAddresses =
    typeof local === 'bigint' && typeof remote === 'bigint'
      ? hasIpv6(change.local, local) && hasIpv6(change.remote, remote)
      : hasIpv4(change.local, Number(local)) && hasIpv4(change.remote, Number(remote));
  return (
    change.direction === probe.direction &&
    hasAddresses &&
    change.protocols.some(([low, high]) => low <= probe.protocol && probe.protocol <= high) &&
    hasPort(change.localPorts, probe.localPort) &&
    hasPort(change.remotePorts, probe.remotePort)
  );
}

const print = (value: unknown): string =>
  JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? `${item}` : item));

/** Compares the diff with the linear scan for one packet. @returns true when the verdict changes */
function check(
  policies: readonly [Policy, Policy],
  changes: readonly Change[],
  probe: Probe,
): boolean {
  const [before, after] = policies.map((policy) => {
    const [nic] = policy.nics;
    if (nic === undefined) throw new Error('a random policy has a NIC');
    return linearDecision(policy, nic, probe);
  });
  if (before === undefined || after === undefined) throw new Error('two policies, please');
  const found = changes.filter((change) => isIn(change, probe));
  const isChanged = before.access !== after.access;
  if (found.length !== Number(isChanged)) {
    throw new Error(`${print(probe)} is in ${found.length} regions, expected ${Number(isChanged)}`);
  }
  const [change] = found;
  if (change === undefined) return false;
  for (const [side, decision] of [
    [change.before, before],
    [change.after, after],
  ] as const) {
    const name = decision.rule === undefined ? undefined : printedRuleName(decision.rule);
    const access = decision.access === Access.Allow ? 'Allow' : 'Deny';
    if (side.ruleName !== name || side.access !== access) {
      throw new Error(`${print(probe)}: ${print(side)} is not ${access} ${String(name)}`);
    }
  }
  return true;
}

function changesOf(old: Policy, current: Policy): readonly Change[] {
  return diffPolicies(old, current).nics.flatMap(({ changes }) => changes);
}

describe('diffPolicies', () => {
  test('equals the linear scan on every packet of a small universe', () => {
    const random = new Random();
    let changed = 0;
    for (let round = 0; round < 25; round++) {
      const old = randomPolicy(random, 5);
      const current = round % 2 === 0 ? randomPolicy(random, 5) : changedPolicy(random, old);
      const changes = changesOf(old, current);
      try {
        for (const direction of [0, 1] as const) {
          for (const probe of everyProbe(direction)) {
            if (check([old, current], changes, probe)) changed++;
          }
        }
      } catch (error) {
        throw new Error(`seed ${random.seed}, round ${round}`, { cause: error });
      }
    }
    expect(changed, `seed ${random.seed}`).toBeGreaterThan(1000);
  });

  test('100,000 packets agree with the diff of two random policies', () => {
    const random = new Random();
    let changed = 0;
    const old = randomPolicy(random, 60);
    const current = randomPolicy(random, 60);
    const changes = changesOf(old, current);
    for (let packet = 0; packet < 100_000; packet++) {
      try {
        if (check([old, current], changes, randomProbe(random))) changed++;
      } catch (error) {
        throw new Error(`seed ${random.seed}, packet ${packet}`, { cause: error });
      }
    }
    expect(changed, `seed ${random.seed}`).toBeGreaterThan(0);
  });

  test('of a policy with itself there is none', () => {
    const random = new Random();
    for (let round = 0; round < 100; round++) {
      const policy = randomPolicy(random, 20);
      expect(diffPolicies(policy, policy), `seed ${random.seed}`).toEqual({
        added: [],
        removed: [],
        nics: [],
      });
    }
  });
});
