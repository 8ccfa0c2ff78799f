/**
 * Compiled modules for child processes: Node 20 cannot run TypeScript, so what a test forks comes from `dist/`, brought
 * up to date first. Type errors elsewhere in the tree do not matter here; a missing file does.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
let isBuilt = false;

/** Path in `dist/` of a source file, e.g. `daemon/data-plane/main.ts`. */
export function compiled(source: string): string {
  if (!isBuilt) {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    spawnSync(process.execPath, [compiler, '-b', 'test'], { cwd: root });
    isBuilt = true;
  }
  const path = join(root, 'dist', source.replace(/\.ts$/, '.js'));
  if (!existsSync(path)) throw new Error(`${source} was not compiled; npm run build says why`);
  return path;
}
