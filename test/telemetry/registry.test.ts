import { describe, expect, test } from 'vitest';
import { CONFIGURED, MetricRegistry } from '../../src/telemetry/registry.ts';
import { counted, seriesOf } from '../support/telemetry/counted.ts';

const COLOURS = ['red', 'green'] as const;
const SIZES = ['small', 'large'] as const;

describe('a metric with closed lists of label values', () => {
  test('starts with every combination at zero', async () => {
    const registry = new MetricRegistry();
    registry.counter('balls_total', '-', { colour: COLOURS, size: SIZES });
    registry.histogram('weight_seconds', '-', [1], { colour: COLOURS });
    expect(await seriesOf(registry, 'balls_total')).toEqual([
      [{ colour: 'red', size: 'small' }, 0],
      [{ colour: 'red', size: 'large' }, 0],
      [{ colour: 'green', size: 'small' }, 0],
      [{ colour: 'green', size: 'large' }, 0],
    ]);
    expect(await registry.text()).toContain('sallyport_weight_seconds_count{colour="green"} 0\n');
  });

  test('accepts no value outside its list and no other label', () => {
    const counter = new MetricRegistry().counter('balls_total', '-', { colour: COLOURS });
    counter.inc({ colour: 'red' });
    // @ts-expect-error a value that is not in the list
    counter.inc({ colour: 'blue' });
    // @ts-expect-error a label is missing
    counter.inc({});
    // @ts-expect-error a label that the metric does not have; prom-client throws
    expect(() => counter.inc({ colour: 'red', size: 'small' })).toThrow();
  });

  test('and a configured label has no series until its owner asks for one', async () => {
    const registry = new MetricRegistry();
    const counter = registry.counter('balls_total', '-', { colour: COLOURS, box: CONFIGURED });
    expect(await seriesOf(registry, 'balls_total')).toEqual([]);
    counter.inc({ colour: 'red', box: 'cellar' }, 0);
    expect(await seriesOf(registry, 'balls_total')).toEqual([[{ colour: 'red', box: 'cellar' }, 0]]);
  });
});

describe('a gauge that is read', () => {
  test('is read at each scrape and drops series that no longer exist', async () => {
    const registry = new MetricRegistry();
    const gauge = registry.readGauge('boxes', '-', { box: CONFIGURED });
    let boxes = ['cellar', 'attic'];
    gauge.readFrom(() => boxes.map((box) => [{ box }, box.length]));
    expect(await counted(registry, 'boxes')).toBe(11);
    boxes = ['attic'];
    expect(await seriesOf(registry, 'boxes')).toEqual([[{ box: 'attic' }, 5]]);
  });

  test('without labels is zero until it has a source', async () => {
    const registry = new MetricRegistry();
    const gauge = registry.readGauge('boxes', '-', {});
    expect(await counted(registry, 'boxes')).toBe(0);
    gauge.readFrom(async () => 3);
    expect(await registry.text()).toContain('sallyport_boxes 3\n');
  });

  test('states how the values of workers are merged', async () => {
    const registry = new MetricRegistry();
    registry.readGauge('boxes', '-', {}, 'min');
    const { value: part } = await registry.parts().next();
    expect(part).toMatchObject({ name: 'sallyport_boxes', type: 'gauge', merging: 'min' });
  });
});
