/**
 * The completion scripts, in the shells that they are for; bash is on every machine, the others are asked where they are.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nsgd } from '../helpers/nsgd.ts';

/** What a command prints, asked once. */
const answers = new Map<string, string>();
function answer(...args: readonly string[]): string {
  const known = answers.get(args.join(' '));
  if (known !== undefined) return known;
  const { status, stdout, stderr } = nsgd(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  answers.set(args.join(' '), stdout);
  return stdout;
}

function script(shell: string): string {
  return answer('completion', shell);
}

const folder = mkdtempSync(join(tmpdir(), 'nsgd-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));

function scriptFile(shell: string): string {
  const path = join(folder, shell);
  writeFileSync(path, script(shell));
  return path;
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
      ['nsgd', 'reload', '-o', ''],
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

describe('fish', () => {
  const isInstalled = spawnSync('fish', ['-c', 'true']).status === 0;

  test.skipIf(!isInstalled).each<readonly [string, readonly string[]]>([
    ['nsgd ver', ['verify']],
    ['nsgd verify --pro', ['--protocol']],
    ['nsgd reload -o ', ['json', 'table']],
    ['nsgd completion z', ['zsh']],
  ])(`%s${isInstalled ? '' : ' (not installed)'}`, (line, offers) => {
    const ask = `source ${scriptFile('fish')}; complete --do-complete '${line}'`;
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', ask], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const offered = stdout.split('\n').map((row) => row.split('\t')[0]);
    expect(offered.filter((word) => word !== '')).toEqual(offers);
  });
});

describe('zsh', () => {
  const isInstalled = spawnSync('zsh', ['-c', 'true']).status === 0;

  test.skipIf(!isInstalled).each<readonly [string, string]>([
    ['nsgd veri', 'nsgd verify '],
    ['nsgd verify --prot', 'nsgd verify --protocol '],
    ['nsgd flows -o nd', 'nsgd flows -o ndjson '],
  ])(`%s and a tab${isInstalled ? '' : ' (not installed)'}`, (line, completed) => {
    // A terminal of zsh's own, whose shell completes, and then shows its line on Ctrl-X.
    const ask = `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PROMPT= RPS1= ZLE_RPROMPT_INDENT=0; autoload -U compinit; compinit -u -D; source ${scriptFile('zsh')}; compdef _nsgd nsgd'
zpty -w shell 'show() { print -r -- "<$BUFFER>"; exit }; zle -N show; bindkey "^X" show; print rea""dy'
zpty -r -m shell ignored '*ready*'
zpty -w -n shell $'${line}\t'
sleep 1
zpty -w -n shell $'\x18'
zpty -r -m shell shown '*<*>*'
print -r -- "$shown"`;
    const { stdout } = spawnSync('zsh', ['-f', '-c', ask], { encoding: 'utf8', timeout: 20_000 });
    expect(stdout).toContain(`<${completed}>`);
  });
});

describe.each(['bash', 'zsh', 'fish'])('%s', (shell) => {
  const isInstalled = spawnSync(shell, ['-c', 'true']).status === 0;

  test.skipIf(!isInstalled)(
    `has no error of syntax${isInstalled ? '' : ' (not installed)'}`,
    () => {
      // In a file: fish does not read a script from the socket that a child's standard input is.
      const { status, stderr } = spawnSync(shell, ['-n', scriptFile(shell)], { encoding: 'utf8' });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    },
  );

  test('names every command, and every option that its help names', () => {
    const text = script(shell);
    const commands = answer('--help').match(/(?<=^ {2})[a-z]+(?= )/gm) ?? [];
    expect(commands.length).toBeGreaterThan(9);
    for (const command of commands.filter((name) => name !== 'help')) {
      expect(text).toContain(command);
      const options = answer(command, '--help').match(/--[a-z-]+(?=[ ,])/g) ?? [];
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
