/**
 * The pages about settings and commands are those of the program.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../daemon/program.ts';
import { AZURE_CODES, NSGD_CODES } from '../../src/policy/problem-codes.ts';
import { projectRoot } from '../helpers/project-root.ts';
import {
  commandManPage,
  pageWithCodes,
  policyReference,
  type Schema,
  settingsManPage,
  settingsOf,
} from '../helpers/reference-pages.ts';

const read = (file: string): string => readFileSync(join(projectRoot, file), 'utf8');

const schema = JSON.parse(
  readFileSync(join(projectRoot, 'config/nsgd.schema.json'), 'utf8'),
) as Schema;

test.each([
  ['docs/CONFIGURATION.md', () => policyReference(schema)],
  [
    'docs/AZURE.md',
    () => pageWithCodes(read('docs/AZURE.md'), { Azure: AZURE_CODES, nsgd: NSGD_CODES }),
  ],
  ['man/nsgd.8', async () => commandManPage(await createProgram())],
  ['man/nsgd.yaml.5', () => settingsManPage(schema)],
])('%s is current', async (file, page) => {
  await expect(await page()).toMatchFileSnapshot(join(projectRoot, file));
});

test.each(settingsOf(schema).map((setting) => [setting.path, setting]))(
  '%s is described',
  (_, { path, description }) => {
    // What Azure's own documentation says of an id is all there is to say.
    if (path.endsWith('.id') || path === '$schema') return;
    expect(description).not.toBe('');
  },
);

describe.each(['man/nsgd.8', 'man/nsgd.yaml.5'])('%s', (file) => {
  const man = spawnSync('man', ['--version']);

  test.skipIf(man.status !== 0)('is a page that man shows without a warning', () => {
    const { status, stdout, stderr } = spawnSync(
      'man',
      ['--warnings', '--encoding=UTF-8', '--local-file', join(projectRoot, file)],
      { encoding: 'utf8', env: { ...process.env, MANWIDTH: '100', MANROFFOPT: '' } },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('NAME');
  });
});
