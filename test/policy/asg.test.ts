/**
 * Application security groups: members by name without case; an empty group is empty.
 */
import { describe, expect, test } from 'vitest';
import { NO_ADDRESS } from '../../src/engine/address-set.ts';
import { formatAddressSet, setOf } from '../../src/policy/address.ts';
import { ApplicationSecurityGroups } from '../../src/policy/application-security-groups.ts';

const groups = new ApplicationSecurityGroups(
  ['asg-web', 'asg-db', 'asg-empty'],
  [
    { addresses: setOf('10.0.1.4', 'fd00::4'), applicationSecurityGroups: ['ASG-Web'] },
    { addresses: setOf('10.0.1.5'), applicationSecurityGroups: ['asg-web', 'asg-db'] },
    { addresses: setOf('10.0.1.6'), applicationSecurityGroups: [] },
    { addresses: setOf('10.0.1.7'), applicationSecurityGroups: ['asg-unknown'] },
  ],
);

describe('addressesOf', () => {
  test.each([
    ['one group, any case', ['Asg-Web'], ['10.0.1.4/31', 'fd00::4/128']],
    ['two groups', ['asg-web', 'asg-db'], ['10.0.1.4/31', 'fd00::4/128']],
    ['a group and an empty one', ['asg-db', 'asg-empty'], ['10.0.1.5/32']],
    ['an empty group', ['asg-empty'], []],
    ['an unknown group', ['asg-unknown'], []],
    ['no group', [], []],
  ])('%s', (_, names, prefixes) => {
    expect(formatAddressSet(groups.addressesOf(names))).toEqual(prefixes);
  });
});

test.each([
  ['asg-web', true, false],
  ['ASG-EMPTY', true, true],
  ['asg-unknown', false, true],
])('%s: exists %s, is empty %s', (name, exists, isEmpty) => {
  expect(groups.has(name)).toBe(exists);
  expect(groups.isEmpty(name)).toBe(isEmpty);
});

test('a member without addresses leaves its group empty', () => {
  const members = [{ addresses: NO_ADDRESS, applicationSecurityGroups: ['a'] }];
  expect(new ApplicationSecurityGroups(['a'], members).isEmpty('a')).toBe(true);
});
