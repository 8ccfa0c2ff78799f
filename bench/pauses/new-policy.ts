/**
 * How long the packet loop stands still while the data plane maps, checks and puts in force a new policy: every tick until
 * it is in force is timed. In a process of its own, which like a data plane has seen nothing but a small policy: at the
 * first large ones the code that checks is still being compiled, and the compiler's threads take the processor too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ControlPage } from '../../daemon/data-plane/control-page.ts';
import { DataPlane, loadPolicyFile } from '../../daemon/data-plane/data-plane.ts';
import { Segment } from '../../daemon/native/segment.ts';
import { Counters } from '../../src/engine/counters.ts';
import { FlowEvents } from '../../src/engine/flow-events.ts';
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import { Pipeline } from '../../src/engine/pipeline.ts';
import { finish } from '../../src/engine/steps.ts';
import { FragmentTable } from '../../src/flowtable/fragments.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { loadGood } from '../../test/helpers/load-text.ts';
import { taggedConfiguration } from '../rules/tagged-policy.ts';
import { nsgdConfiguration, trialRules } from '../rules/trial-policy.ts';

/** The first policy; the ones after it are large and, but for their generation, equal. */
const SMALL = 1;
const GENERATIONS = 6;
const MICROSECONDS = 1000;
const MAX_FLOWS = 1024;
/** tmpfs, as the daemon's own folder is. */
const MEMORY_FILES = '/dev/shm';

function policyFile(folder: string, generation: number): string {
  return join(folder, `policy.${generation}`);
}

/** Writes a small policy and large ones. @returns their folder, and bytes of a large one; undefined without tags */
export function writePolicies(): { folder: string; bytes: number } | undefined {
  const tagged = taggedConfiguration();
  if (tagged === undefined) return undefined;
  const folder = mkdtempSync(join(MEMORY_FILES, 'nsgd-bench-'));
  const write = (generation: number, text: string, files = {}): number => {
    const { policy } = loadGood(text, files);
    const { buffer } = compileImage(policy, policy.nics, generation, new PolicyRegistry());
    Segment.write(policyFile(folder, generation), new Uint8Array(buffer));
    return buffer.byteLength;
  };
  write(SMALL, nsgdConfiguration(trialRules(10, 4)));
  let bytes = 0;
  for (let generation = SMALL + 1; generation <= GENERATIONS; generation++) {
    bytes = write(generation, tagged.text, tagged.files);
  }
  return { folder, bytes };
}

export function removePolicies(folder: string): void {
  rmSync(folder, { recursive: true });
}

/** Microseconds of the longest tick from the order to use a policy until it is in force. */
export interface LongestTicks {
  /** Of the first large policy. */
  readonly first: number;
  /** Of the last one. */
  readonly last: number;
}

export function changePolicies(folder: string): LongestTicks {
  const load = (generation: number): ReturnType<typeof loadPolicyFile> =>
    loadPolicyFile(policyFile(folder, generation), generation);
  const page = ControlPage.create(new ArrayBuffer(ControlPage.bytes));
  const counters = new Counters(new ArrayBuffer(Counters.bytes));
  const policy = finish(load(SMALL));
  const flows = FlowTable.create(new ArrayBuffer(FlowTable.bytesFor(MAX_FLOWS)), 0, {
    maxFlows: MAX_FLOWS,
    seeds: [1, 2],
  });
  const pipeline = new Pipeline(
    { maxFrameLength: 1522 },
    {
      image: policy.image,
      flows,
      fragments: new FragmentTable([1, 2]),
      counters,
      events: FlowEvents.create(new ArrayBuffer(FlowEvents.bytes)),
    },
  );
  const plane = new DataPlane({
    page,
    counters,
    pipeline,
    policy,
    loadPolicy: load,
    clock: () => performance.now(),
    events: {
      policyActive: () => undefined,
      policyRejected: (_, error) => {
        throw error;
      },
      stopped: () => undefined,
    },
  });
  const change = (generation: number): number => {
    page.wantedGeneration = generation;
    let longest = 0;
    do {
      const start = performance.now();
      plane.tick();
      longest = Math.max(longest, performance.now() - start);
    } while (plane.isTickWanted);
    return longest * MICROSECONDS;
  };
  const first = change(SMALL + 1);
  let last = first;
  for (let generation = SMALL + 2; generation <= GENERATIONS; generation++)
    last = change(generation);
  return { first, last };
}
