import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { TestClocks } from '../../support/clocks.ts';
import { HOST, startGateway } from '../../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { events, Files, JSON_TYPE, jsonOf, LoginStage, metricValue, reasonOf, sessionIdIn } from './fixture.ts';

const SECRET = 'a-secret-of-at-least-32-characters!';
const basic = (id: string, secret: string) =>
  `Authorization: Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
const LOGIN_BACKEND = basic('logins', SECRET);

/** A gateway with one trusted backend that has a secret, and one that has a service token. */
async function start(options: { clocks?: TestClocks; secret?: string } = {}) {
  await using opened = new AsyncDisposableStack();
  const files = opened.use(new Files());
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1' }] });
  const issuer = (name: string) => ({ issuer: `https://${name}.example`, jwksFile: '', algorithms: ['ES256'] });
  const jwksFile = await files.write('jwks.json', jwks);
  const clientSecretFile = await files.write('secret', options.secret ?? `${SECRET}\n`);
  const stage = await LoginStage.start({
    ...(options.clocks !== undefined && { clocks: options.clocks }),
    config: { issuers: { cluster: { ...issuer('cluster'), jwksFile }, other: { ...issuer('other'), jwksFile } } },
    login: {
      trustedBackends: [
        { id: 'logins', clientSecretFile },
        { id: 'sso', service: { issuer: 'cluster', subjects: ['system:serviceaccount:auth:sso'] } },
      ],
    },
  });
  const token = (subject: string, iss = 'https://cluster.example') => {
    const nowSec = Math.floor(stage.clocks.wallMs() / 1_000);
    return new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'JWT' })
      .setIssuer(iss)
      .setSubject(subject)
      .setAudience('https://shop.example.com')
      .setIssuedAt(nowSec)
      .setExpirationTime(nowSec + 600)
      .sign(privateKey);
  };
  opened.move();
  return {
    stage,
    token,
    open: (body: unknown, ...headers: string[]) =>
      stage.send('POST', '/auth/sessions', [JSON_TYPE, ...headers], JSON.stringify(body)),
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
    },
  };
}

describe('a trusted backend', () => {
  test('opens a session with its secret; the session id is only in Set-Cookie', async () => {
    const clocks = new TestClocks();
    await using backend = await start({ clocks });
    const response = await backend.open({ subject: 'carol', user: { roles: ['customer'] } }, LOGIN_BACKEND);
    expect(response.status).toBe(201);
    const id = sessionIdIn(response);
    expect(response.headers.get('set-cookie')).toBe(`__Host-sid=${id}; Path=/; Secure; HttpOnly; SameSite=Lax`);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(jsonOf(response)).toEqual({
      handle: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      subject: 'carol',
      expiresAt: '2027-01-15T20:00:00.000Z',
    });
    expect(response.body.toString()).not.toContain(id);
    const session = await backend.stage.get('/auth/session', `Cookie: __Host-sid=${id}`);
    expect(jsonOf(session)).toMatchObject({ subject: 'carol', method: 'backend', user: { roles: ['customer'] } });
    expect(events(backend.stage, 'login')).toMatchObject([{ subject: 'carol', account: 'logins', method: 'backend' }]);
    expect(await metricValue(backend.stage, 'sallyport_sessions_opened_total{method="backend"}')).toBe(1);
  });

  test('opens a session with the service token of a listed subject', async () => {
    await using backend = await start();
    const bearer = `Authorization: Bearer ${await backend.token('system:serviceaccount:auth:sso')}`;
    expect((await backend.open({ subject: 'carol' }, bearer)).status).toBe(201);
    expect(events(backend.stage, 'login')).toMatchObject([{ account: 'sso' }]);
  });

  test('sets the device and the lifetime, up to the absolute timeout', async () => {
    const clocks = new TestClocks();
    await using backend = await start({ clocks });
    const short = await backend.open({ subject: 'c', device: 'Kiosk 4', lifetimeSeconds: 600 }, LOGIN_BACKEND);
    expect(jsonOf(short)['expiresAt']).toBe('2027-01-15T08:10:00.000Z');
    const long = await backend.open({ subject: 'c', lifetimeSeconds: 86_400 }, LOGIN_BACKEND);
    expect(jsonOf(long)['expiresAt']).toBe('2027-01-15T20:00:00.000Z');
    const list = await backend.stage.get('/auth/sessions', `Cookie: __Host-sid=${sessionIdIn(short)}`);
    expect(jsonOf(list)['sessions']).toMatchObject([{ device: 'Kiosk 4' }, { device: 'Opened by logins' }]);
  });

  test('ends the browser’s previous session by its handle', async () => {
    await using backend = await start();
    const before = await backend.open({ subject: 'carol' }, LOGIN_BACKEND);
    const replaces = jsonOf(before)['handle'];
    const after = await backend.open({ subject: 'carol', replaces }, LOGIN_BACKEND);
    expect(after.status).toBe(201);
    const old = await backend.stage.get('/auth/session', `Cookie: __Host-sid=${sessionIdIn(before)}`);
    expect(old.status).toBe(401);
    expect(events(backend.stage, 'login')).toMatchObject([{ replaced: null }, { replaced: replaces }]);
  });

  test('may use any host name of the gateway, since it calls from inside', async () => {
    await using backend = await start();
    const body = '{"subject":"carol"}';
    const head = ['Host: sallyport.internal:8080', LOGIN_BACKEND, JSON_TYPE, `Content-Length: ${body.length}`];
    const response = await rawRequest(backend.stage.gateway.port, requestHead('POST', '/auth/sessions', head) + body);
    expect(response.status).toBe(201);
  });
});

