import { expect, test } from 'vitest';
import { cli } from './support.ts';

const CONFIG = `
version: 1
publicOrigin: https://shop.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
login: { password: { usersFile: users.yaml } }
issuers: { cluster: { issuer: https://k, algorithms: [ES256], jwksFile: jwks.json } }
upstreams: { app: { endpoints: [http://127.0.0.1:3000] } }
routes:
  - { id: site, match: { path: / }, credential: none, upstream: app }
  - { id: any, match: { path: /api }, credential: { session: optional }, upstream: app }
  - id: read
    match: { path: [/api, "/api/:id/*"], methods: [GET] }
    credential: [session, { service: [cluster] }]
    allow: { roles: { all: [a, b] }, any: [{ subjects: [bob] }, { claims: { tier: [1, 2] }, scopes: [x, y] }] }
    upstream: app
    audience: reader
`;

test('routes are listed in matching order, one line per pattern', async () => {
  const { code, out } = await cli(['routes', '-c', '-', '--no-files'], { stdin: CONFIG });
  expect(code).toBe(0);
  expect(out).toBe(
    `PATTERN                     METHODS   CREDENTIAL                      ALLOW                                           UPSTREAM  AUDIENCE  ID
shop.example.com/api/:id/*  GET HEAD  session, or a token of cluster  role a+b, (subject bob or scope x|y, tier=1|2)  app       reader    read
shop.example.com/api/…      GET HEAD  session, or a token of cluster  role a+b, (subject bob or scope x|y, tier=1|2)  app       reader    read
shop.example.com/api/…      any       session, optional               -                                               app       app       any
shop.example.com/…          any       none (public)                   -                                               app       -         site
`,
  );
});

const OUTBOUND = `
upstreamToken: { keys: { directory: keys } }
outbound:
  address: 127.0.0.1:15001
  workload: cart
  destinations:
    - { id: own, match: { host: own.internal, methods: [POST] }, upstream: app, token: { service: {} } }
    - { id: pod, match: { path: /pod }, upstream: app, audience: pod, token: { kubernetes: { tokenFile: token } } }
    - id: user
      match: { host: own.internal, path: /for }
      upstream: app
      token: { exchange: { tokenUrl: "https://id/token", clientId: cart, clientSecretFile: secret, whenMissing: service } }
`;

test('outbound destinations follow, with the token that a call gets', async () => {
  const { code, out } = await cli(['routes', '-c', '-', '--no-files'], { stdin: CONFIG + OUTBOUND });
  expect(code).toBe(0);
  expect(out.split('\n\n')[1]).toBe(
    `PATTERN             METHODS  TOKEN                                           UPSTREAM  AUDIENCE  ID
127.0.0.1/pod/…     any      ServiceAccount token                            app       pod       pod
[::1]/pod/…         any      ServiceAccount token                            app       pod       pod
localhost/pod/…     any      ServiceAccount token                            app       pod       pod
own.internal/for/…  any      exchange at https://id/token, or service token  app       app       user
own.internal/…      POST     service token                                   app       app       own
`,
  );
  const json = await cli(['routes', '-c', '-', '--no-files', '--json'], { stdin: CONFIG + OUTBOUND });
  expect((JSON.parse(json.out) as object[])[4]).toEqual({
    listener: 'outbound',
    pattern: '127.0.0.1/pod/…',
    methods: 'any',
    token: 'ServiceAccount token',
    upstream: 'app',
    audience: 'pod',
    id: 'pod',
  });
});

test('--json prints the same for programs', async () => {
  const { out } = await cli(['routes', '-c', '-', '--no-files', '--json'], { stdin: CONFIG });
  expect(JSON.parse(out)).toHaveLength(4);
  expect((JSON.parse(out) as object[])[3]).toEqual({
    pattern: 'shop.example.com/…',
    methods: 'any',
    credential: 'none (public)',
    allow: '-',
    upstream: 'app',
    audience: '-',
    id: 'site',
  });
});

test('an invalid configuration is not listed', async () => {
  const { code, out, err } = await cli(['routes', '-c', '-'], { stdin: CONFIG });
  expect(code).toBe(1);
  expect(out).toBe('');
  expect(err).toContain('names a file that does not exist');
});
