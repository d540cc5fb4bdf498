/**
 * The one source of the configuration: types, validation, JSON Schema (`config/sallyport.schema.json`) and the
 * reference page (`docs/reference/configuration.md`) are all made from the schema in this file.
 *
 * Inputs: a plain object read from YAML. Outputs: a `Config`, with every default filled in, or zod issues.
 * Rules between keys (a route names an upstream that exists, …) are in `lint.ts`. Nothing here opens a file or a
 * connection: whether a named file exists is asked through `SchemaContext`.
 *
 * Metadata: `description` on every key; `restart: true` where a reload cannot apply a change; `secret: true` where the
 * value may hold a secret; `secretFile` where it names a file with one, saying what the secret is for.
 */

import { z } from 'zod';
import {
  cidrList,
  count,
  directoryPath,
  duration,
  endpoint,
  filePath,
  headerName,
  headerValue,
  httpUrl,
  listenAddress,
  name,
  optionalDuration,
  optionalSize,
  origin,
  type SchemaContext,
  size,
} from './fields.ts';
import { WARNING_CODES } from './problem.ts';
import { issuer } from './schema/issuer.ts';
import { outboundSchema } from './schema/outbound.ts';
import { pathPattern } from './schema/path-pattern.ts';
import { redisUrl } from './schema/redis-url.ts';
import { refresh } from './schema/refresh.ts';
import { revocation } from './schema/revocation.ts';
import { tokenEndpoint } from './schema/token-endpoint.ts';

// Validators that are compiled at run time pay for themselves after thousands of values: here they cost 40 ms of each
// start, and need a process that may make code of text.
z.config({ jitless: true });

/** Methods that a route can list. `TRACE` and `CONNECT` are never served. */
export const ROUTE_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** Signature algorithms (RFC 7518, RFC 8037) of tokens that we sign. */
export const SIGNING_ALGORITHMS = ['ES256', 'EdDSA', 'RS256', 'PS256', 'HS256'] as const;

/** Claims that the gateway itself sets, which a mapping cannot. */
const OWN_CLAIMS = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'sid', 'act', 'cnf', '__proto__'];

/**
 * Where a claim or an identity header takes its value from: `subject`, `user.<attribute>`, `session.createdAt`,
 * `session.method`, or for a service principal `token.<claim>` and `actor`, who calls on behalf of the subject.
 */
const SOURCE_PATTERN =
  /^(?:subject|actor|user\.[A-Za-z0-9_-]+|session\.(?:createdAt|method)|token\.[A-Za-z0-9_:/.-]+)$/;
const source = () =>
  z
    .string()
    .regex(
      SOURCE_PATTERN,
      'is not a source: use subject, actor, user.<attribute>, session.createdAt, session.method or token.<claim>',
    )
    .meta({ kind: 'source' });

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

