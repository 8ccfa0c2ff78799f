/**
 * Fuzzing of what operators write: configurations in YAML and JSON, and network security groups as Azure exports them. Whatever
 * the text, reading it ends soon and throws nothing, every problem has a place in the text, what is accepted can be compiled,
 * and a key that nobody knows is never accepted.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import { PolicyImage } from '../../src/engine/policy-image.ts';
import { checkFile } from '../../src/policy/check-file.ts';
import { loadText, memoryFiles } from '../helpers/load-text.ts';
import { configurationText, WEB } from '../helpers/pipeline-rig.ts';
import { projectRoot } from '../helpers/project-root.ts';
import { Random } from '../helpers/random.ts';
import {
  FuzzFailure,
  type FuzzReport,
  type FuzzRun,
  type FuzzTarget,
  type GuidedInputs,
} from './target.ts';

const SLOW_MS = 1000;
const PROGRESS = 100;
const UNKNOWN_KEY = 'nobodyKnowsThis';

const RULE = {
  name: 'AllowHttp',
  properties: {
    priority: 100,
    direction: 'Inbound',
    access: 'Allow',
    protocol: 'Tcp',
    sourceAddressPrefixes: ['203.0.113.0/24', '2001:db8::/32'],
    sourcePortRange: '*',
    destinationAddressPrefix: 'VirtualNetwork',
    destinationPortRanges: ['80', '443', '8000-8100'],
  },
};
const EXPORT = JSON.stringify(
  { name: 'nsg1', location: 'westeurope', properties: { securityRules: [RULE] } },
  null,
  1,
);
const TEMPLATE = JSON.stringify(
  {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    parameters: { port: { type: 'string', defaultValue: '80' } },
    variables: { name: "[concat('nsg', '1')]" },
    resources: [
      {
        type: 'Microsoft.Network/networkSecurityGroups',
        name: "[variables('name')]",
        properties: {
          securityRules: [
            {
              ...RULE,
              properties: { ...RULE.properties, destinationPortRanges: ["[parameters('port')]"] },
            },
          ],
        },
      },
    ],
  },
  null,
  1,
);
const FILES = [
  'config/nsgd.yaml',
  'config/examples/four-vms.yaml',
  'config/examples/application-security-groups.yaml',
  'test/golden/web-server.yaml',
];

interface Seed {
  readonly file: string;
  readonly text: string;
}

function seedTexts(): Seed[] {
  const written = FILES.map((file) => join(projectRoot, file))
    .filter((path) => existsSync(path))
    .map((path) => ({ file: 'nsgd.yaml', text: readFileSync(path, 'utf8') }));
  const configuration = JSON.stringify(JSON.parse(configurationText(WEB)), null, 1);
  return [
    ...written,
    { file: 'nsgd.json', text: configuration },
    { file: 'nsgd.yaml', text: configuration },
    { file: 'nsg.json', text: EXPORT },
    { file: 'template.json', text: TEMPLATE },
  ];
}

/** What stands where a value, a key or a mark was. */
const TOKENS = [
  '*',
  '"*"',
  '""',
  'null',
  '~',
  '[]',
  '{}',
  '[[]]',
  '0',
  '-1',
  '00',
  '0777',
  '0x50',
  '1e999',
  '99999999999999999999',
  '65536',
  '0-65535',
  '443-80',
  '010.0.0.1',
  '10.0.0.1/8',
  '0.0.0.0/0',
  '::/0',
  '::ffff:1.2.3.4',
  'fe80::1%eth0',
  'Internet',
  'internet',
  'VirtualNetwork',
  'AzureLoadBalancer',
  'Sql.WestEurope',
  'Inbound',
  'Outbound',
  'Allow',
  'Tcp',
  'true',
  'NO',
  '&a',
  '*a',
  '<<: *a',
  '!!binary x',
  '!!set {}',
  '---',
  '...',
  '#',
  '|',
  '>',
  '?',
  '? ',
  '- ',
  ': ',
  ', ',
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  '\\',
  '\t',
  '\r',
  '\n',
  '\0',
  '\uFEFF',
  '\u2028',
  '\uD800',
  'priority',
  'name',
  '__proto__',
  'constructor',
  "[parameters('x')]",
  '[concat(',
  '/subscriptions/x/y',
  '[1,[2,[3,[4,[5,[6]]]]]]',
] as const;

function mutatedText(text: string, random: Random): string {
  let changed = text;
  for (let changes = 1 + random.below(4); changes > 0; changes--)
    changed = changedOnce(changed, random);
  return changed;
}

