/** What a process counts of its own logs. */

import type { MetricRegistry } from './registry.ts';

/** Where lines go that can be lost. */
const OUTPUTS = ['stdout', 'audit_file'] as const;

/** The metrics of logs. */
export class LogSeries {
  readonly linesLost;

  constructor(registry: MetricRegistry) {
    this.linesLost = registry.counter(
      'log_lines_lost_total',
      'Lines of logs and of the audit stream that were dropped because their output could not be written.',
      { output: OUTPUTS },
    );
  }
}
