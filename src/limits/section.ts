/** The key of a route that limits its requests in progress. Those of clients and sessions stand in their own sections. */

import { optionalCount } from '../config/fields.ts';

/** `routes[].maxRequests`. */
export const routeLimit = () =>
  optionalCount().meta({
    description:
      'Requests on this route that may be in progress in one process, open WebSockets included; more get 503. Default: no limit.',
  });
