/**
 * The renderer of the pictures in the documents: every panel of every dashboard is drawn, whatever Prometheus answers.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Answers, AnswerSeries, Period } from '../../grafana/pictures/answers.ts';
import { formatValue } from '../../grafana/pictures/format.ts';
import { drawPage, PAGE_WIDTH, pageHeight } from '../../grafana/pictures/page.ts';
import { committedDashboards, panelsOf, targetsOf } from '../helpers/dashboards.ts';
import { hasChromium, photograph } from '../helpers/photograph.ts';

const PERIOD: Period = { start: 1_700_000_000, end: 1_700_000_060, step: 1 };
const LABELS = {
  wire: 'w<0>',
  interface: 'eth0',
  rule: 'securityRules/"A"&B',
  le: '64',
  reason: 'flow',
};
const dashboards = [...committedDashboards()];

/** The same answer to every target: a series that rises, with a point that is missing. */
function answersTo(
  dashboard: (typeof dashboards)[number][1],
  valueAt: (n: number) => string,
): Answers {
  const pairs = Array.from({ length: 60 }, (_, n) => [PERIOD.start + n, valueAt(n)] as const);
  const range: AnswerSeries = { metric: LABELS, values: pairs.filter((_, n) => n !== 30) };
  const instant: AnswerSeries = { metric: LABELS, value: [PERIOD.end, valueAt(59)] };
  return new Map(
    panelsOf(dashboard).map((panel) => [
      panel,
      targetsOf(panel).map((target) => [target.instant === true ? instant : range]),
    ]),
  );
}

describe.each(dashboards)('%s', (_file, dashboard) => {
  test.each([
    ['rising values', (n: number) => String(n / 7)],
    ['zeros', () => '0'],
    ['values that are none', () => 'NaN'],
  ])('is drawn with %s', (_, valueAt) => {
    const page = drawPage(dashboard, answersTo(dashboard, valueAt), PERIOD);
    expect(page).toContain("by the project's renderer, not by Grafana");
    for (const { title = '' } of panelsOf(dashboard)) expect(page).toContain(`<h2>${title}</h2>`);
    expect(page).not.toMatch(/undefined|NaN|Infinity/);
    // What a label says is text, whatever it says.
    expect(page).not.toContain('w<0>');
  });

  test('is drawn without an answer', () => {
    const page = drawPage(dashboard, new Map(), PERIOD);
    for (const { title = '' } of panelsOf(dashboard)) expect(page).toContain(`<h2>${title}</h2>`);
    expect(page).not.toMatch(/undefined|NaN|Infinity/);
  });
});

test.each([
  [0, 'pps', '0 p/s'],
  [1234, 'pps', '1.23 kp/s'],
  [2_500_000_000, 'bps', '2.50 Gb/s'],
  [0.4251, 'percentunit', '42.5 %'],
  [0.000_002_1, 's', '2.10 µs'],
  [0.25, 's', '250 ms'],
  [90, 's', '1.5 min'],
  [1536, 'bytes', '1.50 KiB'],
  [1_050_000, 'short', '1.05 Mil'],
  [3, 'none', '3'],
])('%d %s is %s', (value, unit, text) => {
  expect(formatValue(value, unit, 0)).toBe(text);
});

test('the pictures in docs are of every dashboard', () => {
  for (const [file] of dashboards) {
    const png = readFileSync(
      join(import.meta.dirname, '../../docs/images', `dashboard-${file.replace('.json', '.png')}`),
    );
    expect(png.toString('latin1', 1, 4)).toBe('PNG');
    expect(png.readUInt32BE(16)).toBe(PAGE_WIDTH);
    expect(png.length).toBeLessThan(200_000);
  }
});

test.skipIf(!hasChromium)(`Chromium photographs a page${hasChromium ? '' : ' (missing)'}`, () => {
  const [first] = dashboards;
  if (first === undefined) throw new Error('no dashboard');
  const [, dashboard] = first;
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-t-'));
  try {
    const file = join(folder, 'page.png');
    const size = { width: PAGE_WIDTH, height: pageHeight(dashboard) };
    photograph(drawPage(dashboard, answersTo(dashboard, String), PERIOD), size, file);
    const png = readFileSync(file);
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([size.width, size.height]);
    expect(png.length).toBeGreaterThan(20_000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