describe('nobody else opens a session', () => {
  test.each([
    ['no credential', []],
    ['a wrong secret', [basic('logins', `${SECRET}x`)]],
    ['a prefix of the secret', [basic('logins', SECRET.slice(0, -1))]],
    ['an empty secret', [basic('logins', '')]],
    ['another id', [basic('sso', SECRET)]],
    ['an id from Object.prototype', [basic('constructor', SECRET)]],
    ['one character too many', [`${LOGIN_BACKEND}x`]],
    ['no colon', [`Authorization: Basic ${Buffer.from('logins').toString('base64')}`]],
    ['base64url', [`${LOGIN_BACKEND}-_`]],
  ])('%s is refused with 401', async (_what, headers) => {
    await using backend = await start();
    const response = await backend.open({ subject: 'carol' }, ...headers);
    expect(response.status).toBe(401);
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(events(backend.stage, 'login')).toEqual([]);
    expect(events(backend.stage, 'login_failed')).toMatchObject([{ method: 'backend', account: null }]);
    expect(await metricValue(backend.stage, 'sallyport_login_failures_total{reason="client"}')).toBe(1);
  });

  test('an unlisted service, or a listed one from another issuer, is refused with 401', async () => {
    await using backend = await start();
    const sso = 'system:serviceaccount:auth:sso';
    for (const [subject, issuer] of [
      ['system:serviceaccount:auth:other', undefined],
      [sso, 'https://other.example'],
    ] as const) {
      const bearer = `Authorization: Bearer ${await backend.token(subject, issuer)}`;
      const response = await backend.open({ subject: 'carol' }, bearer);
      expect([response.status, reasonOf(response)]).toEqual([401, 'client_unauthorized']);
    }
  });

  test('a session cookie is not accepted, not even an admin’s', async () => {
    await using backend = await start();
    const cookie = await backend.stage.gateway.cookie('root', { roles: ['admin'] });
    const response = await backend.open({ subject: 'carol' }, cookie);
    expect([response.status, reasonOf(response)]).toEqual([401, 'client_unauthorized']);
    expect(response.headers.get('www-authenticate')).toBe('Basic realm="sallyport", charset="UTF-8"');
  });

  test('a browser is refused even with the secret, and gets no CORS header', async () => {
    await using backend = await start();
    for (const header of ['Origin: https://evil.example', 'Origin: https://shop.example.com', 'Sec-Fetch-Site: none']) {
      const response = await backend.open({ subject: 'carol' }, LOGIN_BACKEND, header);
      expect([response.status, reasonOf(response)]).toEqual([403, 'origin_forbidden']);
      expect(response.head.toLowerCase()).not.toContain('access-control');
    }
    const preflight = await backend.stage.send('OPTIONS', '/auth/sessions', ['Origin: https://evil.example']);
    expect(preflight.status).toBe(405);
    expect(preflight.head.toLowerCase()).not.toContain('access-control');
  });

  test('a missing credential is refused before the body is read', async () => {
    await using backend = await start();
    await using connection = await RawConnection.open(backend.stage.gateway.port);
    connection.write(requestHead('POST', '/auth/sessions', [HOST, JSON_TYPE, 'Content-Length: 9000']));
    expect((await connection.response()).status).toBe(401);
  });

  test('POST gets 405 without trusted backends', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.send('POST', '/auth/sessions', [LOGIN_BACKEND, JSON_TYPE], '{"subject":"carol"}');
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
  });
});

