/**
 * Where the real rule sets, captures and NSG files are: a folder beside the project that a clone may not have.
 * Tests that need it skip, saying so, when it is absent. Nothing from there is copied into the project.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project-root.ts';

const root = join(projectRoot, '../shared/data');

/** Path of `name` in the shared data folder, or undefined where there is none. */
export function sharedData(name: string): string | undefined {
  const path = join(root, name);
  return existsSync(path) ? path : undefined;
}
