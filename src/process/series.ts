/** The metric series of a process: its configuration, its build, its workers. */

import type { Build } from '../admin/request.ts';
import { AdminSeries } from '../admin/series.ts';
import { CONFIGURED, type MetricRegistry } from '../telemetry/registry.ts';

/** The metrics of reloads. */
export class ReloadSeries {
  readonly reloads;
  readonly lastSuccessful;
  readonly lastSuccessTimestamp;
  readonly info;
  readonly watchErrors;

  constructor(registry: MetricRegistry) {
    this.reloads = registry.counter('config_reloads_total', 'Reloads by result.', { result: ['applied', 'rejected'] });
    this.lastSuccessful = registry.gauge('config_last_reload_successful', '1 when the last reload was applied.');
    this.lastSuccessTimestamp = registry.gauge(
      'config_last_reload_success_timestamp_seconds',
      'When a configuration was last applied.',
    );
    this.info = registry.gauge('config_info', 'Hash of the configuration in use.', { hash: CONFIGURED });
    this.watchErrors = registry.counter(
      'config_watch_errors_total',
      'Times that the directory of the configuration, or of a file that it names, could not be watched; it is polled until it can.',
    );
  }
}

/** The metrics of workers. */
export class WorkerSeries {
  readonly ready;
  readonly restarts;

  constructor(registry: MetricRegistry) {
    this.ready = registry.readGauge(
      'workers_ready',
      'Worker processes that serve; none where the gateway is one process.',
      {},
    );
    this.restarts = registry.counter('workers_restarts_total', 'Restarts of worker processes.');
  }
}

/** The metrics of the process that was started, as opposed to those of each gateway in it. */
export class ProcessSeries {
  readonly admin: AdminSeries;
  readonly reload: ReloadSeries;
  readonly workers: WorkerSeries;

  constructor(registry: MetricRegistry, { version, revision }: Build) {
    this.admin = new AdminSeries(registry);
    this.reload = new ReloadSeries(registry);
    this.workers = new WorkerSeries(registry);
    const labels = { version: CONFIGURED, revision: CONFIGURED, node: CONFIGURED };
    registry
      .gauge('build_info', 'Version of the gateway, commit that it was built from, version of Node.', labels)
      .set({ version, revision, node: process.version }, 1);
  }
}
