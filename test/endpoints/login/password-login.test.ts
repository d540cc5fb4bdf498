import { writeFile } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { hashPassword } from '../../../src/endpoints/login/password/hash.ts';
import { PasswordHasher } from '../../../src/endpoints/login/password/hasher.ts';
import { DependencyFault } from '../../../src/errors.ts';
import { TestClocks } from '../../support/clocks.ts';
import { HOST } from '../../support/gateway.ts';
import { RawConnection, type RawResponse, rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { until } from '../../support/until.ts';
import {
  CHEAP,
  events,
  Files,
  FORM,
  FROM_OUR_PAGE,
  JSON_TYPE,
  jsonOf,
  LoginStage,
  metricValue,
  PASSWORD,
  reasonOf,
  sessionIdIn,
  USERS,
} from './fixture.ts';

describe('a login by form', () => {
  test('redirects with 303 to the requested page, with a working session cookie', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.submit({ username: 'alice', password: PASSWORD, return_to: '/orders?page=2' });
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toBe('/orders?page=2');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('set-cookie')?.split('\n')[0]).toBe(
      `__Host-sid=${sessionIdIn(response)}; Path=/; Secure; HttpOnly; SameSite=Lax`,
    );
    const session = await stage.get('/auth/session', `Cookie: __Host-sid=${sessionIdIn(response)}`);
    expect(jsonOf(session)).toMatchObject({
      subject: 'alice',
      method: 'password',
      user: { email: 'alice@example.com', displayName: 'Alice', roles: ['customer'], tenant: 'acme' },
    });
  });

  test('with a wrong password shows the form again, with the name, problem and return target', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.submit({ username: 'alice', password: 'wrong', return_to: '/orders' });
    const body = response.body.toString();
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Session realm="sallyport"');
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(body).toContain('<title>Error: Log in</title>');
    expect(body).toMatch(/<p class="alert" id="problem" role="alert">That user name and password do not match\.<\/p>/);
    expect(body).toMatch(
      /<input id="username" [^>]*value="alice"[^>]* aria-invalid="true" aria-describedby="problem">/,
    );
    expect(body).toMatch(/<input id="password" [^>]* autofocus aria-invalid="true" aria-describedby="problem">/);
    expect(body).toContain('<input type="hidden" name="return_to" value="/orders">');
    expect(body).not.toContain('wrong');
  });

  test('shows a name with markup as text', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.submit({ username: '"><script>alert(1)</script>', password: 'x' });
    expect(response.body.toString()).toContain('value="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"');
  });
});

describe('a login by JSON', () => {
  test('answers 200 with the user and expiry, and the session id only in Set-Cookie', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks });
    const response = await stage.logIn('bob', PASSWORD);
    expect(response.status).toBe(200);
    expect(jsonOf(response)).toEqual({
      subject: 'u-bob',
      user: { roles: [] },
      method: 'password',
      createdAt: '2027-01-15T08:00:00.000Z',
      expiresAt: '2027-01-15T20:00:00.000Z',
      idleExpiresAt: '2027-01-15T08:30:00.000Z',
    });
    expect(response.body.toString()).not.toContain(sessionIdIn(response));
  });

  test('answers wrong passwords of known and unknown users alike, apart from the request id', async () => {
    await using stage = await LoginStage.start();
    const [known, unknown] = await Promise.all([stage.logIn('alice', 'wrong'), stage.logIn('mallory', 'wrong')]);
    expect(known.status).toBe(401);
    const { requestId: knownId, ...knownBody } = jsonOf(known);
    const { requestId: unknownId, ...unknownBody } = jsonOf(unknown);
    expect(knownBody).toEqual(unknownBody);
    expect(knownBody['reason']).toBe('login_failed');
    expect(knownId).not.toBe(unknownId);
    const headers = ({ headers: all }: typeof known) => [...all.keys()].toSorted();
    expect(headers(known)).toEqual(headers(unknown));
  });
});

