/**
 * A photograph of a page of HTML, by headless Chromium (Debian's package `chromium`). It reaches no network: the page is a file,
 * and what a browser does by itself is switched off.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CHROMIUM = '/usr/bin/chromium';
const TIMEOUT_MS = 60_000;

export const hasChromium = existsSync(CHROMIUM);

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Writes a PNG. @throws Error with Chromium's words */
export function photograph(html: string, { width, height }: Size, file: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-photo-'));
  try {
    const page = join(folder, 'page.html');
    writeFileSync(page, html);
    const { status, stderr } = spawnSync(
      CHROMIUM,
      [
        '--headless',
        // Root has no sandbox, and the page is our own.
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--hide-scrollbars',
        `--user-data-dir=${join(folder, 'profile')}`,
        `--window-size=${width},${height}`,
        `--screenshot=${file}`,
        `file://${page}`,
      ],
      { encoding: 'utf8', timeout: TIMEOUT_MS },
    );
    if (status !== 0 || !existsSync(file)) throw new Error(`chromium: ${stderr}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
