/** `listeners.admin`: where probes, metrics and the admin API are, and who may call them. */

import { z } from 'zod';
import { filePath, listenAddress, type SchemaContext } from '../config/fields.ts';

/** `listeners.admin`. */
export const adminListener = (context: SchemaContext) =>
  z.strictObject({
    address: listenAddress().prefault('127.0.0.1:9090').meta({
      description: 'host:port for probes, metrics and the admin API. Must differ from the public one.',
      restart: true,
    }),
    allowedHosts: z
      .array(
        z.string().regex(/^[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?$/, 'is not a host name in lower case, without a port'),
      )
      .prefault([])
      .meta({
        description:
          'Host names, besides localhost and IP addresses, under which /-/ and /api/ are called, and /metrics by a browser: a page that has rebound its own name to this address is refused. Probes, and /metrics for programs such as Prometheus, are answered under any name.',
        restart: true,
      }),
    readyRequires: z
      .array(z.enum(['store', 'issuers', 'upstreams']))
      .prefault([])
      .meta({
        description:
          'What readiness needs besides the listener and a signing key; without it, /readyz answers 503: the store, the keys of issuers, a server of each upstream of a route. Default: nothing that all replicas share, so that an outage there does not take every replica out of service for clients that can still be served. A replica waits for the store and the keys of issuers only until it has been ready once.',
      }),
    tokenFile: filePath(context, 'create it with `openssl rand -base64 48`').optional().meta({
      description:
        'File with the bearer token (at least 32 characters) for /-/ and /api/. Without it, they answer 403; probes and /metrics need no token.',
      secretFile: 'admin token',
      restart: true,
    }),
  });

/** `listeners.admin`, loaded. */
export type AdminListenerConfig = z.output<ReturnType<typeof adminListener>>;
