/**
 * docs/images/dashboard-*.png: `make dashboard-pictures`, as root, with Debian's Prometheus and Chromium.
 *
 * Every query of a dashboard is asked of a Prometheus that scrapes an nsgd under traffic, and the answers are drawn by
 * grafana/pictures/: overview and rules beside everyday traffic, data plane and benchmark beside a load that rises in steps.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { callControl } from '../../daemon/control/client.ts';
import type { AnswerSeries, Period } from '../../grafana/pictures/answers.ts';
import { drawPage, PAGE_WIDTH, pageHeight } from '../../grafana/pictures/page.ts';
import {
  committedDashboards,
  panelsOf,
  substitute,
  targetsOf,
} from '../../test/helpers/dashboards.ts';
import { Lab } from '../../test/helpers/lab.ts';
import { liveObstacle } from '../../test/helpers/live.ts';
import { monitoredPolicy, MonitoredNetwork } from '../../test/helpers/monitored-network.ts';
import { hasChromium, photograph } from '../../test/helpers/photograph.ts';
import { projectRoot } from '../../test/helpers/project-root.ts';
import { PrometheusServer } from '../../test/helpers/prometheus-server.ts';
import { prometheus } from '../../test/helpers/prometheus.ts';
import { nsgd } from '../peers/nsgd.ts';
import { trialRules } from '../rules/trial-policy.ts';
import { establish, liveFrames } from '../tcpreplay/load.ts';
import { TestBed } from '../tcpreplay/test-bed.ts';
import type { Traffic } from '../traffic/traffic.ts';

const SCRAPE = { scrapeIntervalMs: 500, hasRules: true };
const STEP_SECONDS = 1;
/** As Grafana would have them for that. */
const RATE_SECONDS = 4;

/** Bytes a second of the downloads, each for `EVERYDAY_SECONDS`. */
const EVERYDAY_RATES = [300_000, 800_000, 1_500_000, 2_000_000, 1_000_000, 400_000];
const EVERYDAY_SECONDS = 15;
/** Seconds after which the policy changes. */
const RELOADS = [25, 60];

/** Frames a second, each for `LOAD_SECONDS`; the last one is as fast as the generator can. */
const LOAD_RATES = [50_000, 100_000, 200_000, 300_000, 400_000, undefined];
const LOAD_SECONDS = 8;
const LOAD_TRAFFIC: Traffic = { kind: 'half-denied', flows: 4096, size: 512, family: 4 };
const LOAD_RULES = 100;

function ask(server: PrometheusServer, dashboard: Dashboard, period: Period): string {
  const times = {
    interval: `${STEP_SECONDS}s`,
    rateInterval: `${RATE_SECONDS}s`,
    range: `${Math.round(period.end - period.start)}s`,
  };
  const answers = new Map(
    panelsOf(dashboard).map((panel) => [
      panel,
      targetsOf(panel).map(({ expr, instant }): readonly AnswerSeries[] => {
        const query = substitute(expr, times);
        return instant === true
          ? server.query(query, period.end)
          : server.queryRange(query, period.start, period.end, period.step);
      }),
    ]),
  );
  return drawPage(dashboard, answers, period);
}

function picture(server: PrometheusServer, name: string, start: number, end: number): void {
  const dashboard = committedDashboards().get(`${name}.json`);
  if (dashboard === undefined) throw new Error(`there is no dashboard ${name}`);
  const page = ask(server, dashboard, { start, end, step: STEP_SECONDS });
  const folder = join(projectRoot, 'docs/images');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `dashboard-${name}.png`);
  photograph(page, { width: PAGE_WIDTH, height: pageHeight(dashboard) }, file);
  // 256 colours are enough, and a third of the bytes.
  execFileSync('pngquant', ['--force', '--output', file, '256', file]);
  process.stdout.write(`${file}\n`);
}

/** The last whole second of which everything is scraped. */
function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000) - 1;
}

/** Everyday traffic, more and then less of it, with two reloads. */
async function everyday(): Promise<void> {
  const lab = new Lab();
  try {
    const site = await MonitoredNetwork.start(lab, monitoredPolicy(6));
    const server = await PrometheusServer.start(lab, site.network.filter, SCRAPE);
    const start = nowInSeconds() + RATE_SECONDS;
    const seconds = EVERYDAY_RATES.length * EVERYDAY_SECONDS;
    const rateAt = (elapsed: number): number =>
      EVERYDAY_RATES[Math.floor(elapsed / EVERYDAY_SECONDS)] ?? EVERYDAY_RATES[0] ?? 0;
    const traffic = site.traffic(seconds + RATE_SECONDS, rateAt);
    for (const [index, after] of RELOADS.entries()) {
      await sleep((after - (RELOADS[index - 1] ?? 0)) * 1000);
      site.daemon.write(monitoredPolicy(RELOADS.length - index));
      await callControl(site.daemon.socket, { method: 'POST', target: '/v1/reload' });
    }
    await sleep((start + seconds) * 1000 - Date.now());
    const end = nowInSeconds();
    await traffic;
    picture(server, 'overview', start, end);
    picture(server, 'rules', start, end);
  } finally {
    await lab.close();
  }
}

/** A load that rises until the data plane cannot follow. */
async function rising(): Promise<void> {
  const bed = new TestBed();
  try {
    const device = await nsgd('af-xdp').start(bed, { rules: trialRules(LOAD_RULES, 4), family: 4 });
    const server = await PrometheusServer.start(bed.lab, bed.device, SCRAPE);
    await establish(bed, LOAD_TRAFFIC);
    // What is divided by a rate of nearly nothing is left out.
    const start = nowInSeconds() + RATE_SECONDS + 2;
    for (const rate of LOAD_RATES) {
      await liveFrames.send(bed, {
        traffic: LOAD_TRAFFIC,
        rate,
        seconds: LOAD_SECONDS,
        firstFlow: 0,
      });
    }
    const end = nowInSeconds();
    picture(server, 'data-plane', start, end);
    picture(server, 'benchmark', start, end);
    await device.stop();
  } finally {
    await bed.close();
  }
}

const obstacle =
  liveObstacle ??
  (prometheus === undefined ? 'needs prometheus' : undefined) ??
  (hasChromium ? undefined : 'needs chromium: apt-get install chromium fonts-dejavu-core pngquant');
if (obstacle === undefined) {
  await everyday();
  await rising();
} else {
  process.stderr.write(`no pictures: ${obstacle}\n`);
  process.exitCode = 1;
}