const listeners = (context: SchemaContext) =>
  z.strictObject({
    public: z
      .strictObject({
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
      })
      .meta({ description: 'Where clients connect.' }),
    redirect: z
      .strictObject({
        address: listenAddress().meta({ description: 'host:port, plain HTTP.', restart: true }),
      })
      .optional()
      .meta({ description: 'A listener that only redirects to the public origin with 308.' }),
    admin: z
      .strictObject({
        address: listenAddress().prefault('127.0.0.1:9090').meta({
          description: 'host:port of probes, metrics and the admin API. Never the public one.',
          restart: true,
        }),
        allowedHosts: z
          .array(
            z
              .string()
              .regex(/^[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?$/, 'is not a host name in lower case, without a port'),
          )
          .prefault([])
          .meta({
            description:
              'Host names, besides localhost and IP addresses, under which /-/ and /api/ are called: a page that has rebound its own name to this address is refused.',
            restart: true,
          }),
        tokenFile: filePath(context).optional().meta({
          description:
            'File with the bearer token (at least 32 characters) for /-/ and /api/. Without it those answer 403; probes and /metrics need none.',
          secretFile: 'admin token',
          restart: true,
        }),
      })
      .prefault({})
      .meta({ description: 'Probes, metrics, admin API.' }),
  });

const store = (context: SchemaContext) =>
  z.strictObject({
    memory: z
      .strictObject({
        maxSessions: count(100_000).meta({ description: 'Logins are refused with 503 beyond this.', restart: true }),
      })
      .optional()
      .meta({ description: 'The embedded store: one process, lost on restart. The default when `redis` is left out.' }),
    redis: z
      .strictObject({
        url: redisUrl().meta({
          description:
            'redis://[user:password@]host:port/db, redis+sentinel://[user:password@]host:port,…/name, or redis+cluster://[user:password@]host:port,…; rediss… for TLS.',
          restart: true,
          secret: true,
        }),
        username: z.string().min(1).optional().meta({ description: 'ACL user, if not in the URL.', restart: true }),
        passwordFile: filePath(context).optional().meta({
          description: 'File with the password, if not in the URL.',
          restart: true,
          secretFile: 'Redis password',
        }),
        sentinelPasswordFile: filePath(context).optional().meta({
          description: 'File with the password of the sentinels, if they have one.',
          restart: true,
          secretFile: 'Redis password',
        }),
        tls: z
          .strictObject({
            caFile: filePath(context)
              .optional()
              .meta({ description: 'CA of the server certificate, PEM. Default: the CAs of the system.' }),
            certFile: filePath(context).optional().meta({ description: 'Client certificate, PEM.' }),
            keyFile: filePath(context)
              .optional()
              .meta({ description: 'Key of the client certificate, PEM.', secretFile: 'TLS key' }),
            serverName: z.string().min(1).optional().meta({ description: 'Name to expect in the server certificate.' }),
          })
          .optional()
          .meta({ description: 'TLS details for rediss URLs.', restart: true }),
        keyPrefix: z
          .string()
          .regex(/^[A-Za-z0-9:._-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 : . _ -')
          .prefault('sallyport:')
          .meta({ description: 'Put before every key, so that several gateways can share a Redis.', restart: true }),
        connectTimeout: duration('1s', { atLeastMs: 10, atMostMs: 60_000 }).meta({
          description: 'To connect.',
          restart: true,
        }),
        commandTimeout: duration('250ms', { atLeastMs: 10, atMostMs: 60_000 }).meta({
          description: 'For one command; then the request that needed it gets 503.',
          restart: true,
        }),
      })
      .optional()
      .meta({ description: 'Sessions in Redis (or Valkey): shared by all replicas, revocable on all of them.' }),
  });

const session = () =>
  z.strictObject({
    cookie: z
      .strictObject({
        name: z
          .string()
          .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, 'is not a cookie name')
          .refine((cookie) => /^__Host-(?:Http-)?./.test(cookie), {
            message: 'has to begin with __Host- or __Host-Http-',
            params: { code: 'cookie/prefix', hint: 'such as __Host-sid' },
          })
          .prefault('__Host-sid')
          .meta({ description: 'Cookie name. It has to begin with __Host- or __Host-Http-.' }),
        sameSite: z.enum(['strict', 'lax', 'none']).prefault('lax').meta({ description: 'SameSite attribute.' }),
      })
      .prefault({})
      .meta({ description: 'The session cookie. Always Secure, HttpOnly, Path=/ and without Domain.' }),
    idleTimeout: duration('30m', { atLeastMs: 1_000 }).meta({
      description: 'A session ends after this long without a request.',
    }),
    absoluteTimeout: duration('12h', { atLeastMs: 1_000 }).meta({
      description: 'A session ends this long after login, whatever happens.',
    }),
    maxPerUser: count(50).meta({ description: 'Sessions of one user; a login beyond it ends the oldest one.' }),
    cache: z
      .strictObject({
        maxEntries: count(20_000).meta({ description: 'Sessions kept in process.', restart: true }),
        recheckAfter: duration('1s', { atMostMs: 300_000 }).meta({
          description:
            'A cached session is read from the store again after this. It bounds how long a session that was deleted in Redis by hand goes on; revocations by the gateway arrive by the feed, at once.',
        }),
        feedTimeout: duration('1s', { atLeastMs: 100, atMostMs: 10_000 }).meta({
          description:
            'The revocation feed counts as cut when it was silent for this long; then every request asks the store.',
        }),
        outageGrace: duration('30s', { atMostMs: 3_600_000 }).meta({
          description:
            'While the store does not answer, a session that was verified this recently is still served. 0s: none.',
        }),
      })
      .prefault({})
      .meta({ description: 'Sessions in process memory, and how far they are trusted.' }),
  });

const login = (context: SchemaContext) =>
  z.strictObject({
    password: z
      .strictObject({
        usersFile: filePath(context).meta({
          description: 'YAML file of users, written by `sallyport users add`.',
          secretFile: 'users',
        }),
        hashConcurrency: count(1, { atMost: 16 }).meta({
          description: 'Password hashes computed at a time, each on its own thread at lowest priority (64 MiB each).',
          restart: true,
        }),
        maxQueue: count(64).meta({ description: 'Logins that wait for a hash; more get 503.' }),
      })
      .optional()
      .meta({ description: 'A login form with user name and password.' }),
    throttle: z
      .strictObject({
        freeAttemptsPerAccount: count(5).meta({ description: 'Failed attempts for one account before it is slowed.' }),
        freeAttemptsPerAddress: count(20).meta({
          description: 'Failed attempts from one address (IPv6: its /64) before it is slowed.',
        }),
        maxDelay: duration('5m', { atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
          description: 'Attempts are slowed by 1 s, 2 s, 4 s and so on, up to this.',
        }),
        window: duration('1h', { atLeastMs: 1_000 }).meta({
          description: 'Failures are forgotten after this long without another.',
        }),
      })
      .prefault({})
      .meta({ description: 'How password attempts are slowed. Counted in the store, so it holds for all replicas.' }),
    trustedBackends: z
      .array(
        z
          .strictObject({
            id: name().meta({
              description: 'Name of the backend; with clientSecretFile, its user name in HTTP Basic.',
            }),
            clientSecretFile: filePath(context).optional().meta({
              description: 'File with a secret of at least 32 characters, presented as HTTP Basic.',
              secretFile: 'client secret',
            }),
            service: z
              .strictObject({
                issuer: name().meta({ description: 'One of `issuers`.' }),
                subjects: z
                  .array(z.string().min(1))
                  .min(1)
                  .meta({ description: 'Exact `sub` values that may open sessions.' }),
              })
              .optional()
              .meta({ description: 'A service token instead of a secret.' }),
          })
          .refine((backend) => (backend.clientSecretFile === undefined) !== (backend.service === undefined), {
            message: 'needs exactly one of clientSecretFile and service',
          }),
      )
      .prefault([])
      .meta({
        description:
          'Backends that may open a session with POST /auth/sessions for a user whom they have authenticated.',
      }),
    page: z
      .string()
      .regex(/^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/, 'must be a path on the public origin, such as /welcome')
      .optional()
      .meta({
        description:
          'Path of a login page of your own, such as one of a trusted backend behind a public route: whoever has to log in is sent there with `return_to`. Default: the page of the gateway.',
      }),
    title: z.string().min(1).max(80).prefault('Log in').meta({ description: 'Heading of the login page.' }),
  });

const mappedClaims = () =>
  z
    .record(
      z
        .string()
        .min(1)
        .max(200)
        .refine((claim) => !OWN_CLAIMS.includes(claim), { message: 'is a claim that the gateway itself sets' }),
      z.union([source(), z.strictObject({ value: z.json().meta({ description: 'A constant.' }) })]),
    )
    .prefault({})
    .meta({
      description: 'Extra claims: name → source, or name → { value: constant }. A source without a value is left out.',
    });

export type ClaimsSchema = ReturnType<typeof mappedClaims>;

const upstreamToken = (context: SchemaContext) =>
  z.strictObject({
    issuer: httpUrl().optional().meta({ description: '`iss` of our tokens. Default: the first publicOrigin.' }),
    lifetime: duration('2m', { atLeastMs: 5_000, atMostMs: 3_600_000 }).meta({ description: '`exp` − `iat`.' }),
    algorithm: z
      .enum(SIGNING_ALGORITHMS)
      .prefault('ES256')
      .meta({ description: 'Signature algorithm.', restart: true }),
    header: headerName().prefault('Authorization').meta({
      description:
        'Request header that carries the token: `Authorization` as a Bearer token, any other name as the bare token.',
    }),
    keys: z
      .strictObject({
        directory: directoryPath(context).meta({
          description: 'Directory of signing keys; several replicas can share it.',
        }),
        rotateEvery: optionalDuration({ atLeastMs: 60_000 }).meta({
          description: 'Make a new key when the active one is this old. Left out: only `sallyport keys rotate` does.',
        }),
        publishBefore: duration('15m', { atLeastMs: 1_000 }).meta({
          description:
            'A new key is in the JWKS this long before it signs. At least jwksMaxAge, so that no verifier is surprised.',
        }),
      })
      .optional()
      .meta({ description: 'Signing keys on disk. Left out: one key in memory, for one process.', restart: true }),
    secretFile: filePath(context).optional().meta({
      description: 'For HS256: file with a secret of at least 32 bytes.',
      secretFile: 'signing secret',
      restart: true,
    }),
    jwksMaxAge: duration('5m', { atLeastMs: 1_000, atMostMs: 86_400_000 }).meta({
      description: 'Cache-Control max-age of /.well-known/jwks.json.',
    }),
    claims: mappedClaims(),
  });

const upstream = (context: SchemaContext) =>
  z.strictObject({
    endpoints: z
      .array(endpoint())
      .min(1, 'needs at least one endpoint')
      .meta({ description: 'Servers, as http://host:port or https://host:port.' }),
    balance: z
      .enum(['least-loaded', 'round-robin'])
      .prefault('least-loaded')
      .meta({ description: 'How an endpoint is chosen among the healthy ones.' }),
    tls: z
      .strictObject({
        caFile: filePath(context)
          .optional()
          .meta({ description: 'CA of the server certificate, PEM. Default: the CAs of the system.' }),
        serverName: z
          .string()
          .min(1)
          .optional()
          .meta({ description: 'Name for SNI and to expect in the certificate. Default: the host.' }),
        certFile: filePath(context).optional().meta({ description: 'Client certificate, PEM.' }),
        keyFile: filePath(context)
          .optional()
          .meta({ description: 'Key of the client certificate, PEM.', secretFile: 'TLS key' }),
      })
      .optional()
      .meta({ description: 'TLS details for https endpoints.' }),
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
        firstByte: duration('60s', { atLeastMs: 10 }).meta({
          description: 'From the sent request to the response headers; then 504.',
        }),
        idle: duration('60s', { atLeastMs: 10 }).meta({
          description: 'Between two parts of the response body; then the response is cut. Not for WebSockets.',
        }),
      })
      .prefault({})
      .meta({ description: 'How long the upstream may take.' }),
    maxConnections: count(512).meta({ description: 'Connections to each endpoint; WebSockets are not counted.' }),
    maxPending: count(1_024, { atLeast: 0 }).meta({
      description: 'Requests that wait for a connection to an endpoint; more get 503.',
    }),
    ejection: z
      .strictObject({
        consecutiveFailures: count(3).meta({
          description: 'Failed connections in a row before an endpoint is left alone.',
        }),
        baseDelay: duration('1s', { atLeastMs: 10 }).meta({
          description: 'How long the first time; doubles each time.',
        }),
        maxDelay: duration('30s', { atLeastMs: 10 }).meta({ description: 'How long at most.' }),
      })
      .prefault({})
      .meta({ description: 'When an endpoint that cannot be reached is left alone. The last one is never given up.' }),
    insecureHttp: z.boolean().prefault(false).meta({
      description:
        'Says that plain http to a host that is not local is meant (a mesh encrypts it, say); silences the warning.',
    }),
  });

