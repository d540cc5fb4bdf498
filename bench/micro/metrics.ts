/** Metrics of every request: prom-client's bound children against src/telemetry/hot-metrics.ts. */

import { Counter, Histogram, Registry } from 'prom-client';
import { HotHistogramFamily, HotNumberFamily } from '../../src/telemetry/hot-metrics.ts';
import { compare } from './compare.ts';

const registry = new Registry();
const labelNames = ['route', 'method', 'code_class'] as const;
const labels = { route: 'orders', method: 'GET', code_class: '2xx' };
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

const boundCounter = new Counter({ name: 'a_total', help: 'a', labelNames, registers: [registry] }).labels(labels);
const hotCounter = new HotNumberFamily(registry, 'b_total', 'b', labelNames, 'counter').child(labels);
compare(import.meta.url, 'a counter with three labels', [
  { name: 'prom-client, bound', once: () => boundCounter.inc() },
  { name: 'HotCounter', once: () => hotCounter.inc() },
]);

const boundHistogram = new Histogram({
  name: 'c_seconds',
  help: 'c',
  labelNames,
  buckets,
  registers: [registry],
}).labels(labels);
const hotHistogram = new HotHistogramFamily(registry, 'd_seconds', 'd', labelNames, buckets).child(labels);
compare(import.meta.url, 'a histogram with three labels, 14 buckets', [
  { name: 'prom-client, bound', once: () => boundHistogram.observe(0.003) },
  { name: 'HotHistogram', once: () => hotHistogram.observeMs(3) },
]);
