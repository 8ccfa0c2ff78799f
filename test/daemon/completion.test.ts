/**
 * The completion scripts, in the shells that they are for; bash is on every machine, the others are asked where they are.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { nsgd } from '../helpers/nsgd.ts';

function script(shell: string): string {
  const { status, stdout, stderr } = nsgd(['completion', shell]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

/** What bash offers for the last of these words. */
function bashOffers(words: readonly string[]): string[] {
  const array = words.map((word) => `'${word}'`).join(' ');
  const commands = `${script('bash')}
COMP_WORDS=(${array}); COMP_CWORD=${words.length - 1}
_nsgd && printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', commands], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return stdout.split('\n').filter((line) => line !== '');
}

describe('bash', () => {
  test.each<readonly [readonly string[], readonly string[]]>([
    [['nsgd', 'ver'], ['verify']],
    [
      ['nsgd', 're'],
      ['replay', 'reload'],
    ],
    [['nsgd', 'verify', '--pro'], ['--protocol']],
    [
      ['nsgd', 'check', '-o', ''],
      ['table', 'json'],
    ],
    [['nsgd', 'flows', '--output', 'nd'], ['ndjson']],
    [['nsgd', 'completion', 'z'], []],
    [['nsgd', 'run', '--config', 'x'], []],
    [['nsgd', 'check', 'some-file'], []],
  ])('%j', (words, offers) => {
    expect(bashOffers(words)).toEqual(offers);
  });

  test('an argument that is one of a few', () => {
    expect(bashOffers(['nsgd', 'completion', ''])).toEqual(['-h', '--help', 'bash', 'zsh', 'fish']);
  });
});

describe.each(['bash', 'zsh', 'fish'])('%s', (shell) => {
  const isInstalled = spawnSync(shell, ['-c', 'true']).status === 0;

  test.skipIf(!isInstalled)(
    `has no error of syntax${isInstalled ? '' : ' (not installed)'}`,
    () => {
      const { status, stderr } = spawnSync(shell, ['-n'], {
        input: script(shell),
        encoding: 'utf8',
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    },
  );

  test('names every command, and every option that its help names', () => {
    const text = script(shell);
    const commands = nsgd(['--help']).stdout.match(/(?<=^ {2})[a-z]+(?= )/gm) ?? [];
    expect(commands.length).toBeGreaterThan(9);
    for (const command of commands.filter((name) => name !== 'help')) {
      expect(text).toContain(command);
      const options = nsgd([command, '--help']).stdout.match(/--[a-z-]+(?=[ ,])/g) ?? [];
      for (const option of options) {
        expect(text, command).toContain(shell === 'fish' ? `-l ${option.slice(2)}` : option);
      }
    }
  });
});

test('a shell that there is none for', () => {
  const { status, stderr } = nsgd(['completion', 'tcsh']);
  expect(status).toBe(2);
  expect(stderr).toContain('Allowed choices are bash, zsh, fish.');
});
