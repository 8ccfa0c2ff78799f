/**
 * Files that nobody means well with: import ends, and either gives a configuration without an error or says what is
 * wrong.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { armTemplate } from '../../../src/policy/export/arm.ts';
import { terraformConfiguration } from '../../../src/policy/export/terraform.ts';
import { importText } from '../../helpers/import-text.ts';
import { loadGood } from '../../helpers/load-text.ts';
import { Random } from '../../helpers/random.ts';
import { randomConfiguration } from '../../helpers/random-configuration.ts';

const configuration = randomConfiguration(new Random(11), { hasSettings: false });
const loaded = loadGood(JSON.stringify(configuration)).configuration;
const arm = armTemplate(loaded);
const terraform = terraformConfiguration(loaded);
const state = {
  format_version: '1.0',
  planned_values: {
    root_module: {
      resources: Object.entries(
        terraform['resource'] as Record<string, Record<string, object>>,
      ).flatMap(([type, byName]) =>
        Object.entries(byName).map(([name, values]) => ({
          address: `${type}.${name}`,
          type,
          name,
          values,
        })),
      ),
    },
  },
  resource_changes: [],
  configuration: { root_module: { resources: [], module_calls: {} } },
};
const SEEDS: readonly (readonly [file: string, value: unknown])[] = [
  ['template.json', arm],
  ['main.tf.json', terraform],
  ['state.json', state],
  ['list.json', (arm as { resources: unknown[] }).resources],
];

/** The value with what stands at a place, chosen by `choices`, replaced or left out. */
function mutate(value: unknown, choices: readonly number[], replacement: unknown): unknown {
  const [choice, ...rest] = choices;
  if (choice === undefined || typeof value !== 'object' || value === null) return replacement;
  const keys = Object.keys(value);
  const key = keys[choice % Math.max(1, keys.length)];
  if (key === undefined) return replacement;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<
    string,
    unknown
  >;
  if (rest.length === 0 && choice % 3 === 0) delete copy[key];
  else copy[key] = mutate(copy[key], rest, replacement);
  return copy;
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    [],
    {},
    0,
    -1,
    true,
    '*',
    "[variables('v')]",
    '[copyIndex()]',
    "[reference('vnet-1').subnets[0].id]",
    '${azurerm_subnet.web.id}',
    '${var.x}',
    '::/0',
    '/providers/Microsoft.Network/virtualNetworks/x/subnets/y',
    { id: '/x' },
    { copy: [{ name: 'a', count: 3, input: '[copyIndex()]' }] },
  ),
  fc.jsonValue({ maxDepth: 2 }),
);
const mutation = fc.tuple(fc.array(fc.nat(40), { minLength: 1, maxLength: 8 }), junk);

test('no mutation of a deployment throws; what is imported has no error', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SEEDS),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      ([file, seed], mutations) => {
        const mutated = mutations.reduce<unknown>(
          (value, [path, replacement]) => mutate(value, path, replacement),
          seed,
        );
        const result = importText({ [file]: JSON.stringify(mutated) ?? 'null' });
        if (result.configuration === undefined) expect(result.problems.length).toBeGreaterThan(0);
        else loadGood(JSON.stringify(result.configuration));
      },
    ),
    { numRuns: 200 },
  );
});

describe('templates that would take for ever', () => {
  const loop = (count: number, input: unknown): object => ({ copy: [{ name: 'r', count, input }] });
  const rows: [name: string, variables: object, use: string][] = [
    ['loops within loops', { a: loop(800, loop(800, loop(800, "[copyIndex('r')]"))) }, "[string(variables('a'))]"],
    ['a function of itself', {}, "[x.f('a')]"],
    ['maps of maps', { a: "[range(0, 9999)]" }, "[string(map(variables('a'), lambda('x', map(variables('a'), lambda('y', add(lambdaVariables('x'), lambdaVariables('y')))))))]"],
    ['a reference to itself', {}, "[reference('nsg').x]"],
    ['references in a circle', {}, "[concat(reference('b').x, reference('b').x)]"],
  ]; // prettier-ignore
  test.each(rows)('%s end in a problem', (_, variables, use) => {
    const member = { parameters: [{ name: 'a' }], output: { value: "[x.f(parameters('a'))]" } };
    const group = {
      type: 'Microsoft.Network/networkSecurityGroups',
      name: 'nsg',
      properties: { x: use, securityRules: [{ name: use, properties: {} }] },
    };
    const started = performance.now();
    const template = {
      functions: [{ namespace: 'x', members: { f: member } }],
      variables,
      resources: [group],
    };
    const { problems } = importText({ 'a.json': template });
    expect(problems.join('\n')).toContain('TemplateValueUnknown');
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
