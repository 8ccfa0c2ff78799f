/**
 * systemd/: what systemd itself says of the unit, and that every line of its hardening has a reason beside it.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';

const unit = readFileSync(join(projectRoot, 'systemd/nsgd.service'), 'utf8');
const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;
const BEFORE_NETWORK = 'before-network.conf';
/** Of 10; systemd's own network daemon has 2.7. */
const EXPOSURE_LIMIT = 2.0;

/** The unit with this machine's program in the place of the installed one, in a folder of its own with others and the man pages. */
function analyze(
  args: readonly string[],
  others: Readonly<Record<string, string>> = {},
): { status: number | null; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-unit-'));
  try {
    const path = join(folder, 'nsgd.service');
    writeFileSync(path, unit.replaceAll('/opt/nsgd/bin/nsgd', join(projectRoot, 'bin/nsgd')));
    const dropIns = join(folder, 'nsgd.service.d');
    mkdirSync(dropIns);
    if (others['boot-like.target'] !== undefined)
      copyFileSync(join(projectRoot, 'systemd', BEFORE_NETWORK), join(dropIns, BEFORE_NETWORK));
    const paths = Object.entries(others).map(([name, text]) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    });
    for (const page of ['nsgd.8', 'nsgd.yaml.5']) {
      const section = join(folder, `man${page.slice(-1)}`);
      mkdirSync(section);
      copyFileSync(join(projectRoot, 'man', page), join(section, page));
    }
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [...args, path, ...paths], {
      encoding: 'utf8',
      env: { ...process.env, MANPATH: folder },
    });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!hasAnalyze)(`systemd-analyze${hasAnalyze ? '' : ' (missing)'}`, () => {
  const hasMan = spawnSync('man', ['--version']).status === 0;

  test(`verify has no complaint${hasMan ? '' : ' (man is missing: its pages are not looked for)'}`, () => {
    const { status, output } = analyze(['verify', ...(hasMan ? [] : ['--man=no'])]);
    // Of other units of the machine it may have some.
    const own = output.split('\n').filter((line) => line.includes('nsgd'));
    expect({ status, own }).toEqual({ status: 0, own: [] });
  });

  test('it can start before the network also where cloud-init is: no ordering cycle', () => {
    // As Debian's cloud-init.service is ordered: between the network and the rest of the system.
    const cloudInit = [
      ...['[Unit]', 'DefaultDependencies=no', 'After=network-pre.target', 'Before=sysinit.target'],
      ...['[Service]', 'Type=oneshot', 'ExecStart=/bin/true', 'RemainAfterExit=yes'],
    ].join('\n');
    // Both are to start, and everything that services are usually after.
    const boot = [
      ...['[Unit]', 'Requires=nsgd.service cloud-init-like.service sysinit.target'],
      ...['After=nsgd.service cloud-init-like.service'],
    ].join('\n');
    const { output } = analyze(['verify', '--man=no'], {
      'cloud-init-like.service': cloudInit,
      'boot-like.target': boot,
    });
    expect(output).not.toMatch(/cycle/);
    expect(output).not.toMatch(/nsgd/);
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