const anyOrAll = (what: string) =>
  z
    .union([
      z.array(z.string().min(1)).min(1),
      z.strictObject({ any: z.array(z.string().min(1)).min(1) }),
      z.strictObject({ all: z.array(z.string().min(1)).min(1) }),
    ])
    .meta({ description: `${what}: a list of which one is enough, { any: […] } for the same, or { all: […] }.` });

const serviceAccountPattern = () =>
  z
    .string()
    .regex(
      /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/(?:\*|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)$/,
      'is not a ServiceAccount: write namespace/name or namespace/*',
    )
    .meta({ kind: 'ServiceAccount' });

const allowLeafShape = () => ({
  roles: anyOrAll('Roles of the principal').optional(),
  scopes: anyOrAll('Scopes of the presented token').optional(),
  subjects: z.array(z.string().min(1)).min(1).optional().meta({ description: 'Exact subjects.' }),
  serviceAccounts: z.array(serviceAccountPattern()).min(1).optional().meta({
    description: 'Kubernetes ServiceAccounts, as namespace/name, or namespace/* for all of a namespace.',
  }),
  claims: z
    .record(
      z.string().min(1),
      z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()])).min(1)]),
    )
    .optional()
    .meta({
      description:
        'Attribute or claim → the value it must have (or contain), or a list of values of which one is enough.',
    }),
});

