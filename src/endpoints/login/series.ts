/** What is counted of logins. Sessions that they open are counted with the sessions. */

import type { MetricRegistry } from '../../telemetry/registry.ts';

/**
 * Why a login failed: wrong user or password, too many attempts, too many logins at once; `client`: a backend that is not
 * trusted.
 */
const LOGIN_FAILURES = ['credentials', 'throttled', 'overloaded', 'client'] as const;

/** The metrics of logins. */
export class LoginSeries {
  readonly failures;

  constructor(registry: MetricRegistry) {
    this.failures = registry.counter('login_failures_total', 'Logins that failed, by reason.', {
      reason: LOGIN_FAILURES,
    });
  }
}