function changedOnce(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const lines = text.split('\n');
  const line = random.below(lines.length);
  const whole = lines[line] ?? '';
  switch (random.below(9)) {
    case 0:
      return text.slice(0, at) + random.pick(TOKENS) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + random.below(12));
    case 2:
      lines.splice(line, 1);
      return lines.join('\n');
    case 3:
      lines.splice(random.below(lines.length), 0, whole);
      return lines.join('\n');
    case 4:
      lines[line] = ' '.repeat(random.below(9)) + whole.trimStart();
      return lines.join('\n');
    case 5:
      return text.slice(0, at);
    default:
      return withTokenChanged(text, random);
  }
}

/** A value or key in place of another: the structure stays, the meaning does not. */
function withTokenChanged(text: string, random: Random): string {
  const tokens = [...text.matchAll(/"[^"\n]*"|[\w.*:/-]+/g)];
  if (tokens.length === 0) return text;
  const { index, 0: old } = random.pick(tokens);
  const value = random.below(3) === 0 ? random.pick(tokens)[0] : random.pick(TOKENS);
  const isQuoted = old.startsWith('"') && !value.startsWith('"') && random.below(2) === 0;
  return (
    text.slice(0, index) +
    (isQuoted ? JSON.stringify(value) : value) +
    text.slice(index + old.length)
  );
}

/** A configuration, sound JSON, with a key that nobody knows in one of its maps. */
function withUnknownKey(random: Random): string {
  const root = JSON.parse(configurationText(WEB)) as unknown;
  const maps: Record<string, unknown>[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (!Array.isArray(value)) maps.push(value as Record<string, unknown>);
    Object.values(value).forEach(walk);
  };
  walk(root);
  random.pick(maps)[UNKNOWN_KEY] = random.pick([1, 'x', null, [], {}]);
  return JSON.stringify(root, null, 1);
}

interface Totals {
  accepted: number;
  problems: number;
  longestMilliseconds: number;
}

/** @param slowMs what one look at it may take, in milliseconds */
function check({ file, text }: Seed, totals: Totals, slowMs: number): void {
  const start = performance.now();
  const found = checkFile(file, memoryFiles({ [file]: text }));
  totals.longestMilliseconds = Math.max(totals.longestMilliseconds, performance.now() - start);
  if (totals.longestMilliseconds > slowMs) throw new Error(`took ${totals.longestMilliseconds} ms`);
  const lines = text.split('\n').length;
  for (const { line, column, message } of found) {
    if (line >= 1 && line <= lines && column >= 1) continue;
    throw new Error(`${line}:${column} is no place: ${message}`);
  }
  totals.problems += found.length;
  if (!file.startsWith('nsgd')) return;
  const loaded = loadText(text);
  if (!loaded.ok) return;
  totals.accepted++;
  const { policy } = loaded;
  PolicyImage.attach(compileImage(policy, policy.nics, 1, new PolicyRegistry()).buffer);
  if (text.includes(`"${UNKNOWN_KEY}"`)) throw new Error('an unknown key was accepted');
}

function changedSeed(seedsOfText: readonly Seed[], random: Random): Seed {
  const { file, text } = random.pick(seedsOfText);
  return random.below(20) === 0
    ? { file: 'nsgd.json', text: withUnknownKey(random) }
    : { file, text: mutatedText(text, random) };
}

function bytesOf({ file, text }: Seed): Uint8Array {
  return new TextEncoder().encode(`${file}\n${text}`);
}

function fuzzConfigurations({ cases, seed, progress }: FuzzRun): FuzzReport {
  const random = new Random(seed);
  const seedsOfText = seedTexts();
  const totals: Totals = { accepted: 0, problems: 0, longestMilliseconds: 0 };
  for (let number = 0; number < cases; number++) {
    const input = changedSeed(seedsOfText, random);
    try {
      check(input, totals, SLOW_MS);
    } catch (error) {
      const message = `seed ${seed}, text ${number}: ${String(error)}`;
      throw new FuzzFailure(message, `${input.file}\n${input.text}`, error);
    }
    if (number % PROGRESS === 0) progress?.(number);
  }
  return { ...totals };
}

/** @param input the first line is the file's name */
function takeText(input: Uint8Array, slowMs: number): void {
  const whole = new TextDecoder().decode(input);
  const end = whole.indexOf('\n');
  const seed = { file: whole.slice(0, end), text: whole.slice(end + 1) };
  check(seed, { accepted: 0, problems: 0, longestMilliseconds: 0 }, slowMs);
}

export const configurationInputs: GuidedInputs = {
  code: ['src/policy'],
  seeds: () => seedTexts().map(bytesOf),
  changes: (random) => {
    const seedsOfText = seedTexts();
    return () => bytesOf(changedSeed(seedsOfText, random));
  },
  words: TOKENS,
  // How long it takes is no matter of instrumented code.
  take: (input) => takeText(input, Number.POSITIVE_INFINITY),
};

export const configurationTarget: FuzzTarget = {
  name: 'configurations',
  cases: 10_000,
  run: fuzzConfigurations,
  again: (input) => takeText(input, SLOW_MS),
};
