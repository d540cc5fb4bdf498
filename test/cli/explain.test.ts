import { describe, expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { cli } from './support.ts';

const CONFIG = `
version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 0.0.0.0:8080, trustedProxies: [10.0.0.0/8] } }
store: { redis: { url: "\${REDIS_URL:-redis://redis}" } }
login: { password: { usersFile: users.yaml } }
upstreamToken: { keys: { directory: keys }, claims: { email: user.email, team: { value: web } } }
issuers:
  cluster: { issuer: https://kubernetes.default.svc, algorithms: [RS256], jwksFile: jwks.json }
upstreams:
  orders: { endpoints: [https://orders-1:8443, https://orders-2:8443], hostHeader: endpoint, tls: { caFile: ca.pem } }
routes:
  - id: orders
    match: { path: /api/orders, methods: [GET, POST] }
    credential: [session, { service: [cluster] }]
    allow:
      roles: [customer, admin]
      any: [{ claims: { tier: [gold, silver] } }, { subjects: [bob], roles: { all: [a, b] } }]
    upstream: orders
    audience: orders-api
    rewrite: { stripPrefix: /api }
    identityHeaders: { X-User: subject }
    requestHeaders: { set: { X-Api-Key: hunter2 }, remove: [Accept-Language] }
    maxBodyBytes: 1KiB
  - { id: reports, match: { path: "/api/:kind" }, credential: session, upstream: orders, upstreamToken: none }
  - { id: internal, match: { path: /internal }, credential: { service: [cluster] }, allow: { scopes: ["orders:read"] }, upstream: orders }
  - { id: relay, match: { path: /relay }, credential: { service: [cluster] }, upstream: orders, upstreamToken: original }
  - { id: assets, match: { path: /assets }, credential: none, upstream: orders }
`;

const ask = async (...argv: string[]) => cli(['explain', ...argv, '-c', '-'], { stdin: CONFIG });
async function asked(...argv: string[]) {
  const { code, out, err } = await ask(...argv, '--json');
  expect(err).toBe('');
  expect(code).toBe(0);
  return JSON.parse(out) as Record<string, unknown>;
}

test('for a permitted user, the upstream gets the rewritten path, the identity and a token for its audience', async () => {
  expect(
    await asked(
      'GET',
      '/api/orders/1?x=%41',
      '--session',
      'subject=bob,roles=customer,tier=gold,email=bob@example.com',
    ),
  ).toMatchObject({
    outcome: 'forwarded',
    canonical: { host: 'shop.example.com', path: '/api/orders/1', query: '?x=%41', client: '192.0.2.1' },
    route: { id: 'orders', pattern: 'shop.example.com/api/orders/…' },
    credential: { needed: 'session, or a token of cluster', presented: 'the session of "bob"' },
    allow: [
      { criterion: 'role customer or admin', holds: true },
      {
        criterion: 'one of',
        holds: true,
        parts: [
          { criterion: 'claim tier is "gold" or "silver"', holds: true },
          {
            criterion: 'all of',
            holds: false,
            parts: [
              { criterion: 'role a and b', holds: false },
              { criterion: 'subject bob', holds: true },
            ],
          },
        ],
      },
    ],
    upstream: { name: 'orders', target: '/orders/1?x=%41', host: 'orders-1:8443' },
    headers: { added: { 'X-User': 'bob', Authorization: 'Bearer <token below>', 'x-forwarded-for': '192.0.2.1' } },
    token: {
      header: 'Authorization',
      claims: { iss: 'https://shop.example.com', sub: 'bob', aud: 'orders-api', email: 'bob@example.com', team: 'web' },
    },
    response: null,
  });
});

test('S6: a path that the upstream may read differently is shown with the route that decides', async () => {
  const routes = [
    'assets, match: { path: /assets }, credential: none',
    'mine, match: { path: /assets/mine }, credential: session',
  ];
  const config = `${CONFIG.slice(0, CONFIG.indexOf('routes:'))}routes:
${routes.map((text) => `  - { id: ${text}, upstream: orders, pathExceptions: [semicolon] }\n`).join('')}`;
  const { out } = await cli(['explain', 'GET', '/assets/mine;x', '-c', '-', '--json'], { stdin: config });
  expect(JSON.parse(out)).toMatchObject({
    route: { id: 'mine', pattern: 'shop.example.com/assets/mine/…' },
    response: { reason: 'credential_missing' },
  });
});

test("removed headers of the gateway and the route are listed, and the route's own values stay hidden", async () => {
  const { out } = await ask(
    'GET',
    '/api/orders',
    '--session',
    'roles=admin,tier=gold',
    '--header',
    'x_user: root',
    '--header',
    'Accept-Language: de',
    '--header',
    'X-Forwarded-For: 1.2.3.4',
    '--header',
    'Accept: */*',
  );
  expect(out).toContain('Removed     x_user, Accept-Language, X-Forwarded-For, Cookie\n');
  expect(out).toContain('X-Api-Key: <as the configuration says>');
  expect(out).not.toContain('hunter2');
});

test('shows decoded claims, but no token and no session id', async () => {
  const { out } = await ask('GET', '/api/orders', '--session', 'roles=admin,tier=gold');
  expect(out).not.toMatch(/eyJ/);
  expect(out).not.toMatch(/__Host-sid=/);
  expect(out).toContain('"aud": "orders-api"');
});

describe('a refusal shows the reason and what the client gets', () => {
  test.each([
    [
      'no credential, for a page',
      ['GET', '/api/orders', '--header', 'Accept: text/html'],
      { status: 302, reason: 'credential_missing' },
    ],
    ['no credential, from a program', ['GET', '/api/orders'], { status: 401, reason: 'credential_missing' }],
    [
      'a user without the role',
      ['GET', '/api/orders', '--session', 'roles=guest,tier=gold'],
      { status: 403, reason: 'route_forbidden' },
    ],
    [
      'a page of another origin',
      ['POST', '/api/orders', '--session', 'roles=admin,tier=gold', '--header', 'Origin: https://evil.example'],
      { status: 403, reason: 'origin_forbidden' },
    ],
    [
      'a session and a token',
      ['GET', '/api/orders', '--session', 'roles=admin', '--header', 'Authorization: Bearer x'],
      { status: 400, reason: 'credential_conflict' },
    ],
    ['a path with two readings', ['GET', '/api/%2e%2e/orders'], { status: 400, reason: 'request_ambiguous' }],
    [
      'a host that is not served',
      ['GET', 'https://other.example.com/api/orders'],
      { status: 421, reason: 'host_not_served' },
    ],
    ['a path without a route', ['GET', '/nothing'], { status: 404, reason: 'route_not_found' }],
    [
      'a body over the limit',
      ['POST', '/api/orders', '--session', 'roles=admin,tier=gold', '--header', 'Content-Length: 1025'],
      { status: 413, reason: 'body_too_large' },
    ],
    [
      'a service without the scope',
      ['GET', '/internal', '--service', 'cluster:cart'],
      { status: 403, reason: 'scope_insufficient' },
    ],
    [
      'a forged service token',
      ['GET', '/internal', '--header', 'Authorization: Bearer a.b.c'],
      { status: 401, reason: 'token_invalid' },
    ],
  ])('%s', async (_title, argv, response) => {
    expect(await asked(...argv)).toMatchObject({ outcome: 'denied', response, upstream: null, token: null });
  });

  test('a method that the route does not list, without trying the next route', async () => {
    const { passedOver, route, response } = await asked('DELETE', '/api/orders', '--session', 'roles=admin');
    expect(route).toBeNull();
    expect(response).toMatchObject({ status: 405 });
    expect(passedOver).toContainEqual(expect.objectContaining({ route: 'orders', because: 'method', isNear: true }));
  });
});

test('a gRPC call is answered with a gRPC status', async () => {
  const call = ['POST', '/internal', '--header', 'content-type: application/grpc'];
  expect(await asked(...call)).toMatchObject({
    response: { status: 200, reason: 'credential_missing', headers: { 'grpc-status': '16' } },
  });
  const { headers } = await asked(...call, '--service', 'cluster:cart,scope=orders:read');
  expect(headers).toMatchObject({ added: { via: '2 sallyport' } });
});

test('the output says that an unsafe request with a session is assumed to come from the same origin', async () => {
  const { out } = await ask('POST', '/api/orders', '--session', 'roles=admin,tier=gold');
  expect(out).toContain('Verdict     allowed');
  expect(out).toContain('sent from a page of the same origin');
});

test('a service token that is forwarded as presented is shown as such, with its claims', async () => {
  const { token } = await asked('GET', '/relay', '--service', 'cluster:cart,scope=orders:read,team=a');
  expect(token).toMatchObject({
    kind: 'as presented',
    header: 'Authorization',
    protectedHeader: { alg: 'RS256' },
    claims: { iss: 'https://kubernetes.default.svc', sub: 'cart', scope: 'orders:read', team: 'a' },
  });
  const { out } = await ask('GET', '/relay', '--service', 'cluster:cart');
  expect(out).toMatch(/^ *Token +as presented$/m);
  expect(out).not.toMatch(/ey[A-Za-z0-9_-]{20}/);
});

test('a service token with the scope is verified by the rules of its issuer', async () => {
  expect(
    await asked('GET', '/internal', '--service', 'cluster:system:serviceaccount:shop:cart,scope=orders:read'),
  ).toMatchObject({
    outcome: 'forwarded',
    allow: [{ criterion: 'scope orders:read', holds: true }],
    token: { claims: { sub: 'system:serviceaccount:shop:cart', aud: 'orders' } },
  });
});

test('S7: shows how long streams of a token last, and whether they outlive it', async () => {
  const request = ['explain', 'GET', '/relay', '--service', 'cluster:a', '-c', '-'];
  const bounded = await cli(request, { stdin: CONFIG });
  expect(bounded.out).toMatch(/^Streams +end 30s after the token expires$/m);
  const outliving = CONFIG.replace('jwksFile: jwks.json', 'jwksFile: jwks.json, streamsOutliveToken: true');
  expect((await cli(request, { stdin: outliving })).out).toMatch(
    /^Streams +outlive the token; its revocation ends them$/m,
  );
  expect(await asked('GET', '/assets/x')).toMatchObject({ streams: null });
});

test('an origin without a login is shown with the origin where people log in', async () => {
  const both = '[https://shop.example.com, https://admin.example.org]';
  const config = CONFIG.replace('publicOrigin: https://shop.example.com', `publicOrigin: ${both}`).replace(
    'login: {',
    'login: { origin: https://shop.example.com,',
  );
  const read = async (url: string) => (await cli(['explain', 'GET', url, '-c', '-'], { stdin: config })).out;
  expect(await read('https://admin.example.org/api/x')).toMatch(/^ +people log in at https:\/\/shop\.example\.com$/m);
  expect(await read('https://shop.example.com/api/x')).not.toContain('people log in');
});

test('only the headers of a trusted proxy are believed', async () => {
  const client = async (from: string) =>
    (await asked('GET', '/assets/x', '--from', from, '--header', 'X-Forwarded-For: 203.0.113.7')) as {
      canonical: { client: string };
    };
  expect((await client('10.1.2.3')).canonical.client).toBe('203.0.113.7');
  expect((await client('192.0.2.9')).canonical.client).toBe('192.0.2.9');
});

test("the gateway's own endpoints are shown as such", async () => {
  for (const path of ['/auth/login', '/auth/nothing', '/.well-known/jwks.json']) {
    expect(await asked('GET', path)).toMatchObject({ outcome: 'own endpoint', route: null, response: null });
  }
});

test('the files that the configuration names are not needed', async () => {
  expect((await ask('GET', '/api/orders', '--session', 'roles=admin,tier=gold')).code).toBe(0);
});

test.each([
  ['allow', ['--session', 'roles=admin,tier=gold'], 0],
  ['deny', ['--session', 'roles=admin,tier=gold'], 1],
  ['deny', [], 0],
  ['401', [], 0],
  ['credential_missing', [], 0],
  ['403', [], 1],
])('--expect %s with %j exits with %i', async (expected, argv, code) => {
  expect((await ask('GET', '/api/orders', ...argv, '--expect', expected)).code).toBe(code);
});

test.each([
  [['GET', 'shop.example.com/x'], 'is neither https://host/path nor /path'],
  [['G:T', '/x'], 'is not a method'],
  [['get', '/x'], '"get" is not a method, and would get 400: did you mean GET?'],
  [['FETCH', '/x'], 'is not a method'],
  [['GET', '/x', '--header', 'Bad Name: x'], '--header: "Bad Name" is not a header name'],
  [['GET', '/x', '--header', 'X: a\nY: b'], '--header: the value of X contains a character that HTTP does not allow'],
  [['GET', '/x', '--header', 'X: a\n'], '--header: the value of X contains a character that HTTP does not allow'],
  [['GET', '/x', '--header', 'X: \u20ac'], '--header: the value of X contains a character that HTTP does not allow'],
  [['GET', '/x', '--from', '999.1.1.1'], '--from "999.1.1.1" is not an IP address'],
  [['GET', '/x', '--from', ''], 'is not an IP address'],
  [['GET', '/x', '--expect', 'alow'], 'is not allow, deny, a status or a reason: did you mean allow?'],
  [['GET', '/x', '--expect', '4003'], 'is not allow, deny, a status or a reason'],
  [['GET', '/x', '--expect', 'route_forbiden'], 'did you mean route_forbidden?'],
  [['GET', '/x', '--service', 'clutser:x'], 'is not one of the issuers: cluster'],
  [['GET', '/x', '--service', 'cluster'], '--service is written issuer:subject'],
  [['GET', '/x', '--service', 'shop/cart'], 'none of the issuers is kubernetes; write issuer:subject'],
  [['GET', '/x', '--session', 'roles'], 'is neither name=value nor name:=JSON'],
  [['GET', '/x', '--session', 'age:=x'], 'is not JSON'],
  [['GET', '/x', '--session', 'a=b', '--service', 'cluster:x'], 'not both'],
  [['GET', '/x', '--header', 'X'], '--header is written'],
])('%j is an invalid command line', async (argv, message) => {
  const { code, err } = await ask(...argv);
  expect(code).toBe(2);
  expect(err).toContain(message);
});

test('attributes with := are JSON, others are text', async () => {
  const { token } = await asked('GET', '/api/orders', '--session', 'roles=admin,tier=gold,email=5');
  expect(token).toMatchObject({ claims: { email: '5' } });
  const other = await asked('GET', '/api/orders', '--session', 'roles=admin,tier=gold,email:=5');
  expect(other['token']).toMatchObject({ claims: { email: 5 } });
});

test('the explanation matches what the running gateway does', async () => {
  await using upstream = await RecordingUpstream.start();
  const routes = [
    {
      id: 'app',
      match: { path: '/api', methods: ['GET'] },
      credential: 'session',
      allow: { roles: ['customer'] },
      rewrite: { stripPrefix: '/api' },
      identityHeaders: { 'X-User': 'subject' },
    },
  ];
  await using gateway = await startGateway({ upstream: upstream.origin, routes });
  const stdin = JSON.stringify({
    version: 1,
    publicOrigin: 'https://shop.example.com',
    listeners: { public: { address: '127.0.0.1:0' } },
    upstreams: { app: { endpoints: [upstream.origin] } },
    routes: routes.map((route) => ({ ...route, upstream: 'app' })),
  });
  const { out } = await cli(
    [
      'explain',
      'GET',
      '/api/x?y',
      '--session',
      'subject=bob,roles=customer',
      '--header',
      'X-User: root',
      '--json',
      '-c',
      '-',
    ],
    { stdin },
  );
  const { upstream: said, headers } = JSON.parse(out) as {
    upstream: { target: string };
    headers: { added: Record<string, string> };
  };

  const head = requestHead('GET', '/api/x?y', ['Host: shop.example.com', await gateway.cookie('bob'), 'X-User: root']);
  expect((await rawRequest(gateway.port, head)).status).toBe(200);
  expect(upstream.last.head).toMatch(new RegExp(`^GET ${said.target.replace('?', '\\?')} HTTP/1.1`));
  const names = upstream.last.head
    .split('\r\n')
    .slice(1)
    .map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
  expect(
    Object.keys(headers.added)
      .map((name) => name.toLowerCase())
      .toSorted(),
  ).toEqual(names.filter((name) => !['host', 'connection'].includes(name)).toSorted());
  expect(upstream.last.values('x-user')).toEqual([headers.added['X-User']]);
});

describe('a ServiceAccount in the notation of kubectl', () => {
  const clustered = (issuers: string) => `
version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
issuers: ${issuers}
upstreams: { orders: { endpoints: [http://127.0.0.1:8080] } }
routes:
  - id: internal
    match: { path: /internal }
    credential: { service: [cluster] }
    allow: { any: [{ serviceAccounts: [shop/*, billing/invoices] }, { subjects: [system:serviceaccount:ops:cron] }] }
    upstream: orders
`;
  const one = clustered('{ cluster: { kubernetes: {} } }');
  const askWith = async (config: string, service: string) => {
    const { code, out, err } = await cli(['explain', 'GET', '/internal', '--service', service, '--json', '-c', '-'], {
      stdin: config,
    });
    return { code, err, explanation: code === 0 ? (JSON.parse(out) as Record<string, unknown>) : null };
  };

  test.each(['shop/cart', 'cluster:shop/cart', 'cluster:system:serviceaccount:shop:cart'])(
    '%s is allowed by shop/*, and the upstream learns its name',
    async (service) => {
      expect((await askWith(one, service)).explanation).toMatchObject({
        outcome: 'forwarded',
        credential: { presented: 'a token of cluster for "system:serviceaccount:shop:cart"' },
        allow: [
          {
            criterion: 'one of',
            holds: true,
            parts: [
              { criterion: 'ServiceAccount shop/* or billing/invoices', holds: true },
              { criterion: 'subject system:serviceaccount:ops:cron', holds: false },
            ],
          },
        ],
        token: { kind: 'minted', claims: { sub: 'system:serviceaccount:shop:cart', aud: 'orders' } },
      });
    },
  );

  test.each([
    ['shop/cart', 'forwarded', null],
    ['billing/invoices', 'forwarded', null],
    ['ops/cron', 'forwarded', null],
    ['billing/other', 'denied', { status: 403 }],
    ['shop-2/cart', 'denied', { status: 403 }],
    ['cluster:cart', 'denied', { status: 401, reason: 'token_invalid' }],
  ])('%s is %s', async (service, outcome, response) => {
    const { explanation } = await askWith(one, service);
    expect(explanation).toMatchObject({ outcome, ...(response !== null && { response }) });
  });

  test('has to name its cluster if there are two', async () => {
    const two = clustered(
      '{ cluster: { kubernetes: {} }, other: { kubernetes: { tokenFile: t, caFile: c, apiServer: "https://other:6443" } } }',
    );
    expect(await askWith(two, 'shop/cart')).toMatchObject({
      code: 2,
      err: expect.stringContaining('more than one is kubernetes: cluster, other; write issuer:subject'),
    });
    expect((await askWith(two, 'cluster:shop/cart')).explanation).toMatchObject({ outcome: 'forwarded' });
    expect((await askWith(two, 'other:shop/cart')).explanation).toMatchObject({
      outcome: 'denied',
      response: { status: 401, reason: 'token_invalid' },
    });
  });

  test('has the claims of the API server', async () => {
    const mapped = one.replace(
      'upstreams:',
      'upstreamToken: { claims: { workload: token.kubernetes.io } }\nupstreams:',
    );
    expect((await askWith(mapped, 'shop/cart')).explanation).toMatchObject({
      token: { claims: { workload: { namespace: 'shop', serviceaccount: { name: 'cart' } } } },
    });
  });
});

test('a call on behalf of a user names an actor, and its token names both', async () => {
  expect(await asked('GET', '/relay', '--service', 'cluster:bob,act:={"sub":"cart"}')).toMatchObject({
    outcome: 'forwarded',
    token: { kind: 'as presented', claims: { sub: 'bob', act: { sub: 'cart' } } },
  });
});

describe('how the user logged in', () => {
  const config = CONFIG.replace(
    'login: { ',
    'login: { oidc: [{ name: corporate, issuer: https://id.example.com, clientId: shop }], ',
  ).replace(
    '  - { id: assets',
    `  - { id: payouts, match: { path: /payouts }, credential: session, require: { acr: [gold], maxAge: 5m }, upstream: orders }
  - { id: mail, match: { path: /mail }, credential: session, providerToken: X-Provider-Token, upstream: orders }
  - { id: account, match: { path: /account }, credential: session, require: { amr: [pwd], maxAge: 5m }, upstream: orders }
  - { id: assets`,
  );
  const explained = async (path: string, session: string) => {
    const { out, err } = await cli(['explain', 'GET', path, '--session', session, '-c', '-', '--json'], {
      stdin: config,
    });
    return out === '' ? err : (JSON.parse(out) as Record<string, unknown>);
  };

  test('a recent and strong login at a provider passes, and its claims are in the token', async () => {
    expect(
      await explained('/payouts', 'provider=corporate,subject=ada,acr=gold,amr=pwd,amr=otp,authAge=4m'),
    ).toMatchObject({
      outcome: 'forwarded',
      require: [
        { criterion: 'acr gold', holds: true },
        { criterion: 'login at most 5m ago', holds: true },
      ],
      token: { claims: { sub: 'corporate|ada', acr: 'gold', amr: ['pwd', 'otp'], auth_time: expect.any(Number) } },
    });
  });

  test("the provider's access token is described in words if the route sends it", async () => {
    const added = { 'X-Provider-Token': '<the access token of corporate>' };
    expect(await explained('/mail', 'provider=corporate')).toMatchObject({ headers: { added } });
    const byPassword = (await explained('/mail', 'subject=bob')) as { headers: { added: object } };
    expect(byPassword.headers.added).not.toHaveProperty('X-Provider-Token');
  });

  test('unmet requirements are marked, and the challenge is shown', async () => {
    const { out } = await cli(['explain', 'GET', '/payouts', '--session', 'acr=silver,authAge=6m', '-c', '-'], {
      stdin: config,
    });
    expect(out).toMatch(/Require +no {2}acr gold\n +no {2}login at most 5m ago\n/);
    expect(out).toContain('step_up_required: acr is not one that the route requires');
    expect(out).toContain('insufficient_user_authentication');
  });

  test('a login with a password has an age too', async () => {
    expect(await explained('/account', 'subject=bob,authAge=4m')).toMatchObject({ outcome: 'forwarded' });
    expect(await explained('/account', 'subject=bob,authAge=6m')).toMatchObject({
      outcome: 'denied',
      require: [
        { criterion: 'amr pwd', holds: true },
        { criterion: 'login at most 5m ago', holds: false },
      ],
      response: { status: 401, reason: 'step_up_required' },
    });
  });

  test('an unknown provider and an invalid age are reported', async () => {
    expect(await explained('/payouts', 'provider=corporat')).toContain('did you mean corporate?');
    expect(await explained('/payouts', 'authAge=soon')).toContain('authAge is a duration, such as authAge=10m');
    expect((await ask('GET', '/api/orders', '--session', 'acr=gold')).err).toContain('write provider=…, one of none');
  });
});

describe('the limits of a request', () => {
  const limited = `
version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 0.0.0.0:8080, trustedProxies: [10.0.0.0/8], limits: { maxRequestsPerClient: 40 } } }
session: { maxRequests: 30 }
login: { password: { usersFile: users.yaml } }
upstreams: { app: { endpoints: [https://app] } }
routes:
  - { id: app, match: { path: / }, credential: session, upstream: app, maxRequests: 20, maxBodyBytes: 1536B }
  - { id: assets, match: { path: /assets }, credential: none, upstream: app }
`;
  const limitsOf = async (config: string, ...argv: string[]) => {
    const { out } = await cli(['explain', ...argv, '-c', '-', '--json'], { stdin: config });
    return (JSON.parse(out) as { limits: unknown }).limits;
  };

  test('are those of the client, the session, the route and its body', async () => {
    expect(await limitsOf(limited, 'GET', '/a', '--session', 'roles=customer')).toEqual({
      inProgress: { client: 40, session: 30, route: 20 },
      bodyBytes: 1536,
    });
    expect(await limitsOf(limited, 'GET', '/assets/a')).toEqual({
      inProgress: { client: 40, session: null, route: null },
      bodyBytes: null,
    });
  });

  test('have none for clients that share the address of an unknown proxy', async () => {
    const unknown = limited.replace(/ trustedProxies: .*/, '}}').replace('}}', ' } }');
    expect(await limitsOf(unknown, 'GET', '/assets/a')).toMatchObject({ inProgress: { client: null } });
  });

  test('are written on two lines', async () => {
    const text = await cli(['explain', 'GET', '/a', '--session', 'roles=customer', '-c', '-'], { stdin: limited });
    expect(text.out).toMatch(
      /^Limits {6}requests in progress: at most 40 from the client's address, 30 of the session, 20 on the route\n {12}request body: at most 1536B$/m,
    );
  });
});
