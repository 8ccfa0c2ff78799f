/**
 * Names for imported resources. Azure tells two resources of one name apart by their resource groups; a configuration
 * has names alone, so the second one gets its resource group or a number added.
 */
import { nameKey, resourceNameOfId } from '../names.ts';
import { type Position, type ProblemList, quote } from '../problem.ts';
import { isSameResource, keyOfId, type Reference, type ResourceKey } from './resource.ts';

const NAME_LENGTH_MAX = 80;

interface Entry<T> {
  readonly key: ResourceKey | undefined;
  readonly name: string;
  readonly value: T;
}

/** Resources of one type, by their ids, each with the name that it has in the configuration. */
export class NameTable<T> {
  readonly #what: string;
  readonly #problems: ProblemList;
  readonly #entries: Entry<T>[] = [];
  readonly #taken = new Set<string>();

  /** @param what the kind of resource, for messages */
  constructor(what: string, problems: ProblemList) {
    this.#what = what;
    this.#problems = problems;
  }

  get entries(): readonly { readonly name: string; readonly value: T }[] {
    return this.#entries;
  }

  /** The entry of the same resource, when it was added before. */
  same(key: ResourceKey | undefined): T | undefined {
    return this.#entries.find((entry) => isSame(entry.key, key))?.value;
  }

  /** @returns the name in the configuration */
  add(wanted: string, key: ResourceKey | undefined, value: T, at: Position): string {
    const name = this.#free(wanted, key?.resourceGroup);
    if (name !== wanted) {
      const message = `there are two ${this.#what}s ${quote(wanted)}; this one is called ${quote(name)} here`;
      this.#problems.warning(at, 'ResourceRenamed', message);
    }
    this.#taken.add(nameKey(name));
    this.#entries.push({ key, name, value });
    return name;
  }

  /** The name of the resource that is meant; undefined when it is not here. Ambiguous ids are reported. */
  find({ id, at }: Reference): { readonly name: string; readonly value: T } | undefined {
    const key = keyOfId(id);
    const isId = id.toLowerCase().includes('/providers/');
    const matches = this.#entries.filter((entry) =>
      isId ? isSame(entry.key, key) : nameKey(entry.name) === nameKey(resourceNameOfId(id)),
    );
    if (matches.length > 1) {
      const message = `${quote(id)} may be each of ${matches.length} ${this.#what}s: it names no resource group`;
      this.#problems.error(at, 'AmbiguousReference', message);
    }
    return matches[0];
  }

  #free(wanted: string, resourceGroup: string | undefined): string {
    if (!this.#taken.has(nameKey(wanted))) return wanted;
    const suffixes = [
      ...(resourceGroup === undefined ? [] : [resourceGroup.replaceAll(/[^\w.-]/g, '_')]),
      ...Array.from({ length: this.#entries.length + 1 }, (_, index) => String(index + 2)),
    ];
    const names = suffixes.map((suffix) => {
      const end = `_${suffix}`.replace(/[.-]$/, '_');
      return wanted.slice(0, NAME_LENGTH_MAX - end.length) + end;
    });
    return names.find((name) => !this.#taken.has(nameKey(name))) ?? wanted;
  }
}

function isSame(a: ResourceKey | undefined, b: ResourceKey | undefined): boolean {
  return a !== undefined && b !== undefined && isSameResource(a, b);
}
