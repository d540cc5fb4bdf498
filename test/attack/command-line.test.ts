/** Attacks on logins of the command line: RFC 6749 §10, RFC 7636, RFC 8252 §8, RFC 8628 §5, RFC 9700. */

import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Attempt,
  CLIENT,
  CommandLineStage,
  fieldsOf,
  locationOf,
  newAttempt,
  REDIRECT_URI,
} from '../endpoints/command-line/fixture.ts';
import { events, FORM, FROM_OUR_PAGE, jsonOf, metricValue, NAVIGATION } from '../endpoints/login/fixture.ts';
import { PUBLIC_ORIGIN } from '../support/gateway.ts';

let stage: CommandLineStage;
let alice: string;
let bob: string;
let attempt: Attempt;

beforeAll(async () => {
  stage = await CommandLineStage.start();
  alice = await stage.login.cookieOf('alice');
  bob = await stage.login.cookieOf('bob');
  return () => stage[Symbol.asyncDispose]();
});
beforeEach(() => {
  attempt = newAttempt();
});

describe('the authorization request', () => {
  /** Parameters of a request with some of them changed; `null` omits one. */
  const changed = (changes: Readonly<Record<string, string | null>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries({ ...attempt.parameters, ...changes }).filter(
        (entry): entry is [string, string] => entry[1] !== null,
      ),
    );

  test.each([
    'http://localhost:49152/callback',
    'http://LOCALHOST:49152/callback',
    'http://127.0.0.1.example.com:49152/callback',
    'http://127.0.0.1:49152@evil.example/callback',
    'http://evil@127.0.0.1:49152/callback',
    'http://127.0.0.1:49152/callback#fragment',
    'http://127.0.0.1:49152/callback?next=//evil.example',
    'http://127.0.0.1:49152/callback/',
    'http://127.0.0.1:49152/callback/../x',
    'http://127.0.0.1:49152/other',
    'http://127.0.0.1:49152/callback\n',
    'http://127.0.0.1:49152\\@evil.example/callback',
    'http://127.0.0.1/callback',
    'http://127.0.0.1:0/callback',
    'http://127.0.0.1:65536/callback',
    'http://127.0.0.1:049152/callback',
    'http://127.0.0.2:49152/callback',
    'http://127.1:49152/callback',
    'http://2130706433:49152/callback',
    'http://0x7f000001:49152/callback',
    'http://[::ffff:127.0.0.1]:49152/callback',
    'https://127.0.0.1:49152/callback',
    'HTTP://127.0.0.1:49152/callback',
    'https://shop.example.com/callback',
    'https://evil.example/callback',
    'sallyport://callback',
    'javascript:alert(1)',
    '//evil.example/callback',
    '',
  ])('RFC 9700 §4.1: redirect_uri %j is refused on a page, without a redirect', async (redirectUri) => {
    for (const cookie of [[alice], []]) {
      const answer = await stage.ask(changed({ redirect_uri: redirectUri }), ...cookie);
      expect([answer.status, answer.headers.get('location')]).toEqual([400, undefined]);
      expect(answer.body.toString()).not.toContain('name="decision"');
    }
  });

  test.each([{ client_id: 'other' }, { client_id: '' }, { client_id: null }, { redirect_uri: null }])(
    'RFC 6749 §4.1.2.1: a request with %j is refused without a redirect',
    async (changes) => {
      const answer = await stage.ask(changed(changes), alice);
      expect([answer.status, answer.headers.get('location')]).toEqual([400, undefined]);
    },
  );

  test('RFC 6749 §3.1: a parameter given twice is refused on a page', async () => {
    for (const name of ['redirect_uri', 'code_challenge', 'state', 'client_id']) {
      const query = `${new URLSearchParams(attempt.parameters)}&${name}=${encodeURIComponent(attempt.parameters[name] ?? '')}`;
      const answer = await stage.login.get(`/auth/authorize?${query}`, ...NAVIGATION, alice);
      expect([name, answer.status, answer.headers.get('location')]).toEqual([name, 400, undefined]);
    }
  });

  test.each([
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ code_challenge_method: null }, 'invalid_request'],
    [{ code_challenge_method: 's256' }, 'invalid_request'],
    [{ code_challenge: null }, 'invalid_request'],
    [{ code_challenge: 'x'.repeat(42) }, 'invalid_request'],
    [{ state: null }, 'invalid_request'],
    [{ state: '' }, 'invalid_request'],
    [{ state: 'a\r\nSet-Cookie: x=y' }, 'invalid_request'],
    [{ state: 'x'.repeat(513) }, 'invalid_request'],
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ response_type: 'code id_token' }, 'unsupported_response_type'],
    [{ response_type: null }, 'invalid_request'],
    [{ response_mode: 'fragment' }, 'invalid_request'],
    [{ request: 'eyJ' }, 'invalid_request'],
    [{ scope: 'orders:read admin' }, 'invalid_scope'],
  ] as const)(
    'RFC 7636 §4.4.1, RFC 9700 §2.1: %j is refused, and the redirect tells the program why',
    async (changes, error) => {
      const answer = await stage.ask(changed(changes), alice);
      expect(answer.status).toBe(302);
      const location = locationOf(answer);
      expect(`${location.origin}${location.pathname}`).toBe(REDIRECT_URI);
      expect([location.searchParams.get('error'), location.searchParams.get('code')]).toEqual([error, null]);
    },
  );
});

