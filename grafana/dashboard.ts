/**
 * What all dashboards have in common: variables, links to each other, annotations, a fixed uid.
 */
import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  type RowPanel,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import { DATASOURCE } from './panels.ts';

/** uids of the dashboards: parts of their addresses, so they never change. */
export const Uid = Object.freeze({
  Overview: 'nsgd-overview',
  Rules: 'nsgd-rules',
  DataPlane: 'nsgd-data-plane',
  Benchmark: 'nsgd-benchmark',
} as const);

/** Matchers of what the reader chose, for metrics of a daemon, of a wire, of an interface. */
export const DAEMON = 'job=~"$job",instance=~"$instance"';
export const WIRE = `${DAEMON},wire=~"$wire"`;
export const INTERFACE = `${WIRE},interface=~"$interface"`;

const TAG = 'nsgd';

export interface Variable {
  readonly name: string;
  readonly label: string;
  /** `label_values(series, label)` */
  readonly query: string;
}

const BASE_VARIABLES: readonly Variable[] = [
  { name: 'job', label: 'Job', query: 'label_values(nsgd_build_info, job)' },
  {
    name: 'instance',
    label: 'Instance',
    query: 'label_values(nsgd_build_info{job=~"$job"}, instance)',
  },
  { name: 'wire', label: 'Wire', query: `label_values(nsgd_wire_ready{${DAEMON}}, wire)` },
];

export const INTERFACE_VARIABLE: Variable = {
  name: 'interface',
  label: 'Interface',
  query: `label_values(nsgd_interface_up{${WIRE}}, interface)`,
};

/** Panels under a heading. */
export interface Section {
  readonly title: string;
  readonly panels: readonly Builder<Panel>[];
}

export interface DashboardSpec {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables?: readonly Variable[];
  readonly sections: readonly Section[];
  /** How far back it looks when it is opened. */
  readonly from?: string;
  readonly refresh?: string;
}

function variable({ name, label, query }: Variable): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATASOURCE)
    .query({ query, refId: `${name}-variable` })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.+')
    .current({ selected: true, text: ['All'], value: ['$__all'] });
}

function annotation(
  name: string,
  color: string,
  expr: string,
  title: string,
): AnnotationQueryBuilder {
  // The builder has no field for the texts that a Prometheus annotation has.
  const builder = new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor(color)
    .expr(expr);
  const build = builder.build.bind(builder);
  return Object.assign(builder, {
    build: () => ({ ...build(), titleFormat: title, textFormat: '{{instance}}', step: '' }),
  });
}

/** The JSON of a dashboard. */
export function buildDashboard(spec: DashboardSpec): Dashboard {
  const builder = new DashboardBuilder(spec.title)
    .uid(spec.uid)
    .description(spec.description)
    .tags([TAG])
    .timezone('browser')
    .editable()
    .tooltip(DashboardCursorSync.Crosshair)
    .refresh(spec.refresh ?? '30s')
    .time({ from: spec.from ?? 'now-1h', to: 'now' })
    .withVariable(
      new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
    )
    .annotation(
      annotation(
        'Reloads',
        'blue',
        `changes(nsgd_config_last_reload_success_timestamp_seconds{${DAEMON}}[$__rate_interval]) > 0`,
        'Policy reloaded',
      ),
    )
    .annotation(
      annotation(
        'Data plane restarts',
        'red',
        `changes(nsgd_data_plane_restarts_total{${WIRE}}[$__rate_interval]) > 0`,
        'Data plane restarted: {{wire}}',
      ),
    )
    .link(
      new DashboardLinkBuilder('nsgd')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    );
  for (const each of [...BASE_VARIABLES, ...(spec.variables ?? [])]) {
    builder.withVariable(variable(each));
  }
  for (const { title, panels } of spec.sections) {
    builder.withRow(new RowBuilder(title));
    for (const panel of panels) builder.withPanel(panel);
  }
  return numbered(builder.build());
}

/** Panels have numbers in the order of the page, so that links to one of them stay good. */
function numbered(dashboard: Dashboard): Dashboard {
  const panels = (dashboard.panels ?? []).map(
    (panel: Panel | RowPanel, index): Panel | RowPanel => ({ ...panel, id: index + 1 }),
  );
  return { ...dashboard, id: null, panels };
}
