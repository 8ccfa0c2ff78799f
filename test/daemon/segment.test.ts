import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
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

import { SystemCallError } from '../../daemon/native/libc.ts';
import { Segment } from '../../daemon/native/segment.ts';
import { compiled } from '../helpers/compiled.ts';

const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(MEMORY, 'nsgd-t-'));
  path = join(directory, 'segment');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('a new segment', () => {
  test('is zeroed, of its size, for this user only, and leaves no other file', () => {
    const { buffer } = Segment.create(path, 10_000);
    expect(buffer.byteLength).toBe(10_000);
    expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['segment']);
  });

  test('has its blocks: a store cannot fail later for want of space', () => {
    Segment.create(path, 1 << 20);
    expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(1 << 20);
  });

  test('that does not fit is an error that says how much was asked for, and leaves nothing', () => {
    const bytes = 2 ** 50;
    expect(() => Segment.create(path, bytes)).toThrow(SystemCallError);
    expect(() => Segment.create(path, bytes)).toThrow(`${bytes} bytes`);
    expect(readdirSync(directory)).toEqual([]);
  });

  test.each([0, -1, 1.5, Number.NaN])('of %d bytes is refused', (bytes) => {
    expect(() => Segment.create(path, bytes)).toThrow(RangeError);
  });

  test('takes the place of the old one; the old one stays readable for those that have it', () => {
    const before = new Int32Array(Segment.create(path, 4096).buffer);
    before[0] = 7;
    const after = new Int32Array(Segment.create(path, 8192).buffer);
    expect([before[0], after[0], statSync(path).size]).toEqual([7, 0, 8192]);
  });

  test('replaces what a killed process left half made', () => {
    writeFileSync(`${path}.new`, 'rubbish');
    Segment.create(path, 100);
    expect(readdirSync(directory)).toEqual(['segment']);
  });
});

describe('opening', () => {
  test('maps the same bytes, both ways', () => {
    const first = new Int32Array(Segment.create(path, 4096).buffer);
    const second = new Int32Array(Segment.open(path).buffer);
    first[3] = 11;
    second[4] = 12;
    expect([second[3], first[4]]).toEqual([11, 12]);
  });

  test('a written file holds its content', () => {
    const content = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
    Segment.write(path, content);
    expect(new Uint8Array(readFileSync(path))).toEqual(content);
    expect(new Uint8Array(Segment.open(path).buffer)).toEqual(content);
  });

  const unfit: readonly [string, () => void, RegExp][] = [
    ['missing', () => undefined, /ENOENT/],
    ['empty', () => writeFileSync(path, '', { mode: 0o600 }), /is empty/],
    [
      'readable by the group',
      () => {
        writeFileSync(path, 'x');
        chmodSync(path, 0o640);
      },
      /open to other users/,
    ],
    ['a directory', () => mkdirSync(path), /EISDIR/],
    [
      'a symbolic link',
      () => {
        writeFileSync(join(directory, 'target'), 'x', { mode: 0o600 });
        symlinkSync('target', path);
      },
      /ELOOP/,
    ],
  ];
  test.each(unfit)('refuses a file that is %s', (_, prepare, message) => {
    prepare();
    expect(() => Segment.open(path)).toThrow(message);
  });
});

describe('the end of a segment', () => {
  test('after release the bytes read zero and the file keeps its own', () => {
    const segment = Segment.create(path, 8192);
    const bytes = new Uint8Array(segment.buffer).fill(5);
    segment.release();
    segment.release();
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    bytes[0] = 1;
    expect(readFileSync(path)[0]).toBe(5);
  });

  test('after unlink the memory stays', () => {
    const segment = Segment.create(path, 4096);
    segment.unlink();
    const words = new Int32Array(segment.buffer);
    words[1] = 3;
    expect([existsSync(path), words[1]]).toEqual([false, 3]);
  });

  test('released again and again, no address space runs out and no page is kept', () => {
    Segment.write(path, new Uint8Array(1 << 20).fill(1));
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 200; round++) {
      const segment = Segment.open(path);
      new Uint8Array(segment.buffer).fill(round);
      segment.release();
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20);
  });
});

describe('two processes', () => {
  const peer = compiled('test/daemon/fixtures/segment-peer.ts');

  test('what the other stores and adds is seen here', () => {
    const { buffer } = Segment.create(path, 4096);
    const { status, stderr } = spawnSync(process.execPath, [peer, path, 'add', '1000']);
    expect([status, stderr.toString()]).toEqual([0, '']);
    expect(new Int32Array(buffer)[0]).toBe(1000);
    expect(new Float64Array(buffer)[1]).toBe(1000);
  });

  test('what the other stored before it was killed stays', async () => {
    const words = new Int32Array(Segment.create(path, 4096).buffer);
    const child = spawn(process.execPath, [peer, path, 'write-on'], { stdio: 'ignore' });
    const exit = once(child, 'exit');
    while (Atomics.load(words, 0) === 0 && child.exitCode === null) {
      // oxlint-disable-next-line no-await-in-loop -- waits for another process
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill('SIGKILL');
    expect(await exit).toEqual([null, 'SIGKILL']);
    expect(words.subarray(1).every((word, index) => word === index + 1)).toBe(true);
    const again = new Int32Array(Segment.open(path).buffer);
    expect(again[1]).toBe(1);
  });
});
