/** What is counted of the token endpoint. */

import type { MetricRegistry } from '../../telemetry/registry.ts';
import { TOKEN_REQUEST_RESULTS } from './oauth-errors.ts';
import { GRANTS } from './token-request.ts';

/** The metrics of the token endpoint. */
export class TokenEndpointSeries {
  readonly requests;

  constructor(registry: MetricRegistry) {
    this.requests = registry.counter(
      'token_requests_total',
      'Requests to the token endpoint by grant and result: issued, rate_limited, or the error code of the answer.',
      { grant: GRANTS, result: TOKEN_REQUEST_RESULTS },
    );
  }
}
