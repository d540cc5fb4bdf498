/** Logins from a terminal through the browser on the same computer (RFC 8252). */

import { decodeJwt, decodeProtectedHeader } from 'jose';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { events, Files, jsonOf, metricValue, NAVIGATION } from '../login/fixture.ts';
import { CommandLineStage, fieldsOf, locationOf, newAttempt, REDIRECT_URI } from './fixture.ts';

describe('a terminal login through the browser', () => {
  test('asks the user for consent and gives the terminal tokens that a route accepts', async () => {
    await using upstream = await RecordingUpstream.start();
    await using stage = await CommandLineStage.start({
      upstream: upstream.origin,
      config: { issuers: { ourselves: { own: {} } } },
      routes: [
        {
          id: 'api',
          match: { path: '/api' },
          credential: { service: ['ourselves'] },
          allow: { scopes: ['orders:read'] },
        },
      ],
    });
    const cookie = await stage.login.cookieOf('alice');
    const attempt = newAttempt();
    const page = await stage.ask(attempt.parameters, cookie);
    expect(page.status).toBe(200);
    const text = page.body.toString();
    for (const said of ['<strong>sallyport</strong>', 'alice', 'shop.example.com', 'orders:read'])
      expect(text).toContain(said);

    const code = await stage.codeFor(attempt, cookie);
    const answer = await stage.redeem(code, attempt);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const tokens = jsonOf(answer);
    expect(tokens).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: 'orders:read' });
    const access = String(tokens['access_token']);
    expect(decodeProtectedHeader(access).typ).toBe('at+jwt');
    expect(decodeJwt(access)).toMatchObject({ sub: 'alice', aud: PUBLIC_ORIGIN });

    const served = await stage.login.get('/api', `Authorization: Bearer ${access}`);
    expect(served.status).toBe(200);
    const renewed = jsonOf(await stage.refresh(tokens['refresh_token']));
    expect(renewed['access_token']).not.toBe(access);
    expect((await stage.login.get('/api', `Authorization: Bearer ${renewed['access_token']}`)).status).toBe(200);
  });

  test('opens its own session, which the user sees and which ends no later than the browser’s', async () => {
    await using stage = await CommandLineStage.start();
    const cookie = await stage.login.cookieOf('alice');
    stage.clocks.advance(60_000);
    const attempt = newAttempt();
    await stage.redeem(await stage.codeFor(attempt, cookie), attempt);
    const { sessions } = jsonOf(await stage.login.get('/auth/sessions', cookie)) as {
      sessions: { device: string; method: string; expiresAt: string; handle: string }[];
    };
    const [own, terminal] = [
      sessions.find(({ method }) => method === 'password'),
      sessions.find(({ method }) => method === 'commandLine'),
    ];
    expect(sessions).toHaveLength(2);
    expect(terminal?.device).toBe('sallyport on Linux, 127.0.0.1');
    expect(terminal?.expiresAt).toBe(own?.expiresAt);
    expect(events(stage.login, 'login').at(-1)).toMatchObject({ method: 'commandLine', account: own?.handle });
  });

  test('survives a logout in the browser but not "log out everywhere"', async () => {
    await using stage = await CommandLineStage.start();
    const first = await stage.login.cookieOf('alice');
    const attempt = newAttempt();
    const tokens = jsonOf(await stage.redeem(await stage.codeFor(attempt, first), attempt));
    await stage.submit('/auth/logout', {}, first);
    const renewed = await stage.refresh(tokens['refresh_token']);
    expect(renewed.status).toBe(200);
    await stage.submit('/auth/logout/all', {}, await stage.login.cookieOf('alice'));
    const refused = await stage.refresh(jsonOf(renewed)['refresh_token']);
    expect([refused.status, jsonOf(refused)['error']]).toEqual([400, 'invalid_grant']);
  });

  test('without a session leads to the login page, then back to the consent page', async () => {
    await using stage = await CommandLineStage.start();
    const { parameters } = newAttempt();
    const sent = await stage.ask(parameters);
    expect(sent.status).toBe(302);
    const login = locationOf(sent);
    expect(login.pathname).toBe('/auth/login');
    const returnTo = login.searchParams.get('return_to') ?? '';
    const answer = await stage.login.submit({
      username: 'alice',
      password: 'correct horse battery staple',
      return_to: returnTo,
    });
    expect(answer.headers.get('location')).toBe(`/auth/authorize?${new URLSearchParams(parameters)}`);
  });

  test('that the user refuses returns access_denied to the program and leaves no code', async () => {
    await using stage = await CommandLineStage.start();
    const cookie = await stage.login.cookieOf('alice');
    const { parameters } = newAttempt();
    const page = await stage.ask(parameters, cookie);
    const kept = vi.spyOn(stage.login.gateway.gateway.store.codes, 'add');
    const answer = await stage.submit('/auth/authorize', { ...fieldsOf(page), decision: 'deny' }, cookie);
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')?.startsWith(`${REDIRECT_URI}?`)).toBe(true);
    const told = Object.fromEntries(locationOf(answer).searchParams);
    expect(told).toMatchObject({ error: 'access_denied', state: parameters['state'], iss: PUBLIC_ORIGIN });
    expect(told).not.toHaveProperty('code');
    expect(kept).not.toHaveBeenCalled();
    expect(events(stage.login, 'command_line_denied')).toMatchObject([{ subject: 'alice' }]);
  });

  test('is counted at each step and recorded in the audit stream', async () => {
    await using stage = await CommandLineStage.start();
    const cookie = await stage.login.cookieOf('alice');
    const attempt = newAttempt();
    await stage.redeem(await stage.codeFor(attempt, cookie), attempt);
    for (const result of ['asked', 'approved', 'completed']) {
      const series = `sallyport_command_line_logins_total{grant="authorization_code",result="${result}"}`;
      expect([result, await metricValue(stage.login, series)]).toEqual([result, 1]);
    }
    expect(events(stage.login, 'command_line_approved')).toMatchObject([
      { subject: 'alice', grant: 'authorization_code' },
    ]);
    expect(events(stage.login, 'refresh_begun')).toMatchObject([{ subject: 'alice', kind: 'native' }]);
  });

  test('can be revoked (RFC 7009), which ends only the terminal’s session', async () => {
    await using stage = await CommandLineStage.start();
    const cookie = await stage.login.cookieOf('alice');
    const attempt = newAttempt();
    const tokens = jsonOf(await stage.redeem(await stage.codeFor(attempt, cookie), attempt));
    const token = String(tokens['refresh_token']);
    expect((await stage.terminal('/auth/revoke', { client_id: 'sallyport', token })).status).toBe(200);
    expect(jsonOf(await stage.refresh(token))['error']).toBe('invalid_grant');
    expect(await stage.isLoggedIn(cookie)).toBe(true);
    expect((await stage.terminal('/auth/revoke', { client_id: 'sallyport', token })).status).toBe(200);
    expect((await stage.terminal('/auth/revoke', { client_id: 'other', token })).status).toBe(401);
  });
});

