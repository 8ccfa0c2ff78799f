/**
 * Where the project is, for files that run both from source (vitest) and from dist/ (the demo, peers).
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** Absolute path of the folder that holds package.json. */
export const projectRoot = findRoot();
