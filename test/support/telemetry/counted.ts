/** Reads the counts of a registry. */

import type { MetricRegistry } from '../../../src/telemetry/registry.ts';

type Labels = Readonly<Record<string, string>>;

/** Every series of a metric, named without `sallyport_`: its labels and its value. */
export async function seriesOf(metrics: MetricRegistry, name: string): Promise<readonly (readonly [Labels, number])[]> {
  const metric = (await metrics.prometheus.getMetricsAsJSON()).find((it) => it.name === `sallyport_${name}`);
  if (metric === undefined) throw new Error(`no metric ${name}`);
  return metric.values.map(({ labels, value }) => [labels as Labels, value]);
}

/** The sum of the series that have all of these labels; NaN if there is none. */
export async function counted(metrics: MetricRegistry, name: string, labels: Labels = {}): Promise<number> {
  const found = (await seriesOf(metrics, name)).filter(([its]) =>
    Object.entries(labels).every(([label, value]) => its[label] === value),
  );
  return found.length === 0 ? Number.NaN : found.reduce((sum, [, value]) => sum + value, 0);
}
