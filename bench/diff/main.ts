/**
 * The semantic diff of 1,000 rules against 1,000, half of which name a published service tag, and of generated rule sets
 * with both addresses and both ports. Each pair is compared in a process of its own, because the first comparison is
 * the one that a user waits for. Writes bench/results/diff.json.
 *
 *     node dist/bench/diff/main.js
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Policy, PolicyRule } from '../../src/engine/policy.ts';
import { Access } from '../../src/engine/rule.ts';
import { diffPolicies } from '../../src/policy/policy-diff.ts';
import { TooComplexError } from '../../src/policy/regions/difference.ts';
import { parseClassbenchRules } from '../../test/helpers/classbench.ts';
import {
  deny,
  engineNic,
  enginePolicy,
  engineRule,
  ruleList,
} from '../../test/helpers/engine-policy.ts';
import { loadGood } from '../../test/helpers/load-text.ts';
import { readEnvironment } from '../environment.ts';
import { writeResults } from '../results-file.ts';
import { generateSet, type SetKind } from '../rules/classbench.ts';
import { taggedConfiguration } from '../rules/tagged-policy.ts';
import { spread } from '../statistics.ts';
import type { DiffRow } from './results.ts';

const REPEATS = 3;
const CHILD = '--case';
const RULES = 1000;

function tagged(seed: number, edit: (text: string) => string = (text) => text): Policy {
  const found = taggedConfiguration(seed);
  if (found === undefined) throw new Error('the published service tags are missing');
  return loadGood(edit(found.text), found.files).policy;
}

/** Inbound, one list; every second rule allows. */
function generated(kind: SetKind, seed: number): Policy {
  const rules = parseClassbenchRules(generateSet(kind, RULES, 1, seed).rules).map(
    (rule, index): PolicyRule => ({
      ...engineRule(`Rule${index}`, index % 2 === 0 ? Access.Allow : Access.Deny),
      protocol: rule.protocol,
      source: rule.source,
      sourcePorts: rule.sourcePorts,
      destination: rule.destination,
      destinationPorts: rule.destinationPorts,
    }),
  );
  const inbound = { platform: -1, stages: [0, -1] } as const;
  return enginePolicy(
    [engineNic('nic', { inbound })],
    [ruleList('nsg', 0, [...rules, deny('End')])],
  );
}

/** Every tenth rule turned round. */
function turned(policy: Policy): Policy {
  return {
    ...policy,
    ruleLists: policy.ruleLists.map((list) => ({
      ...list,
      rules: list.rules.map((rule, index) =>
        index % 10 === 0 && index < list.rules.length - 3
          ? { ...rule, access: rule.access === Access.Allow ? Access.Deny : Access.Allow }
          : rule,
      ),
    })),
  };
}

const CASES: Readonly<Record<string, () => readonly [Policy, Policy]>> = {
  'tags, the same': () => [tagged(1), tagged(1)],
  'tags, one port changed': () => [
    tagged(1),
    tagged(1, (text) =>
      text.replace('"destinationPortRange":"443"', '"destinationPortRange":"444"'),
    ),
  ],
  'tags, every tenth rule turned round': () => [tagged(1), turned(tagged(1))],
  'tags, other rules': () => [tagged(1), tagged(2)],
  'acl, every tenth rule turned round': () => [generated('acl', 1), turned(generated('acl', 1))],
  'acl, other rules': () => [generated('acl', 1), generated('acl', 2)],
  'fw, every tenth rule turned round': () => [generated('fw', 1), turned(generated('fw', 1))],
  'fw, other rules': () => [generated('fw', 1), generated('fw', 2)],
  'ipc, other rules': () => [generated('ipc', 1), generated('ipc', 2)],
};

interface Run {
  /** undefined: given up as too complex. */
  readonly regions: number | undefined;
  readonly milliseconds: number;
  readonly cpuMilliseconds: number;
}

function run(name: string): Run {
  const policies = CASES[name]?.();
  if (policies === undefined) throw new RangeError(`no case ${name}`);
  const cpu = process.cpuUsage();
  const start = performance.now();
  let regions: number | undefined;
  try {
    regions = diffPolicies(...policies).nics.reduce((sum, { changes }) => sum + changes.length, 0);
  } catch (error) {
    if (!(error instanceof TooComplexError)) throw error;
  }
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  return { regions, milliseconds, cpuMilliseconds: (user + system) / 1000 };
}

function main(): void {
  const [mode, only] = process.argv.slice(2);
  if (mode === CHILD) {
    process.stdout.write(JSON.stringify(run(only ?? '')));
    return;
  }
  const environment = readEnvironment();
  const rows: DiffRow[] = [];
  for (const name of Object.keys(CASES)) {
    const runs = Array.from({ length: REPEATS }, () => {
      const args = [fileURLToPath(import.meta.url), CHILD, name];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      if (status !== 0) throw new Error(`${name} failed\n${stderr}`);
      return JSON.parse(stdout) as Run;
    });
    const row = {
      name,
      regions: runs[0]?.regions,
      milliseconds: spread(runs.map(({ milliseconds }) => milliseconds)),
      cpuMilliseconds: spread(runs.map(({ cpuMilliseconds }) => cpuMilliseconds)),
    };
    rows.push(row);
    const { median, min, max } = row.milliseconds;
    process.stdout.write(
      `${name.padEnd(40)} ${String(row.regions ?? 'too complex').padStart(8)} regions ${median.toFixed(0).padStart(7)} ms ` +
        `(${min.toFixed(0)} to ${max.toFixed(0)}), ${row.cpuMilliseconds.median.toFixed(0)} ms of CPU\n`,
    );
  }
  writeResults('diff', { environment, rules: RULES, rows });
}

main();
