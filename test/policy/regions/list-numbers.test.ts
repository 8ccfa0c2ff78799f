/**
 * ListNumbers beside a Map of strings.
 */
import { expect, test } from 'vitest';
import { ListNumbers } from '../../../src/policy/regions/list-numbers.ts';
import { Random } from '../../helpers/random.ts';

test('equal lists have equal numbers, in the order in which they came', () => {
  const random = new Random();
  const lists = new ListNumbers();
  const twin = new Map<string, number>();
  for (let round = 0; round < 20_000; round++) {
    const length = random.below(6);
    const list = Array.from({ length }, () => random.below(round % 2 === 0 ? 4 : 1000) - 2);
    const key = list.join(' ');
    const expected = twin.get(key) ?? twin.size;
    twin.set(key, expected);
    if (lists.numberOf(list) !== expected || lists.size !== twin.size) {
      throw new Error(`seed ${random.seed}, round ${round}: ${key}`);
    }
  }
  expect(lists.size).toBe(twin.size);
  expect(twin.size).toBeGreaterThan(5000);
});

test('only the first values count, of any array of integers', () => {
  const lists = new ListNumbers();
  const values = Int32Array.of(1, -2_147_483_648, 2_147_483_647, 4);
  expect(lists.numberOf([])).toBe(0);
  expect(lists.numberOf(values, 3)).toBe(1);
  expect(lists.numberOf([1, -2_147_483_648, 2_147_483_647])).toBe(1);
  expect(lists.numberOf(values)).toBe(2);
  expect(lists.numberOf([0])).toBe(3);
  expect(lists.numberOf(values, 0)).toBe(0);
});

test('a list that is longer than all that there is room for', () => {
  const lists = new ListNumbers();
  const long = Int32Array.from({ length: 5000 }, (_, index) => index);
  expect([lists.numberOf([7]), lists.numberOf(long), lists.numberOf([7])]).toEqual([0, 1, 0]);
  expect(lists.numberOf(long)).toBe(1);
});
