/** The files of `monitoring/` and the runbooks agree with each other and with the metrics. This needs no Prometheus. */

import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { gatewaySeries } from '../../src/gateway/series.ts';
import { ProcessSeries } from '../../src/process/series.ts';
import { collectNodeMetrics } from '../../src/telemetry/node-metrics.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { LogSeries } from '../../src/telemetry/series.ts';
import { ALERTS, DASHBOARD_QUERIES, PANELS, ROOT, RULES, runbookQueries, VARIABLE_QUERIES } from './files.ts';

const RUNBOOKS = 'https://github.com/sallyport/sallyport/blob/main/docs/runbooks/';
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const registry = new MetricRegistry();
collectNodeMetrics(registry);
new LogSeries(registry);
new ProcessSeries(registry, { version: '0.0.0', revision: 'unknown' });
gatewaySeries(registry);
const metrics = registry.prometheus.getMetricsAsArray().map(({ name }) => name);

/** The names of metrics in a text, without the suffixes of a histogram. */
const namesIn = (text: string) =>
  [...text.matchAll(/\b(?:sallyport|nodejs|process)_[a-z0-9_]+/g)].map(([name]) =>
    metrics.includes(name) ? name : name.replace(/_(?:bucket|sum|count)$/, ''),
  );

test('every metric that the dashboard, an alert or a runbook queries exists', () => {
  const queries = [...DASHBOARD_QUERIES, ...VARIABLE_QUERIES, ...RULES, ...runbookQueries()];
  expect(queries.length).toBeGreaterThan(150);
  const missing = queries.flatMap(({ where, expr }) =>
    namesIn(expr)
      .filter((name) => !metrics.includes(name))
      .map((name) => `${where}: ${name}`),
  );
  expect(missing).toEqual([]);
});

test('the dashboard shows every metric of the gateway', () => {
  const shown = new Set(DASHBOARD_QUERIES.flatMap(({ expr }) => namesIn(expr)));
  expect(metrics.filter((name) => name.startsWith('sallyport_') && !shown.has(name))).toEqual([]);
});

describe('each alert', () => {
  test('has a unique name, a severity, a summary and a description', () => {
    expect(new Set(ALERTS.map(({ alert }) => alert)).size).toBe(ALERTS.length);
    for (const { alert, labels, annotations } of ALERTS) {
      expect(alert).toMatch(/^Sallyport[A-Z]\w+$/);
      expect(['critical', 'warning']).toContain(labels['severity']);
      expect(annotations['summary']).toMatch(/^[A-Z][^.]+$/);
      expect(annotations['description']).toMatch(/\.$/);
    }
  });

  test('links to a runbook with its name and severity', () => {
    for (const { alert, labels, annotations } of ALERTS) {
      const url = annotations['runbook_url'] ?? '';
      expect(url.startsWith(RUNBOOKS)).toBe(true);
      const page = read(`docs/runbooks/${url.slice(RUNBOOKS.length)}`);
      expect(page).toMatch(new RegExp(`^# ${alert}\n\nSeverity: ${labels['severity']}\\.\n`));
      const titles = [...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
      expect(titles).toEqual(['What users notice', 'Check', 'Cure', 'Escalate']);
      expect(page).toMatch(/```promql\n/);
    }
  });

  test('has a page and a line in the list of runbooks, which contain nothing else', () => {
    const pages = globSync('docs/runbooks/*.md', { cwd: ROOT }).map((path) => basename(path));
    const expected = ALERTS.map(({ annotations }) => basename(annotations['runbook_url'] ?? ''));
    expect(pages.toSorted()).toEqual([...expected, 'README.md'].toSorted());
    const listed = [...read('docs/runbooks/README.md').matchAll(/^\| \[(\w+)\]\(([\w-]+\.md)\) \| (\w+) \|$/gm)];
    expect(listed.map(([, alert, page, severity]) => [alert, page, severity])).toEqual(
      ALERTS.map(({ alert, labels }, index) => [alert, expected[index], labels['severity']]),
    );
  });
});

describe('the dashboard', () => {
  test('has panels that do not overlap, each with a unique id and a description', () => {
    expect(new Set(PANELS.map(({ id }) => id)).size).toBe(PANELS.length);
    const taken = new Set<string>();
    for (const { title, description, type, gridPos } of PANELS) {
      if (type !== 'row') expect([title, description]).toEqual([title, expect.stringMatching(/\.$/)]);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect([title, x, y, taken.has(`${x},${y}`)]).toEqual([title, x, y, false]);
          taken.add(`${x},${y}`);
        }
      }
    }
  });

  test('is provisioned with a valid data source and provider', () => {
    const datasource = parse(read('monitoring/grafana/datasource.yaml'));
    const provider = parse(read('monitoring/grafana/dashboards.yaml'));
    expect(datasource).toMatchObject({ apiVersion: 1, datasources: [{ type: 'prometheus', url: expect.any(String) }] });
    expect(provider).toMatchObject({
      apiVersion: 1,
      providers: [{ type: 'file', options: { path: expect.any(String) } }],
    });
  });
});
