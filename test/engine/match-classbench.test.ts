/**
 * The matcher against published rule sets: the first match of every line of every trace.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Packet } from '../../src/capture/packet.ts';
import { compileRules } from '../../src/engine/compile.ts';
import { matchRule } from '../../src/engine/match.ts';
import { RuleSet } from '../../src/engine/rule-set.ts';
import { fillFromTrace, readClassbenchRules, readClassbenchTrace } from '../helpers/classbench.ts';
import { sharedData } from '../helpers/shared-data.ts';

const directory = sharedData('classbench');

/** Rule set and trace of each pair in the data. */
function pairs(root: string): [name: string, rules: string, trace: string][] {
  return ['ipv4', 'ipv6', 'dpdk'].flatMap((family) =>
    readdirSync(join(root, family))
      .filter((name) => name.endsWith('_trace'))
      .map((trace): [string, string, string] => {
        const stem = trace.slice(0, -'_trace'.length);
        const rules = family === 'dpdk' ? `${stem}_rule` : stem;
        return [`${family}/${stem}`, join(root, family, rules), join(root, family, trace)];
      }),
  );
}

describe.skipIf(directory === undefined)('ClassBench (needs ../shared/data)', () => {
  test.each(directory === undefined ? [] : pairs(directory))('%s', (_, rulesPath, tracePath) => {
    const ruleSet = RuleSet.attach(compileRules(readClassbenchRules(rulesPath)), 0);
    const packet = new Packet();
    const wrong: string[] = [];
    const lines = readClassbenchTrace(tracePath);
    // Twice, because the second time answers come from the memo.
    for (const [index, line] of [...lines, ...lines].entries()) {
      fillFromTrace(packet, line);
      const found = matchRule(ruleSet, packet);
      if (found !== line.expected) wrong.push(`packet ${index}: ${found}, not ${line.expected}`);
    }
    expect(lines.length).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
  });
});
