/** `monitoring/dashboard.json`: the dashboard for Grafana 11 and later, with every metric of the gateway. */

import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DATASOURCE, type PanelSpec, panelOf } from './panels.ts';
import { SESSIONS, TOKENS } from './rows/identity.ts';
import { FILES, PROCESSES, STORE, UPSTREAMS } from './rows/operation.ts';
import { LIMITS, OVERVIEW, TRAFFIC } from './rows/traffic.ts';

/** Grafana's grid has 24 columns. */
const COLUMNS = 24;
const GRAPH = { width: 8, height: 8 };
const NUMBER_HEIGHT = 4;

/** From what users notice down to the process. */
const ROWS: readonly { readonly title: string; readonly panels: readonly PanelSpec[] }[] = [
  { title: 'Overview', panels: OVERVIEW },
  { title: 'Traffic', panels: TRAFFIC },
  { title: 'Sessions and logins', panels: SESSIONS },
  { title: 'Tokens', panels: TOKENS },
  { title: 'Store and feed', panels: STORE },
  { title: 'Upstreams', panels: UPSTREAMS },
  { title: 'Limits and shedding', panels: LIMITS },
  { title: 'Configuration, keys and certificates', panels: FILES },
  { title: 'Processes', panels: PROCESSES },
];

/** Writes the dashboard, as Grafana exports one. */
export function dashboardJson(): string {
  const dashboard = new DashboardBuilder('Sallyport')
    .uid('sallyport')
    .description('An edge authentication gateway: https://github.com/sallyport/sallyport')
    .tags(['sallyport', 'gateway', 'authentication'])
    .timezone('browser')
    .time({ from: 'now-3h', to: 'now' })
    .refresh('1m')
    .tooltip(DashboardCursorSync.Crosshair)
    .editable()
    .variables(variables())
    .link(
      new DashboardLinkBuilder('Runbooks')
        .type(DashboardLinkType.Link)
        .icon('doc')
        .targetBlank(true)
        .url('https://github.com/sallyport/sallyport/tree/main/docs/runbooks'),
    );
  let id = 0;
  for (const { title, panels } of ROWS) {
    id += 1;
    dashboard.withRow(new RowBuilder(title).id(id));
    for (const panel of panels) {
      id += 1;
      dashboard.withPanel(panelOf(panel, id, sizeOf(panel, panels)));
    }
  }
  return `${JSON.stringify(dashboard.build(), null, 2)}\n`;
}

/** Numbers share one line; graphs are three in a line. */
function sizeOf(panel: PanelSpec, { length }: readonly PanelSpec[]) {
  return panel.stat === undefined ? GRAPH : { width: Math.floor(COLUMNS / length), height: NUMBER_HEIGHT };
}

function variables() {
  const query = (name: string, label: string, expr: string) =>
    new QueryVariableBuilder(name)
      .label(label)
      .query({ query: expr, refId: name })
      .definition(expr)
      .datasource(DATASOURCE)
      .refresh(VariableRefresh.OnTimeRangeChanged)
      .sort(VariableSort.AlphabeticalAsc)
      .multi(true)
      .includeAll(true)
      .current({ text: 'All', value: '$__all' });
  const chosenJob = 'sallyport_build_info{job=~"$job"';
  return [
    new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
    // Without a value for "All": Grafana then lists the jobs, so that metrics of other programs in Node stay out.
    query('job', 'Job', 'label_values(sallyport_build_info, job)'),
    query('namespace', 'Namespace', `label_values(${chosenJob}}, namespace)`).allValue('.*'),
    query('pod', 'Pod', `label_values(${chosenJob}, namespace=~"$namespace"}, pod)`).allValue('.*'),
    query(
      'route',
      'Route',
      'label_values(sallyport_http_requests_in_flight{job=~"$job", namespace=~"$namespace"}, route)',
    ).allValue('.*'),
  ];
}