describe('password hashing', () => {
  test('a known and an unknown user cost one hash each, with the same parameters', async () => {
    await using stage = await LoginStage.start();
    const verify = vi.spyOn(PasswordHasher.prototype, 'verify');
    await stage.logIn('alice', 'wrong');
    await stage.logIn('mallory', 'wrong');
    const costs = verify.mock.calls.map(([, { memoryKib, passes, lanes, salt, hash }]) => {
      return [memoryKib, passes, lanes, salt.byteLength, hash.byteLength];
    });
    expect(costs).toEqual([
      [7_168, 1, 1, 16, 32],
      [7_168, 1, 1, 16, 32],
    ]);
  });

  test('no password opens an account that does not exist, even if the hash matches', async () => {
    await using stage = await LoginStage.start();
    expect((await stage.logIn('mallory', PASSWORD)).status).toBe(401);
    vi.spyOn(PasswordHasher.prototype, 'verify').mockResolvedValue(true);
    const succeeded = vi.spyOn(stage.gateway.gateway.store.attempts, 'succeeded');
    expect((await stage.logIn('mallory', PASSWORD)).status).toBe(401);
    // A guess that would be right for another user counts like any other, so the count reveals nothing.
    expect(succeeded).not.toHaveBeenCalled();
  });

  test.each([
    ['an empty name', '', 'x'],
    ['a name of white space', '   ', 'x'],
    ['an empty password', 'alice', ''],
    ['a password over 1024 bytes', 'alice', 'x'.repeat(1_025)],
    ['a password over 1024 bytes in UTF-8', 'alice', 'ä'.repeat(600)],
    ['a name over 256 characters', 'a'.repeat(257), 'x'],
  ])('%s fails without hashing', async (_what, username, password) => {
    await using stage = await LoginStage.start();
    const verify = vi.spyOn(PasswordHasher.prototype, 'verify');
    const response = await stage.logIn(username, password);
    expect([response.status, reasonOf(response)]).toEqual([401, 'login_failed']);
    expect(verify).not.toHaveBeenCalled();
  });

  test('a full queue shows a person a 503 page that keeps the return target', async () => {
    await using stage = await LoginStage.start();
    vi.spyOn(PasswordHasher.prototype, 'verify').mockResolvedValue(null);
    const response = await stage.submit({ username: 'alice', password: PASSWORD, return_to: '/orders' });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    const body = response.body.toString();
    expect(body).toContain('There are more requests than can be served right now. Try again shortly.');
    expect(body).toContain('name="return_to" value="/orders"');
  });

  test('a client that leaves during hashing gets no session', async () => {
    await using stage = await LoginStage.start();
    const hashed = Promise.withResolvers<boolean>();
    const verify = vi.spyOn(PasswordHasher.prototype, 'verify').mockReturnValue(hashed.promise);
    const connection = await RawConnection.open(stage.gateway.port);
    const body = JSON.stringify({ username: 'alice', password: PASSWORD });
    connection.write(requestHead('POST', '/auth/login', [HOST, JSON_TYPE, `Content-Length: ${body.length}`]) + body);
    await until(() => verify.mock.calls.length === 1, 'the password is hashed');
    connection.close();
    await until(() => stage.gateway.gateway.requestsInFlight === 0, 'the client is gone');
    hashed.resolve(true);
    expect((await stage.logIn('bob', PASSWORD)).status).toBe(200);
    expect(await stage.gateway.gateway.sessions.list('alice')).toEqual([]);
  });

  test('a login beyond the queue gets 503 with Retry-After and does not count as a failed attempt', async () => {
    await using stage = await LoginStage.start({
      login: { throttle: { freeAttemptsPerAccount: 1 } },
      users: USERS,
    });
    vi.spyOn(PasswordHasher.prototype, 'verify').mockResolvedValueOnce(null).mockResolvedValueOnce(null);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const response = await stage.logIn('alice', PASSWORD);
      expect([response.status, reasonOf(response)]).toEqual([503, 'overloaded']);
      expect(response.headers.get('retry-after')).toBe('1');
    }
    expect((await stage.logIn('alice', PASSWORD)).status).toBe(200);
    expect(await metricValue(stage, 'sallyport_login_failures_total{reason="overloaded"}')).toBe(2);
  });
});

