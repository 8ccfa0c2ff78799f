/**
 * Golden files: verdict lines of a capture, and the compiled form of every configuration that is shipped.
 *
 * They are regenerated with `npx vitest run test/golden -u`; read the difference before committing it.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { webServerTraffic } from '../helpers/captures.ts';
import { dumpPolicy } from '../helpers/dump-policy.ts';
import { loadGood } from '../helpers/load-text.ts';
import { nsgd } from '../helpers/nsgd.ts';
import { projectRoot } from '../helpers/project-root.ts';

const golden = join(projectRoot, 'test/golden');

describe('nsgd replay --per-packet', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-golden-'));
  const capture = join(folder, 'web-server.pcap');
  writeFileSync(capture, webServerTraffic().captureFile());
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['web-server', 'test/golden/web-server.yaml', 'web'],
    ['four-vms-vm1', 'config/examples/four-vms.yaml', 'vm1'],
    ['default', 'config/nsgd.yaml', 'nic0'],
  ])('%s', async (name, config, nic) => {
    const perPacket = nsgd(['replay', capture, '--config', config, '--nic', nic, '--per-packet']);
    const summary = nsgd(['replay', capture, '--config', config, '--nic', nic]);
    expect([perPacket.status, perPacket.stderr, summary.status]).toEqual([0, '', 0]);
    const text = `${perPacket.stdout}\n${summary.stdout}`;
    await expect(text).toMatchFileSnapshot(join(golden, `${name}.verdicts.txt`));
  });
});

describe('compiled policies', () => {
  const examples = join(projectRoot, 'config/examples');
  const files = [
    join(projectRoot, 'config/nsgd.yaml'),
    ...readdirSync(examples)
      .filter((name) => /\.(?:yaml|json)$/.test(name))
      .toSorted((a, b) => a.localeCompare(b))
      .map((name) => join(examples, name)),
  ];
  test.each(files.map((file) => [basename(file), file] as const))('%s', async (name, file) => {
    const { policy } = loadGood(readFileSync(file, 'utf8'));
    await expect(dumpPolicy(policy)).toMatchFileSnapshot(join(golden, `${name}.policy.txt`));
  });
});
