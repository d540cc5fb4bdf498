/** The entries of `upstreams`: the servers behind one name, and how they are called. */

import { z } from 'zod';
import { clientTls, count, duration, type SchemaContext, serverOrigin } from '../config/fields.ts';

/** One upstream. Long because it lists every key. */
export const upstream = (context: SchemaContext) =>
  z.strictObject({
    endpoints: z.array(serverOrigin()).min(1, 'needs at least one endpoint').meta({
      description:
        'Servers, as http://host:port or https://host:port; h2c://host:port for HTTP/2 without TLS. All must speak the same version of HTTP.',
    }),
    http2: z.boolean().prefault(false).meta({
      description:
        'Speak HTTP/2 with https endpoints, which must agree to it (ALPN). gRPC needs this or h2c. Default: HTTP/1.1.',
    }),
    balance: z.enum(['leastRequests', 'roundRobin']).prefault('leastRequests').meta({
      description:
        'How an endpoint is chosen among the healthy ones: the one with the fewest requests in progress, or each in turn.',
    }),
    tls: clientTls(context, 'Name for SNI, expected in the certificate. Default: the host.').meta({
      description: 'TLS details for https endpoints.',
    }),
    hostHeader: z
      .enum(['preserve', 'endpoint'])
      .prefault('preserve')
      .meta({ description: 'Host header: the one that the client sent, or host:port of the endpoint.' }),
    forwardedHeaders: z.enum(['x-forwarded', 'forwarded', 'both', 'none']).prefault('x-forwarded').meta({
      description: 'How the client is named: X-Forwarded-For/-Host/-Proto, Forwarded (RFC 7239), both, or not.',
    }),
    timeouts: z
      .strictObject({
        connect: duration('2s', { atLeastMs: 10 }).meta({ description: 'To connect, TLS included; then 504.' }),
        pending: duration('10s', { atLeastMs: 10 }).meta({
          description: 'How long a request may wait for a connection, while one is made or all are busy; then 503.',
        }),
        firstByte: duration('60s', { atLeastMs: 10 }).meta({
          description: 'From the sent request, its body included, to the response headers; then 504.',
        }),
        idle: duration('60s', { atLeastMs: 10 }).meta({
          description:
            'Between two parts of the request body that the upstream takes; then 504. And between two parts of the response body; then the response is cut. Not for WebSockets.',
        }),
      })
      .prefault({})
      .meta({ description: 'How long the upstream may take.' }),
    maxConnections: count(512).meta({
      description:
        'Connections to each endpoint; those that WebSockets have of their own, over HTTP/1.1, are not counted.',
    }),
    maxStreams: count(100).meta({
      description:
        'Concurrent requests and WebSockets on one HTTP/2 connection; fewer if the server allows fewer. Further requests get another connection.',
    }),
    maxPending: count(1_024, { atLeast: 0 }).meta({
      description: 'Requests that wait for a connection to an endpoint; more get 503.',
    }),
    ejection: z
      .strictObject({
        consecutiveFailures: count(3).meta({
          description: 'Failed connections in a row before an endpoint is ejected.',
        }),
        baseDelay: duration('1s', { atLeastMs: 10 }).meta({
          description: 'How long an endpoint is ejected the first time; doubles each time.',
        }),
        maxDelay: duration('30s', { atLeastMs: 10 }).meta({ description: 'Longest ejection.' }),
      })
      .prefault({})
      .meta({
        description:
          'When an endpoint that cannot be reached gets no requests for a while. The last one is never ejected.',
      }),
    insecureHttp: z.boolean().prefault(false).meta({
      description:
        'Declares that plain http to a host other than this machine is intended, for example where a mesh encrypts it; silences the warning.',
    }),
  });

/** An upstream, loaded. */
export type UpstreamConfig = z.output<ReturnType<typeof upstream>>;

/** Whether an upstream speaks HTTP/2. */
export const speaksHttp2 = ({ http2, endpoints }: Pick<UpstreamConfig, 'http2' | 'endpoints'>): boolean =>
  http2 || endpoints.some((endpoint) => endpoint.startsWith('h2c:'));
