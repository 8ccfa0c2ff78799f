/** The version, from package.json: the one place where it is written. */
import { readFileSync } from 'node:fs';

/** This file runs as dist/daemon/version.js, or as daemon/version.ts under test. */
const candidates = ['../package.json', '../../package.json'];

function readVersion(): string {
  for (const candidate of candidates) {
    try {
      const text = readFileSync(new URL(candidate, import.meta.url), 'utf8');
      return String((JSON.parse(text) as { version: unknown }).version);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return 'unknown';
}

export const version = readVersion();