const notEmpty = (value: object) => Object.keys(value).length > 0;
const allowLeaf = () =>
  z
    .strictObject(allowLeafShape())
    .refine(notEmpty, { message: 'must not be empty: it would allow nobody or everybody' });
const allow = () =>
  z
    .strictObject({
      ...allowLeafShape(),
      any: z.array(allowLeaf()).min(1).optional().meta({ description: 'One of these rules is enough.' }),
      all: z.array(allowLeaf()).min(1).optional().meta({ description: 'All of these rules must hold.' }),
    })
    .refine(notEmpty, {
      message: 'must not be empty: leave `allow` out to allow every principal that the credential admits',
    });

const serviceCredential = () =>
  z.strictObject({
    service: z.array(name()).min(1).meta({ description: 'Issuers whose service tokens are accepted.' }),
  });

const credential = () =>
  z.union(
    [
      z.literal('none').meta({ description: 'Public.' }),
      z.literal('session').meta({ description: 'A session cookie.' }),
      z.strictObject({
        session: z
          .literal('optional')
          .meta({ description: 'A session if there is one; else the request passes without a token.' }),
      }),
      serviceCredential(),
      z
        .tuple([z.literal('session'), serviceCredential()])
        .meta({ description: 'Either a session cookie or a service token; both together are refused.' }),
    ],
    {
      error: (issue) =>
        issue.input === undefined
          ? 'is required: write `credential: none` if this route is meant to be public'
          : 'must be none, session, { session: optional }, { service: [issuer, …] } or [session, { service: [issuer, …] }]',
    },
  );

