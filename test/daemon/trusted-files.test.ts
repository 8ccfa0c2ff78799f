import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { trustedFiles } from '../../daemon/trusted-files.ts';
import { loadConfiguration } from '../../src/policy/load.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nsgd-t-'));
  file = join(folder, 'nsgd.yaml');
  writeFileSync(file, 'text', { mode: 0o644 });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const isRoot = process.geteuid?.() === 0;
const read = (): string => trustedFiles.readText(file);

describe('a file that decides what passes', () => {
  test.each([0o400, 0o600, 0o640, 0o644])('of mode %o is read', (mode) => {
    chmodSync(file, mode);
    expect(read()).toBe('text');
  });

  test.each([
    [0o620, '0620'],
    [0o664, '0664'],
    [0o602, '0602'],
    [0o666, '0666'],
  ])('of mode %o is not, and it says what to do', (mode, text) => {
    chmodSync(file, mode);
    expect(read).toThrow(`${file}: others may write to it (mode ${text}); chmod go-w it`);
  });

  test('in a folder that others may change is not, unless only owners can replace files there', () => {
    chmodSync(folder, 0o777);
    expect(read).toThrow(`${folder}: others may write to it (mode 0777); chmod go-w it`);
    chmodSync(folder, 0o1777);
    expect(read()).toBe('text');
  });

  test.runIf(isRoot)('of another user is not, nor in the folder of another user', () => {
    chownSync(file, 12_345, 0);
    expect(read).toThrow(`${file} belongs to user 12345, neither to root nor to the daemon's user`);
    chownSync(file, 0, 12_345);
    expect(read()).toBe('text');
    chownSync(folder, 12_345, 0);
    expect(read).toThrow(`${folder} belongs to user 12345`);
  });

  test('behind a link: what it leads to counts', () => {
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    const target = join(elsewhere, 'real.yaml');
    writeFileSync(target, 'linked', { mode: 0o644 });
    file = join(folder, 'link.yaml');
    symlinkSync(target, file);
    expect(read()).toBe('linked');
    chmodSync(elsewhere, 0o775);
    expect(read).toThrow(`${elsewhere}: others may write to it`);
  });

  test('that is not there is reported as by anybody else', () => {
    rmSync(file);
    expect(read).toThrow('there is no such file');
  });
});

test('the files that a configuration names count too, each with the place that names it', () => {
  writeFileSync(join(folder, 'nsg.json'), '{"name": "NSG1", "securityRules": []}', { mode: 0o646 });
  chmodSync(join(folder, 'nsg.json'), 0o646);
  writeFileSync(file, 'networkSecurityGroups:\n  - file: nsg.json\n');
  const result = loadConfiguration(file, trustedFiles);
  expect(result.ok).toBe(false);
  expect(result.ok ? [] : result.problems).toContainEqual(
    expect.objectContaining({
      file,
      line: 2,
      code: 'FileNotReadable',
      message: expect.stringContaining('others may write to it (mode 0646)') as string,
    }),
  );
});
