import { describe, expect, it } from 'vitest';
import { isResourceName, nearestName, resourceNameOfId } from '../../src/policy/names.ts';

describe('isResourceName', () => {
  const rows: [name: string, isValid: boolean][] = [
    ['a', true],
    ['9', true],
    ['Allow-Http_80.v2', true],
    ['ends_', true],
    ['a'.repeat(80), true],
    ['a'.repeat(81), false],
    ['', false],
    ['_a', false],
    ['-a', false],
    ['a-', false],
    ['a.', false],
    ['a b', false],
    ['a/b', false],
    ['é', false],
    ['a\n', false],
  ];
  it.each(rows)('%j: %s', (name, isValid) => {
    expect(isResourceName(name)).toBe(isValid);
  });
});

describe('nearestName', () => {
  const known = ['sourceAddressPrefix', 'sourcePortRange', 'priority', 'name'];
  const rows: [word: string, nearest: string | undefined][] = [
    ['sourceAdressPrefix', 'sourceAddressPrefix'],
    ['source_address_prefix', 'sourceAddressPrefix'],
    ['Prioritaet', 'priority'],
    ['nam', 'name'],
    ['flowTable', undefined],
    ['x'.repeat(1_000_000), undefined],
  ];
  it.each(rows)('%.30s: %s', (word, nearest) => {
    expect(nearestName(word, known)).toBe(nearest);
  });
});

describe('resourceNameOfId', () => {
  it('takes the last segment, or the whole name', () => {
    expect(resourceNameOfId('/a/b/c')).toBe('c');
    expect(resourceNameOfId('c')).toBe('c');
  });
});
