import { describe, expect, test } from 'vitest';
import { events, LoginStage, metricValue, PASSWORD, sessionIdIn } from '../endpoints/login/fixture.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const cookieLine = (id: string) => `Cookie: __Host-sid=${id}`;

describe('a login', () => {
  test("SES-01: issues a new id and ends the browser's existing session", async () => {
    await using stage = await LoginStage.start();
    const before = sessionIdIn(await stage.logIn('bob', PASSWORD));
    const after = await stage.submit({ username: 'alice', password: PASSWORD }, cookieLine(before));
    const id = sessionIdIn(after);
    expect(id).not.toBe(before);
    expect((await stage.get('/auth/session', cookieLine(before))).status).toBe(401);
    expect((await stage.get('/auth/session', cookieLine(id))).status).toBe(200);
    expect(await metricValue(stage, 'sallyport_sessions_ended_total{cause="replaced"}')).toBe(1);
    expect(events(stage, 'login')).toMatchObject([{ replaced: null }, { replaced: expect.stringMatching(/^.{43}$/) }]);
  });

  test('SES-02: never accepts an id that someone else has chosen', async () => {
    await using stage = await LoginStage.start();
    const chosen = 'C'.repeat(43);
    const response = await stage.logIn('alice', PASSWORD, cookieLine(chosen));
    expect(sessionIdIn(response)).not.toBe(chosen);
    expect((await stage.get('/auth/session', cookieLine(chosen))).status).toBe(401);
  });

  test("that fails keeps the browser's existing session", async () => {
    await using stage = await LoginStage.start();
    const cookie = cookieLine(sessionIdIn(await stage.logIn('bob', PASSWORD)));
    expect((await stage.submit({ username: 'alice', password: 'wrong' }, cookie)).status).toBe(401);
    expect((await stage.get('/auth/session', cookie)).status).toBe(200);
  });

  test('SES-05: in two tabs at once opens two sessions of the same user', async () => {
    await using stage = await LoginStage.start();
    const answers = await Promise.all([1, 2].map(() => stage.submit({ username: 'alice', password: PASSWORD })));
    const ids = answers.map(sessionIdIn);
    expect(new Set(ids).size).toBe(2);
    for (const id of ids) {
      const session = await stage.get('/auth/session', cookieLine(id));
      expect(session.body.toString()).toContain('"subject":"alice"');
    }
  });
});

describe('SES-14: these are not accepted as a session', () => {
  test.each([
    ['the handle of a live session', 'handle'],
    ['an id with its last character changed', 'neighbour'],
    ['an id in another letter case', 'case'],
  ])('%s', async (_what, kind) => {
    await using stage = await LoginStage.start();
    const id = sessionIdIn(await stage.logIn('alice', PASSWORD));
    const handle = String(events(stage, 'login')[0]?.['handle']);
    const last = id.at(-1) === 'A' ? 'B' : 'A';
    const forged = { handle, neighbour: `${id.slice(0, -1)}${last}`, case: swapCase(id) }[kind] ?? '';
    expect((await stage.get('/auth/session', cookieLine(forged))).status).toBe(401);
  });
});

const swapCase = (text: string) =>
  text.replace(/[A-Za-z]/g, (letter) =>
    letter === letter.toUpperCase() ? letter.toLowerCase() : letter.toUpperCase(),
  );

test('COK-20: a session id outside its cookie is ignored', async () => {
  await using stage = await LoginStage.start();
  const id = sessionIdIn(await stage.logIn('alice', PASSWORD));
  for (const [path, header] of [
    [`/auth/session?sid=${id}`, 'X-Nothing: 1'],
    [`/auth/session?__Host-sid=${id}`, 'X-Nothing: 1'],
    ['/auth/session', `X-Session: ${id}`],
    ['/auth/session', `Authorization: Bearer ${id}`],
    ['/auth/session', `Cookie: sid=${id}`],
  ] as const) {
    expect((await stage.get(path, header)).status).toBe(401);
  }
});

test('COK-17: the session cookie never reaches an upstream; other cookies do, byte for byte', async () => {
  await using upstream = await RecordingUpstream.start();
  await using stage = await LoginStage.start({ upstream: upstream.origin });
  const id = sessionIdIn(await stage.logIn('alice', PASSWORD));
  await stage.get('/orders', `Cookie: a="1 2";  b=%61; __Host-sid=${id}; c`);
  expect(upstream.text).not.toContain(id);
  expect(upstream.last.values('cookie')).toEqual(['a="1 2";  b=%61; c']);
});

test('a refusal on a route is audited with its route, its reason and, if known, the subject', async () => {
  await using upstream = await RecordingUpstream.start();
  await using stage = await LoginStage.start({
    upstream: upstream.origin,
    routes: [
      { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] } },
      { id: 'app', match: { path: '/' }, credential: 'session' },
    ],
  });
  const cookie = await stage.cookieOf('alice');
  const refused = await stage.get('/admin', cookie);
  await stage.get('/orders');
  await stage.get('/orders', cookie);
  await stage.get('/auth/nothing');
  expect(events(stage, 'denied')).toMatchObject([
    {
      route: 'admin',
      reason: 'route_forbidden',
      note: 'principal lacks the role',
      subject: 'alice',
      client: '127.0.0.1',
      id: refused.headers.get('x-request-id'),
    },
    { route: 'app', reason: 'credential_missing', subject: null },
  ]);
});
