/** The pages of the admin listener: who gets them, what they show, and what they never show. */

import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PAGES } from '../../src/admin/page/pages.ts';
import { FORMS, GRPC_FORM } from '../../src/authorizer/form.ts';
import { ExplainThreads } from '../../src/cli/explain/on-thread.ts';
import { cli } from '../cli/support.ts';
import { HOST } from '../support/gateway.ts';
import { ADMIN_TOKEN, startInstance, type TestInstance } from '../support/instance.ts';
import { answering, KeyServer } from '../support/issuers/key-server.ts';
import { loopTurnsDuring } from '../support/loop-turns.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const basic = (user: string, password: string) => `Authorization: Basic ${btoa(`${user}:${password}`)}`;
const BASIC = basic('me', ADMIN_TOKEN);
const LOCAL = 'Host: 127.0.0.1:9090';
const PATHS = PAGES.map(({ path }) => path);
/** A secret in the configuration and in its files. No page may contain it. */
const CANARY = 'canary-5ecret-of-at-least-32-characters';

const ask = (instance: TestInstance, target: string, headers: readonly string[] = [LOCAL, BASIC]) =>
  rawRequest(instance.adminPort, requestHead('GET', target, headers));

/** The visible text of a page: no markup, single spaces. */
const words = ({ body }: RawResponse) =>
  body
    .toString()
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\s+/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

/** The cells of a table's rows, as text. */
const cells = ({ body }: RawResponse) =>
  [...body.toString().matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = '']) => cell.replace(/<[^>]+>/g, '')),
  );

const LISTENERS = { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } };

