/**
 * Where the segments of one wire are: a folder of its own in the runtime directory. Both processes ask here, so that
 * the names stand in one place.
 */
import { join } from 'node:path';

export interface SegmentPaths {
  readonly directory: string;
  readonly control: string;
  readonly counters: string;
  readonly flows: string;
  readonly events: string;
  /** Offloads to restore when the process that switched them off was killed. */
  readonly savedOffloads: string;
  /** Names of rules by counter slot: what the slots in the flow table mean. */
  readonly ruleNames: string;
}

const WIRE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,79}$/;

/** @throws RangeError for a name that cannot be a folder's */
export function segmentPaths(runtimeDirectory: string, wire: string): SegmentPaths {
  if (!WIRE_NAME.test(wire)) throw new RangeError(`"${wire}" cannot be the name of a wire`);
  const directory = join(runtimeDirectory, 'wires', wire);
  return {
    directory,
    control: join(directory, 'control'),
    counters: join(directory, 'counters'),
    flows: join(directory, 'flows'),
    events: join(directory, 'events'),
    savedOffloads: join(directory, 'offloads.json'),
    ruleNames: join(directory, 'rule-names.json'),
  };
}

const POLICY_PREFIX = 'policy.';

export function policyPath(paths: SegmentPaths, generation: number): string {
  return join(paths.directory, `${POLICY_PREFIX}${generation}`);
}

/** Generation of a policy file by its name; undefined for other files. */
export function policyGeneration(fileName: string): number | undefined {
  if (!fileName.startsWith(POLICY_PREFIX)) return undefined;
  const generation = Number(fileName.slice(POLICY_PREFIX.length));
  return Number.isSafeInteger(generation) ? generation : undefined;
}
