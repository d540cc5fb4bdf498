/** What is counted of logins at a command line. */

import type { MetricRegistry } from '../../telemetry/registry.ts';

/** How the command line logs in: in the browser on the same computer, or by a code on another device. */
const COMMAND_LINE_GRANTS = ['authorization_code', 'device_code'] as const;
/** See {@link COMMAND_LINE_GRANTS}. */
export type CommandLineGrant = (typeof COMMAND_LINE_GRANTS)[number];

/**
 * The steps and outcomes of a login. `asked`: the user was asked, or a device code was given out. `completed`: tokens
 * were issued. `replayed`: a code was presented again, and its session has ended. `refused`: any other problem.
 */
const COMMAND_LINE_RESULTS = [
  'asked',
  'approved',
  'denied',
  'completed',
  'expired',
  'replayed',
  'refused',
  'throttled',
] as const;

/** The metrics of logins at a command line. */
export class CommandLineSeries {
  readonly logins;

  constructor(registry: MetricRegistry) {
    this.logins = registry.counter(
      'command_line_logins_total',
      'Steps of logins of the command line, by grant and result; each login has several.',
      { grant: COMMAND_LINE_GRANTS, result: COMMAND_LINE_RESULTS },
    );
  }
}