let upstream: RecordingUpstream;
let keyServer: KeyServer;
let instance: TestInstance;
beforeAll(async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  upstream = await RecordingUpstream.start();
  keyServer = await KeyServer.start(
    answering({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'billing-2026', alg: 'ES256', use: 'sig' }] }),
  );
  const billing = { issuer: 'https://billing.example', jwksUrl: keyServer.origin, algorithms: ['ES256'] };
  instance = await startInstance({
    upstream: upstream.origin,
    files: { 'hs256.secret': CANARY, 'token.secret': CANARY, 'client.secret': CANARY },
    routes: [
      { id: 'everything', match: { path: '/' }, credential: 'none' },
      { id: 'orders', match: { path: '/orders' }, credential: 'session', allow: { roles: ['customer'] } },
      {
        id: 'keyed',
        match: { path: '/keyed' },
        credential: 'none',
        requestHeaders: { set: { 'X-Api-Key': CANARY } },
      },
      { id: 'down', match: { path: '/down' }, credential: 'none', upstream: 'dead' },
    ],
    config: {
      upstreams: {
        app: { endpoints: [upstream.origin] },
        dead: {
          endpoints: ['http://127.0.0.1:9'],
          ejection: { consecutiveFailures: 1, baseDelay: '60s', maxDelay: '60s' },
        },
      },
      issuers: { billing, shared: { issuer: 'https://shared.example', secretFile: 'hs256.secret' } },
      upstreamToken: { algorithm: 'HS256', secretFile: 'token.secret' },
      login: { trustedBackends: [{ id: 'till', clientSecretFile: 'client.secret' }] },
    },
  });
});
afterAll(async () => {
  await instance[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await keyServer[Symbol.asyncDispose]();
});

describe('who gets a page', () => {
  test.each(PATHS)('%s asks for the admin token as the password, with any user name', async (path) => {
    const without = await ask(instance, path, [LOCAL]);
    expect(without.status).toBe(401);
    expect(without.headers.get('www-authenticate')).toBe('Basic realm="sallyport admin", charset="UTF-8"');
    expect(JSON.parse(without.body.toString())).toMatchObject({ detail: expect.stringContaining('any user name') });
    for (const line of [BASIC, basic('', ADMIN_TOKEN), basic('a', ADMIN_TOKEN), `Authorization: Bearer ${ADMIN_TOKEN}`])
      expect([line, (await ask(instance, path, [LOCAL, line])).status]).toEqual([line, 200]);
  });

  test.each([
    ['another password', basic('me', `${ADMIN_TOKEN}x`)],
    ['the token as the user name', basic(ADMIN_TOKEN, '')],
    ['no colon', `Authorization: Basic ${btoa(ADMIN_TOKEN)}`],
    ['invalid base64', `Authorization: Basic ${btoa(`me:${ADMIN_TOKEN}`)}!`],
    ['the bare token', `Authorization: ${ADMIN_TOKEN}`],
    ['two credentials', `Authorization: Basic ${btoa(`me:${ADMIN_TOKEN}`)}, Basic ${btoa('a:b')}`],
  ])('%s gets no page', async (_title, line) => {
    for (const path of PATHS) expect((await ask(instance, path, [LOCAL, line])).status).toBe(401);
  });

  test('CSRF-15: the password that a browser sends by itself does not authorize API operations', async () => {
    for (const [method, target] of [
      ['POST', '/-/reload'],
      ['GET', '/-/config'],
      ['GET', '/api/sessions?subject=bob'],
      ['DELETE', '/api/sessions?subject=bob'],
    ] as const) {
      const answer = await rawRequest(instance.adminPort, requestHead(method, target, [LOCAL, BASIC]));
      expect([target, answer.status, answer.headers.get('www-authenticate')]).toEqual([
        target,
        401,
        'Bearer realm="sallyport admin"',
      ]);
    }
  });

  test('S8: a host name that a page may have rebound gets no page, even with the password', async () => {
    for (const host of ['evil.test:9090', '127.0.0.1.evil.test', 'localhost.evil.test', ''])
      for (const path of PATHS)
        expect([host, (await ask(instance, path, [`Host: ${host}`, BASIC])).status]).toEqual([host, 421]);
  });

  const fetchedBy = (site: string, mode: string, dest: string) =>
    [`Sec-Fetch-Site: ${site}`, `Sec-Fetch-Mode: ${mode}`, `Sec-Fetch-Dest: ${dest}`] as const;
  test.each([
    [403, 'a frame of another site', ...fetchedBy('cross-site', 'navigate', 'iframe')],
    [403, 'an image of another port', ...fetchedBy('same-site', 'no-cors', 'image')],
    [403, 'a script of another site', ...fetchedBy('cross-site', 'no-cors', 'script')],
    [200, 'a link on another site', ...fetchedBy('cross-site', 'navigate', 'document')],
    [200, 'the address bar', ...fetchedBy('none', 'navigate', 'document')],
    [200, 'a link on the page itself', ...fetchedBy('same-origin', 'navigate', 'document')],
  ] as const)('answers %i for %s', async (status, _title, site, mode, dest) => {
    const lines = [site, mode, dest];
    expect((await ask(instance, '/', [LOCAL, BASIC, ...lines])).status).toBe(status);
  });

  test('a request with an Origin gets no page', async () => {
    expect((await ask(instance, '/', [LOCAL, BASIC, 'Origin: http://127.0.0.1:9090'])).status).toBe(403);
  });

  test('without a token file there are no pages', async () => {
    await using open = await startInstance({ hasNoToken: true });
    expect((await ask(open, '/', [LOCAL, basic('me', 'undefined')])).status).toBe(403);
  });

  test.each(['/?page=1', '/routes?x=1', '/routes?page=1&page=2', '/explain?method=GET&method=GET', '/explain/'])(
    '%s is not a page',
    async (target) => {
      expect((await ask(instance, target)).status).toBe(404);
    },
  );

  test('pages are read-only: other methods are refused', async () => {
    for (const path of PATHS)
      for (const method of ['POST', 'PUT', 'DELETE'])
        expect((await rawRequest(instance.adminPort, requestHead(method, path, [LOCAL, BASIC]))).status).toBe(405);
  });
});

test.each(PATHS)('%s forbids caching, framing and scripts', async (path) => {
  const { headers, body } = await ask(instance, path);
  expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
  expect(headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
  );
  expect(body.toString()).not.toMatch(/<script|<link|<img|\sstyle=|\son[a-z]+=/);
});

describe('the pages show', () => {
  test('routes in matching order, with their requests, refusals and failures', async () => {
    const get = (target: string) => rawRequest(instance.port, requestHead('GET', target, [HOST]));
    for (const target of ['/a', '/b', '/orders', '/down']) await get(target);
    const [, ...rows] = cells(await ask(instance, '/routes'));
    expect(
      rows.map(([pattern, , route, , allow, name, ...counts]) => [pattern, route, allow, name, ...counts]),
    ).toEqual([
      ['shop.example.com/down/…', 'down', '-', 'dead', '1', '0', '1', '0'],
      ['shop.example.com/keyed/…', 'keyed', '-', 'app', '0', '0', '0', '0'],
      ['shop.example.com/orders/…', 'orders', 'role customer', 'app', '1', '1', '0', '0'],
      ['shop.example.com/…', 'everything', '-', 'app', '2', '0', '0', '0'],
    ]);
  });

  test('the number of requests in progress', async () => {
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<() => void>();
    const usual = upstream.answer;
    upstream.answer = (request, socket) => arrive(() => usual(request, socket));
    const answered = rawRequest(instance.port, requestHead('GET', '/slow', [HOST]));
    const finish = await arrived;
    const row = cells(await ask(instance, '/routes?find=everything'))[1] ?? [];
    upstream.answer = usual;
    finish();
    await answered;
    expect(row.at(-1)).toBe('1');
  });

  test('servers of upstreams, and which are ejected', async () => {
    await rawRequest(instance.port, requestHead('GET', '/down', [HOST]));
    const [, ...rows] = cells(await ask(instance, '/upstreams'));
    expect(rows).toEqual([
      ['app', upstream.origin, 'HTTP/1.1', 'takes requests', '0', expect.any(String), expect.any(String)],
      [
        'dead',
        'http://127.0.0.1:9',
        'HTTP/1.1',
        expect.stringMatching(/^ejected, tried again in (?:[1-5]?\ds|1m)/),
        '0',
        '0',
        '0',
      ],
    ]);
  });

  test('readiness, store, feed, issuers with key ids, processes and the configuration in use', async () => {
    const billing = () => instance.instance.localGateway?.runtime.issuers.get('billing')?.keys.ageMs ?? null;
    await until(() => billing() !== null, 'the keys are fetched');
    const text = words(await ask(instance, '/'));
    expect(text).toContain('Ready. Sallyport test (unknown) on Node v');
    expect(text).toMatch(/store works (?:yes|no) memory/);
    expect(text).toMatch(/gateway memory[^.]* yes connected \d+(?:ms|s) ago since the start/);
    expect(text).toMatch(/billing issuer \(jwt\) \S+ ago billing-2026 ES256/);
    expect(text).toMatch(/shared issuer \(jwt\) not fetched: they are configured \(no id\) HS256/);
    expect(text).toMatch(new RegExp(`gateway ${process.pid} \\S+ ago`));
    expect(text).toContain(`Hash ${instance.instance.reloader.inUse.hash} , put in use `);
    expect(text).toContain('No reload since the start.');
  });

  test('reloads, newest first, with their findings and the changes that need a restart', async () => {
    await using changing = await startInstance();
    const { reloader } = changing.instance;
    const first = reloader.inUse.hash;
    changing.file.write({ routes: [{ id: 'Bad Id', match: { path: '/' }, credential: 'none' }] });
    await reloader.reload();
    changing.file.write({
      config: { listeners: { ...LISTENERS, admin: { ...LISTENERS.admin, allowedHosts: ['gw'] } } },
    });
    await reloader.reload();
    const page = await ask(changing, '/');
    const rows = cells(page).filter(([, result]) => result === 'applied' || result === 'rejected');
    expect(rows).toEqual([
      [
        expect.stringContaining(' ago'),
        'applied',
        reloader.inUse.hash,
        'after a restart: listeners.admin.allowedHosts',
      ],
      [
        expect.stringContaining(' ago'),
        'rejected',
        first,
        expect.stringMatching(/sallyport\.yaml:\d+:\d+.*routes\[0\]\.id/),
      ],
    ]);
    expect(words(page)).toContain('Changed, but in use only after a restart: listeners.admin.allowedHosts');
  });

  test('the last ten reloads, with at most twenty findings each', async () => {
    await using changing = await startInstance();
    const { reloader } = changing.instance;
    writeFileSync(changing.file.path, '{');
    for (let count = 0; count < 11; count += 1) await reloader.reload();
    const routes = Array.from({ length: 30 }, (_, index) => ({
      id: `Bad Id ${index}`,
      match: { path: `/${index}` },
      credential: 'none',
    }));
    changing.file.write({ routes });
    await reloader.reload();
    const { reloads } = reloader.history();
    expect(reloads).toHaveLength(10);
    expect(reloads[0]?.problems).toHaveLength(21);
    expect(reloads[0]?.problems.at(-1)).toBe('and 10 more');
  });
});

describe('many routes', () => {
  const COUNT = 250;
  let many: TestInstance;
  beforeAll(async () => {
    const routes = Array.from({ length: COUNT }, (_, index) => ({
      id: `route-${index}`,
      match: { path: `/services/${index}` },
      credential: 'none',
    }));
    many = await startInstance({ routes });
  });
  afterAll(() => many[Symbol.asyncDispose]());

  test('are shown a hundred per page, with links to the next and the previous page', async () => {
    const pages = await Promise.all(['/routes', '/routes?page=2', '/routes?page=3'].map((path) => ask(many, path)));
    expect(pages.map((page) => cells(page).length - 1)).toEqual([100, 100, 50]);
    const seen = pages.flatMap((page) =>
      cells(page)
        .slice(1)
        .map(([, , route]) => route),
    );
    expect(new Set(seen).size).toBe(COUNT);
    expect(pages.map((page) => words(page).match(/\S+ to \S+ of \d+ routes/)?.[0])).toEqual([
      '1 to 100 of 250 routes',
      '101 to 200 of 250 routes',
      '201 to 250 of 250 routes',
    ]);
    const links = pages.map((page) =>
      [...page.body.toString().matchAll(/href="\/routes\?page=(\d)"/g)].map(([, to]) => to),
    );
    expect(links).toEqual([['2'], ['1', '3'], ['2']]);
  });

  test('are found by pattern, id and upstream, in any letter case', async () => {
    const found = async (text: string) => cells(await ask(many, `/routes?find=${encodeURIComponent(text)}`)).length - 1;
    expect(await found('services/24')).toBe(11);
    expect(await found('ROUTE-249')).toBe(1);
    expect(await found('app')).toBe(100);
    expect(await found('no such')).toBe(-1);
  });

  test.each(['0', '-1', '1e3', 'x', '', '9999999'])('page %j shows the first page', async (page) => {
    expect(words(await ask(many, `/routes?page=${page}`))).toContain('1 to 100 of 250 routes');
  });

  test('a page beyond the last one is empty', async () => {
    expect(words(await ask(many, '/routes?page=4'))).toContain('None of 250 routes');
  });

  test('are explained without blocking the event loop', async () => {
    const { turns, result } = await loopTurnsDuring(() => ask(many, '/explain?method=GET&url=/services/7'));
    expect(words(result)).toContain('Route route-7 by shop.example.com/services/7/…');
    expect(turns).toBe(1_000);
  });
});

describe('the form for explain', () => {
  /** Fields of the form, and the same on the command line. */
  test.each([
    [
      { method: 'GET', url: '/orders', session: 'roles=customer,subject=bob' },
      ['--session', 'roles=customer,subject=bob'],
    ],
    [
      { method: 'POST', url: 'https://shop.example.com/orders', header: 'X-A: 1\r\nX-B: 2' },
      ['--header', 'X-A: 1', '--header', 'X-B: 2'],
    ],
    [
      { method: 'GET', url: '/orders?x=<b>', service: 'billing:invoices,scope=orders:read', from: '198.51.100.7' },
      ['--service', 'billing:invoices,scope=orders:read', '--from', '198.51.100.7'],
    ],
    [{ method: 'GET', url: '/keyed' }, []],
    [{ method: 'GET', url: '/nowhere%2f' }, []],
  ])('shows the same as the command line: %j', async (fields, options) => {
    const page = await ask(instance, `/explain?${new URLSearchParams(fields).toString()}`);
    const { out, code } = await cli(['explain', fields.method, fields.url, ...options, '-c', instance.file.path]);
    expect(code).toBe(0);
    const said = /<pre>([\s\S]*?)<\/pre>/.exec(page.body.toString())?.[1] ?? '';
    const plain = said
      .replaceAll('&quot;', '"')
      .replaceAll('&#39;', "'")
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&');
    const withoutIds = (text: string) =>
      text
        .replace(/"(?:jti|sid|iat|exp|nbf|auth_time)": [^\n]*/g, '')
        .replace(/X-Request-Id: .*|traceparent: .*|X-Request-ID: .*/gi, '');
    expect(withoutIds(plain)).toBe(withoutIds(out));
    expect(plain).toContain('Verdict');
  });

  test('ignores what Node itself sends from a thread, as under `node --watch`', async () => {
    process.env['WATCH_REPORT_DEPENDENCIES'] = '1';
    try {
      expect(words(await ask(instance, '/explain?method=GET&url=/keyed'))).toContain('Verdict');
    } finally {
      delete process.env['WATCH_REPORT_DEPENDENCIES'];
    }
  });

  test('shows the equivalent command, quoted for a shell', async () => {
    const query = new URLSearchParams({ method: 'GET', url: "/it's", session: 'roles=a b', http2: '1' });
    const text = words(await ask(instance, `/explain?${query.toString()}`));
    expect(text).toContain(`sallyport explain GET '/it'\\''s' --session 'roles=a b' --http2`);
  });

  test('says what is wrong with an invalid question, and keeps its fields', async () => {
    const page = await ask(instance, '/explain?method=GRAB&url=/x');
    expect(page.status).toBe(200);
    expect(page.body.toString()).toMatch(/<p class="alert" id="problem" role="alert">&quot;GRAB&quot; is not a method/);
    expect(page.body.toString()).toContain('name="method" value="GRAB"');
    expect(page.body.toString()).not.toContain('<pre>');
  });

  test.each(['Cookie: __Host-sid=x', 'authorization: Bearer x', ' COOKIE : x', 'a: b\nProxy-Authorization: x'])(
    'LOG-01: refuses secrets in its address: %j',
    async (header) => {
      const query = new URLSearchParams({ method: 'GET', url: '/', header });
      const page = await ask(instance, `/explain?${query.toString()}`);
      expect(words(page)).toContain('Cookies and tokens do not belong in the address of a page');
      expect(page.body.toString()).not.toContain('<pre>');
    },
  );

  test('shows input as text, never as markup', async () => {
    const hostile = '"><script>alert(1)</script>';
    const asked = new URLSearchParams({ method: hostile, url: hostile, session: hostile, header: hostile });
    for (const target of [`/explain?${asked.toString()}`, `/routes?find=${encodeURIComponent(hostile)}`]) {
      const { body } = await ask(instance, target);
      expect(body.toString()).not.toContain('<script');
      expect(body.toString()).toContain('&lt;script&gt;');
    }
  });

  test('asks one question too many to come again, and answers the others', async () => {
    const threads = new ExplainThreads(1);
    const { config } = instance.instance.reloader.inUse;
    const question = { method: 'GET', url: '/', header: [], outbound: false, http2: false };
    const all = { ...question, session: undefined, service: undefined, from: undefined, as: undefined };
    const ask = () => threads.answer(all, config, { error: () => {} });
    expect(await Promise.all([ask(), ask()])).toEqual([
      { text: expect.stringContaining('Verdict') },
      { problem: expect.stringContaining('Ask again') },
    ]);
  });

  test('offers every form in which a proxy can ask', async () => {
    const { body } = await ask(instance, '/explain');
    const offered = [...body.toString().matchAll(/<option value="([^"]+)"/g)].map(([, form]) => form);
    expect(offered.toSorted()).toEqual([...FORMS, GRPC_FORM].toSorted());
  });
});

test('LOG-01: no page contains a secret of the configuration or its files, or the admin token', async () => {
  const questions = ['/keyed', '/orders'].map((url) => `/explain?method=GET&url=${url}&session=subject%3Dbob`);
  writeFileSync(instance.file.path, `x: ${CANARY}\nredis://:${CANARY}@x\n`);
  await instance.instance.reloader.reload();
  for (const target of [...PATHS, ...questions]) {
    const text = (await ask(instance, target)).body.toString();
    expect([target, text.includes(CANARY), text.includes(ADMIN_TOKEN)]).toEqual([target, false, false]);
  }
});