describe('throttling', () => {
  const THROTTLE = { freeAttemptsPerAccount: 3, freeAttemptsPerAddress: 100, maxDelay: '5m', window: '1h' };

  const from = (address: string) => `X-Forwarded-For: ${address}`;
  /** The nth of many networks. */
  const network = (n: number) => from(`203.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);

  test('delays failed attempts at one account from one address by 1, 2 and 4 s', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks, login: { throttle: THROTTLE } });
    for (let guess = 1; guess <= 3; guess += 1) expect((await stage.logIn('alice', 'wrong')).status).toBe(401);
    for (const delaySec of [1, 2, 4]) {
      const refused = await stage.logIn('alice', 'wrong');
      expect([refused.status, reasonOf(refused)]).toEqual([429, 'rate_limited']);
      expect(refused.headers.get('retry-after')).toBe(String(delaySec));
      clocks.advance(delaySec * 1_000);
      expect((await stage.logIn('alice', 'wrong')).status).toBe(401);
    }
  });

  test('S5: constant failures from one address lock nobody out at another', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks, config: viaProxy() });
    for (let minute = 0; minute < 70; minute += 1) {
      for (let guess = 0; guess < 6; guess += 1) await stage.logIn('alice', 'wrong', from('198.51.100.66'));
      expect([minute, (await stage.logIn('alice', PASSWORD, from('192.0.2.1'))).status]).toEqual([minute, 200]);
      clocks.advance(60_000);
    }
  });

  test('S5: a known device gets in at once, however many networks attack', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({
      clocks,
      config: viaProxy(),
      login: { throttle: { ...THROTTLE, freeAttemptsFromAnywhere: 20 } },
    });
    const device = deviceIn(await stage.logIn('alice', PASSWORD, from('192.0.2.1')));
    for (let guess = 0; guess < 40; guess += 1) await stage.logIn('alice', 'wrong', network(guess));
    // Even from an address from which others guess at many accounts.
    for (let guess = 0; guess < 110; guess += 1) await stage.logIn(`victim-${guess}`, 'wrong', from('192.0.2.1'));
    expect((await stage.logIn('alice', PASSWORD, from('192.0.2.1'))).status).toBe(429);
    expect((await stage.logIn('alice', PASSWORD, from('192.0.2.1'), device)).status).toBe(200);
    expect((await stage.logIn('alice', PASSWORD, from('192.0.2.9'), device)).status).toBe(200);
    // It is a known device for alice only, and gets no more guesses than others.
    expect((await stage.logIn('bob', PASSWORD, from('192.0.2.1'), device)).status).toBe(429);
    const guesses: number[] = [];
    for (let guess = 0; guess < 4; guess += 1) {
      guesses.push((await stage.logIn('alice', 'wrong', from('192.0.2.1'), device)).status);
    }
    expect(guesses).toEqual([401, 401, 401, 429]);
  });

  test('S5: each window verifies at most the configured guesses at an account, from all networks together', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({
      clocks,
      config: viaProxy(),
      login: { throttle: { ...THROTTLE, freeAttemptsFromAnywhere: 10, maxDelay: '1m', window: '10m' } },
    });
    const verify = vi.spyOn(PasswordHasher.prototype, 'verify').mockResolvedValue(false);
    // Free attempts; 1, 2, 4 … 32 s apart; then one a minute.
    const atMost = 10 + 6 + 10;
    for (let window = 0; window < 3; window += 1) {
      verify.mockClear();
      for (let second = 0; second < 600; second += 1) {
        await stage.logIn('alice', 'wrong', network(window * 600 + second));
        clocks.advance(1_000);
      }
      expect(verify.mock.calls.length).toBeGreaterThan(10);
      expect(verify.mock.calls.length).toBeLessThanOrEqual(atMost);
    }
  });

  test('S5: attempts from one IPv6 /48 count together, with ten times the limit of a /64', async () => {
    await using stage = await LoginStage.start({
      config: viaProxy(),
      login: { throttle: { ...THROTTLE, freeAttemptsPerAddress: 1 } },
    });
    const statuses: number[] = [];
    for (let n = 0; n < 11; n += 1) statuses.push((await stage.logIn(`v${n}`, 'x', from(`2001:db8:1:${n}::1`))).status);
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429]);
    expect((await stage.logIn('v', 'x', from('2001:db8:2::1'))).status).toBe(401);
  });

  test('S5: attempts at one account from one IPv6 /48 count together', async () => {
    await using stage = await LoginStage.start({ config: viaProxy(), login: { throttle: THROTTLE } });
    const statuses: number[] = [];
    for (let n = 0; n < 4; n += 1) statuses.push((await stage.logIn('alice', 'x', from(`2001:db8:1:${n}::1`))).status);
    expect(statuses).toEqual([401, 401, 401, 429]);
    expect((await stage.logIn('alice', PASSWORD, from('2001:db8:2::1'))).status).toBe(200);
  });

  test('a throttled attempt computes no hash and fails even with the right password', async () => {
    await using stage = await LoginStage.start({ login: { throttle: { ...THROTTLE, freeAttemptsPerAccount: 1 } } });
    await stage.logIn('alice', 'wrong');
    const verify = vi.spyOn(PasswordHasher.prototype, 'verify');
    expect((await stage.logIn('alice', PASSWORD)).status).toBe(429);
    expect(verify).not.toHaveBeenCalled();
    expect(await metricValue(stage, 'sallyport_login_failures_total{reason="throttled"}')).toBe(1);
    expect(events(stage, 'login_throttled')).toMatchObject([{ account: 'alice', method: 'password' }]);
  });

  test('a person is told how long to wait', async () => {
    await using stage = await LoginStage.start({ login: { throttle: { ...THROTTLE, freeAttemptsPerAccount: 1 } } });
    await stage.submit({ username: 'alice', password: 'wrong' });
    const response = await stage.submit({ username: 'alice', password: 'wrong' });
    expect(response.status).toBe(429);
    expect(response.body.toString()).toContain('Too many attempts. Try again in 1 second.');
  });

  test('the spellings of one account count together', async () => {
    await using stage = await LoginStage.start({ login: { throttle: { ...THROTTLE, freeAttemptsPerAccount: 1 } } });
    await stage.logIn('alice', 'wrong');
    expect((await stage.logIn(' alice ', 'wrong')).status).toBe(429);
  });

  test('a success clears the failures of the account', async () => {
    await using stage = await LoginStage.start({ login: { throttle: THROTTLE } });
    for (let round = 0; round < 3; round += 1) {
      await stage.logIn('alice', 'wrong');
      await stage.logIn('alice', 'wrong');
      expect((await stage.logIn('alice', PASSWORD)).status).toBe(200);
    }
  });

  test('attempts from one IPv6 /64 count together, whatever the account', async () => {
    await using stage = await LoginStage.start({
      config: viaProxy(),
      login: { throttle: { ...THROTTLE, freeAttemptsPerAddress: 2 } },
    });
    const attempt = (name: string, address: string) => stage.logIn(name, 'wrong', `X-Forwarded-For: ${address}`);
    expect((await attempt('a', '2001:db8:1:2::1')).status).toBe(401);
    expect((await attempt('b', '2001:DB8:1:2:ffff::9')).status).toBe(401);
    expect((await attempt('c', '2001:0db8:0001:0002:1:2:3:4')).status).toBe(429);
    expect((await attempt('d', '2001:db8:1:3::1')).status).toBe(401);
  });

  test('attempts throttled by address do not count against an account', async () => {
    await using stage = await LoginStage.start({
      config: viaProxy(),
      login: { throttle: { ...THROTTLE, freeAttemptsPerAccount: 1, freeAttemptsPerAddress: 1 } },
    });
    await stage.logIn('mallory', 'wrong', 'X-Forwarded-For: 198.51.100.1');
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect((await stage.logIn('alice', 'wrong', 'X-Forwarded-For: 198.51.100.1')).status).toBe(429);
    }
    expect((await stage.logIn('alice', PASSWORD, 'X-Forwarded-For: 198.51.100.2')).status).toBe(200);
  });

  test('successful logins do not slow their address', async () => {
    await using stage = await LoginStage.start({ login: { throttle: { ...THROTTLE, freeAttemptsPerAddress: 2 } } });
    for (let login = 0; login < 5; login += 1) expect((await stage.logIn('alice', PASSWORD)).status).toBe(200);
  });

  test('logging in to one’s own account between guesses does not reset the address’s count', async () => {
    await using stage = await LoginStage.start({ login: { throttle: { ...THROTTLE, freeAttemptsPerAddress: 3 } } });
    const statuses: number[] = [];
    for (let guess = 0; guess < 3; guess += 1) {
      statuses.push((await stage.logIn(`victim-${guess}`, 'wrong')).status);
      statuses.push((await stage.logIn('bob', PASSWORD)).status);
    }
    expect(statuses).toEqual([401, 200, 401, 200, 401, 429]);
  });

  test('S5: when 75 addresses of one IPv6 /48 fill the hash queue, another network still gets its turn', async () => {
    const costly = await hashPassword('costly', { memoryKib: 32_768, passes: 2, lanes: 1 });
    const users = `${USERS}${Array.from({ length: 75 }, (_, n) => `  - { name: v${n}, passwordHash: "${costly}" }\n`).join('')}`;
    await using files = new Files();
    const usersFile = await files.write('users.yaml', users);
    await using small = await LoginStage.start({
      config: viaProxy(),
      login: { throttle: THROTTLE, password: { usersFile, maxQueue: 8 } },
    });
    const flood = Array.from({ length: 75 }, (_, n) => small.logIn(`v${n}`, 'wrong', from(`2001:db8:1:${n}::1`)));
    expect((await small.logIn('alice', PASSWORD, from('192.0.2.1'))).status).toBe(200);
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([401, 503]));
  });

  test('S5: a right password clears the count of its network but not that of all networks', async () => {
    await using stage = await LoginStage.start({
      config: viaProxy(),
      login: { throttle: { ...THROTTLE, freeAttemptsFromAnywhere: 4 } },
    });
    for (let guess = 0; guess < 3; guess += 1) await stage.logIn('alice', 'wrong', network(guess));
    expect((await stage.logIn('alice', PASSWORD, from('192.0.2.1'))).status).toBe(200);
    expect((await stage.logIn('alice', 'wrong', network(4))).status).toBe(401);
    expect((await stage.logIn('alice', 'wrong', network(5))).status).toBe(429);
  });

  test('while the store does not answer, an attempt gets 503 and no hash is computed', async () => {
    await using stage = await LoginStage.start();
    const verify = vi.spyOn(PasswordHasher.prototype, 'verify');
    vi.spyOn(stage.gateway.gateway.store.attempts, 'begin').mockRejectedValue(
      new DependencyFault('store_unavailable', 'down'),
    );
    const response = await stage.logIn('alice', PASSWORD);
    expect([response.status, reasonOf(response)]).toEqual([503, 'store_unavailable']);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(verify).not.toHaveBeenCalled();
  });
});

describe('S5: the known-device cookie', () => {
  const THROTTLE = { freeAttemptsPerAccount: 1 };
  const LINE =
    /^__Host-known-device=\d+\.[\w-]{22}\.[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=(\d+)$/;
  const lineOf = (response: RawResponse) => (response.headers.get('set-cookie') ?? '').split('\n')[1] ?? '';

  test('is set only by a successful login, lasts 90 days and keeps its id', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks });
    expect((await stage.logIn('alice', 'wrong')).headers.has('set-cookie')).toBe(false);
    const first = await stage.logIn('alice', PASSWORD);
    expect(LINE.exec(lineOf(first))?.[1]).toBe(String(90 * 86_400));
    clocks.advance(86_400_000);
    const idOf = (response: RawResponse) => lineOf(response).split('.')[1];
    const second = await stage.submit({ username: 'alice', password: PASSWORD }, deviceIn(first));
    expect(lineOf(second)).not.toBe(lineOf(first));
    expect(idOf(second)).toBe(idOf(first));
  });

  test.each([
    ['is forged', (cookie: string) => cookie.replace(/[^.](?=[^.]*$)/, (first) => (first === 'A' ? 'B' : 'A'))],
    ['has an extended expiry', (cookie: string) => cookie.replace(/=1/, '=2')],
    ['is sent twice', (cookie: string) => `${cookie}; ${cookie.slice('Cookie: '.length)}`],
    ['is empty', () => 'Cookie: __Host-known-device='],
  ])('is ignored when it %s', async (_what, spoil) => {
    await using stage = await LoginStage.start({ login: { throttle: THROTTLE } });
    const cookie = deviceIn(await stage.logIn('alice', PASSWORD));
    await stage.logIn('alice', 'wrong');
    expect((await stage.logIn('alice', PASSWORD, spoil(cookie))).status).toBe(429);
    expect((await stage.logIn('alice', PASSWORD, cookie)).status).toBe(200);
  });

  test('is ignored once it expires or the password changes, and not set where it is off', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks, login: { throttle: { ...THROTTLE, knownDeviceFor: '1h' } } });
    const first = deviceIn(await stage.logIn('alice', PASSWORD));
    clocks.advance(3_600_000);
    await stage.logIn('alice', 'wrong');
    expect((await stage.logIn('alice', PASSWORD, first)).status).toBe(429);
    const second = deviceIn(await stage.logIn('bob', PASSWORD));
    await writeFile(
      stage.usersFile,
      USERS.replaceAll(/passwordHash: .*/g, `passwordHash: ${await hashPassword('n', CHEAP)}`),
    );
    await stage.logIn('bob', 'wrong');
    expect((await stage.logIn('bob', 'n', second)).status).toBe(429);

    await using without = await LoginStage.start({ login: { throttle: { knownDeviceFor: '0s' } } });
    expect((await without.logIn('alice', PASSWORD)).headers.get('set-cookie')).not.toContain('known-device');
  });

  test('reaches no upstream, and no upstream can set it', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nSet-Cookie: __Host-known-device=x; Secure; Path=/\r\nContent-Length: 0\r\n\r\n';
    await using upstream = await RecordingUpstream.start((_request, socket) => void socket.write(answer));
    await using stage = await LoginStage.start({ upstream: upstream.origin });
    const login = await stage.logIn('alice', PASSWORD);
    const device = deviceIn(login).slice('Cookie: '.length);
    const cookies = `Cookie: a=1; __Host-sid=${sessionIdIn(login)}; ${device}; b=__Host-known-device`;
    const response = await stage.get('/orders', cookies);
    expect([response.status, response.headers.has('set-cookie')]).toEqual([200, false]);
    expect(upstream.last.values('cookie')).toEqual(['a=1; b=__Host-known-device']);
  });
});

describe('the request', () => {
  test.each([
    ['text/plain', 'Content-Type: text/plain'],
    ['multipart', 'Content-Type: multipart/form-data; boundary=x'],
    ['another charset', 'Content-Type: application/json; charset=iso-8859-1'],
    ['a name from Object.prototype', 'Content-Type: constructor'],
    ['two types', 'Content-Type: application/json, application/x-www-form-urlencoded'],
  ])('CSRF-13: %s is refused with 415', async (_what, contentType) => {
    await using stage = await LoginStage.start();
    const response = await stage.send('POST', '/auth/login', [contentType], '{"username":"alice","password":"x"}');
    expect([response.status, reasonOf(response)]).toEqual([415, 'media_type_unsupported']);
  });

  test.each([
    ['a syntax error', '{'],
    ['a member twice', `{"username":"alice","username":"bob","password":"${PASSWORD}"}`],
    ['a member twice, once escaped', `{"username":"alice","\\u0075sername":"bob","password":"${PASSWORD}"}`],
    ['an unknown member', '{"username":"alice","password":"x","admin":true}'],
    ['a missing member', '{"username":"alice"}'],
    ['a number for a password', '{"username":"alice","password":1}'],
    ['an array', '["alice","x"]'],
    ['deep nesting', `{"username":${'['.repeat(5_000)}${']'.repeat(5_000)},"password":"x"}`],
    ['__proto__', '{"__proto__":{"username":"alice"},"password":"x"}'],
  ])('JSON with %s is refused with 400', async (_what, body) => {
    await using stage = await LoginStage.start();
    const response = await stage.send('POST', '/auth/login', [JSON_TYPE], body);
    expect([response.status, reasonOf(response)]).toEqual([400, 'body_malformed']);
  });

  test('a body that is not UTF-8 is refused with 400', async () => {
    await using stage = await LoginStage.start();
    const head = requestHead('POST', '/auth/login', [HOST, JSON_TYPE, 'Content-Length: 4']);
    const response = await rawRequest(
      stage.gateway.port,
      Buffer.concat([Buffer.from(head), Buffer.from([34, 0xc3, 0x28, 34])]),
    );
    expect([response.status, reasonOf(response)]).toEqual([400, 'body_malformed']);
  });

  test.each([
    ['a field twice', `username=alice&username=bob&password=${PASSWORD}`],
    ['a field twice, once escaped', `username=alice&%75sername=bob&password=${PASSWORD}`],
    ['a malformed escape', 'username=%zz&password=x'],
    ['escapes that are not UTF-8', 'username=%c3%28&password=x'],
  ])('a form with %s is refused with 400', async (_what, body) => {
    await using stage = await LoginStage.start();
    const response = await stage.send('POST', '/auth/login', [...FROM_OUR_PAGE, FORM], body);
    expect(response.status).toBe(400);
    expect(response.body.toString()).toContain('Malformed request body');
  });

  test.each([
    ['announced', (size: number) => [`Content-Length: ${size}`, 'x'.repeat(size)]],
    [
      'chunked',
      (size: number) => ['Transfer-Encoding: chunked', `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`],
    ],
  ] as const)('a body over 32 KiB, %s, is refused with 413 and the connection is closed', async (_what, framed) => {
    await using stage = await LoginStage.start();
    const [framing = '', body = ''] = framed(32 * 1024 + 1);
    const response = await rawRequest(
      stage.gateway.port,
      requestHead('POST', '/auth/login', [HOST, JSON_TYPE, framing]) + body,
    );
    expect([response.status, reasonOf(response)]).toEqual([413, 'body_too_large']);
    expect(response.headers.get('connection')).toBe('close');
  });

  test('a body that does not arrive in time is refused with 408', async () => {
    await using stage = await LoginStage.start({
      config: { listeners: listeners({ timeouts: { bodyIdle: '100ms' } }) },
    });
    const response = await rawRequest(
      stage.gateway.port,
      `${requestHead('POST', '/auth/login', [HOST, JSON_TYPE, 'Content-Length: 50'])}{"user`,
    );
    expect([response.status, reasonOf(response)]).toEqual([408, 'request_timeout']);
  });

  test('gets 100 Continue if the client waits for it', async () => {
    await using stage = await LoginStage.start();
    const body = JSON.stringify({ username: 'alice', password: PASSWORD });
    const expecting = [HOST, JSON_TYPE, `Content-Length: ${body.length}`, 'Expect: 100-continue'];
    await using connection = await RawConnection.open(stage.gateway.port);
    connection.write(requestHead('POST', '/auth/login', expecting));
    const interim = 'HTTP/1.1 100 Continue\r\n\r\n';
    expect((await connection.bytes(interim.length)).toString()).toBe(interim);
    connection.write(body);
    expect((await connection.response()).status).toBe(200);
  });

  test('gets 405 without a users file', async () => {
    await using stage = await LoginStage.start({ login: { password: undefined } });
    const response = await stage.logIn('alice', PASSWORD);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET');
  });
});

