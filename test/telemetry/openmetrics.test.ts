/** The metrics as OpenMetrics: who gets them, and that a strict parser reads them. */

import { describe, expect, test } from 'vitest';
import { MetricsMerger, ProcessMetrics } from '../../src/process/workers/merge-metrics.ts';
import { collectNodeMetrics } from '../../src/telemetry/node-metrics.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { LogSeries } from '../../src/telemetry/series.ts';
import { textFormatFor } from '../../src/telemetry/text-format.ts';
import { startInstance } from '../support/instance.ts';
import { parseOpenMetrics } from '../support/telemetry/openmetrics.ts';

/** The Accept headers of Prometheus 3 and of 2.x. */
const PROMETHEUS_3 =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
const PROMETHEUS_2 =
  'application/openmetrics-text; version=1.0.0,application/openmetrics-text; version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';

test.each([
  ['Prometheus 3', PROMETHEUS_3, 'openmetrics'],
  ['Prometheus 2', PROMETHEUS_2, 'openmetrics'],
  ['a client that names only OpenMetrics', 'application/openmetrics-text', 'openmetrics'],
  ['the same in mixed case, with spaces', 'Application/OpenMetrics-Text ; Version=1.0.0 ; Q=0.5', 'openmetrics'],
  ['a client without Accept', '', 'prometheus'],
  ['curl', '*/*', 'prometheus'],
  ['a browser', 'text/html,application/xhtml+xml,*/*;q=0.8', 'prometheus'],
  ['a client that prefers plain text', 'application/openmetrics-text;q=0.3,text/plain;q=0.9', 'prometheus'],
  ['a client that accepts anything but OpenMetrics', 'application/openmetrics-text;q=0,*/*', 'prometheus'],
  ['a client of a later version only', 'application/openmetrics-text;version=2.0.0', 'prometheus'],
  ['a client whose q is not a number', 'application/openmetrics-text;q=x', 'prometheus'],
])('%s gets the format that it asks for', (_client, accept, format) => {
  expect(textFormatFor(accept)).toBe(format);
});

describe('OpenMetrics', () => {
  test('satisfies a strict parser and contains every metric of the other format', async () => {
    await using instance = await startInstance({ routes: [{ id: 'app', match: { path: '/' }, credential: 'none' }] });
    collectNodeMetrics(instance.metrics);
    new LogSeries(instance.metrics);
    instance.metrics.histogram('odd_seconds', 'Says "hello" and \\.', [0.5, 1, 10], {}).observe({}, 0.7);
    const answer = await instance.admin('/metrics', { headers: { Accept: PROMETHEUS_3 } });
    expect(answer.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    const families = parseOpenMetrics(await answer.text());
    expect([...(families.get('sallyport_odd_seconds')?.samples ?? [])].map(({ labels }) => labels.get('le'))).toEqual(
      expect.arrayContaining(['0.5', '1.0', '10.0', '+Inf']),
    );

    const plain = await instance.admin('/metrics');
    expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const types = new Map(
      [...(await plain.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]),
    );
    expect(
      new Map([...families.values()].map(({ name, type }) => [type === 'counter' ? `${name}_total` : name, type])),
    ).toEqual(types);
  });

  test('satisfies a strict parser when the metrics of workers are merged', async () => {
    const registryOf = (routes: readonly string[]) => {
      const registry = new MetricRegistry();
      const requests = registry.hotCounter('http_requests_total', 'Requests.', ['route']);
      const durations = registry.hotHistogram('http_request_duration_seconds', 'Time.', [0.5, 1], ['route']);
      const rare = registry.histogram('rare_seconds', 'Rare.', [1, 2], { kind: ['one', 'two'] });
      for (const route of routes) {
        requests.child({ route }).inc(2);
        durations.child({ route }).observeMs(700);
        rare.observe({ kind: 'two' }, 1.5);
      }
      return ProcessMetrics.of(registry.parts());
    };
    const merger = new MetricsMerger();
    const [primary, one, other] = await Promise.all([registryOf([]), registryOf(['a', 'b']), registryOf(['b', 'c'])]);
    const workers = new Map([
      [1, one],
      [2, other],
    ]);
    let text = '';
    for await (const block of merger.merge(primary, workers, 'openmetrics')) text += block;
    const families = parseOpenMetrics(text);
    const ofRoute = (name: string, route: string) =>
      families.get(name)?.samples.find(({ labels }) => labels.get('route') === route && labels.get('le') !== '0.5');
    expect(ofRoute('sallyport_http_requests', 'b')?.value).toBe(4);
    expect(ofRoute('sallyport_http_request_duration_seconds', 'b')).toMatchObject({ value: 2 });
    expect(families.get('sallyport_rare_seconds')?.samples.filter(({ name }) => name.endsWith('_count'))).toHaveLength(
      2,
    );
  });
});

describe('the strict parser', () => {
  const HEAD = '# HELP a_b Help.\n# TYPE a_b counter\n';
  test.each([
    ['an exposition without EOF', `${HEAD}a_b_total 1\n`],
    ['a counter without its suffix', `${HEAD}a_b 1\n# EOF\n`],
    ['a sample of another metric', `${HEAD}a_c_total 1\n# EOF\n`],
    ['a duplicate sample', `${HEAD}a_b_total 1\na_b_total 1\n# EOF\n`],
    ['an empty line', `${HEAD}a_b_total 1\n\n# EOF\n`],
    ['a quotation mark in the help', '# HELP a_b "x"\n# TYPE a_b gauge\na_b 1\n# EOF\n'],
    [
      'an integer bound',
      '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n# EOF\n',
    ],
    [
      'interleaved groups',
      '# HELP g G.\n# TYPE g gauge\ng{a="1"} 1\ng{a="2"} 1\ng{a="1",b="1"} 1\ng{a="2"} 3\n# EOF\n',
    ],
  ])('refuses %s', (_what, text) => {
    expect(() => parseOpenMetrics(text)).toThrow();
  });
});
