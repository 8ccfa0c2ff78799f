/**
 * ReadFiles: the files that a configuration was read from, the service tags and exported groups among them, and which of them
 * have changed since: what is in force is then not what stands on the disk, and somebody should reload or undo it.
 */
import type { FileSource } from '../src/policy/load.ts';

export class ReadFiles implements FileSource {
  readonly #files: FileSource;
  /** Of what is in force: by path, as it was just before it was read. */
  #versions = new Map<string, string | undefined>();
  /** Of what is being read. */
  #reading = this.#versions;

  constructor(files: FileSource) {
    this.#files = files;
  }

  readText(path: string): string {
    this.#note(path);
    return this.#files.readText(path);
  }

  /** Asked before a file is taken from a cache: it counts as read. */
  versionOf(path: string): string | undefined {
    return this.#note(path);
  }

  /** Begins anew: the next configuration may name other files. What is in force stays known until `accept`. */
  begin(): void {
    this.#reading = new Map();
  }

  /** What was read since `begin` is in force now. */
  accept(): void {
    this.#versions = this.#reading;
  }

  /** Paths of the files that are no longer as they were read. Looks at each. */
  get changed(): readonly string[] {
    return [...this.#versions]
      .filter(([path, version]) => this.#files.versionOf(path) !== version)
      .map(([path]) => path);
  }

  #note(path: string): string | undefined {
    const version = this.#files.versionOf(path);
    this.#reading.set(path, version);
    return version;
  }
}
