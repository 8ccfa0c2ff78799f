/**
 * SlotRegistry: numbers that mean the same before and after a reload.
 */
import { describe, expect, test } from 'vitest';
import { SlotRegistry } from '../../src/engine/registry.ts';
import { Random } from '../helpers/random.ts';

describe('SlotRegistry', () => {
  test('known names keep their slot, whatever comes and goes around them', () => {
    const registry = new SlotRegistry(10, 'rules');
    expect(registry.assign(new Set(['a', 'b', 'c']))).toEqual([0, 1, 2]);
    expect(registry.assign(new Set(['c', 'x', 'b']))).toEqual([3]);
    expect(['a', 'b', 'c', 'x'].map((name) => registry.slotOf(name))).toEqual([-1, 1, 2, 3]);
  });

  test('a freed slot is used again only when no other is left, oldest first', () => {
    const registry = new SlotRegistry(4, 'rules');
    registry.assign(new Set(['a', 'b']));
    registry.assign(new Set(['b']));
    expect(registry.assign(new Set(['b', 'c']))).toEqual([2]);
    registry.assign(new Set(['c']));
    expect(registry.assign(new Set(['c', 'd']))).toEqual([3]);
    expect(registry.assign(new Set(['c', 'd', 'e']))).toEqual([0]);
    expect(registry.assign(new Set(['c', 'd', 'e', 'f']))).toEqual([1]);
  });

  test('a name that comes back is new: its old count is not its own', () => {
    const registry = new SlotRegistry(10, 'rules');
    registry.assign(new Set(['a']));
    registry.assign(new Set(['b']));
    expect(registry.assign(new Set(['a', 'b']))).toEqual([2]);
  });

  test('a freed slot still says whose it was, for flows that point at it', () => {
    const registry = new SlotRegistry(2, 'rules');
    registry.assign(new Set(['a', 'b']));
    registry.assign(new Set(['b']));
    expect(registry.nameOf(0)).toBe('a');
    registry.assign(new Set(['b', 'c']));
    expect(registry.nameOf(0)).toBe('c');
    expect(registry.nameOf(7)).toBeUndefined();
  });

  test('too many names change nothing', () => {
    const registry = new SlotRegistry(2, 'rules');
    registry.assign(new Set(['a', 'b']));
    expect(() => registry.assign(new Set(['x', 'y', 'z']))).toThrow(
      /3 rules on one wire; at most 2/,
    );
    expect(registry.slotOf('a')).toBe(0);
    expect(registry.slotOf('x')).toBe(-1);
  });

  test('the last slot can be full and all of it replaced', () => {
    const registry = new SlotRegistry(3, 'rules');
    registry.assign(new Set(['a', 'b', 'c']));
    expect(new Set(registry.assign(new Set(['d', 'e', 'f'])))).toEqual(new Set([0, 1, 2]));
  });

  test('a copy goes its own way', () => {
    const registry = new SlotRegistry(3, 'rules');
    registry.assign(new Set(['a', 'b']));
    const copy = registry.copy();
    copy.assign(new Set(['b', 'c']));
    expect([registry.slotOf('a'), registry.slotOf('c')]).toEqual([0, -1]);
    expect([copy.slotOf('a'), copy.slotOf('b'), copy.slotOf('c')]).toEqual([-1, 1, 2]);
    registry.assign(new Set(['b', 'd']));
    expect([registry.slotOf('d'), copy.nameOf(2)]).toEqual([2, 'c']);
  });

  test('after any changes: owners have distinct slots, and "new" is exactly who had none', () => {
    const random = new Random();
    const registry = new SlotRegistry(12, 'rules');
    let before = new Map<string, number>();
    for (let round = 0; round < 2000; round++) {
      const names = new Set(Array.from({ length: random.below(13) }, () => `r${random.below(20)}`));
      const changed = new Set(registry.assign(names));
      const after = new Map([...names].map((name) => [name, registry.slotOf(name)]));
      const message = `seed ${random.seed}, round ${round}`;
      expect(new Set(after.values()).size, message).toBe(names.size);
      for (const [name, slot] of after) {
        expect(slot, message).toBeGreaterThanOrEqual(0);
        expect(slot, message).toBeLessThan(12);
        expect(registry.nameOf(slot), message).toBe(name);
        expect(changed.has(slot), message).toBe(before.get(name) !== slot);
        if (before.has(name)) expect(slot, message).toBe(before.get(name));
      }
      before = after;
    }
  });
});
