/**
 * The matcher, on generated sets in the form of ClassBench and, where the data is there, on the published ones.
 */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Packet } from '../../src/capture/packet.ts';
import { compileRules } from '../../src/engine/compile.ts';
import { matchRule } from '../../src/engine/match.ts';
import { RuleSet } from '../../src/engine/rule-set.ts';
import {
  readClassbenchRules,
  readClassbenchTrace,
  type TraceLine,
} from '../../test/helpers/classbench.ts';
import { sharedData } from '../../test/helpers/shared-data.ts';
import { generatedSetNames, generatedSet, type RuleSetFiles } from '../rules/set-files.ts';
import type { BenchCase, Workload } from './case.ts';

/** Columns of a trace as int32 words: source, destination, ports, protocol. */
const WORDS = 10;

function columns(trace: readonly TraceLine[]): Int32Array {
  const words = new Int32Array(trace.length * WORDS);
  for (const [row, line] of trace.entries()) {
    const ports = (line.srcPort << 16) | line.dstPort;
    words.set([...line.source, ...line.destination, ports, line.protocol], row * WORDS);
  }
  return words;
}

function matching(files: RuleSetFiles): Workload {
  const rules = readClassbenchRules(files.rules);
  const trace = readClassbenchTrace(files.trace);
  const image = compileRules(rules);
  const ruleSet = RuleSet.attach(image, 0);
  const words = columns(trace);
  const packet = new Packet();
  packet.ipVersion = trace[0]?.ipVersion ?? 4;
  packet.hasPorts = true;
  const isIpv6 = packet.ipVersion === 6;
  return {
    facts: {
      rules: rules.length,
      packets: trace.length,
      imageBytes: image.byteLength,
      memoBytes: ruleSet.memo.byteLength + ruleSet.addressMemo.byteLength,
    },
    run(operations) {
      let at = 0;
      for (let index = 0; index < operations; index++) {
        packet.src3 = words[at + 3] ?? 0;
        packet.dst3 = words[at + 7] ?? 0;
        if (isIpv6) fillUpper(packet, words, at);
        const ports = words[at + 8] ?? 0;
        packet.srcPort = ports >>> 16;
        packet.dstPort = ports & 0xffff;
        packet.protocol = words[at + 9] ?? 0;
        matchRule(ruleSet, packet);
        at += WORDS;
        if (at === words.length) at = 0;
      }
    },
  };
}

function fillUpper(packet: Packet, words: Int32Array, at: number): void {
  packet.src0 = words[at] ?? 0;
  packet.src1 = words[at + 1] ?? 0;
  packet.src2 = words[at + 2] ?? 0;
  packet.dst0 = words[at + 4] ?? 0;
  packet.dst1 = words[at + 5] ?? 0;
  packet.dst2 = words[at + 6] ?? 0;
}

/** The published sets, by name. */
export function publishedSets(): RuleSetFiles[] {
  const root = sharedData('classbench');
  if (root === undefined) return [];
  return ['ipv4', 'ipv6'].flatMap((family) =>
    readdirSync(join(root, family))
      .filter((name) => name.endsWith('_trace'))
      .toSorted()
      .map((name) => {
        const trace = join(root, family, name);
        return { name: basename(name, '_trace'), rules: trace.slice(0, -'_trace'.length), trace };
      }),
  );
}

export const matchCases: readonly BenchCase[] = [
  ...generatedSetNames.map((name) => ({
    name: `match/${name}`,
    unit: 'packets',
    prepare: () => matching(generatedSet(name)),
  })),
  ...publishedSets().map((files) => ({
    name: `match/classbench-${files.name}`,
    unit: 'packets',
    prepare: () => matching(files),
  })),
];
