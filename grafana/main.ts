/**
 * Writes grafana/dashboards/*.json: `make dashboards`. A test fails while they are not what this writes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DASHBOARDS, dashboardText } from './dashboards.ts';

/** Of the repository; this file runs as dist/grafana/main.js. */
const folder = join(import.meta.dirname, '../../grafana/dashboards');

mkdirSync(folder, { recursive: true });
for (const [file, build] of Object.entries(DASHBOARDS)) {
  writeFileSync(join(folder, file), dashboardText(build()));
}
