/**
 * Documents name only commands, options, targets and units that exist, and show only commands that somebody tries.
 *
 * A new document or command needs nothing when a row of HOW (test/helpers/document-how.ts) fits it and it works as it stands:
 * real values, no placeholders. test/e2e/document-commands.test.ts runs it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ADVICE, howToRun, mistakes } from '../helpers/document-how.ts';
import {
  DOCUMENTS,
  namedCommands,
  shownCommands,
  shownFiles,
  unclearBlocks,
} from '../helpers/documents.ts';
import { problemsOf } from '../helpers/load-text.ts';
import { projectRoot } from '../helpers/project-root.ts';

describe.each(DOCUMENTS)('%s', (document) => {
  const commands = shownCommands(document);

  test('says of every block whether it is commands (sh) or what else', () => {
    expect(unclearBlocks(document)).toEqual([]);
  });

  test('names only commands and options that exist', () => {
    const texts = [...commands.map(({ text }) => text), ...namedCommands(document)];
    expect(texts.flatMap(mistakes)).toEqual([]);
  });

  test('shows only commands that are run, or have a reason why not', () => {
    const unclassified = commands.filter((command) => howToRun(command) === undefined);
    expect(unclassified, ADVICE).toEqual([]);
  });
});

test('docs/README.md leads to every page', () => {
  const index = readFileSync(join(projectRoot, 'docs/README.md'), 'utf8');
  const pages = DOCUMENTS.flatMap((document) => /^docs\/(.*\.md)$/.exec(document)?.[1] ?? []);
  expect(pages.filter((page) => page !== 'README.md' && !index.includes(`](${page})`))).toEqual([]);
});

test('README shows a configuration, and it has no problem', () => {
  const [yaml = ''] = shownFiles('README.md').values();
  expect(yaml).toContain('securityRules');
  expect(problemsOf(yaml)).toEqual([]);
});
