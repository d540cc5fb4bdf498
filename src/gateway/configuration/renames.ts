/**
 * The former names of keys and values of the configuration. A row stays for the minor version that renames, and for at
 * least the next one (docs/versioning.md). `docs/reference/renamed-keys.md` is generated from it.
 */

import type { Renames } from '../../config/text/renames.ts';

const MAX_BODY_BYTES = 'Like every other limit in bytes: `maxHeaderBytes`, `maxMessageBytes`.';
const THROTTLE = 'What slows guessing is called `throttle`, as in `login` and `refresh`; `limits` are request rates.';

/** Every former name that is still understood, the oldest first. */
export const RENAMES: Renames = {
  keys: [
    { since: '0.1.0', from: 'routes[].bodyLimit', to: 'routes[].maxBodyBytes', why: MAX_BODY_BYTES },
    {
      since: '0.1.0',
      from: 'outbound.destinations[].bodyLimit',
      to: 'outbound.destinations[].maxBodyBytes',
      why: MAX_BODY_BYTES,
    },
    {
      since: '0.1.0',
      from: 'listeners.public.limits.maxSessionMemory',
      to: 'listeners.public.limits.maxConnectionMemory',
      why: 'It is the memory of an HTTP/2 connection. A session is the login of a user.',
    },
    {
      since: '0.1.0',
      from: 'tokenEndpoint.limits.freeFailures',
      to: 'tokenEndpoint.throttle.freeAttemptsPerClient',
      why: THROTTLE,
    },
    {
      since: '0.1.0',
      from: 'tokenEndpoint.limits.maxDelay',
      to: 'tokenEndpoint.throttle.maxDelay',
      why: THROTTLE,
    },
    { since: '0.1.0', from: 'tokenEndpoint.limits.window', to: 'tokenEndpoint.throttle.window', why: THROTTLE },
  ],
  values: [
    {
      since: '0.1.0',
      key: 'upstreams.<name>.balance',
      values: { 'least-loaded': 'leastRequests', 'round-robin': 'roundRobin' },
      why: 'Values are written like keys, and choosing by requests in progress is called least requests elsewhere.',
    },
  ],
};
