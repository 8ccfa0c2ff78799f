/**
 * systemd/: the unit that attaches an interface at boot, and the service with the drop-in of host mode, as systemd sees them.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;
/** Of 10; systemd's own network daemon has 2.7. */
const EXPOSURE_LIMIT = 2.0;
/** An instance of the template, and the service with its drop-in. */
const UNITS = [
  { name: 'nsgd.service', file: 'nsgd.service', dropIns: ['host-mode.conf'] },
  { name: 'nsgd-attach@eth0.service', file: 'nsgd-attach@.service', dropIns: [] },
] as const;

/** What systemd-analyze says of a unit, with this machine's program in the place of the installed one. */
function analyze(
  { name, file, dropIns }: (typeof UNITS)[number],
  args: readonly string[],
): { status: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-unit-'));
  const copy = (from: string, to: string): void => {
    const text = readFileSync(join(projectRoot, 'systemd', from), 'utf8');
    writeFileSync(to, text.replaceAll('/opt/nsgd/bin/nsgd', join(projectRoot, 'bin/nsgd')));
  };
  try {
    const path = join(folder, name);
    copy(file, path);
    mkdirSync(`${path}.d`);
    for (const dropIn of dropIns) copy(dropIn, join(`${path}.d`, dropIn));
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, path], {
      encoding: 'utf8',
    });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!hasAnalyze)(`systemd-analyze${hasAnalyze ? '' : ' (missing)'}`, () => {
  test.each(UNITS)('verify of $name has no complaint', (each) => {
    const { status, output } = analyze(each, ['verify', '--man=no']);
    // Of other units of the machine it may have some.
    const own = output.split('\n').filter((line) => line.includes('nsgd'));
    expect({ status, own }).toEqual({ status: 0, own: [] });
  });

  test.each(UNITS)(`security of $name: an exposure of at most ${EXPOSURE_LIMIT}`, (each) => {
    const threshold = `--threshold=${EXPOSURE_LIMIT * 10}`;
    const { status, output } = analyze(each, ['security', '--offline=true', threshold]);
    expect(status, output).toBe(0);
  });
});
