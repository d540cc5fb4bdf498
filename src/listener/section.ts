/** `listeners.public` and `listeners.redirect`: where clients connect, what one may cost, and how long it may take. */

import { z } from 'zod';
import {
  cidrList,
  count,
  duration,
  filePath,
  listenAddress,
  optionalCount,
  type SchemaContext,
  size,
} from '../config/fields.ts';

/** `tls` of a listener. */
export const tlsServer = (context: SchemaContext) =>
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
          'Certificates, chosen by SNI and the names in each leaf; the first one serves clients that send no name. Replaced files are picked up without a reload.',
      }),
    minVersion: z
      .enum(['TLSv1.2', 'TLSv1.3'])
      .prefault('TLSv1.2')
      .meta({ description: 'Oldest TLS version that is accepted.', restart: true }),
    clientCertificates: z
      .strictObject({
        caFile: filePath(context).meta({
          description:
            'CA that must have issued client certificates, PEM. When one is removed from the file, connections of its clients end.',
        }),
        mode: z.enum(['request', 'require']).prefault('require').meta({
          description: '`require` refuses a handshake without a certificate; `request` accepts it.',
        }),
      })
      .optional()
      .meta({ description: 'Ask clients for a certificate.', restart: true }),
  });

/** What an HTTP/2 connection may cost; one request on it is limited as on HTTP/1.1. */
const HTTP2_LIMITS = {
  maxConcurrentStreams: count(100, { atMost: 10_000 }).meta({
    description:
      'HTTP/2: requests in progress on one connection. Announced to clients; one that exceeds it loses its connection.',
    restart: true,
  }),
  maxStreamResets: count(200, { atMost: 100_000 }).meta({
    description:
      'HTTP/2: requests per minute that a client may abandon before they are answered, plus one for every two that are answered. More close its connection.',
    restart: true,
  }),
  maxControlFrames: count(1_000, { atMost: 1_000_000 }).meta({
    description:
      'HTTP/2: PING and SETTINGS frames per minute, plus one for each part of an answer. More close the connection.',
    restart: true,
  }),
  maxConnectionMemory: size('10MiB').meta({
    description: 'HTTP/2: protocol memory of one connection, in whole MiB. Requests that would exceed it are refused.',
    restart: true,
  }),
};

const limits = () =>
  z.strictObject({
    maxConnections: count(20_000).meta({
      description: 'Open connections per process; further ones are closed at once.',
      restart: true,
    }),
    backlog: count(4_096, { atMost: 65_535 }).meta({
      description:
        'Connections that may wait to be accepted, for each socket that listens; the kernel allows no more than `net.core.somaxconn`.',
      restart: true,
    }),
    maxConnectionsPerClient: optionalCount().meta({
      description:
        'Open connections per IPv4 address or IPv6 /64, and four times as many per IPv6 /48; further ones are closed at once. Does not apply to `trustedProxies`. Default: 2000; no limit where the public origin is https, TLS is terminated elsewhere and `trustedProxies` is empty, because all clients then share the address of a proxy.',
      restart: true,
    }),
    maxRequestsPerConnection: count(0, { atLeast: 0 }).meta({
      description: 'Requests on one connection before it is closed; 0: no limit.',
      restart: true,
    }),
    maxConcurrentRequests: count(10_000).meta({
      description: 'Requests in progress per process; further ones get 503.',
    }),
    maxQueueDelay: duration('1s', { atLeastMs: 0 }).meta({
      description:
        'How long a request may wait for its turn while the process is overloaded; then 503. If requests of a client have waited half as long, its further ones get 503 at once. A wait counts only if the process itself worked for at least half of it. 0s: no request waits.',
    }),
    maxRequestsPerClient: optionalCount().meta({
      description:
        'Requests in progress per client address (as above; behind `trustedProxies` the address that they name) without a verified credential, until their upstream begins to answer; further ones get 429. Default: 1024; no limit where `maxConnectionsPerClient` has none.',
    }),
    ...HTTP2_LIMITS,
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
    minUploadRate: size('240B').meta({
      description:
        'Minimum rate per second, on average over each `timeouts.bodyIdle` in which the gateway waits for a request body; a slower upload gets 408. 0B: no minimum.',
    }),
    minDownloadRate: size('240B').meta({
      description:
        'Minimum rate per second, on average over four times `timeouts.send` in which a response waits for its client; a slower client is disconnected. 0B: no minimum.',
      restart: true,
    }),
  });

const timeouts = () =>
  z.strictObject({
    headers: duration('10s', { atLeastMs: 100 }).meta({
      description: 'For the complete request headers to arrive.',
      restart: true,
    }),
    handshake: duration('10s', { atLeastMs: 100 }).meta({
      description: 'For the TLS handshake.',
      restart: true,
    }),
    bodyIdle: duration('30s', { atLeastMs: 100 }).meta({ description: 'For the next part of a request body.' }),
    send: duration('60s', { atLeastMs: 100 }).meta({
      description: 'A client that reads none of its response for this long is disconnected.',
      restart: true,
    }),
    transfer: duration('12h', { atLeastMs: 100 }).meta({
      description:
        'For a whole request to arrive (then 408), and for an answer to wait for its client, all pauses together (then it is cut). Time in which there is nothing to read does not count, so event streams may last.',
      restart: true,
    }),
    keepAlive: duration('65s', { atLeastMs: 100 }).meta({
      description:
        'An idle connection is closed after this. If bytes arrive that never become a request, it is closed after this plus `headers`.',
      restart: true,
    }),
  });

/** `listeners.public`. */
export const publicListener = (context: SchemaContext) =>
  z.strictObject({
    address: listenAddress().meta({ description: 'host:port that clients connect to.', restart: true }),
    tls: tlsServer(context).optional().meta({ description: 'Terminate TLS here. Left out: plain HTTP.' }),
    http2: z.boolean().optional().meta({
      description:
        'Serve HTTP/2 beside HTTP/1.1: with TLS to clients that offer it (ALPN `h2`), without TLS to clients that start with it (prior knowledge, h2c). Default: with TLS `true`, without `false`.',
      restart: true,
    }),
    trustedProxies: cidrList().prefault([]).meta({
      description:
        'Addresses of proxies in front of the gateway whose X-Forwarded-For and X-Forwarded-Proto are trusted. Default: none; the client is the peer of the connection.',
    }),
    limits: limits().prefault({}).meta({ description: 'Limits on connections and requests.' }),
    timeouts: timeouts().prefault({}).meta({ description: 'Timeouts of client connections.' }),
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
