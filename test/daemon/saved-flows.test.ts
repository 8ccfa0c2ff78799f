import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { segmentPaths } from '../../daemon/data-plane/segment-paths.ts';
import {
  type Clocks,
  findFlows,
  leftoverFlows,
  noteRuleNames,
  readSavedFlows,
  saveFlows,
  savedFlowsPath,
  SavedFlowsError,
} from '../../daemon/saved-flows.ts';
import { createWireSegments } from '../../daemon/supervisor-segments.ts';
import { FlowState } from '../../src/flowtable/record.ts';
import { takeRows } from '../../src/flowtable/saved-flows.ts';
import { addFlow, newTable } from '../helpers/flows.ts';
import { Random } from '../helpers/random.ts';

const MEMORY = '/dev/shm';
const RULES = ['nsg|Inbound|securityRules/a', 'nsg|Outbound|securityRules/b'];
let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'nsgd-t-'));
  path = savedFlowsPath(directory, 'wire0');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const at = (wall: number, monotonic: number, bootId?: string): Clocks => ({
  wall: () => wall,
  monotonic: () => monotonic,
  bootId: () => bootId,
});
function table(flows = 10) {
  const made = newTable({ maxFlows: 16 });
  for (let number = 0; number < flows; number++) addFlow(made, number, 100, FlowState.Established);
  return made;
}

describe('the file of a clean stop', () => {
  test('says what was saved, and nobody else can read it', () => {
    const flows = table();
    expect(saveFlows(path, flows, RULES, at(1_000_000, 100))).toBe(10);
    expect(readSavedFlows(path, at(1_000_900, 101))).toEqual({
      rows: takeRows(flows),
      savedAt: 100,
      elapsed: 1,
      ruleNames: RULES,
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['flows.wire0']);
  });

  test('there need not be one', () => {
    expect(readSavedFlows(path)).toBeUndefined();
  });

  test.each<[string, Clocks, number]>([
    ['a restart', at(1_000_400, 101), 1],
    ['the machine started anew, half an hour later', at(2_800_000, 20), 1800],
    ['the wall clock set back a day', at(1_000_000 - 86_400_000, 103), 3],
    ['the wall clock set back and the machine started anew', at(0, 3), 0],
  ])('time that went by: %s', (_, clocks, elapsed) => {
    saveFlows(path, table(), RULES, at(1_000_000, 100));
    expect(readSavedFlows(path, clocks)?.elapsed).toBe(elapsed);
  });

  test.each<[string, Clocks, number]>([
    ['the wall clock set forward a day', at(1_000_000 + 86_400_000, 103, 'one'), 3],
    ['the wall clock set back a day', at(1_000_000 - 86_400_000, 103, 'one'), 3],
    ['another start of the machine', at(2_800_000, 103, 'two'), 1800],
    ['a start that is not known', at(2_800_000, 103), 1800],
  ])('time that went by since the machine started: %s', (_, clocks, elapsed) => {
    saveFlows(path, table(), RULES, at(1_000_000, 100, 'one'));
    expect(readSavedFlows(path, clocks)?.elapsed).toBe(elapsed);
  });

  test('cut short anywhere, or with any byte changed, it is refused', () => {
    saveFlows(path, table(3), RULES);
    const whole = readFileSync(path);
    const random = new Random();
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      expect(() => readSavedFlows(path), `cut to ${length}`).toThrow(SavedFlowsError);
      const changed = Buffer.from(whole);
      changed[length] = (changed[length] ?? 0) ^ (1 + random.below(255));
      writeFileSync(path, changed);
      expect(() => readSavedFlows(path), `byte ${length}`).toThrow(SavedFlowsError);
    }
    writeFileSync(path, whole);
    expect(readSavedFlows(path)?.ruleNames).toEqual(RULES);
  });

  test('of another version it is refused, and named', () => {
    saveFlows(path, table(), RULES);
    const bytes = readFileSync(path);
    bytes.writeInt32LE(2, 8);
    writeFileSync(path, bytes);
    expect(() => readSavedFlows(path)).toThrow(/flows\.wire0: version 2, expected 1/);
  });

  test('open to others, or a link, it is not read', () => {
    saveFlows(path, table(), RULES);
    chmodSync(path, 0o640);
    expect(() => readSavedFlows(path)).toThrow(/expected mode 0600/);
    chmodSync(path, 0o600);
    symlinkSync(path, savedFlowsPath(directory, 'link'));
    expect(() => readSavedFlows(savedFlowsPath(directory, 'link'))).toThrow(/ELOOP/);
  });

  test('what cannot be written leaves the file before it whole', () => {
    saveFlows(path, table(4), RULES);
    mkdirSync(`${path}.new`);
    expect(() => saveFlows(path, table(9), RULES)).toThrow(/EISDIR|ERR_FS_EISDIR/);
    rmSync(`${path}.new`, { recursive: true });
    expect(readSavedFlows(path)?.rows).toEqual(takeRows(table(4)));
  });
});

describe('after a kill', () => {
  const options = { maxFlows: 16, seeds: [1, 2] } as const;

  test.skipIf(!existsSync(MEMORY))(
    'the flow table in memory has them, with the names of the rules',
    () => {
      const segments = createWireSegments(directory, 'wire0', options);
      addFlow(segments.flows, 1, 50, FlowState.Established);
      noteRuleNames(segmentPaths(directory, 'wire0'), RULES);
      const found = findFlows(directory, directory, 'wire0');
      expect(found.warning).toBeUndefined();
      expect(found.flows).toMatchObject({ elapsed: 0, ruleNames: RULES });
      expect(found.flows?.rows).toEqual(takeRows(segments.flows));
    },
  );

  test.skipIf(!existsSync(MEMORY))('a saved file goes before it', () => {
    createWireSegments(directory, 'wire0', options);
    saveFlows(path, table(3), RULES);
    expect(findFlows(directory, directory, 'wire0').flows?.rows).toEqual(takeRows(table(3)));
  });

  test.skipIf(!existsSync(MEMORY))(
    'without names, or with names that make no sense, flows go on',
    () => {
      createWireSegments(directory, 'wire0', options);
      expect(leftoverFlows(directory, 'wire0')?.ruleNames).toEqual([]);
      writeFileSync(segmentPaths(directory, 'wire0').ruleNames, '{', { mode: 0o600 });
      expect(leftoverFlows(directory, 'wire0')?.ruleNames).toEqual([]);
    },
  );

  test('a damaged table, or a damaged file, is said and left out', () => {
    createWireSegments(directory, 'wire0', options);
    writeFileSync(segmentPaths(directory, 'wire0').flows, 'no table at all', { mode: 0o600 });
    if (existsSync(MEMORY)) {
      expect(findFlows(directory, directory, 'wire0')).toMatchObject({
        flows: undefined,
        warning: expect.stringContaining('too short') as string,
      });
    }
    writeFileSync(path, 'nothing', { mode: 0o600 });
    expect(findFlows(directory, directory, 'wire0')).toEqual({
      flows: undefined,
      warning: `${path}: cut short`,
    });
  });

  test('nothing was left: nothing is found', () => {
    expect(findFlows(directory, directory, 'wire0')).toEqual({
      flows: undefined,
      warning: undefined,
    });
  });
});
