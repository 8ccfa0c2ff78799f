/**
 * Fuzzing of what operators write: configurations in YAML and JSON, and network security groups as Azure exports them. Whatever
 * the text, reading it ends soon and throws nothing, every problem has a place in the text, what is accepted can be compiled,
 * and a key that nobody knows is never accepted.
 */
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import { PolicyImage } from '../../src/engine/policy-image.ts';
import { checkFile } from '../../src/policy/check-file.ts';
import {
  importFiles,
  type ImportOptions,
  type ImportResult,
} from '../../src/policy/import/import-files.ts';
import type { Problem } from '../../src/policy/problem.ts';
import { loadText, memoryFiles, problemsOf } from '../helpers/load-text.ts';
import { configurationText, WEB } from '../helpers/pipeline-rig.ts';
import { Random } from '../helpers/random.ts';
import { type ConfigurationSeed, configurationSeeds } from './configuration-seeds.ts';
import {
  FuzzFailure,
  type FuzzReport,
  type FuzzRun,
  type FuzzTarget,
  type GuidedInputs,
} from './target.ts';

const SLOW_MS = 1000;
const TRIES = 3;
const PROGRESS = 100;
const UNKNOWN_KEY = 'nobodyKnowsThis';

const IMPORT: ImportOptions = {
  parameters: [],
  virtualNetwork: undefined,
  addresses: new Map(),
  serviceTags: undefined,
  format: 'yaml',
  folder: '.',
};

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
  imported: number;
  problems: number;
  longestMilliseconds: number;
}

/** @param slowMs what one look at it may take, in milliseconds */
function check({ file, text }: ConfigurationSeed, totals: Totals, slowMs: number): void {
  const files = memoryFiles({ [file]: text });
  // What took too long is done again: it may have been the machine.
  const timed = <T>(look: () => T): T => {
    for (let attempt = 1; ; attempt++) {
      const start = performance.now();
      const result = look();
      const milliseconds = performance.now() - start;
      if (milliseconds > slowMs && attempt < TRIES) continue;
      totals.longestMilliseconds = Math.max(totals.longestMilliseconds, milliseconds);
      if (milliseconds > slowMs) throw new Error(`took ${milliseconds} ms, ${TRIES} times`);
      return result;
    }
  };
  const found = timed(() => checkFile(file, files));
  checkPlaces(found, text);
  totals.problems += found.length;
  if (file.startsWith('nsgd')) checkConfiguration(text, totals);
  else
    checkImport(
      timed(() => importFiles([file], IMPORT, files)),
      text,
      totals,
    );
}

function checkPlaces(problems: readonly Problem[], text: string): void {
  const lines = text.split('\n').length;
  for (const { line, column, message } of problems) {
    if (line >= 1 && line <= lines && column >= 1) continue;
    throw new Error(`${line}:${column} is no place: ${message}`);
  }
}

/** What is accepted can be compiled, as every wire does for its interfaces. */
function checkConfiguration(text: string, totals: Totals): void {
  const loaded = loadText(text);
  if (!loaded.ok) return;
  totals.accepted++;
  const { policy } = loaded;
  const wires = new Set(policy.nics.map(({ wire }) => wire));
  for (const wire of wires) {
    const nics = policy.nics.filter((nic) => nic.wire === wire);
    // Without a wire they are evaluated offline, one by one.
    const images = wire === undefined ? nics.map((nic) => [nic]) : [nics];
    for (const each of images) {
      PolicyImage.attach(compileImage(policy, each, 1, new PolicyRegistry()).buffer);
    }
  }
  if (text.includes(`"${UNKNOWN_KEY}"`)) throw new Error('an unknown key was accepted');
}

/** What is imported can be loaded. */
function checkImport({ text: made, problems }: ImportResult, text: string, totals: Totals): void {
  checkPlaces(problems, text);
  totals.problems += problems.length;
  if (made === undefined) return;
  totals.imported++;
  if (!loadText(made).ok) throw new Error(`what was imported: ${problemsOf(made).join('; ')}`);
}

function bytesOf({ file, text }: ConfigurationSeed): Uint8Array {
  return new TextEncoder().encode(`${file}\n${text}`);
}

function fuzzConfigurations({ cases, seed, progress }: FuzzRun): FuzzReport {
  const random = new Random(seed);
  const seedsOfText = configurationSeeds();
  const totals: Totals = { accepted: 0, imported: 0, problems: 0, longestMilliseconds: 0 };
  for (let number = 0; number < cases; number++) {
    const { file, text } = random.pick(seedsOfText);
    const input =
      random.below(20) === 0
        ? { file: 'nsgd.json', text: withUnknownKey(random) }
        : { file, text: mutatedText(text, random) };
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

/** The first line is the file's name. */
function seedOf(input: Uint8Array): ConfigurationSeed {
  const whole = new TextDecoder().decode(input);
  const end = whole.indexOf('\n');
  return { file: whole.slice(0, end), text: whole.slice(end + 1) };
}

function takeText(input: Uint8Array, slowMs: number): void {
  const totals = { accepted: 0, imported: 0, problems: 0, longestMilliseconds: 0 };
  check(seedOf(input), totals, slowMs);
}

export const configurationInputs: GuidedInputs = {
  code: ['src/policy'],
  seeds: () => configurationSeeds().map(bytesOf),
  change: (input, random) => {
    const { file, text } = seedOf(input);
    return bytesOf({ file, text: mutatedText(text, random) });
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
