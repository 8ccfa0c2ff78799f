/**
 * docs/RELIABILITY.md has every one of the 46 checks, in order, and each can be repeated: its commands name targets and tests
 * that exist. What was not measured stands again at the end, with the reason.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';

const CHECKS = 46;
const CELLS = ['number', 'aim', 'found', 'command'] as const;
type Row = Readonly<Record<(typeof CELLS)[number], string>>;

const text = readFileSync(join(projectRoot, 'docs/RELIABILITY.md'), 'utf8');
const makefile = readFileSync(join(projectRoot, 'Makefile'), 'utf8');
const [table = '', reasons = ''] = text.split('\n## Not met, or not shown\n');

const rows: Row[] = table
  .split('\n')
  .filter((line) => line.startsWith('|') && !/^\| # |^\|-/.test(line))
  .map((line) => {
    const cells = line.split('|').slice(1, -1);
    expect(cells, line).toHaveLength(CELLS.length);
    const [number = '', aim = '', found = '', command = ''] = cells.map((cell) => cell.trim());
    return { number, aim, found, command };
  });
const checks = rows.filter(({ number }) => number !== '+');

/** `Checks 1 to 6, 8 and 24` of the last section: the numbers. */
function checksWithReason(): number[] {
  return [...reasons.matchAll(/\*\*Checks? ([\d ,toand]+)/g)].flatMap(([, list = '']) =>
    list.split(/,|and/).flatMap((part) => {
      const [from = 0, to = from] = part.split('to').map(Number);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    }),
  );
}

/** Why a command is none that anybody can run; undefined when it is one. */
function obstacle(command: string): string | undefined {
  const [first = '', target = ''] = command.split(' ');
  if (first === 'make') {
    return new RegExp(`^${target}:.*## `, 'm').test(makefile) ? undefined : `no target ${target}`;
  }
  if (!first.startsWith('test/')) return 'neither a make target nor a test';
  return existsSync(join(projectRoot, first)) ? undefined : 'no such test';
}

test('every check is there, in order, and no other', () => {
  const numbers = [...new Set(checks.map(({ number }) => Number(number)))];
  expect(numbers).toEqual(Array.from({ length: CHECKS }, (_, index) => index + 1));
});

test.each(rows.map((row) => [`${row.number} ${row.aim}`, row] as const))('%s', (_, row) => {
  expect(row.aim).not.toBe('');
  expect(row.found).not.toBe('');
  const commands = [...row.command.matchAll(/`([^`]+)`/g)].map(([, command = '']) => command);
  expect(commands.length, row.command).toBeGreaterThan(0);
  expect(commands.flatMap((command) => obstacle(command) ?? [])).toEqual([]);
});

test('what was not measured or not met stands with its reason', () => {
  const open = checks
    .filter(({ found }) => /not (measured|met|tried|shown|run)/i.test(found))
    .map(({ number }) => Number(number));
  const explained = checksWithReason();
  expect(explained.length).toBeGreaterThan(0);
  expect(open.filter((number) => !explained.includes(number))).toEqual([]);
});
