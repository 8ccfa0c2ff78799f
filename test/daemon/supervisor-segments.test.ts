import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ControlPage, Phase } from '../../daemon/data-plane/control-page.ts';
import { policyPath, segmentPaths } from '../../daemon/data-plane/segment-paths.ts';
import { SystemCallError } from '../../daemon/native/libc.ts';
import { Segment } from '../../daemon/native/segment.ts';
import {
  prepareRuntimeDirectory,
  RuntimeDirectoryError,
  RuntimeLock,
} from '../../daemon/supervisor-lock.ts';
import {
  createWireSegments,
  publishPolicy,
  type WireSegments,
} from '../../daemon/supervisor-segments.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { compiled } from '../helpers/compiled.ts';
import { imageDenying } from './fixtures/policies.ts';

const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const flowOptions = { maxFlows: 100, seeds: [1, 2] } as const;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(MEMORY, 'nsgd-t-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('the segments of a wire', () => {
  test('are there, empty, in a folder that others cannot enter', () => {
    const segments = createWireSegments(directory, 'wire0', flowOptions);
    const paths = segmentPaths(directory, 'wire0');
    expect(readdirSync(paths.directory).toSorted()).toEqual([
      'control',
      'counters',
      'events',
      'flows',
    ]);
    expect(statSync(paths.directory).mode & 0o777).toBe(0o700);
    expect(ControlPage.attach(Segment.open(paths.control).buffer).wantedGeneration).toBe(0);
    expect(FlowTable.attach(Segment.open(paths.flows).buffer, 0, 0)).toMatchObject({ ok: true });
    segments.remove();
    expect(existsSync(paths.directory)).toBe(false);
  });

  test('replace what an earlier run left, except what is still to be restored', () => {
    const { directory: folder, savedOffloads } = segmentPaths(directory, 'wire0');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'policy.3'), 'old');
    writeFileSync(join(folder, 'flows'), 'old');
    writeFileSync(savedOffloads, '[]');
    createWireSegments(directory, 'wire0', flowOptions);
    expect(readdirSync(folder).toSorted()).toEqual([
      'control',
      'counters',
      'events',
      'flows',
      'offloads.json',
    ]);
  });

  test('that do not fit are an error with the number of bytes', () => {
    const path = join(directory, 'flows');
    const bytes = FlowTable.bytesFor(2 ** 24) * 2 ** 20;
    expect(() => Segment.create(path, bytes)).toThrow(SystemCallError);
    expect(() => Segment.create(path, bytes)).toThrow(`flows (${bytes} bytes)`);
  });
});

