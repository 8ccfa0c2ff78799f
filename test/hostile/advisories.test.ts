/**
 * Every advisory of a peer has something that holds nsgd to its lesson, and that something exists.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';
import { advisories } from './advisories.ts';
import { catalogue } from './catalogue/catalogue.ts';

test.each(advisories.map((advisory) => [advisory.id, advisory] as const))(
  '%s: what holds its lesson is there',
  (_id, { rows = [], tests = [], byDesign }) => {
    expect(rows.length + tests.length + (byDesign ?? '').length).toBeGreaterThan(0);
    const known = new Set(catalogue.map(({ row }) => row));
    expect(rows.filter((row) => !known.has(row))).toEqual([]);
    for (const { file, test: name } of tests) {
      expect(readFileSync(join(projectRoot, file), 'utf8'), file).toContain(name);
    }
  },
);

test('an old Node is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-node-'));
  for (const name of ['bin', 'path', 'dist/daemon'])
    mkdirSync(join(folder, name), { recursive: true });
  copyFileSync(join(projectRoot, 'bin/nsgd'), join(folder, 'bin/nsgd'));
  writeFileSync(join(folder, 'dist/daemon/main.js'), '');
  const node = join(folder, 'path/node');
  const run = (version: string) => {
    writeFileSync(node, `#!/bin/sh\necho ${version}\n`);
    chmodSync(node, 0o755);
    return spawnSync('/bin/sh', [join(folder, 'bin/nsgd'), '--version'], {
      encoding: 'utf8',
      env: { PATH: `${join(folder, 'path')}:/usr/bin:/bin` },
    });
  };
  const old = run('v20.20.1');
  const fixed = run('v20.20.2');
  rmSync(folder, { recursive: true });
  expect([old.status, old.stderr]).toEqual([
    1,
    expect.stringContaining('Node.js 20.20.2 or newer is needed, this is v20.20.1'),
  ]);
  expect([fixed.status, fixed.stdout]).toEqual([0, 'v20.20.2\n']);
});
