/**
 * systemd/: what systemd itself says of the unit, and that every line of its hardening has a reason beside it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';

const unit = readFileSync(join(projectRoot, 'systemd/nsgd.service'), 'utf8');
const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;
/** Of 10; systemd's own network daemon has 2.7. */
const EXPOSURE_LIMIT = 2.0;

/** The unit with this machine's program in the place of the installed one, in a file of its own. */
function analyze(args: readonly string[]): { status: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-unit-'));
  try {
    const path = join(folder, 'nsgd.service');
    writeFileSync(path, unit.replaceAll('/opt/nsgd/bin/nsgd', join(projectRoot, 'bin/nsgd')));
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, path], {
      encoding: 'utf8',
    });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!hasAnalyze)(`systemd-analyze${hasAnalyze ? '' : ' (missing)'}`, () => {
  test('verify has no complaint', () => {
    const { status, output } = analyze(['verify', '--man=no']);
    // Of other units of the machine it may have some.
    const own = output.split('\n').filter((line) => line.includes('nsgd'));
    expect({ status, own }).toEqual({ status: 0, own: [] });
  });

  test(`security: an exposure of at most ${EXPOSURE_LIMIT}`, () => {
    const threshold = `--threshold=${EXPOSURE_LIMIT * 10}`;
    const { status, output } = analyze(['security', '--offline=true', threshold]);
    expect(status, output).toBe(0);
  });
});

test('every setting of the service stands under a comment, alone or with those it goes with', () => {
  const service = unit.slice(
    unit.indexOf('[Service]\n') + '[Service]\n'.length,
    unit.indexOf('\n[Install]'),
  );
  const settings = service.split('\n').filter((line) => /^[A-Z]/.test(line));
  expect(settings.length).toBeGreaterThan(40);
  for (const paragraph of service.trim().split('\n\n')) {
    expect(paragraph).toMatch(/^(#|User=)/);
  }
});