describe('the consent page', () => {
  const decide = async (fields: Readonly<Record<string, string>>, headers: readonly string[], cookie = alice) => {
    const body = new URLSearchParams(fields).toString();
    const before = await metricValue(stage.login, APPROVED);
    const answer = await stage.login.send('POST', '/auth/authorize', [FORM, ...headers, cookie], body);
    expect(await metricValue(stage.login, APPROVED)).toBe(before);
    expect(answer.headers.get('location')).toBeUndefined();
    return answer;
  };
  const APPROVED = 'sallyport_command_line_logins_total{grant="authorization_code",result="approved"}';
  const allowed = async (cookie = alice) => ({
    ...fieldsOf(await stage.ask(attempt.parameters, cookie)),
    decision: 'allow',
  });

  test('CSRF: a GET decides nothing, whatever its parameters', async () => {
    const answer = await stage.ask({ ...(await allowed()), decision: 'allow' }, alice);
    expect([answer.status, answer.headers.get('location')]).toEqual([200, undefined]);
  });

  test.each([
    ['from another site', ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site']],
    ['from a sibling domain', ['Origin: https://evil.shop.example.com', 'Sec-Fetch-Site: same-site']],
    ['from a sandboxed frame', ['Origin: null', 'Sec-Fetch-Site: cross-site']],
    ['without an origin', []],
  ])('CSRF: a form %s decides nothing, even with the right fields', async (_, headers) => {
    expect((await decide(await allowed(), headers)).status).toBe(403);
  });

  test('CSRF: a form from our origin without the seal of the page decides nothing', async () => {
    const { seal = '', ...fields }: Record<string, string> = await allowed();
    expect(seal).toMatch(/^[\w-]{43}$/);
    const wrong = [{}, { seal: '' }, { seal: 'x'.repeat(43) }, { seal: `${seal}x` }];
    for (const change of wrong) expect((await decide({ ...fields, ...change }, FROM_OUR_PAGE)).status).toBe(403);
  });

  test('a form that neither allows nor denies decides nothing', async () => {
    const { decision: _decision, ...fields }: Record<string, string> = await allowed();
    for (const change of [{}, { decision: '' }, { decision: 'Allow' }])
      expect((await decide({ ...fields, ...change }, FROM_OUR_PAGE)).status).toBe(400);
  });

  test('the seal is bound to the challenge, the port and the state of its request', async () => {
    const fields = await allowed();
    const other = newAttempt({ redirect_uri: 'http://127.0.0.1:49153/callback' }).parameters;
    for (const name of ['code_challenge', 'redirect_uri', 'state']) {
      const answer = await decide({ ...fields, [name]: other[name] ?? '' }, FROM_OUR_PAGE);
      expect([name, answer.status]).toEqual([name, 403]);
    }
  });

  test('if another user decides, that user is asked again', async () => {
    const answer = await decide(await allowed(alice), FROM_OUR_PAGE, bob);
    expect(answer.status).toBe(403);
    expect(answer.body.toString()).toContain('u-bob');
    expect(answer.body.toString()).not.toContain('>alice<');
  });

  test('if the user has logged in again before deciding, the user is asked again', async () => {
    const again = await stage.login.cookieOf('alice');
    expect((await decide(await allowed(alice), FROM_OUR_PAGE, again)).status).toBe(403);
  });

  test('clickjacking: the pages forbid frames, scripts, caching and other form targets', async () => {
    for (const page of [
      await stage.ask(attempt.parameters, alice),
      await stage.login.get('/auth/device', ...NAVIGATION, alice),
    ]) {
      expect(page.status).toBe(200);
      const policy = page.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toContain('script-src');
      expect(page.headers.get('cache-control')).toBe('no-store');
      expect(page.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    }
    const policy = (await stage.ask(attempt.parameters, alice)).headers.get('content-security-policy');
    expect(policy).toContain("form-action 'self' http://127.0.0.1:49152;");
  });

  test.each(['cors', 'same-origin', 'no-cors'])(
    'cross-site scripting: a same-origin script (mode %s) gets no page and cannot give consent',
    async (mode) => {
      const byScript = [
        `Origin: ${PUBLIC_ORIGIN}`,
        'Sec-Fetch-Site: same-origin',
        `Sec-Fetch-Mode: ${mode}`,
        FORM,
        alice,
      ];
      const send = (path: string, fields: Readonly<Record<string, string>>) =>
        stage.login.send('POST', path, byScript, new URLSearchParams(fields).toString());
      const { userCode, deviceCode } = await stage.device();
      const query = `/auth/authorize?${new URLSearchParams(attempt.parameters)}`;
      // As on pages that a person has open.
      const [consent, device] = [
        fieldsOf(await stage.ask(attempt.parameters, alice)),
        fieldsOf(await stage.submit('/auth/device', { user_code: userCode }, alice)),
      ];
      for (const answer of [
        await stage.login.get(query, ...byScript),
        await stage.login.get('/auth/device', ...byScript),
        await send('/auth/device', { user_code: userCode }),
        await send('/auth/device', { ...device, decision: 'allow' }),
        await send('/auth/authorize', { ...consent, decision: 'allow' }),
      ]) {
        expect(answer.status).toBe(403);
        expect(answer.body.toString()).not.toContain('seal');
      }
      expect((await stage.poll(deviceCode)).status).toBe(400);
    },
  );

  test('cross-site scripting: a request without Sec-Fetch-Mode, as from an old browser, gets no page and cannot give consent', async () => {
    const { userCode, deviceCode } = await stage.device();
    const [consent, device] = [
      fieldsOf(await stage.ask(attempt.parameters, alice)),
      fieldsOf(await stage.submit('/auth/device', { user_code: userCode }, alice)),
    ];
    const fromOldBrowser = [`Origin: ${PUBLIC_ORIGIN}`, `Referer: ${PUBLIC_ORIGIN}/`, 'Accept: text/html', FORM, alice];
    const send = (path: string, fields: Readonly<Record<string, string>>) =>
      stage.login.send('POST', path, fromOldBrowser, new URLSearchParams(fields).toString());
    for (const answer of [
      await stage.login.get(`/auth/authorize?${new URLSearchParams(attempt.parameters)}`, ...fromOldBrowser),
      await stage.login.get('/auth/device', ...fromOldBrowser),
      await send('/auth/device', { ...device, decision: 'allow' }),
      await send('/auth/authorize', { ...consent, decision: 'allow' }),
    ]) {
      expect(answer.status).toBe(403);
      expect(answer.body.toString()).toContain('Open the page in a browser from 2023 or later.');
      expect(answer.body.toString()).not.toContain('seal');
    }
    expect((await stage.poll(deviceCode)).status).toBe(400);
  });

  test('CSRF: neither an additional origin nor a program without an origin can give consent, though both can make other changes', async () => {
    const APP = 'https://app.example.com';
    const csrf = { additionalOrigins: [APP], allowMissingOrigin: true };
    await using lenient = await CommandLineStage.start({ config: { csrf } });
    const cookie = await lenient.login.cookieOf('alice');
    const { userCode, deviceCode } = await lenient.device();
    const consent = fieldsOf(await lenient.ask(attempt.parameters, cookie));
    const device = fieldsOf(await lenient.submit('/auth/device', { user_code: userCode }, cookie));
    for (const from of [[`Origin: ${APP}`, 'Sec-Fetch-Site: same-site'], []]) {
      const send = (path: string, fields: Readonly<Record<string, string>>) =>
        lenient.login.send(
          'POST',
          path,
          [FORM, ...NAVIGATION, ...from, cookie],
          new URLSearchParams(fields).toString(),
        );
      expect((await send('/auth/authorize', { ...consent, decision: 'allow' })).status).toBe(403);
      expect((await send('/auth/device', { ...device, decision: 'allow' })).status).toBe(403);
      expect((await send('/auth/session/ending', {})).status).toBe(303);
    }
    expect((await lenient.poll(deviceCode)).status).toBe(400);
  });

  test('the parameters of the request are never markup', async () => {
    const page = await stage.ask(newAttempt({ state: '"><script>alert(1)</script>' }).parameters, alice);
    expect(page.status).toBe(200);
    expect(page.body.toString()).not.toContain('<script>');
  });
});

describe('the code', () => {
  const problemOf = (response: Awaited<ReturnType<CommandLineStage['redeem']>>) => [
    response.status,
    jsonOf(response)['error'],
  ];

  test('RFC 6749 §4.1.2: is refused when presented again, and its tokens end', async () => {
    const code = await stage.codeFor(attempt, alice);
    const tokens = jsonOf(await stage.redeem(code, attempt));
    expect(problemOf(await stage.redeem(code, attempt))).toEqual([400, 'invalid_grant']);
    expect(problemOf(await stage.refresh(tokens['refresh_token']))).toEqual([400, 'invalid_grant']);
    expect(events(stage.login, 'code_reuse_detected').at(-1)).toMatchObject({ grant: 'authorization_code' });
    expect(await stage.isLoggedIn(alice)).toBe(true);
  });

  test('RFC 6749 §10.5: ends its tokens even when a thief presents it again without the verifier', async () => {
    const code = await stage.codeFor(attempt, alice);
    const tokens = jsonOf(await stage.redeem(code, attempt));
    await stage.redeem(code, newAttempt());
    expect(problemOf(await stage.refresh(tokens['refresh_token']))).toEqual([400, 'invalid_grant']);
  });

  test('yields no lasting tokens when presented eight times at once', async () => {
    for (let round = 0; round < 5; round++) {
      const one = newAttempt();
      const code = await stage.codeFor(one, alice);
      const answers = await Promise.all(Array.from({ length: 8 }, () => stage.redeem(code, one)));
      const issued = answers.filter(({ status }) => status === 200).map(jsonOf);
      expect(issued.length).toBeLessThanOrEqual(1);
      for (const tokens of issued) expect((await stage.refresh(tokens['refresh_token'])).status).toBe(400);
    }
  });

  test.each([
    ['another verifier', { code_verifier: 'x'.repeat(43) }],
    ['the challenge itself as verifier', { code_verifier: 'CHALLENGE' }],
    ['a verifier that is too short', { code_verifier: 'x' }],
    ['another port', { redirect_uri: 'http://127.0.0.1:49153/callback' }],
    ['localhost', { redirect_uri: 'http://localhost:49152/callback' }],
    ['another path', { redirect_uri: 'http://127.0.0.1:49152/other' }],
  ])('RFC 7636 §4.6, RFC 6749 §4.1.3: is refused and used up with %s', async (_, wrong) => {
    const code = await stage.codeFor(attempt, alice);
    const overrides = Object.fromEntries(
      Object.entries(wrong).map(([name, value]) => [
        name,
        value === 'CHALLENGE' ? (attempt.parameters['code_challenge'] ?? '') : value,
      ]),
    );
    expect(problemOf(await stage.redeem(code, attempt, overrides))).toEqual([400, 'invalid_grant']);
    expect(problemOf(await stage.redeem(code, attempt))).toEqual([400, 'invalid_grant']);
  });

  test('stays unused if code_verifier, redirect_uri or code is missing', async () => {
    const code = await stage.codeFor(attempt, alice);
    for (const name of ['code_verifier', 'redirect_uri', 'code']) {
      expect(problemOf(await stage.redeem(code, attempt, { [name]: '' }))).toEqual([400, 'invalid_request']);
    }
    expect((await stage.redeem(code, attempt)).status).toBe(200);
  });

  test('is valid for a minute', async () => {
    const [late, inTime] = [await stage.codeFor(attempt, alice), await stage.codeFor(attempt, alice)];
    stage.clocks.advance(59_999);
    expect((await stage.redeem(inTime, attempt)).status).toBe(200);
    stage.clocks.advance(1);
    expect(problemOf(await stage.redeem(late, attempt))).toEqual([400, 'invalid_grant']);
  });

  test('is refused once the user has logged out', async () => {
    const cookie = await stage.login.cookieOf('alice');
    const code = await stage.codeFor(attempt, cookie);
    await stage.submit('/auth/logout', {}, cookie);
    expect(problemOf(await stage.redeem(code, attempt))).toEqual([400, 'invalid_grant']);
  });

  test.each([
    [{ client_id: 'other' }, [], 401, 'invalid_client'],
    [{ client_id: '' }, [], 401, 'invalid_client'],
    [{ client_secret: 'x' }, [], 401, 'invalid_client'],
    [{}, ['Authorization: Basic eDp5'], 400, 'invalid_request'],
    [{}, ['Origin: https://evil.example'], 400, 'invalid_request'],
    [{}, ['Sec-Fetch-Site: same-origin'], 400, 'invalid_request'],
    [{ grant_type: 'password' }, [], 400, 'unsupported_grant_type'],
    [{ grant_type: '' }, [], 400, 'invalid_request'],
  ] as const)('RFC 6749 §5.2: is not redeemed with %j and %j', async (changes, headers, status, error) => {
    const code = await stage.codeFor(attempt, alice);
    const answer = await stage.terminal(
      '/auth/token',
      {
        ...{ ...CLIENT, grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI },
        ...{ code_verifier: attempt.verifier, ...changes },
      },
      ...headers,
    );
    expect(problemOf(answer)).toEqual([status, error]);
    expect((await stage.redeem(code, attempt)).status).toBe(200);
  });

  test('guesses of it are throttled by address', async () => {
    await using slow = await CommandLineStage.start({
      refresh: { throttle: { freeAttemptsPerAddress: 3, maxDelay: '60s', window: '10m' } },
    });
    const statuses = [];
    for (let i = 0; i < 5; i++) statuses.push((await slow.redeem(`guess-${i}`, attempt)).status);
    expect(statuses).toEqual([400, 400, 400, 429, 429]);
    const good = newAttempt();
    const cookie = await slow.login.cookieOf('alice');
    expect((await slow.redeem(await slow.codeFor(good, cookie), good)).status).toBe(200);
  });

  test('never appears in logs, metrics or audit records; nor do tokens, verifiers or user codes', async () => {
    const code = await stage.codeFor(attempt, alice);
    const tokens = jsonOf(await stage.redeem(code, attempt));
    const { deviceCode, userCode } = await stage.device();
    await stage.submit('/auth/device', { user_code: userCode }, alice);
    await stage.poll(deviceCode);
    const { gateway } = stage.login;
    const written = `${gateway.log.text}${gateway.audit.text}${await gateway.metrics.text()}`;
    const secrets = [
      code,
      attempt.verifier,
      deviceCode,
      userCode,
      userCode.replace('-', ''),
      ...[tokens['access_token'], tokens['refresh_token']],
    ];
    expect(secrets.filter((secret) => typeof secret === 'string' && written.includes(secret))).toEqual([]);
  });
});

describe('the device grant', () => {
  const type = (userCode: string, cookie = alice) => stage.submit('/auth/device', { user_code: userCode }, cookie);
  const decide = async (userCode: string, decision: string, cookie = alice) =>
    stage.submit('/auth/device', { ...fieldsOf(await type(userCode, cookie)), decision }, cookie);
  const polled = async (deviceCode: string) => {
    stage.clocks.advance(5_000);
    return jsonOf(await stage.poll(deviceCode))['error'];
  };

  test('RFC 8628 §5.4: the user sees who asks before deciding', async () => {
    const { deviceCode, userCode } = await stage.device();
    const page = (await type(userCode.toLowerCase().replace('-', ' '))).body.toString();
    for (const said of [userCode, 'sallyport on Linux, 127.0.0.1', 'alice', 'If someone sent you the code, refuse'])
      expect(page).toContain(said);
    expect(await polled(deviceCode)).toBe('authorization_pending');
  });

  test('RFC 8628 §3.3.1: a link cannot fill in the code', async () => {
    const { userCode } = await stage.device();
    const page = await stage.login.get(`/auth/device?user_code=${userCode}`, ...NAVIGATION, alice);
    expect(page.body.toString()).not.toContain(userCode);
  });

  test('RFC 8628 §5.1: guesses of one user are throttled, and a correct code does not count', async () => {
    await using fresh = await CommandLineStage.start();
    const cookie = await fresh.login.cookieOf('alice');
    const other = await fresh.login.cookieOf('bob');
    const guess = (by: string) => fresh.submit('/auth/device', { user_code: 'BBBB-BBBB' }, by);
    const { userCode } = await fresh.device();
    for (let i = 0; i < 10; i++) {
      expect((await fresh.submit('/auth/device', { user_code: userCode }, cookie)).status).toBe(200);
    }
    const statuses = [];
    for (let i = 0; i < 7; i++) statuses.push((await guess(cookie)).status);
    expect(statuses).toEqual([400, 400, 400, 400, 400, 429, 429]);
    // Correct codes too: otherwise the delay would reveal them.
    expect((await fresh.submit('/auth/device', { user_code: userCode }, cookie)).status).toBe(429);
    expect((await guess(other)).status).toBe(400);
  });

  test('RFC 8628 §5.1: guesses from one address are throttled, regardless of user', async () => {
    await using fresh = await CommandLineStage.start();
    let last = 400;
    for (let i = 0; i < 60; i++) {
      const cookie = await fresh.login.gateway.cookie(`user-${i % 12}`);
      last = (await fresh.submit('/auth/device', { user_code: 'BBBB-BBBB' }, cookie)).status;
    }
    expect(last).toBe(429);
  });

  test('a form that neither allows nor denies decides nothing', async () => {
    const { deviceCode, userCode } = await stage.device();
    expect((await decide(userCode, 'Allow')).status).toBe(400);
    expect(await polled(deviceCode)).toBe('authorization_pending');
  });

  test('a user code is used up by the decision', async () => {
    const { deviceCode, userCode } = await stage.device();
    const page = await type(userCode);
    expect((await decide(userCode, 'deny')).status).toBe(200);
    expect((await type(userCode)).status).toBe(400);
    const late = await stage.submit('/auth/device', { ...fieldsOf(page), decision: 'allow' }, alice);
    expect(late.status).toBe(400);
    expect(await polled(deviceCode)).toBe('access_denied');
  });

  test('CSRF: another site cannot type a code or decide', async () => {
    const { deviceCode, userCode } = await stage.device();
    const fields = { ...fieldsOf(await type(userCode)), decision: 'allow' };
    const foreign = ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site', FORM, alice];
    const answer = await stage.login.send('POST', '/auth/device', foreign, new URLSearchParams(fields).toString());
    expect(answer.status).toBe(403);
    const unsealed = await stage.submit('/auth/device', { user_code: userCode, decision: 'allow' }, alice);
    expect(unsealed.status).toBe(403);
    expect(await polled(deviceCode)).toBe('authorization_pending');
  });

  test('a decision with the cookie of another user is refused', async () => {
    const { deviceCode, userCode } = await stage.device();
    const fields = { ...fieldsOf(await type(userCode)), decision: 'allow' };
    expect((await stage.submit('/auth/device', fields, bob)).status).toBe(403);
    expect(await polled(deviceCode)).toBe('authorization_pending');
  });

  test('RFC 8628 §3.5: polling faster than the interval gets slow_down instead of tokens', async () => {
    const { deviceCode, userCode } = await stage.device();
    expect(await polled(deviceCode)).toBe('authorization_pending');
    expect(jsonOf(await stage.poll(deviceCode))['error']).toBe('slow_down');
    await decide(userCode, 'allow');
    expect(jsonOf(await stage.poll(deviceCode))['error']).toBe('slow_down');
    stage.clocks.advance(5_000);
    expect((await stage.poll(deviceCode)).status).toBe(200);
  });

  test('RFC 8628 §3.5: a device code expires after ten minutes, decided or not', async () => {
    const [pending, approved] = [await stage.device(), await stage.device()];
    const cookie = await stage.login.cookieOf('alice');
    const page = await type(pending.userCode, cookie);
    await decide(approved.userCode, 'allow', cookie);
    stage.clocks.advance(600_000);
    expect(await polled(pending.deviceCode)).toBe('expired_token');
    expect(await polled(approved.deviceCode)).toBe('expired_token');
    const late = await stage.submit('/auth/device', { ...fieldsOf(page), decision: 'allow' }, cookie);
    expect(late.status).toBe(400);
  });

  test('a device code gives tokens once; presenting it again ends them', async () => {
    const { deviceCode, userCode } = await stage.device();
    await decide(userCode, 'allow', await stage.login.cookieOf('alice'));
    const tokens = jsonOf(await stage.poll(deviceCode));
    expect(tokens['token_type']).toBe('Bearer');
    expect(await polled(deviceCode)).toBe('invalid_grant');
    expect(jsonOf(await stage.refresh(tokens['refresh_token']))['error']).toBe('invalid_grant');
  });

  test('requests for codes from one address are throttled', async () => {
    await using fresh = await CommandLineStage.start();
    const statuses = new Set<number>();
    for (let i = 0; i < 52; i++) statuses.add((await fresh.terminal('/auth/device_authorization', CLIENT)).status);
    expect([...statuses]).toEqual([200, 429]);
  });
});
