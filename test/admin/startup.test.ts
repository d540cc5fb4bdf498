/** Probes of a gateway that does not listen yet: the admin listener opens first. */

import { expect, test } from 'vitest';
import { AdminListener } from '../../src/admin/admin-listener.ts';
import { LocalControl } from '../../src/gateway/control.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { systemClocks as clocks } from '../../src/lib/clock.ts';
import { Reloader } from '../../src/process/reload.ts';
import { ProcessSeries } from '../../src/process/series.ts';
import { AuditLog, auditOn } from '../../src/telemetry/audit.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { CapturedLog } from '../support/gateway.ts';
import { ConfigFileFixture } from '../support/instance.ts';

test('/startupz and /readyz answer 503 until the public listener is open; /livez answers 200', async () => {
  using file = new ConfigFileFixture();
  file.write({});
  await using opened = new AsyncDisposableStack();
  const lines = new CapturedLog();
  const [log, metrics] = [createLog('debug', lines), new MetricRegistry()];
  const audit = new AuditLog(auditOn(lines), clocks.wallMs);
  const initial = await file.loadToRun();
  const gateway = opened.adopt(await Gateway.open(initial, { clocks, lines, log, audit, metrics }), (it) => it.close());
  const control = new LocalControl(gateway, metrics);
  const series = new ProcessSeries(metrics, { version: 'test', revision: 'unknown' });
  const parts = { initial, load: () => file.load(), apply: async () => [], log, series: series.reload, clocks };
  const reloader = opened.adopt(new Reloader(parts), (it) => it.close());
  const admin = new AdminListener(initial.config.listeners.admin, initial.adminToken, {
    control,
    reloader,
    explain: async () => ({ text: '' }),
    problemTypeBase: () => null,
    build: { version: 'test', revision: 'unknown' },
    clocks,
    log,
    series: series.admin,
  });
  opened.adopt(admin, (it) => it.close());
  const { port } = await admin.listen();
  const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);

  const starting = await ask('/startupz');
  expect(starting.status).toBe(503);
  expect(await starting.json()).toMatchObject({
    started: false,
    components: [{ name: 'gateway', detail: 'starting' }],
  });
  expect((await ask('/readyz')).status).toBe(503);
  expect((await ask('/livez')).status).toBe(200);
  await gateway.listen();
  expect((await ask('/startupz')).status).toBe(200);
  expect((await ask('/readyz')).status).toBe(200);
});
