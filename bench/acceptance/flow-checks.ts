/**
 * Checks 4 and 5: a table with many flows, and many new ones beside some that must not be forgotten.
 */
import type { WireStatus } from '../../daemon/status.ts';
import { memoryOf } from '../bed-of-hosts.ts';
import { hitTimes } from '../hot-path/cases-pipeline.ts';
import { quantile } from '../statistics.ts';
import { establish, liveFrames } from '../tcpreplay/load.ts';
import { runTrial } from '../tcpreplay/trial.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { Finding } from './results.ts';
import { inWords, isOffered, type TrialRun } from './trial-run.ts';

const RULES = 100;
const MANY_FLOWS = 262_144;
const MANY_FLOWS_RATE = 100_000;
const LOOKUP_MICROSECONDS = 5;
const MEMORY_MIB = 512;
const MEBIBYTE = 2 ** 20;
const NEW_FLOWS_RATE = 30_000;
const LOSS = 0.0001;
/** As many as there are ports: flows that both sides spoke in before the new ones came. */
const KNOWN: Traffic = { kind: 'established', size: 64, family: 4, flows: 256 };
/** Each of the known flows several times. */
const KNOWN_LOAD = { rate: 1000, seconds: 2 } as const;

export async function manyFlows(trials: TrialRun): Promise<Finding[]> {
  const lookup = quantile([...hitTimes(MANY_FLOWS)], 0.99);
  return trials.withNsgd(RULES, async (subject) => {
    const traffic: Traffic = { kind: 'established', size: 64, family: 4, flows: MANY_FLOWS };
    await establish(subject.bed, traffic);
    const trial = await trials.load(subject, traffic, MANY_FLOWS_RATE);
    const { daemon } = subject.device;
    const { flows, processId } = daemon.wire();
    const memory = [processId, daemon.process.child.pid ?? 0].map(
      (pid) => memoryOf(pid) / MEBIBYTE,
    );
    const [dataPlane = 0, control = 0] = memory;
    return [
      {
        check: 4,
        aim: `${MANY_FLOWS} flows: 99 % of lookups under ${LOOKUP_MICROSECONDS} us`,
        found: `${lookup.toFixed(2)} us, the whole way from frame to verdict, in memory, flows at random`,
        isHeld: lookup < LOOKUP_MICROSECONDS,
      },
      {
        check: 4,
        aim: `${MANY_FLOWS} flows at once: resident memory under ${MEMORY_MIB} MiB`,
        found:
          `${flows.live} flows, ${dataPlane.toFixed(0)} MiB of the data plane and ${control.toFixed(0)} of the ` +
          `control process; ${inWords(trial)}`,
        isHeld: flows.live >= MANY_FLOWS && dataPlane + control < MEMORY_MIB,
      },
    ];
  });
}

/** Frames from outside that a flow let pass, and those that a rule let pass and so made a flow. */
function admitted({ reasons }: WireStatus): { readonly flow: number; readonly rule: number } {
  const count = (name: string): number =>
    reasons.find(({ reason }) => reason === name)?.inbound ?? 0;
  return { flow: count('flow'), rule: count('rule') };
}

export async function newFlows(trials: TrialRun): Promise<Finding[]> {
  return trials.withNsgd(RULES, async (subject) => {
    const { bed, device } = subject;
    await establish(bed, KNOWN);
    const before = admitted(device.daemon.wire());
    const traffic: Traffic = { kind: 'new', size: 64, family: 4, flows: KNOWN.flows };
    const trial = await trials.load(subject, traffic, NEW_FLOWS_RATE);
    const between = admitted(device.daemon.wire());
    await runTrial(bed, device, { load: liveFrames, traffic: KNOWN, ...KNOWN_LOAD });
    const after = admitted(device.daemon.wire());
    // A flow that was forgotten is made again by its first frame.
    const forgotten = after.rule - between.rule;
    const opened = between.rule - before.rule;
    const known = after.flow - between.flow;
    return [
      {
        check: 5,
        aim: '30 k new flows a second, no existing flow lost',
        found: `${inWords(trial)}; ${opened} flows opened; ${forgotten} of ${KNOWN.flows} existing ones forgotten`,
        isHeld: isOffered(trial) && trial.loss <= LOSS && forgotten === 0 && known >= KNOWN.flows,
      },
    ];
  });
}