describe('the request body', () => {
  test.each([
    ['no subject', {}],
    ['an empty subject', { subject: '' }],
    ['a subject with a line break', { subject: 'a\nb' }],
    ['a subject over 200 characters', { subject: 'a'.repeat(201) }],
    ['an unknown member', { subject: 'a', admin: true }],
    ['attributes that are a list', { subject: 'a', user: [] }],
    ['an attribute whose name has a space', { subject: 'a', user: { 'a b': 1 } }],
    ['more than 2 KiB of attributes', { subject: 'a', user: { x: 'x'.repeat(2_048) } }],
    ['a lifetime of zero', { subject: 'a', lifetimeSeconds: 0 }],
    ['a lifetime that is a string', { subject: 'a', lifetimeSeconds: '60' }],
    ['a session id instead of a handle', { subject: 'a', replaces: 'x' }],
    ['a device with a control character', { subject: 'a', device: 'a\u001b[2J' }],
  ])('with %s is refused with 400', async (_what, body) => {
    await using backend = await start();
    const response = await backend.open(body, LOGIN_BACKEND);
    expect([response.status, reasonOf(response)]).toEqual([400, 'body_malformed']);
  });

  test('as a form is refused with 415', async () => {
    await using backend = await start();
    const form = 'Content-Type: application/x-www-form-urlencoded';
    const response = await backend.stage.send('POST', '/auth/sessions', [LOGIN_BACKEND, form], 'subject=carol');
    expect(response.status).toBe(415);
  });
});

test('a secret of fewer than 32 characters fails the start and is not quoted', async () => {
  const failed = start({ secret: 'too-short-canary\n' });
  await expect(failed).rejects.toMatchObject({ name: 'ConfigFault' });
  await expect(failed).rejects.toThrow(/secret has a secret of fewer than 32 characters$/);
  await expect(failed).rejects.not.toThrow('too-short-canary');
});

describe('a login backend behind the gateway', () => {
  const routes = (relays: boolean) => [
    {
      id: 'login',
      match: { path: '/welcome' },
      credential: { session: 'optional' },
      relaySessionCookie: relays,
      csrf: 'off',
    },
    { id: 'app', match: { path: '/' }, credential: 'session' },
  ];

  test.each([
    [true, 1],
    [false, 0],
  ])('HDR-24: relaySessionCookie %s passes %i session cookies to the browser', async (relays, cookies) => {
    await using files = new Files();
    await using upstream = await RecordingUpstream.start();
    const clientSecretFile = await files.write('secret', SECRET);
    await using gateway = await startGateway({
      upstream: upstream.origin,
      routes: routes(relays),
      config: { login: { trustedBackends: [{ id: 'logins', clientSecretFile }] } },
    });
    // The backend opens a session at the gateway and relays its Set-Cookie line.
    upstream.answer = (_request, socket) => {
      const body = '{"subject":"carol"}';
      const head = [HOST, LOGIN_BACKEND, JSON_TYPE, `Content-Length: ${body.length}`];
      rawRequest(gateway.port, requestHead('POST', '/auth/sessions', head) + body).then(
        (opened) => {
          const setCookie = opened.headers.get('set-cookie') ?? '';
          socket.write(
            `HTTP/1.1 303 See Other\r\nLocation: /\r\nSet-Cookie: ${setCookie}\r\nContent-Length: 0\r\n\r\n`,
          );
        },
        () => socket.destroy(),
      );
    };
    const response = await rawRequest(gateway.port, requestHead('POST', '/welcome', [HOST, 'Content-Length: 0']));
    expect(response.status).toBe(303);
    const relayed = [response.headers.get('set-cookie')].filter((line) => line !== undefined);
    expect(relayed).toHaveLength(cookies);
    if (cookies === 0) return;
    const session = await rawRequest(
      gateway.port,
      requestHead('GET', '/auth/session', [HOST, `Cookie: __Host-sid=${sessionIdIn(response)}`]),
    );
    expect(jsonOf(session)['subject']).toBe('carol');
  });
});
