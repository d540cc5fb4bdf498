/** The configuration cases of the attack catalogue, one row each: refused, or accepted with a warning. */

import { describe, expect, test } from 'vitest';
import { load, MINIMAL } from './support.ts';

const ROUTE = '{ id: app, match: { path: / }, credential: none, upstream: app }';
const withRoute = (route: string) => MINIMAL.replace(ROUTE, route);
const withRoutes = (...routes: string[]) => withRoute(routes.join('\n  - '));
const withUpstream = (endpoint: string) => MINIMAL.replace('http://127.0.0.1:3000', endpoint);
const withMore = (more: string) => `${MINIMAL}${more}\n`;
const withProxies = (cidr: string) => MINIMAL.replace('8080 }', `8080, trustedProxies: ["${cidr}"] }`);

const REFUSED: readonly (readonly [title: string, text: string, code: string])[] = [
  [
    'CFG-01: a misspelt key of a route',
    withRoute('{ id: app, match: { path: / }, credential: none, upstream: app, requireAuht: true }'),
    'config/unknown-key',
  ],
  [
    'CFG-02: a route without a credential',
    withRoute('{ id: app, match: { path: / }, upstream: app }'),
    'config/missing-key',
  ],
  [
    'CFG-02: a missing secret file',
    withMore('login: { trustedBackends: [{ id: a, clientSecretFile: missing }] }'),
    'config/file',
  ],
  [
    'CFG-02: a missing JWKS file of an issuer',
    withMore('issuers: { a: { issuer: https://a, algorithms: [ES256], jwksFile: missing } }'),
    'config/file',
  ],
  [
    'CFG-02: an issuer without algorithms',
    withMore('issuers: { a: { issuer: https://a, algorithms: [], jwksFile: jwks.json } }'),
    'config/invalid-value',
  ],
  ['CFG-02: no routes', MINIMAL.replace(/routes:[\s\S]*$/, 'routes: []\n'), 'config/invalid-value'],
  [
    'CFG-02: TLS without a certificate',
    MINIMAL.replace('8080 }', '8080, tls: { certificates: [] } }'),
    'config/invalid-value',
  ],
  [
    'CFG-02: client certificates without their CA',
    MINIMAL.replace('8080 }', '8080, tls: { certificates: [{ certFile: c, keyFile: k }], clientCertificates: {} } }'),
    'config/missing-key',
  ],
  [
    'CFG-03: an empty allow rule',
    withRoute('{ id: app, match: { path: / }, credential: session, allow: {}, upstream: app }'),
    'config/invalid-value',
  ],
  [
    'CFG-03: an allow rule without a value',
    withRoute('{ id: app, match: { path: / }, credential: session, allow: , upstream: app }'),
    'config/invalid-value',
  ],
  [
    'CFG-03: an empty list of roles',
    withRoute('{ id: app, match: { path: / }, credential: session, allow: { roles: [] }, upstream: app }'),
    'config/invalid-value',
  ],
  [
    'CFG-03: a service credential without an issuer',
    withRoute('{ id: app, match: { path: / }, credential: { service: [] }, upstream: app }'),
    'config/invalid-value',
  ],
  [
    'CFG-05: two routes with the same id',
    withRoutes(ROUTE, '{ id: app, match: { path: /b }, credential: none, upstream: app }'),
    'routes/duplicate-id',
  ],
  [
    'CFG-05: two routes with the same pattern',
    withRoutes(ROUTE, '{ id: b, match: { path: / }, credential: session, upstream: app }'),
    'routes/duplicate',
  ],
  [
    'CFG-10: a user and password in the URL of an upstream',
    withUpstream('http://user:pw@127.0.0.1:3000'),
    'config/invalid-value',
  ],
  ['CFG-10: a file URL as an upstream', withUpstream('file:///etc/passwd'), 'config/invalid-value'],
  ['CFG-12: a cookie without a prefix', withMore('session: { cookie: { name: sid } }'), 'cookie/prefix'],
  ['CFG-12: a cookie with SameSite=None', withMore('session: { cookie: { sameSite: none } }'), 'cookie/same-site-none'],
  [
    'CFG-13: the admin listener on the public address',
    MINIMAL.replace('8080 }', '8080 }, admin: { address: 127.0.0.1:8080 }'),
    'listeners/same-address',
  ],
  [
    'CFG-16: one file for two secrets',
    withMore('login: { password: { usersFile: f } }\nupstreamToken: { algorithm: HS256, secretFile: f }'),
    'files/shared-secret',
  ],
  ...['/%61dmin', '/%40me', '/%7badmin%7D', '/a/%zz', '/%2e%2e', '/a%3Bb', '/:id/%2d'].map(
    (path) =>
      [
        `PTH-13: a protected path in a spelling that no request has: ${path}`,
        withRoutes(ROUTE, `{ id: b, match: { path: "${path}" }, credential: session, upstream: app }`),
        'config/invalid-value',
      ] as const,
  ),
  ['COK-19: a public origin with plain http', MINIMAL.replace('https://', 'http://'), 'origin/insecure'],
  [
    'COK-19: a cookie whose prefix allows a Domain',
    withMore('session: { cookie: { name: __Secure-sid } }'),
    'cookie/prefix',
  ],
  [
    'COK-19: a Domain for a cookie whose prefix allows none',
    withMore('session: { cookie: { name: __Host-sid, domain: example.com } }'),
    'cookie/prefix',
  ],
];

