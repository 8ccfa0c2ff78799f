/**
 * What a command is given to read once: a file, a pipe (`<(...)`, /dev/stdin), or `-` for standard input. The daemon does
 * not read through this: it reads its configuration again and again, and a pipe would make it wait for ever.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { decodeText, diskFiles, type FileSource } from '../src/policy/load.ts';
import { sleepSync } from './output.ts';

const STDIN = 0;
const CHUNK_BYTES = 65_536;
/** As for files, so that a pipe that never ends is no more than an error. */
const INPUT_BYTES_MAX = 64 * 1024 * 1024;

/** Not by its name: a socket, which standard input may be, cannot be opened. */
function isStdin(path: string): boolean {
  return path === '-' || path === '/dev/stdin';
}

function isPipe(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isFIFO() ?? false;
}

/** All bytes to the end; the descriptor may be one that does not block. @throws Error over `INPUT_BYTES_MAX` */
function readToEnd(descriptor: number): Buffer {
  const chunks: Buffer[] = [];
  for (let bytes = 0; bytes <= INPUT_BYTES_MAX;) {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    try {
      const read = readSync(descriptor, chunk);
      if (read === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, read));
      bytes += read;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // What the end of a terminal's input is on some systems.
      if (code === 'EOF') return Buffer.concat(chunks);
      if (code !== 'EAGAIN') throw error;
      sleepSync();
    }
  }
  throw new Error(`more than ${INPUT_BYTES_MAX} bytes`);
}

/** @param path `-` for standard input */
export function readInput(path: string): Buffer {
  if (isStdin(path)) return readToEnd(STDIN);
  const descriptor = openSync(path, 'r');
  try {
    return readToEnd(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Files of this machine, pipes and `-`. */
export const inputFiles: FileSource = {
  readText: (path) =>
    isStdin(path) || isPipe(path) ? decodeText(readInput(path)) : diskFiles.readText(path),
  versionOf: (path) => diskFiles.versionOf(path),
};

/** The same, each file read once: for a command that has to look what a file is before it is read as such. */
export function rememberedFiles(): FileSource {
  const texts = new Map<string, string>();
  return {
    readText(path) {
      const text = texts.get(path) ?? inputFiles.readText(path);
      texts.set(path, text);
      return text;
    },
    versionOf: (path) => inputFiles.versionOf(path),
  };
}
