/**
 * The kinds of panels that the dashboards are made of, each with the settings that all of its kind share, so that a
 * dashboard says only what is its own: title, meaning, unit, queries.
 */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import { PanelBuilder as BarGaugeBuilder } from '@grafana/grafana-foundation-sdk/bargauge';
import {
  AxisPlacement,
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  GraphGradientMode,
  LegendDisplayMode,
  LegendPlacement,
  LineInterpolation,
  ReduceDataOptionsBuilder,
  ScaleDistribution,
  ScaleDistributionConfigBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TableSortByFieldStateBuilder,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  type Panel,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import {
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  PanelBuilder as HeatmapBuilder,
  YAxisConfigBuilder,
} from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** Whatever Prometheus the reader chose at the top of the dashboard. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** Dashboards are 24 columns wide. */
export const COLUMNS = 24;

export interface Query {
  readonly expr: string;
  /** As Grafana writes it: `{{wire}} received`. */
  readonly legend?: string;
}

interface Common {
  readonly title: string;
  /** What it shows and what to make of it, for somebody who was woken up. */
  readonly description: string;
  /** Grafana's name of the unit. */
  readonly unit: string;
  readonly queries: readonly Query[];
  readonly width: number;
  readonly height?: number;
  readonly decimals?: number;
  /** Value from which on a colour holds; the first one is that of everything below. */
  readonly thresholds?: readonly Step[];
  /** uid of the dashboard that shows more of the same. */
  readonly more?: string;
}

export type Step = readonly [from: number, color: string];

const GREEN: readonly Step[] = [[Number.NEGATIVE_INFINITY, 'green']];

function thresholdsOf(steps: readonly Step[]): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(
    steps.map(([from, color]): Threshold => ({
      // JSON has no infinity: the first step begins at null.
      value: Number.isFinite(from) ? from : null,
      color,
    })),
  );
}

function targets(
  queries: readonly Query[],
  kind: 'range' | 'instant',
  format = PromQueryFormat.TimeSeries,
): DataqueryBuilder[] {
  return queries.map(({ expr, legend }, index) => {
    const query = new DataqueryBuilder()
      .refId(String.fromCodePoint(('A'.codePointAt(0) as number) + index))
      .datasource(DATASOURCE)
      .expr(expr)
      .format(format)
      .legendFormat(legend ?? '__auto');
    return kind === 'range' ? query.range() : query.instant();
  });
}

function moreLink(uid: string): DashboardLinkBuilder {
  return new DashboardLinkBuilder('More of this')
    .type(DashboardLinkType.Link)
    .url(
      `/d/${uid}?\${__url_time_range}&\${datasource:queryparam}&\${job:queryparam}&\${instance:queryparam}&\${wire:queryparam}`,
    );
}

/** A word for each value, in colour. */
export function words(
  ...meanings: readonly (readonly [value: number, text: string, color: string])[]
): ValueMapping[] {
  return [
    {
      type: MappingType.ValueToText,
      options: Object.fromEntries(
        meanings.map(([value, text, color], index) => [String(value), { text, color, index }]),
      ),
    },
  ];
}

export interface StatPanel extends Common {
  readonly mappings?: ValueMapping[];
  /** Draw how the value went behind it. */
  readonly hasGraph?: boolean;
}

/** One number or word. */
export function stat(panel: StatPanel): Builder<Panel> {
  const builder = new StatBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .targets(targets(panel.queries, panel.hasGraph === true ? 'range' : 'instant'))
    .unit(panel.unit)
    .span(panel.width)
    .height(panel.height ?? 4)
    .thresholds(thresholdsOf(panel.thresholds ?? GREEN))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .mappings(panel.mappings ?? [])
    .graphMode(panel.hasGraph === true ? BigValueGraphMode.Area : BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Background)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false));
  if (panel.decimals !== undefined) builder.decimals(panel.decimals);
  if (panel.more !== undefined) builder.links([moreLink(panel.more)]);
  return builder;
}

export interface TimeseriesPanel extends Common {
  readonly isStacked?: boolean;
  readonly min?: number;
  readonly max?: number;
}

