/** Whether live tests can run: they need root, the natives, namespaces and a build. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { liveTestObstacle } from './network-namespace.ts';
import { projectRoot } from './project-root.ts';

/** Why live tests with a whole daemon cannot run here; undefined when they can. */
export const liveObstacle = existsSync(join(projectRoot, 'dist/daemon/main.js'))
  ? liveTestObstacle()
  : 'needs a build';