const WARNED: readonly (readonly [title: string, text: string, code: string])[] = [
  [
    'COK-19: a Domain for the cookie',
    withMore('session: { cookie: { name: __Secure-sid, domain: example.com } }'),
    'cookie/domain',
  ],
  [
    'CFG-05: an unreachable route',
    withRoutes(
      ROUTE,
      ...['exactPath: /a', 'path: "/a/*"', 'path: /a'].map(
        (match, n) => `{ id: r${n}, match: { ${match} }, credential: none, upstream: app }`,
      ),
    ),
    'routes/unreachable',
  ],
  [
    'CFG-09: a password in the configuration',
    withMore('store: { redis: { url: "redis://:hunter2@redis" } }\nupstreamToken: { keys: { directory: keys } }'),
    'config/secret-in-file',
  ],
  [
    'CFG-09: a world-readable secret file',
    withMore('upstreamToken: { algorithm: HS256, secretFile: open }'),
    'files/world-readable',
  ],
  ['CFG-10: plain http to another machine', withUpstream('http://orders:8080'), 'upstreams/plain-http'],
  ['CFG-10: a link-local upstream', withUpstream('https://169.254.169.254'), 'upstreams/link-local'],
  ['CFG-11: every IPv4 address as a trusted proxy', withProxies('0.0.0.0/0'), 'listeners/trusts-everyone'],
  ['CFG-11: every IPv6 address as a trusted proxy', withProxies('::/0'), 'listeners/trusts-everyone'],
  [
    'CFG-13: an admin listener on all addresses, without a token',
    MINIMAL.replace('8080 }', '8080 }, admin: { address: 0.0.0.0:9090 }'),
    'admin/no-token',
  ],
];

describe('refused', () => {
  test.each(REFUSED)('%s', (_title, text, code) => {
    const { loaded, problems } = load(text);
    expect(loaded).toBeNull();
    expect(problems).toContainEqual(expect.objectContaining({ code, severity: 'error' }));
  });
});

describe('warned about, unless the configuration accepts the warning', () => {
  test.each(WARNED)('%s', (_title, text, code) => {
    expect(load(text).problems).toContainEqual(expect.objectContaining({ code, severity: 'warning' }));
    const accepted = load(`${text}acceptWarnings: [${code}]\n`);
    expect(accepted.loaded).not.toBeNull();
    expect(accepted.problems.filter((problem) => problem.code === code)).toEqual([]);
  });
});
