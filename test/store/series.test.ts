import { expect, test } from 'vitest';
import { StoreSeries } from '../../src/store/series.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';

const NAME = 'sallyport_store_command_duration_seconds';

test('the duration of a command is counted by operation, and each operation has its series from the start', async () => {
  const metrics = new MetricRegistry();
  const series = new StoreSeries(metrics);
  series.expectCommands();
  series.answered('read', 0.2);
  series.answered('read', 3);
  const lines = (await metrics.text()).split('\n');
  expect(lines).toContain(`${NAME}_bucket{command="read",le="0.0001"} 0`);
  expect(lines).toContain(`${NAME}_bucket{command="read",le="0.00025"} 1`);
  expect(lines).toContain(`${NAME}_count{command="read"} 2`);
  expect(lines).toContain(`${NAME}_sum{command="read"} 0.0032`);
  expect(lines).toContain(`${NAME}_count{command="end"} 0`);
});

test('an embedded store has no series for commands', async () => {
  const metrics = new MetricRegistry();
  new StoreSeries(metrics).up(true);
  const text = await metrics.text();
  expect(text).toContain('sallyport_store_up 1');
  expect(text).not.toContain(`${NAME}_`);
});
