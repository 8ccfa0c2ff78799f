/**
 * Every command that a document shows is run, in the order of the document, in a folder with the files that the document
 * shows; those that ask or start a daemon on a machine of their own. What cannot run here is listed with the reason
 * (test/helpers/document-how.ts).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { howToRun } from '../helpers/document-how.ts';
import {
  DocumentMachine,
  fillFolder,
  type Outcome,
  runCommand,
} from '../helpers/document-machine.ts';
import { DOCUMENTS, shownCommands, shownFiles } from '../helpers/documents.ts';
import { Lab } from '../helpers/lab.ts';
import { liveObstacle } from '../helpers/live.ts';

const plans = DOCUMENTS.map((document) => ({
  document,
  runnable: shownCommands(document)
    .map((command) => ({ ...command, how: howToRun(command) ?? '' }))
    .filter(({ how }) => how !== '' && !how.startsWith('not run')),
})).filter(({ runnable }) => runnable.length > 0);

describe.for(plans)('$document', ({ document, runnable }) => {
  let folder: string;
  let lab: Lab | undefined;
  let machine: DocumentMachine | undefined;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'nsgd-document-'));
    fillFolder(folder, shownFiles(document));
    const needsMachine = runnable.some(({ how }) => how !== 'offline');
    if (!needsMachine || liveObstacle !== undefined) return;
    lab = new Lab();
    machine = await DocumentMachine.start(lab, folder);
  });
  afterAll(async () => {
    await lab?.close();
    rmSync(folder, { recursive: true });
  });

  async function outcomeOf(text: string, how: string): Promise<Outcome> {
    if (how === 'offline' || machine === undefined) return runCommand(folder, text);
    if (how === 'daemon') {
      await machine.runDaemon(text);
      return { status: 0, output: '' };
    }
    if (how === 'machine') return machine.run(text);
    await machine.withDaemon();
    return how === 'endless' ? machine.runForAWhile(text) : machine.run(text);
  }

  test.for(runnable)('line $line: $text', async ({ text, how }, context) => {
    context.skip(how !== 'offline' && liveObstacle !== undefined, liveObstacle);
    const { status, output } = await outcomeOf(text, how);
    // `verify` answers Deny with 1; what timeout had to end, it says with 124.
    const expected = /nsgd verify /.test(text) ? [0, 1] : how === 'endless' ? [0, 124] : [0];
    expect(expected, output).toContain(status);
  });
});
