import { describe, expect, it } from 'vitest';
import { readNsgFile } from '../../src/policy/nsg-file.ts';
import { groupText, marked, placesOf, type RuleLines } from './nsg-marked-text.ts';

const read = (...rules: RuleLines[]) => {
  const { text, marks } = marked(groupText(...rules));
  return { marks, ...readNsgFile(text, 'nsg.yaml') };
};

describe('rules of one group', () => {
  it('with one priority conflict, and the message names both with their places', () => {
    const { marks, problems } = read(
      { name: 'a', priority: '§100' },
      { name: 'b', priority: '§100' },
    );
    expect(placesOf(problems)).toEqual([`${marks[1]} SecurityRuleConflict`]);
    expect(problems[0]?.message).toBe(
      `Security rule "b" conflicts with rule "a" (nsg.yaml:${marks[0]}). Rules cannot have the same Priority and Direction.`,
    );
  });

  it('may have one priority in both directions', () => {
    const { groups, problems } = read({ name: 'a' }, { name: 'b', direction: 'Outbound' });
    expect(problems).toEqual([]);
    expect(groups[0]?.rules).toHaveLength(2);
  });

  it('conflict also when something else is wrong with one of them', () => {
    const { marks, problems } = read(
      { name: 'a', destinationPortRange: '§70000' },
      { name: 'b', priority: '§100' },
    );
    expect(placesOf(problems)).toEqual([
      `${marks[0]} SecurityRuleInvalidPortRange`,
      `${marks[1]} SecurityRuleConflict`,
    ]);
  });

  it('cannot share a name, whatever its case', () => {
    const { marks, problems } = read(
      { name: '§Web' },
      { name: '§web', priority: '101' },
      { name: '§WEB', priority: '102' },
    );
    expect(placesOf(problems)).toEqual([
      `${marks[1]} DuplicateResourceName`,
      `${marks[2]} DuplicateResourceName`,
    ]);
    expect(problems[0]?.message).toContain(`nsg.yaml:${marks[0]}`);
  });

  it('keep the spelling of their names and the order of the file', () => {
    const { groups } = read({ name: 'Zebra', priority: '200' }, { name: 'aPE', priority: '100' });
    expect(groups[0]?.rules.map(({ name }) => name)).toEqual(['Zebra', 'aPE']);
  });
});

const rulesOf = (count: number, changes: (index: number) => RuleLines = () => ({})): RuleLines[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `r${index}`,
    priority: `${100 + index}`,
    ...changes(index),
  }));

const codesOf = (rules: RuleLines[]): string[] =>
  readNsgFile(groupText(...rules), 'nsg.yaml').problems.map(
    ({ line, column, code }) => `${line}:${column} ${code}`,
  );

const prefixes = (count: number): string =>
  `[${Array.from({ length: count }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`).join(', ')}]`;

const ports = (count: number): string =>
  `[${Array.from({ length: count }, (_, index) => index).join(', ')}]`;

const asgs = (first: number, count: number): RuleLines => ({
  sourceAddressPrefix: undefined,
  sourceApplicationSecurityGroups: `[${Array.from({ length: count }, (_, index) => `asg${first + index}`).join(', ')}]`,
});

describe('limits', () => {
  it('1,000 rules are taken, 1,001 are not', () => {
    expect(codesOf(rulesOf(1000))).toEqual([]);
    expect(codesOf(rulesOf(1001))).toEqual(['1:7 SecurityRuleCountLimitReached']);
  });

  const LIMIT = '1:7 SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached';

  it.each([
    [
      'source prefixes',
      (n: number) => ({ sourceAddressPrefix: undefined, sourceAddressPrefixes: prefixes(n) }),
    ],
    [
      'destination prefixes',
      (n: number) => ({
        destinationAddressPrefix: undefined,
        destinationAddressPrefixes: prefixes(n),
      }),
    ],
    ['source ports', (n: number) => ({ sourcePortRange: undefined, sourcePortRanges: ports(n) })],
    [
      'destination ports',
      (n: number) => ({ destinationPortRange: undefined, destinationPortRanges: ports(n) }),
    ],
  ])('4,000 %s in all rules together are taken, 4,001 are not', (_, field) => {
    expect(codesOf(rulesOf(2, () => field(2000)))).toEqual([]);
    expect(codesOf(rulesOf(2, (index) => field(2000 + index)))).toEqual([LIMIT]);
  });

  it('100 application security groups are taken, 101 are not, and one named often counts once', () => {
    expect(codesOf(rulesOf(20, (index) => asgs((index % 10) * 10, 10)))).toEqual([]);
    expect(codesOf(rulesOf(11, (index) => asgs(index * 10, index === 10 ? 1 : 10)))).toEqual([
      '1:7 NumberOfApplicationSecurityGroupsReferencedInSecurityGroupLimitReached',
    ]);
  });
});