describe('publishing a policy', () => {
  let segments: WireSegments;
  beforeEach(() => {
    segments = createWireSegments(directory, 'wire0', flowOptions);
  });

  function policies(): string[] {
    return readdirSync(segments.paths.directory).filter((name) => name.startsWith('policy'));
  }

  /** Plays the data plane: answers as soon as `generation` is wanted. */
  async function answer(generation: number, take: (page: ControlPage) => void): Promise<void> {
    while (segments.page.wantedGeneration !== generation) {
      // oxlint-disable-next-line no-await-in-loop -- polls
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    take(segments.page);
  }

  test('with no data plane it is pending, and only the newest file is kept', async () => {
    expect(await publishPolicy(segments, imageDenying(9, 1), 1)).toEqual({ status: 'pending' });
    expect(await publishPolicy(segments, imageDenying(9, 2), 2)).toEqual({ status: 'pending' });
    expect(policies()).toEqual(['policy.2']);
    expect(statSync(policyPath(segments.paths, 2)).mode & 0o777).toBe(0o600);
  });

  test('a data plane takes it: active, the older file goes', async () => {
    await publishPolicy(segments, imageDenying(9, 1), 1);
    segments.page.phase = Phase.Running;
    segments.page.activeGeneration = 1;
    const answered = answer(2, (page) => {
      expect(policies().toSorted()).toEqual(['policy.1', 'policy.2']);
      page.activeGeneration = 2;
    });
    expect(await publishPolicy(segments, imageDenying(9, 2), 2)).toEqual({ status: 'active' });
    await answered;
    expect(policies()).toEqual(['policy.2']);
  });

  test('a data plane refuses it: the one before is wanted again, the new file goes', async () => {
    await publishPolicy(segments, imageDenying(9, 1), 1);
    segments.page.phase = Phase.Running;
    segments.page.activeGeneration = 1;
    const answered = answer(2, (page) => {
      page.rejectedGeneration = 2;
    });
    expect(await publishPolicy(segments, imageDenying(9, 2), 2)).toEqual({ status: 'rejected' });
    await answered;
    expect([policies(), segments.page.wantedGeneration]).toEqual([['policy.1'], 1]);
    await expect(publishPolicy(segments, imageDenying(9, 2), 2)).rejects.toThrow(RangeError);
  });

  test('a data plane that does not answer: late, both files stay, and so does the wish', async () => {
    await publishPolicy(segments, imageDenying(9, 1), 1);
    segments.page.phase = Phase.Running;
    segments.page.activeGeneration = 1;
    expect(await publishPolicy(segments, imageDenying(9, 2), 2, 30)).toEqual({ status: 'late' });
    expect([policies().toSorted(), segments.page.wantedGeneration]).toEqual([
      ['policy.1', 'policy.2'],
      2,
    ]);
  });

  test.each([0, -1, 1.5, 2 ** 31])('generation %d is refused', async (generation) => {
    await expect(publishPolicy(segments, imageDenying(9, 1), generation)).rejects.toThrow(
      RangeError,
    );
    expect(policies()).toEqual([]);
  });
});

describe('the runtime directory', () => {
  test('is made; on tmpfs without a warning', () => {
    const path = join(directory, 'a/b');
    expect(prepareRuntimeDirectory(path)).toEqual({ path, warnings: [] });
    expect(existsSync(path)).toBe(true);
  });

  test.skipIf(process.platform !== 'linux' || !existsSync('/var/tmp'))(
    'on a disk there is a warning',
    () => {
      const onDisk = mkdtempSync('/var/tmp/nsgd-t-');
      try {
        const { warnings } = prepareRuntimeDirectory(onDisk);
        for (const warning of warnings) expect(warning).toMatch(/is not on tmpfs/);
      } finally {
        rmSync(onDisk, { recursive: true });
      }
    },
  );

  const unfit: readonly [string, (path: string) => void, RegExp][] = [
    ['a file', (path) => writeFileSync(path, ''), /cannot make|is not a directory/],
    ['a symbolic link', (path) => symlinkSync(directory, path), /is not a directory/],
    [
      'writable by others',
      (path) => {
        mkdirSync(path);
        chmodSync(path, 0o777);
      },
      /can be written by others; chmod go-w/,
    ],
  ];
  test.each(unfit)('that is %s is refused', (_, make, message) => {
    const path = join(directory, 'runtime');
    make(path);
    expect(() => prepareRuntimeDirectory(path)).toThrow(message);
    expect(() => prepareRuntimeDirectory(path)).toThrow(RuntimeDirectoryError);
  });

  test('belongs to one process at a time; a kill frees it', async () => {
    const holder = spawn(
      process.execPath,
      [compiled('test/daemon/fixtures/lock-holder.ts'), directory],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const exit = once(holder, 'exit');
    await once(holder.stdout, 'data');
    expect(() => RuntimeLock.take(directory)).toThrow(
      `another nsgd (process ${holder.pid}) uses ${directory}`,
    );
    holder.kill('SIGKILL');
    await exit;
    const lock = RuntimeLock.take(directory);
    expect(() => RuntimeLock.take(directory)).toThrow(`process ${process.pid}`);
    lock.release();
    RuntimeLock.take(directory).release();
  });
});
