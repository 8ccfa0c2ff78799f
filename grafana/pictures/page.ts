/**
 * A dashboard as a page of HTML and SVG: what `make dashboard-pictures` has Chromium photograph. It draws the panel kinds
 * that our dashboards have, as Grafana lays them out, from answers of Prometheus; it is no Grafana, and says so on the page.
 */
import type { Dashboard, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Answers, Period } from './answers.ts';
import { drawPanel } from './panel.ts';
import { escapeHtml } from './format.ts';

/** Grafana's grid: columns of equal width, rows of 30 pixels with 8 between. */
export const PAGE_WIDTH = 1440;
const COLUMNS = 24;
const ROW_HEIGHT = 38;
const GAP = 8;
const TOP = 64;

const STYLE = `
  body { margin: 0; background: #111217; color: #ccccdc; font: 12px "DejaVu Sans", sans-serif; position: relative; }
  header { position: absolute; left: 12px; top: 10px; }
  header h1 { font-size: 19px; font-weight: normal; margin: 0 0 5px; color: #fff; }
  header p { margin: 0; color: #8e8e9c; }
  .row { position: absolute; color: #fff; font-size: 14px; }
  .panel { position: absolute; background: #181b1f; border: 1px solid #2c2e33; border-radius: 3px; overflow: hidden; box-sizing: border-box; }
  .panel > h2 { font-size: 12px; font-weight: normal; margin: 6px 8px 2px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .stat { position: absolute; inset: 0; display: flex; align-items: center; justify-content: center; color: #fff; }
  .stat > h2 { position: absolute; left: 8px; top: 6px; margin: 0; font-size: 12px; font-weight: normal; }
  .stat > span { font-size: 27px; padding-top: 14px; position: relative; }
  .stat > svg { position: absolute; left: 0; bottom: 0; }
  table { border-collapse: collapse; width: 100%; }
  td, th { text-align: left; padding: 3px 8px; border-bottom: 1px solid #2c2e33; white-space: nowrap; font-weight: normal; }
  th { color: #6e9fff; }
  td.number, th.number { text-align: right; }
  .legend { font-size: 10.5px; padding: 0 8px; line-height: 14px; }
  .legend td, .legend th { padding: 0 6px 0 0; border: 0; line-height: 14px; }
  .legend th { color: #8e8e9c; }
  .key { display: inline-block; width: 12px; height: 3px; margin-right: 6px; vertical-align: middle; }
`;

function place(position: { x: number; y: number; w: number; h: number }): {
  left: number;
  top: number;
  width: number;
  height: number;
} {
  const column = (PAGE_WIDTH - GAP) / COLUMNS;
  return {
    left: Math.round(GAP + position.x * column),
    top: TOP + position.y * ROW_HEIGHT,
    width: Math.round(position.w * column) - GAP,
    height: position.h * ROW_HEIGHT - GAP,
  };
}

/** Pixels of the whole page. */
export function pageHeight(dashboard: Dashboard): number {
  const bottoms = (dashboard.panels ?? []).map(({ gridPos }) =>
    gridPos === undefined ? 0 : gridPos.y + gridPos.h,
  );
  return TOP + Math.max(0, ...bottoms) * ROW_HEIGHT + GAP;
}

export function drawPage(dashboard: Dashboard, answers: Answers, period: Period): string {
  const parts = (dashboard.panels ?? []).map((panel: Panel | RowPanel) => {
    if (panel.gridPos === undefined) return '';
    const { left, top, width, height } = place(panel.gridPos);
    const box = `left:${left}px;top:${top}px;width:${width}px;height:${height}px`;
    if (panel.type === 'row') {
      return `<div class="row" style="${box}">▾ ${escapeHtml(panel.title ?? '')}</div>`;
    }
    const body = drawPanel(panel, answers.get(panel) ?? [], {
      width: width - 2,
      height: height - 2,
      period,
    });
    return `<div class="panel" style="${box}">${body}</div>`;
  });
  return `<!doctype html><meta charset="utf-8"><title>${escapeHtml(dashboard.title ?? '')}</title><style>${STYLE}</style>
<body style="width:${PAGE_WIDTH}px;height:${pageHeight(dashboard)}px"><header><h1>${escapeHtml(dashboard.title ?? '')}</h1>
<p>Rendered from the dashboard's own queries by the project's renderer, not by Grafana. ${escapeHtml(dashboard.description ?? '')}</p></header>
${parts.join('\n')}</body>`;
}