const hostPattern = () =>
  z
    .string()
    .regex(
      /^(?:\*|(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:]+\])$/,
      'is not a host: use lower case, no port; "*.example.com" for all below it, "*" for any',
    )
    .meta({ kind: 'host pattern' });

const oneOrMany = <T extends z.ZodType>(item: T) =>
  z.union([item, z.array(item).min(1)]).transform((value) => (Array.isArray(value) ? value : [value]));

/** @param secrecy  request headers may carry a credential for the upstream; response headers go to everybody */
const headerRules = (secrecy: { readonly secret?: true }) =>
  z.strictObject({
    set: z
      .record(headerName(), headerValue().meta(secrecy))
      .optional()
      .meta({ description: 'Headers to set; a present one is replaced.' }),
    remove: z.array(headerName()).min(1).optional().meta({ description: 'Headers to remove.' }),
  });

/** One of `routes`. Made once: it depends on nothing, and is a third of the work of making the whole. */
const ROUTE = z.strictObject({
  id: name().meta({ description: 'Name of the route: in logs, metrics and `explain`.' }),
  match: z
    .strictObject({
      host: oneOrMany(hostPattern()).optional().meta({
        description:
          'Host or list of hosts: exact, "*.example.com", or "*" for any. Default: the hosts of publicOrigin.',
      }),
      path: oneOrMany(pathPattern()).optional().meta({
        description:
          'Path or list of paths with all that is below: /api matches /api and /api/x, not /apix. ":name" is one segment, a final "*" one or more.',
      }),
      exactPath: oneOrMany(pathPattern())
        .optional()
        .meta({ description: 'Path or list of paths without what is below.' }),
      methods: z
        .array(z.enum(ROUTE_METHODS))
        .min(1)
        .optional()
        .meta({ description: 'Default: all of GET HEAD POST PUT PATCH DELETE OPTIONS. GET includes HEAD.' }),
    })
    .refine((match) => match.path !== undefined || match.exactPath !== undefined, {
      message: 'needs path or exactPath',
    })
    .meta({
      description:
        'Which requests. The most specific match wins, whatever the order in this file: `sallyport routes` shows it.',
    }),
  credential: credential().meta({
    description: 'What a request must present. Has to be written out; `none` is public.',
  }),
  allow: allow()
    .optional()
    .meta({ description: 'Who may. All keys must hold. Left out: every principal that the credential admits.' }),
  upstream: name().meta({ description: 'One of `upstreams`.' }),
  audience: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({ description: '`aud` of the upstream token. Default: the name of the upstream.' }),
  upstreamToken: z.enum(['minted', 'original', 'none']).prefault('minted').meta({
    description:
      '`minted` sends a token of ours for the principal (for a service with `presented_iss`, the issuer of its own); `original` sends the service token on as it was presented, for routes that take nothing else; `none` sends none.',
  }),
  identityHeaders: z.record(headerName(), source()).optional().meta({
    description:
      'Plain headers for services that cannot verify a token: name → source, one of `subject`, `actor` (who calls on behalf of the subject), `user.<attribute>`, `session.createdAt`, `session.method` and `token.<claim>`. What has no value is left out. A client-sent copy is removed on every route, in every spelling.',
  }),
  rewrite: z
    .strictObject({
      stripPrefix: pathPattern()
        .optional()
        .meta({ description: 'Remove these leading segments; each path of the route must begin with them.' }),
      addPrefix: pathPattern().optional().meta({ description: 'Put these segments in front, after stripping.' }),
      path: pathPattern()
        .optional()
        .meta({ description: 'Replace the path; ":name" and a final "*" stand for what the pattern matched.' }),
    })
    .refine((value) => notEmpty(value), { message: 'must not be empty' })
    .refine((value) => value.path === undefined || (value.stripPrefix === undefined && value.addPrefix === undefined), {
      message: 'has path, which replaces the whole path: it cannot be combined with stripPrefix or addPrefix',
    })
    .optional()
    .meta({ description: 'The path that the upstream sees. Default: the path as it came.' }),
  requestHeaders: headerRules({ secret: true }).optional().meta({ description: 'Changes to the request headers.' }),
  responseHeaders: headerRules({}).optional().meta({ description: 'Changes to the response headers.' }),
  timeouts: z
    .strictObject({
      firstByte: optionalDuration({ atLeastMs: 10 }).meta({ description: 'Instead of the one of the upstream.' }),
      idle: optionalDuration().meta({
        description: 'Instead of the one of the upstream; 0s: none (server-sent events).',
      }),
    })
    .prefault({})
    .meta({ description: 'Instead of the timeouts of the upstream.' }),
  bodyLimit: optionalSize().meta({
    description: 'Request bodies above this get 413. Default: no limit; bodies are streamed, never held.',
  }),
  webSocket: z.boolean().prefault(true).meta({ description: 'Whether a WebSocket may be opened on this route.' }),
  csrf: z.enum(['origin', 'off']).prefault('origin').meta({
    description:
      '`origin`: unsafe methods with a session must come from a page of ours. `off` only for APIs that no browser calls.',
  }),
  pathExceptions: z
    .array(z.enum(['encodedSlash', 'semicolon']))
    .prefault([])
    .meta({
      description:
        'Ambiguous path characters that the upstream of this route is known to treat as plain ones: %2F, or ";".',
    }),
  passAuthorization: z
    .boolean()
    .prefault(false)
    .meta({ description: "On a public route: pass the client's Authorization header to the upstream." }),
  relaySessionCookie: z.boolean().prefault(false).meta({
    description:
      'The upstream is a trusted login backend: the session cookie that it sets reaches the browser. Else it is dropped.',
  }),
  onUnauthenticated: z.enum(['auto', 'redirect', 'challenge']).prefault('auto').meta({
    description:
      '`auto`: a page navigation is sent to the login page, everything else gets 401. `redirect`/`challenge`: always.',
  }),
});

