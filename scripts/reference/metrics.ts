/** `docs/reference/metrics.md`: what Prometheus scrapes. */

import { gatewaySeries } from '../../src/gateway/series.ts';
import { ProcessSeries } from '../../src/process/series.ts';
import type { MetricPart } from '../../src/telemetry/metric-parts.ts';
import { collectNodeMetrics } from '../../src/telemetry/node-metrics.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { NO_ROUTE, OWN_ENDPOINT, RouteMetrics } from '../../src/telemetry/route-series.ts';
import { LogSeries } from '../../src/telemetry/series.ts';
import { cell, code, generated, table } from './markdown.ts';

/** Metrics of Node itself, by prom-client. */
const OF_NODE = /^(?:process|nodejs)_/;

/** Writes the page. */
export async function metricsPage(): Promise<string> {
  const metrics = new MetricRegistry();
  collectNodeMetrics(metrics);
  new LogSeries(metrics);
  new ProcessSeries(metrics, { version: '0.0.0', revision: 'unknown' });
  new RouteMetrics(gatewaySeries(metrics).requests, 'route', 'upstream');
  const known = metrics.prometheus.getMetricsAsArray() as unknown as readonly {
    name: string;
    labelNames: readonly string[];
  }[];
  const parts = new Map<string, MetricPart>();
  for await (const part of metrics.parts()) parts.set(part.name, part);
  const rows = [...parts.values()]
    .filter(({ name }) => !OF_NODE.test(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, help }) => {
      const labels = known.find((metric) => metric.name === name)?.labelNames ?? [];
      return [code(name), type, labels.map(code).join(' '), cell(help)];
    });
  const lean = new MetricRegistry();
  new RouteMetrics(gatewaySeries(lean).requests, 'route', 'upstream', []);
  return `${generated('the series.ts of each folder')}
# Metrics

\`GET /metrics\` of the admin listener, in the Prometheus text format, or as OpenMetrics 1.0 for clients that ask for
it, as Prometheus does (\`Accept: application/openmetrics-text\`). Label values come from the configuration or from a
closed set, never from a request; \`route\` is the id of a route, \`${OWN_ENDPOINT}\` for the gateway's own endpoints, \`${NO_ROUTE}\` for
requests that match nothing; \`reason\` is one of [reasons.md](reasons.md). Every series exists from the start, except for reasons
that a route does not normally produce, such as \`login_failed\`. The series of a route or an upstream that is no longer in the
configuration are removed a quarter of an hour later. With several workers the values are sums.

Prometheus can scrape it under any host name. A browser has to use an IP address, \`localhost\` or a name in
\`listeners.admin.allowedHosts\`, and gets 421 otherwise, because a page could have rebound its own name (DNS rebinding).

A route has ${await seriesOf(metrics, 'route')} series, or ${await seriesOf(lean, 'route')} with \`metrics.labels: []\`; an upstream has ${await seriesOf(metrics, 'upstream')}, plus four gauges. If
these are too many, Prometheus 3 can turn each histogram into a native one (\`convert_classic_histograms_to_nhcb: true\`).

${table(['Name', 'Type', 'Labels', 'Meaning'], rows)}
In addition, \`prom-client\` collects metrics of the process and of Node, under their usual names: \`process_…\`
and \`nodejs_…\`.
`;
}

/** Number of series with this value of a label. */
async function seriesOf(metrics: MetricRegistry, label: 'route' | 'upstream'): Promise<number> {
  return (await metrics.text()).split('\n').filter((line) => line.includes(`${label}="${label}"`)).length;
}