describe('the users file', () => {
  test('lets an added user log in at once', async () => {
    await using stage = await LoginStage.start();
    expect((await stage.logIn('carol', 'new')).status).toBe(401);
    const hash = await hashPassword('new', CHEAP);
    await writeFile(stage.usersFile, `${USERS}  - name: carol\n    passwordHash: ${hash}\n`);
    expect((await stage.logIn('carol', 'new')).status).toBe(200);
  });

  test('that becomes invalid is reported once, and the last valid one stays', async () => {
    await using stage = await LoginStage.start();
    await writeFile(stage.usersFile, 'users:\n  - name: alice\n    passwordhash: oops\n');
    expect((await stage.logIn('alice', PASSWORD)).status).toBe(200);
    expect((await stage.logIn('bob', PASSWORD)).status).toBe(200);
    const problems = stage.gateway.log.records.filter(
      (record) => record['msg'] === 'users file reload failed; keeping the previous one',
    );
    expect(problems).toHaveLength(1);
    expect(String(problems[0]?.['problem'])).toMatch(/users\.yaml:2:5 users\[0\].passwordHash is required/);
  });
});

describe('logs and metrics', () => {
  test('the audit stream records logins and failures with user, address and reason', async () => {
    await using stage = await LoginStage.start();
    await stage.logIn('alice', 'wrong');
    const response = await stage.logIn('alice', PASSWORD);
    expect(events(stage, 'login_failed')).toMatchObject([
      { stream: 'audit', account: 'alice', method: 'password', reason: 'login_failed', client: '127.0.0.1' },
    ]);
    expect(events(stage, 'login')).toMatchObject([
      {
        subject: 'alice',
        account: 'alice',
        method: 'password',
        replaced: null,
        client: '127.0.0.1',
        id: response.headers.get('x-request-id'),
      },
    ]);
    expect(await metricValue(stage, 'sallyport_sessions_opened_total{method="password"}')).toBe(1);
    expect(await metricValue(stage, 'sallyport_login_failures_total{reason="credentials"}')).toBe(1);
  });

  test('a login that displaces the user’s oldest session names it and is counted', async () => {
    await using stage = await LoginStage.start({ config: { session: { maxPerUser: 1 } } });
    await stage.logIn('alice', PASSWORD);
    await stage.logIn('alice', PASSWORD);
    const [first, second] = events(stage, 'login');
    expect([first, second]).toMatchObject([{ displaced: [] }, { replaced: null, displaced: [first?.['handle']] }]);
    expect(await metricValue(stage, 'sallyport_sessions_ended_total{cause="limit"}')).toBe(1);
  });

  test('LOG-01: no password, session id or unknown account name is in any log or metric', async () => {
    await using stage = await LoginStage.start();
    const canaries = ['hunter2-canary', 'typed-into-the-name-field'];
    await stage.logIn('alice', 'hunter2-canary');
    await stage.submit({ username: 'typed-into-the-name-field', password: 'hunter2-canary' });
    canaries.push(sessionIdIn(await stage.logIn('alice', PASSWORD)), PASSWORD);
    const written = stage.gateway.log.text + stage.gateway.audit.text + (await stage.gateway.metrics.text());
    for (const canary of canaries) expect(written).not.toContain(canary);
  });
});

function listeners(more: Record<string, unknown>) {
  return { public: { address: '127.0.0.1:0', ...more }, admin: { address: '127.0.0.1:0' } };
}

/** Trusts X-Forwarded-For from loopback, so that a test can use many addresses. */
function viaProxy() {
  return { listeners: listeners({ trustedProxies: ['127.0.0.1'] }) };
}

/** The known-device cookie of an answer, as a Cookie header line. */
function deviceIn(response: RawResponse): string {
  const pair = /^__Host-known-device=[^;]+/m.exec(response.headers.get('set-cookie') ?? '')?.[0];
  if (pair === undefined) throw new Error(`no device cookie in an answer with status ${response.status}`);
  return `Cookie: ${pair}`;
}
