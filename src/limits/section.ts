/** The key of a route that limits its requests in progress. Those of clients and sessions are in their own sections. */

import { optionalCount } from '../config/fields.ts';

/** `routes[].maxRequests`. */
export const routeLimit = () =>
  optionalCount().meta({
    description:
      'Requests in progress on this route per process, with open WebSockets; further ones get 503. Default: no limit.',
  });
