/**
 * The catalogue of hostile traffic, offline: every entry through the pipeline. `make hostile` prints it as a table.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../helpers/project-root.ts';
import type { FrameCase, HeldCase, TextCase } from './catalogue/case.ts';
import { catalogue } from './catalogue/catalogue.ts';
import { expectedOf, play } from './catalogue/play.ts';
import { rows } from './catalogue/rows.ts';

const played = catalogue.filter((entry): entry is FrameCase | TextCase => !('file' in entry));
const held = catalogue.filter((entry): entry is HeldCase => 'file' in entry);

describe('played through the pipeline', () => {
  test.each(played.map((entry) => [`${entry.row} ${entry.attack}`, entry] as const))(
    '%s',
    (_name, entry) => {
      expect(play(entry).join('\n')).toBe(expectedOf(entry).join('\n'));
    },
  );
});

describe('the catalogue is whole', () => {
  test('every row has an entry', () => {
    const missing = rows
      .map((_, index) => index + 1)
      .filter((row) => catalogue.every((entry) => entry.row !== row));
    expect(rows).toHaveLength(59);
    expect(missing).toEqual([]);
  });

  test('no entry stands twice', () => {
    const names = catalogue.map((entry) => `${entry.row} ${entry.attack}`);
    expect(names.length).toBe(new Set(names).size);
  });

  test.each(held.map((entry) => [`${entry.row} ${entry.attack}`, entry] as const))(
    '%s: the test that holds it exists',
    (_name, { file, test: name }) => {
      const path = join(projectRoot, file);
      expect(existsSync(path), file).toBe(true);
      expect(readFileSync(path, 'utf8')).toContain(name);
    },
  );
});
