/**
 * The service tag file that Microsoft publishes every week (download 56519), and the answer of the discovery API
 * (`az network list-service-tags`), which has the same shape (serviceTags - List).
 *
 * The file is 4 MB with 95,823 prefixes of which a policy uses a handful, so the prefixes of a tag are parsed when a
 * rule first names it, and kept: a reload that finds the same file pays nothing.
 */
import type { AddressSet } from '../engine/address-set.ts';
import type { Prefix } from './address.ts';
import { parsePrefix, setOfPrefixes } from './address.ts';
import { readDocument } from './document.ts';
import { nameKey } from './names.ts';
import type { Problem } from './problem.ts';
import { hasErrors } from './problem.ts';

const CODE = 'InvalidServiceTagFile';

interface Entry {
  /** As the file spells it. */
  readonly name: string;
  readonly addressPrefixes: readonly unknown[];
  readonly facts: TagFacts;
}

/** What a file says of a tag beside its prefixes; undefined where it does not. */
export interface TagFacts {
  /** Rises when the tag changes. The discovery API writes it as text. */
  readonly changeNumber: number | undefined;
  readonly region: string | undefined;
  readonly systemService: string | undefined;
  /** Prefixes as published: overlapping and adjacent ones count each. */
  readonly prefixes: number;
}

export type TagAddresses =
  | { readonly ok: true; readonly name: string; readonly addresses: AddressSet }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export type ServiceTagFileResult =
  | { readonly ok: true; readonly tags: ServiceTagFile }
  | { readonly ok: false; readonly problems: readonly Problem[] };

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A problem at a character of a file. `offset` is counted in UTF-16 units; -1 is the start. */
function problemAt(file: string, text: string, offset: number, message: string): Problem {
  const before = text.slice(0, Math.max(offset, 0));
  const line = before.split('\n').length;
  const column = before.length - before.lastIndexOf('\n');
  return { file, line, column, code: CODE, message, severity: 'error' };
}

/** Why the text is no JSON. The reader of documents knows the place, and is asked only now: it is far slower. */
function syntaxProblems(text: string, file: string, error: unknown): readonly Problem[] {
  const { problems } = readDocument(text, file);
  if (hasErrors(problems)) return problems;
  const message = error instanceof Error ? error.message : String(error);
  return [problemAt(file, text, -1, `not a service tag file: ${message}`)];
}

/** One element of `values`, or undefined. The prefixes may stand beside the name (flattened) or in `properties`. */
function entryOf(value: unknown): Entry | undefined {
  if (!isRecord(value) || typeof value['name'] !== 'string') return undefined;
  const properties = isRecord(value['properties']) ? value['properties'] : value;
  const addressPrefixes: unknown = properties['addressPrefixes'];
  if (!Array.isArray(addressPrefixes)) return undefined;
  const facts = {
    changeNumber: numberOf(properties['changeNumber']),
    region: textOf(properties['region']),
    systemService: textOf(properties['systemService']),
    prefixes: addressPrefixes.length,
  };
  return { name: value['name'], addressPrefixes, facts };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

export class ServiceTagFile {
  readonly file: string;
  /** Names as the file spells them, in its order. */
  readonly names: readonly string[];
  /** Of the file as a whole: rises when any tag changes. */
  readonly changeNumber: number | undefined;
  readonly #text: string;
  /** Keyed by the name in lower case: `AzureCloud.westeurope` and `Storage.WestEurope` are both real. */
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #parsed = new Map<string, TagAddresses>();

  constructor(
    file: string,
    text: string,
    content: {
      readonly changeNumber: number | undefined;
      readonly entries: ReadonlyMap<string, Entry>;
    },
  ) {
    const { entries } = content;
    this.file = file;
    this.changeNumber = content.changeNumber;
    this.names = [...entries.values()].map((entry) => entry.name);
    this.#text = text;
    this.#entries = entries;
  }

  /** True when the file has the tag, any letter case. */
  has(name: string): boolean {
    return this.#entries.has(nameKey(name));
  }

  /** What the file says of a tag, any letter case; undefined when it has no such tag. */
  factsOf(name: string): TagFacts | undefined {
    return this.#entries.get(nameKey(name))?.facts;
  }

  /** The addresses of a tag, any letter case; undefined when the file has no such tag. */
  find(name: string): TagAddresses | undefined {
    const key = nameKey(name);
    const known = this.#parsed.get(key);
    if (known !== undefined) return known;
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const addresses = this.#parse(entry);
    this.#parsed.set(key, addresses);
    return addresses;
  }

  #parse(entry: Entry): TagAddresses {
    const prefixes: Prefix[] = [];
    const problems: Problem[] = [];
    for (const text of entry.addressPrefixes) {
      const prefix = typeof text === 'string' ? parsePrefix(text) : 'syntax';
      if (typeof prefix === 'string') problems.push(this.#badPrefix(entry.name, text, prefix));
      else prefixes.push(prefix);
    }
    if (problems.length > 0) return { ok: false, problems };
    return { ok: true, name: entry.name, addresses: setOfPrefixes(prefixes) };
  }

  #badPrefix(tag: string, prefix: unknown, fault: string): Problem {
    const value = JSON.stringify(prefix) ?? 'nothing';
    const start = this.#text.indexOf(JSON.stringify(tag));
    const message = `${value} in service tag ${tag} is no address prefix (${fault})`;
    return problemAt(this.file, this.#text, this.#text.indexOf(value, start), message);
  }
}

/**
 * Reads the text of a service tag file; a byte order mark is skipped. The prefixes are not looked at here: `find`
 * does, and reports those that are wrong.
 */
export function parseServiceTagFile(fileText: string, file: string): ServiceTagFileResult {
  const text = fileText.startsWith('\uFEFF') ? fileText.slice(1) : fileText;
  const fail = (message: string): ServiceTagFileResult => ({
    ok: false,
    problems: [problemAt(file, text, -1, `not a service tag file: ${message}`)],
  });
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (error) {
    return { ok: false, problems: syntaxProblems(text, file, error) };
  }
  if (!isRecord(root) || !Array.isArray(root['values'])) {
    return fail('it has no list "values"');
  }
  const entries = new Map<string, Entry>();
  for (const [index, value] of root['values'].entries()) {
    const entry = entryOf(value);
    if (entry === undefined) {
      return fail(`values[${index}] needs "name" and "addressPrefixes"`);
    }
    entries.set(nameKey(entry.name), entry);
  }
  const changeNumber = numberOf(root['changeNumber']);
  return { ok: true, tags: new ServiceTagFile(file, text, { changeNumber, entries }) };
}
