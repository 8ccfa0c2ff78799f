/**
 * Files that are only in memory, to be written and removed by a test while something reads them.
 */
import type { FileSource } from '../../src/policy/load.ts';

export interface MemoryFiles {
  readonly source: FileSource;
  write(path: string, text: string): void;
  remove(path: string): void;
}

export function memoryFiles(texts: Readonly<Record<string, string>>): MemoryFiles {
  const files = new Map(Object.entries(texts).map(([path, text]) => [path, { text, version: 0 }]));
  return {
    source: {
      readText(path) {
        const file = files.get(path);
        if (file === undefined) throw new Error('there is no such file');
        return file.text;
      },
      versionOf: (path) => files.get(path)?.version.toString(),
    },
    write(path, text) {
      files.set(path, { text, version: (files.get(path)?.version ?? 0) + 1 });
    },
    remove(path) {
      files.delete(path);
    },
  };
}
