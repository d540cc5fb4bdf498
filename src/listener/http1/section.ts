/** `listeners.public` and `listeners.redirect`: where clients connect, what one may cost, and how long it may take. */

import { z } from 'zod';
import { cidrList, count, duration, filePath, listenAddress, type SchemaContext, size } from '../../config/fields.ts';

const tlsServer = (context: SchemaContext) =>
  z.strictObject({
    certificates: z
      .array(
        z.strictObject({
          certFile: filePath(context).meta({ description: 'Certificate chain, PEM, leaf first.' }),
          keyFile: filePath(context).meta({ description: 'Private key of the leaf, PEM.', secretFile: 'TLS key' }),
        }),
      )
      .min(1, 'needs at least one certificate')
      .meta({
        description:
          'Certificates by SNI: the names in each leaf decide; the first one answers clients that send no name. Files are picked up when they are replaced.',
      }),
    minVersion: z
      .enum(['TLSv1.2', 'TLSv1.3'])
      .prefault('TLSv1.2')
      .meta({ description: 'Oldest TLS version that is accepted.', restart: true }),
    clientCertificates: z
      .strictObject({
        caFile: filePath(context).meta({ description: 'CA that client certificates must come from, PEM.' }),
        mode: z.enum(['request', 'require']).prefault('require').meta({
          description: '`require` refuses the handshake without a certificate; `request` lets it through without one.',
        }),
      })
      .optional()
      .meta({ description: 'Ask clients for a certificate.', restart: true }),
  });

/** `listeners.public`. */
export const publicListener = (context: SchemaContext) =>
  z.strictObject({
    address: listenAddress().meta({ description: 'host:port that clients connect to.', restart: true }),
    tls: tlsServer(context).optional().meta({ description: 'End TLS here. Left out: plain HTTP/1.1.' }),
    trustedProxies: cidrList().prefault([]).meta({
      description:
        'Addresses of proxies in front whose X-Forwarded-For and X-Forwarded-Proto are believed. Default: none, the client is whoever connects.',
    }),
    limits: z
      .strictObject({
        maxConnections: count(20_000).meta({
          description: 'Open connections of one process; more are closed at once.',
          restart: true,
        }),
        maxRequestsPerConnection: count(0, { atLeast: 0 }).meta({
          description: 'Requests on one connection before it is closed; 0 is no limit.',
          restart: true,
        }),
        maxConcurrentRequests: count(10_000).meta({
          description: 'Requests in progress in one process; more get 503.',
        }),
        maxHeaderBytes: size('16KiB').meta({
          description: 'Request line and headers together; more get 431.',
          restart: true,
        }),
        maxHeaderCount: count(100, { atMost: 2_000 }).meta({
          description: 'Request header lines; more get 431.',
          restart: true,
        }),
        maxTargetBytes: size('8KiB').meta({ description: 'Path and query together; more get 414.' }),
        maxCookieBytes: size('8KiB').meta({ description: 'All cookies together; more get 431.' }),
        maxCookieCount: count(100).meta({ description: 'Cookies in one request; more get 431.' }),
      })
      .prefault({})
      .meta({ description: 'What one client may cost.' }),
    timeouts: z
      .strictObject({
        headers: duration('10s', { atLeastMs: 100 }).meta({
          description: 'For the complete request headers to arrive.',
          restart: true,
        }),
        handshake: duration('10s', { atLeastMs: 100 }).meta({
          description: 'For the TLS handshake.',
          restart: true,
        }),
        bodyIdle: duration('30s', { atLeastMs: 100 }).meta({ description: 'Between two parts of a request body.' }),
        send: duration('60s', { atLeastMs: 100 }).meta({
          description: 'A client that takes nothing of its answer for this long is cut.',
          restart: true,
        }),
        keepAlive: duration('65s', { atLeastMs: 100 }).meta({
          description: 'An idle connection is closed after this.',
          restart: true,
        }),
      })
      .prefault({})
      .meta({ description: 'How long a client may take.' }),
  });

/** `listeners.redirect`. */
export const redirectListener = () =>
  z.strictObject({
    address: listenAddress().meta({ description: 'host:port, plain HTTP.', restart: true }),
  });

/** `listeners.public`, loaded. */
export type PublicListenerConfig = z.output<ReturnType<typeof publicListener>>;
/** `listeners.public.tls`, loaded. */
export type TlsConfig = NonNullable<PublicListenerConfig['tls']>;