/**
 * The schema of the whole file.
 *
 * @param context  base directory of relative paths, and how to ask whether a file exists
 */
export const configSchema = (context: SchemaContext) =>
  z
    .strictObject({
      version: z.literal(1, { error: 'must be 1' }).meta({ description: 'Version of this format.' }),
      publicOrigin: oneOrMany(origin()).meta({
        description:
          'Origin (or origins) that browsers see, such as https://shop.example.com. Cookies, redirects and the CSRF check go by this, never by the Host header. http only on a loopback host.',
      }),
      basePath: z
        .string()
        .regex(/^\/[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*$/, 'must be a path such as /auth')
        .prefault('/auth')
        .meta({
          description: "Path of the gateway's own endpoints (login, logout, session). /oauth2 replaces oauth2-proxy.",
        }),
      workers: z
        .union([z.literal('auto'), z.int().min(1).max(256)], {
          error: 'must be auto or a number of processes from 1 to 256',
        })
        .prefault(1)
        .meta({
          description: 'Processes that share the public listener; auto: one per core. More than one needs Redis.',
          restart: true,
        }),
      listeners: listeners(context).meta({ description: 'Where the gateway listens.' }),
      store: store(context).prefault({}).meta({ description: 'Where sessions live.' }),
      session: session().prefault({}).meta({ description: 'Sessions and their cookie.' }),
      login: login(context).prefault({}).meta({ description: 'How sessions are opened.' }),
      refresh: refresh({ claims: mappedClaims }).optional().meta({
        description:
          'POST {basePath}/refresh: rotating refresh tokens for single-page apps and native apps. Left out: no such endpoint.',
      }),
      csrf: z
        .strictObject({
          allowMissingOrigin: z.boolean().prefault(false).meta({
            description:
              'Accept an unsafe request with a session that carries neither Origin nor Sec-Fetch-Site (a program, not a browser).',
          }),
          additionalOrigins: z
            .array(origin())
            .prefault([])
            .meta({ description: 'Other origins whose pages may send unsafe requests.' }),
        })
        .prefault({})
        .meta({ description: 'Cross-site request forgery.' }),
      passClientHeaders: z.array(headerName()).prefault([]).meta({
        description:
          'Headers by which other proxies vouch for something (x-internal-…, x-envoy-…, remote-…, see docs/reference/headers.md) that clients may send all the same.',
      }),
      upstreamToken: upstreamToken(context)
        .prefault({})
        .meta({ description: 'The short-lived JWT that upstreams get.' }),
      tokenEndpoint: tokenEndpoint(context).optional().meta({
        description:
          'POST /auth/token: services exchange tokens, and get tokens of their own. Left out: no such endpoint.',
      }),
      issuers: z
        .record(name(), issuer(context))
        .prefault({})
        .meta({ description: 'Whose service tokens are accepted: name → keys and rules.' }),
      revocation: revocation().prefault({}).meta({ description: 'Tokens that are refused before they expire.' }),
      upstreams: z
        .record(name(), upstream(context))
        .refine(notEmpty, { message: 'needs at least one upstream' })
        .meta({ description: 'The services behind the gateway: name → servers and rules.' }),
      routes: z
        .array(ROUTE)
        .min(1, 'needs at least one route')
        .meta({ description: 'Which requests go where, and who may make them.' }),
      outbound: outboundSchema(context, ROUTE).optional().meta({
        description:
          'A listener on the loopback that the workload beside this gateway calls instead of calling out directly: each destination gets the token that it takes.',
      }),
      log: z
        .strictObject({
          level: z
            .enum(['debug', 'info', 'warn', 'error'])
            .prefault('info')
            .meta({ description: 'Least severe level that is written.' }),
          access: z.enum(['all', 'errors', 'off']).prefault('all').meta({
            description:
              'Access log: every request, only those answered with 4xx or 5xx by the gateway or 5xx by anyone, or none.',
          }),
          auditFile: z.string().min(1).optional().meta({
            description: 'File for the audit stream (login, logout, revocation, denial). Default: standard output.',
            restart: true,
          }),
        })
        .prefault({})
        .meta({ description: 'Logs, as JSON lines on standard output.' }),
      metrics: z
        .strictObject({
          labels: z
            .array(z.enum(['method']))
            .prefault(['method'])
            .meta({
              description:
                'Labels that multiply the series of a route, and can be left out: `[]` saves 35 series on each route.',
              restart: true,
            }),
        })
        .prefault({})
        .meta({ description: 'What `/metrics` on the admin listener shows.' }),
      shutdown: z
        .strictObject({
          delay: duration('0s', { atMostMs: 300_000 }).meta({
            description: 'After SIGTERM: stay open, but not ready, this long, so that load balancers notice first.',
          }),
          timeout: duration('25s', { atMostMs: 3_600_000 }).meta({
            description: 'Then let requests finish this long before they are cut.',
          }),
        })
        .prefault({})
        .meta({ description: 'How the process ends on SIGTERM.' }),
      acceptWarnings: z
        .array(z.enum(WARNING_CODES).meta({ kind: 'code' }))
        .prefault([])
        .meta({
          description:
            'Codes of configuration warnings that are known and meant (docs/reference/problems.md); they are no longer shown.',
        }),
    })
    .meta({ id: 'Sallyport', title: 'Sallyport configuration' });

/** What a route is made of. */
export type RouteSchema = typeof ROUTE;
/** A validated configuration: defaults filled in, durations in milliseconds, sizes in bytes, file paths absolute. */
export type Config = z.output<ReturnType<typeof configSchema>>;
export type RefreshConfig = NonNullable<Config['refresh']>;
export type RouteConfig = Config['routes'][number];
export type UpstreamConfig = Config['upstreams'][string];
export type IssuerConfig = Config['issuers'][string];
export type AllowConfig = NonNullable<RouteConfig['allow']>;
export type CredentialConfig = RouteConfig['credential'];
export type PublicListenerConfig = Config['listeners']['public'];
export type OutboundConfig = NonNullable<Config['outbound']>;
export type DestinationConfig = OutboundConfig['destinations'][number];
export type RedisConfig = NonNullable<Config['store']['redis']>;
