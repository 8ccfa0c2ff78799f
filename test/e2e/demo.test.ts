/**
 * The demo where there is no root. The live one is long, and made of what the other tests here try: `make demo` runs it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, symlinkSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';

const demo = join(projectRoot, 'dist/demo/main.js');

describe.skipIf(!existsSync(demo))('built programs (need a build)', () => {
  test('the demo replays its capture, and everything is as expected', () => {
    const { status, stdout } = spawnSync(process.execPath, [demo, '--replay'], {
      encoding: 'utf8',
    });
    expect(stdout).not.toContain('differs');
    expect(stdout).toContain('frames = ');
    expect(status).toBe(0);
  });

  test('bin/nsgd works through a symbolic link, from any folder', () => {
    const directory = mkdtempSync(join(tmpdir(), 'nsgd-link-'));
    try {
      const link = join(directory, 'nsgd');
      symlinkSync(join(projectRoot, 'bin/nsgd'), link);
      const { status, stdout } = spawnSync(link, ['--version'], {
        encoding: 'utf8',
        cwd: directory,
      });
      expect(stdout).toMatch(/\d+\.\d+\.\d+/);
      expect(status).toBe(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