describe('without refresh.commandLine', () => {
  let stage: CommandLineStage;
  beforeAll(async () => {
    stage = await CommandLineStage.start({ refresh: { commandLine: undefined } });
    return () => stage[Symbol.asyncDispose]();
  });

  test.each(['/auth/authorize', '/auth/device', '/.well-known/oauth-authorization-server'])(
    '%s is not served',
    async (path) => {
      const { status } = await stage.login.get(path, ...NAVIGATION, await stage.login.cookieOf('alice'));
      // A well-known path that the gateway does not serve goes to the routes.
      expect([404, 502]).toContain(status);
    },
  );

  test('the token endpoint answers 404', async () => {
    expect((await stage.terminal('/auth/token', { grant_type: 'authorization_code' })).status).toBe(404);
  });
});

test('without deviceGrant the device grant is neither accepted nor in the metadata', async () => {
  await using stage = await CommandLineStage.start({ refresh: { commandLine: {} } });
  const metadata = jsonOf(await stage.login.get('/.well-known/oauth-authorization-server'));
  expect(metadata).not.toHaveProperty('device_authorization_endpoint');
  expect(metadata['grant_types_supported']).toEqual(['authorization_code', 'refresh_token']);
  expect((await stage.terminal('/auth/device_authorization', { client_id: 'sallyport' })).status).toBe(404);
  expect(jsonOf(await stage.poll('x'))['error']).toBe('unsupported_grant_type');
});

test('the command line and the clients of `tokenEndpoint` share the token endpoint and its metadata', async () => {
  await using files = new Files();
  const clientSecretFile = await files.write('secret', 'a-secret-of-more-than-32-characters');
  const clients = { cart: { clientSecretFile, serviceTokens: { app: {} } } };
  await using stage = await CommandLineStage.start({ config: { tokenEndpoint: { clients } } });
  const basic = `Authorization: Basic ${Buffer.from('cart:a-secret-of-more-than-32-characters').toString('base64')}`;
  const asked = { grant_type: 'client_credentials', audience: 'app' };
  expect((await stage.terminal('/auth/token', asked, basic)).status).toBe(200);
  expect(jsonOf(await stage.terminal('/auth/token', asked))['error']).toBe('invalid_client');
  const attempt = newAttempt();
  const code = await stage.codeFor(attempt, await stage.login.cookieOf('alice'));
  expect((await stage.redeem(code, attempt)).status).toBe(200);
  const metadata = jsonOf(await stage.login.get('/.well-known/oauth-authorization-server'));
  expect(metadata['grant_types_supported']).toEqual(
    expect.arrayContaining(['authorization_code', 'refresh_token', 'client_credentials']),
  );
  expect(metadata['token_endpoint_auth_methods_supported']).toEqual(['none', 'client_secret_basic', 'private_key_jwt']);
});