/** Lines over time. */
export function timeseries(panel: TimeseriesPanel): Builder<Panel> {
  const builder = new TimeseriesBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .targets(targets(panel.queries, 'range'))
    .unit(panel.unit)
    .span(panel.width)
    .height(panel.height ?? 8)
    .lineWidth(1)
    .fillOpacity(panel.isStacked === true ? 40 : 10)
    .gradientMode(GraphGradientMode.None)
    .lineInterpolation(LineInterpolation.Linear)
    .showPoints(VisibilityMode.Never)
    .spanNulls(false)
    .axisPlacement(AxisPlacement.Auto)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .thresholds(thresholdsOf(panel.thresholds ?? GREEN))
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .calcs(['mean', 'max', 'lastNotNull']),
    )
    .tooltip(
      new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending),
    );
  if (panel.isStacked === true) {
    builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  }
  if (panel.min !== undefined) builder.min(panel.min);
  if (panel.max !== undefined) builder.max(panel.max);
  if (panel.decimals !== undefined) builder.decimals(panel.decimals);
  if (panel.more !== undefined) builder.links([moreLink(panel.more)]);
  return builder;
}

/** Bars, the longest first: what there is most of in the chosen time. */
export function bars(panel: Common): Builder<Panel> {
  const builder = new BarGaugeBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .targets(targets(panel.queries, 'instant'))
    .unit(panel.unit)
    .span(panel.width)
    .height(panel.height ?? 8)
    .min(0)
    .thresholds(thresholdsOf(panel.thresholds ?? [[Number.NEGATIVE_INFINITY, 'blue']]))
    .orientation(VizOrientation.Horizontal)
    .displayMode(BarGaugeDisplayMode.Basic)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false));
  if (panel.decimals !== undefined) builder.decimals(panel.decimals);
  if (panel.more !== undefined) builder.links([moreLink(panel.more)]);
  return builder;
}

export interface TablePanel extends Common {
  /** Labels that become columns, with their headings, in this order. */
  readonly labels: Readonly<Record<string, string>>;
  /** Heading and unit of the column of each query. */
  readonly values: readonly (readonly [heading: string, unit: string])[];
  /** Heading of the column by which rows are sorted, the largest first. */
  readonly sortBy?: string;
}

/** Rows of series with equal labels, a column for each query. */
export function table(panel: TablePanel): Builder<Panel> {
  const labels = Object.keys(panel.labels);
  const columns = panel.values.map((_, index) =>
    panel.queries.length === 1 ? 'Value' : `Value #${String.fromCodePoint(65 + index)}`,
  );
  const names = [...labels, ...columns];
  const headings = [...Object.values(panel.labels), ...panel.values.map(([heading]) => heading)];
  const builder = new TableBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .targets(targets(panel.queries, 'instant', PromQueryFormat.Table))
    .unit(panel.unit)
    .span(panel.width)
    .height(panel.height ?? 9)
    .thresholds(thresholdsOf(panel.thresholds ?? GREEN))
    .filterable(true)
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'filterFieldsByName',
      options: { include: { names } },
    })
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: {},
        indexByName: Object.fromEntries(names.map((name, index) => [name, index])),
        renameByName: Object.fromEntries(names.map((name, index) => [name, headings[index]])),
      },
    });
  for (const [heading, unit] of panel.values) {
    builder.overrideByName(heading, [{ id: 'unit', value: unit }]);
  }
  if (panel.sortBy !== undefined) {
    builder.sortBy([new TableSortByFieldStateBuilder().displayName(panel.sortBy).desc(true)]);
  }
  return builder;
}

/** How the values of a histogram are spread, over time. */
export function heatmap(panel: Common): Builder<Panel> {
  return new HeatmapBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .targets(targets(panel.queries, 'range', PromQueryFormat.Heatmap))
    .unit('short')
    .span(panel.width)
    .height(panel.height ?? 8)
    .calculate(false)
    .color(
      new HeatmapColorOptionsBuilder().mode(HeatmapColorMode.Scheme).scheme('Oranges').steps(64),
    )
    .yAxis(new YAxisConfigBuilder().unit(panel.unit))
    .scaleDistribution(new ScaleDistributionConfigBuilder().type(ScaleDistribution.Log).log(2))
    .showYHistogram()
    .cellGap(1);
}
