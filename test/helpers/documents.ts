/**
 * What documents show: the commands of their `sh` blocks, the files that they tell the reader to write, and the commands that
 * they name within a sentence.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

/** A command of a block, whole: continued lines joined, without its comment and without `sudo`. */
export interface ShownCommand {
  readonly document: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly text: string;
}

interface Block {
  readonly language: string;
  /** Of the first line within, from 1. */
  readonly line: number;
  readonly text: string;
  /** The paragraph before it. */
  readonly before: string;
}

export const DOCUMENTS: readonly string[] = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(projectRoot, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
  'man/nsgd.8',
];

/** Languages of blocks that are no commands. */
const OTHER_LANGUAGES: ReadonlySet<string> = new Set(['yaml', 'json', 'text', 'ini', 'promql']);

function read(document: string): string {
  return readFileSync(join(projectRoot, document), 'utf8');
}

function markdownBlocks(text: string): Block[] {
  return [...text.matchAll(/^( *)```(\w*)[^\n]*\n([\s\S]*?)^\1```/gm)].map((match) => {
    const [, indent = '', language = '', inner = ''] = match;
    const above = text.slice(0, match.index);
    return {
      language,
      line: above.split('\n').length + 1,
      text: inner.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      before: above.trimEnd().split('\n\n').at(-1) ?? '',
    };
  });
}

/** Examples of a man page, between .EX and .EE (man(7)). */
function manBlocks(text: string): Block[] {
  return [...text.matchAll(/^\.EX\n([\s\S]*?)^\.EE/gm)].map((match) => ({
    language: 'sh',
    line: text.slice(0, match.index).split('\n').length + 1,
    text: (match[1] ?? '').replaceAll(String.raw`\-`, '-').replaceAll(String.raw`\e`, '\\'),
    before: '',
  }));
}

function blocksOf(document: string): Block[] {
  const text = read(document);
  return document.endsWith('.md') ? markdownBlocks(text) : manBlocks(text);
}

function commandsOf(document: string, block: Block): ShownCommand[] {
  const commands: ShownCommand[] = [];
  let pending: ShownCommand | undefined;
  for (const [index, line] of block.text.split('\n').entries()) {
    const text = line.replace(/(^|\s)# .*$/, '').trim();
    if (text === '') continue;
    const whole = {
      document,
      line: pending?.line ?? block.line + index,
      text: `${pending?.text ?? ''}${text.replace(/\\$/, '').replace(/^sudo /, '')}`,
    };
    pending = text.endsWith('\\') ? whole : undefined;
    if (pending === undefined) commands.push(whole);
  }
  return commands;
}

/** In the order of the document. */
export function shownCommands(document: string): ShownCommand[] {
  return blocksOf(document)
    .filter(({ language }) => language === 'sh')
    .flatMap((block) => commandsOf(document, block));
}

/** Blocks whose language says neither that they are commands nor that they are something else. */
export function unclearBlocks(document: string): string[] {
  return blocksOf(document)
    .filter(({ language }) => language !== 'sh' && !OTHER_LANGUAGES.has(language))
    .map(({ language, line }) => `${document}:${line}: "${language}"`);
}

/** Files to write: a YAML or JSON block after a paragraph that begins or ends with the file's name in code. */
export function shownFiles(document: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const { language, text, before } of blocksOf(document)) {
    if (language !== 'yaml' && language !== 'json') continue;
    const [, name] =
      /^`([\w.-]+\.(?:ya?ml|json))`/.exec(before) ??
      /`([\w.-]+\.(?:ya?ml|json))`[^`]*:$/.exec(before) ??
      [];
    if (name !== undefined) files.set(name, text);
  }
  return files;
}

/** Commands within sentences: their arguments may be placeholders. */
export function namedCommands(document: string): string[] {
  const prose = read(document).replaceAll(/^( *)```[\s\S]*?^\1```/gm, '');
  return [...prose.matchAll(/`(?:sudo )?((?:bin\/)?nsgd [a-z][^`\n]*|make [a-z][^`\n]*)`/g)].map(
    ([, text = '']) => text.replaceAll(String.raw`\|`, '|'),
  );
}
