import { describe, expect, test } from 'vitest';

import { formatRuleChange, ruleChanges } from '../../daemon/rule-changes.ts';
import { RuleKind } from '../../src/engine/policy.ts';
import {
  addresses,
  allow,
  deny,
  engineNic,
  enginePolicy,
  protocol,
  ruleList,
} from '../helpers/engine-policy.ts';

const nics = [engineNic('vm1')];
const port = (number: number) => [{ low: number, high: number }];

function changes(before: Parameters<typeof ruleList>[2], after: typeof before): string[] {
  const policy = (rules: typeof before) => enginePolicy(nics, [ruleList('NSG1', 0, rules)]);
  return ruleChanges(policy(before), policy(after)).map(formatRuleChange);
}

describe('the changes of a reload', () => {
  const http = allow('Http', { ...protocol(6), destinationPorts: port(80) });

  test('none of the same policy, read again', () => {
    const again = allow('Http', { ...protocol(6), destinationPorts: port(80) });
    expect(changes([http, deny('Rest')], [again, deny('Rest')])).toEqual([]);
  });

  test('rules that came, went and read differently', () => {
    const after = [
      { ...http, priority: 200, source: addresses([1, 2]) },
      deny('New', { kind: RuleKind.Default }),
    ];
    expect(changes([http, allow('Old')], after)).toEqual([
      '~ NSG1 Inbound securityRules/Http: priority, source',
      '- NSG1 Inbound securityRules/Old',
      '+ NSG1 Inbound defaultSecurityRules/New',
    ]);
  });

  test.each([
    ['access', deny('Http', { ...protocol(6), destinationPorts: port(80) })],
    ['protocol', { ...http, ...protocol(17) }],
    ['sourcePorts', { ...http, sourcePorts: port(1) }],
    ['destination', { ...http, destination: addresses([], [1n]) }],
    ['destinationPorts', { ...http, destinationPorts: 'any' as const }],
  ])('of one field: %s', (field, after) => {
    expect(changes([http], [after])).toEqual([`~ NSG1 Inbound securityRules/Http: ${field}`]);
  });

  test('a name in other letters is the same rule, as in Azure', () => {
    expect(changes([http], [{ ...http, name: 'HTTP' }])).toEqual([]);
  });

  test('the same name in another group or direction is another rule', () => {
    const before = enginePolicy(nics, [ruleList('NSG1', 0, [http]), ruleList('NSG1', 1, [http])]);
    const after = enginePolicy(nics, [ruleList('NSG1', 0, [http]), ruleList('NSG2', 0, [http])]);
    expect(ruleChanges(before, after).map(formatRuleChange)).toEqual([
      '- NSG1 Outbound securityRules/Http',
      '+ NSG2 Inbound securityRules/Http',
    ]);
  });

  test('of a thousand rules with large sets are found at once', () => {
    const large = addresses(Array.from({ length: 5000 }, (_, index) => index * 4));
    const rules = Array.from({ length: 1000 }, (_, index) =>
      allow(`Rule${index}`, { source: large }),
    );
    const copy = addresses(Array.from({ length: 5000 }, (_, index) => index * 4));
    const after = rules.map((rule) => ({ ...rule, source: copy }));
    after[999] = { ...allow('Rule999'), source: addresses([1]) };
    expect(changes(rules, after)).toEqual(['~ NSG1 Inbound securityRules/Rule999: source']);
  });
});
