/**
 * Two replicas of the program, each in its own process, that share sessions through a real Redis: what one does, the
 * other knows; what neither can know is never "logged out" and never "let in".
 */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sessionHandle } from '../../src/authentication/session/session-id.ts';
import { FROM_OUR_PAGE, JSON_TYPE, PASSWORD, reasonOf, sessionIdIn, USERS } from '../endpoints/login/fixture.ts';
import { HOST, PUBLIC_ORIGIN, SOON_UNANSWERED } from '../support/gateway.ts';
import { asSessionId } from '../support/names.ts';
import { GatewayProcess } from '../support/process.ts';
import { RawConnection, type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisServer } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { until } from '../support/until.ts';

/** Longer than the tests take: any earlier refusal comes from the feed. */
const NEVER = '5m';

let redis: RedisServer;
let proxy: RedisProxy;
let upstream: RecordingUpstream;

beforeAll(async () => {
  redis = await RedisServer.start();
  proxy = await RedisProxy.start(redis.port);
  upstream = await RecordingUpstream.start();
});

afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

beforeEach(() => {
  upstream.reset();
});

/** A replica; `cache` overrides the defaults of `session.cache`. */
const start = (url: string, cache: Record<string, unknown> = {}) =>
  GatewayProcess.start({
    files: { 'users.yaml': USERS },
    upstream: upstream.origin,
    config: {
      store: { redis: { url, ...SOON_UNANSWERED } },
      session: { cache },
      login: { password: { usersFile: 'users.yaml' } },
    },
  });

const call = (replica: GatewayProcess, cookie: string) =>
  rawRequest(replica.port, requestHead('GET', '/orders', [HOST, cookie]));

/** Logs alice in on a replica; returns her cookie as a header line. */
async function logIn(replica: GatewayProcess): Promise<string> {
  const body = JSON.stringify({ username: 'alice', password: PASSWORD });
  const head = requestHead('POST', '/auth/login', [HOST, JSON_TYPE, `Content-Length: ${body.length}`]);
  let answer: RawResponse | null = null;
  // Redis has a second to answer, which a busy machine may not give it.
  await until(async () => {
    answer = await rawRequest(replica.port, `${head}${body}`);
    return answer.status === 200;
  }, 'alice is logged in');
  return `Cookie: __Host-sid=${sessionIdIn(answer as unknown as RawResponse)}`;
}

const logOut = (replica: GatewayProcess, cookie: string, path = '/auth/logout') =>
  rawRequest(replica.port, requestHead('POST', path, [HOST, cookie, `Origin: ${PUBLIC_ORIGIN}`]));

const answers = (replica: GatewayProcess, cookie: string, status: number) =>
  until(async () => (await call(replica, cookie)).status === status, `it answers ${status}`);

const keyOf = (cookie: string) =>
  `sallyport:s:${sessionHandle(asSessionId(cookie.slice('Cookie: __Host-sid='.length)))}`;

describe('with two replicas', () => {
  test('SES-06: a login on one is known on the other, and a logout, too, by the feed and not by rereading', async () => {
    await using one = await start(redis.url, { recheckAfter: NEVER });
    await using other = await start(redis.url, { recheckAfter: NEVER });
    const cookie = await logIn(one);
    await answers(other, cookie, 200);
    await answers(one, cookie, 200);
    expect(upstream.last.values('authorization')).toHaveLength(1);
    const started = performance.now();
    await until(async () => (await logOut(other, cookie)).status === 204, 'she is logged out');
    await answers(one, cookie, 401);
    console.log(
      `refused by the other replica ${(performance.now() - started).toFixed(1)} ms after the logout was sent`,
    );
  });

  test('SES-17: a logout everywhere, or an operator, ends all sessions and streams of a user on both', async () => {
    upstream.answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    await using one = await start(redis.url, { recheckAfter: NEVER });
    await using other = await start(redis.url, { recheckAfter: NEVER });
    const [first, second, third] = [await logIn(one), await logIn(other), await logIn(other)];
    // A stream in progress on each; the upstream never ends its answer.
    await using streamOnOne = await RawConnection.open(one.port);
    streamOnOne.write(requestHead('GET', '/stream', [HOST, first]));
    await using streamOnOther = await RawConnection.open(other.port);
    streamOnOther.write(requestHead('GET', '/stream', [HOST, second]));
    await upstream.received(2);
    const ended = [streamOnOne, streamOnOther].map(
      ({ socket }) => new Promise((resolve) => socket.once('close', resolve)),
    );
    await until(async () => (await logOut(one, first, '/auth/logout/all')).status === 204, 'she is logged out');
    await Promise.all(ended);
    upstream.answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    for (const cookie of [first, second, third])
      for (const replica of [one, other]) await answers(replica, cookie, 401);

    const fourth = await logIn(one);
    await answers(other, fourth, 200);
    await until(async () => (await one.admin('/api/sessions?subject=alice', { method: 'DELETE' })).ok, 'ended');
    await answers(other, fourth, 401);
  });

  test('a session deleted in Redis by hand is refused after recheckAfter', async () => {
    await using one = await start(redis.url, { recheckAfter: '500ms' });
    const cookie = await logIn(one);
    await answers(one, cookie, 200);
    expect(await redis.cli('DEL', keyOf(cookie))).toBe('1');
    await answers(one, cookie, 401);
  });

  test('SES-07: while Redis stalls, unknown sessions get 503 and known ones still work; then all do', async () => {
    await using one = await start(redis.url, { recheckAfter: '100ms', feedTimeout: '200ms', outageGrace: NEVER });
    await using other = await start(redis.url, { outageGrace: '0s', feedTimeout: '200ms' });
    const [known, unknown] = [await logIn(one), await logIn(other)];
    await answers(one, known, 200);
    redis.freeze();
    try {
      await until(
        async () => (await one.admin('/readyz')).text().then((text) => text.includes('"store","ok":false')),
        'the outage is noticed',
      );
      const refused = await call(one, unknown);
      expect([refused.status, reasonOf(refused)]).toEqual([503, 'store_unavailable']);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(refused.headers.has('set-cookie')).toBe(false);
      expect((await call(one, known)).status).toBe(200);
      // Without a grace, nobody is served from memory, but nobody is logged out either.
      await answers(other, unknown, 503);
      const page = await rawRequest(other.port, requestHead('GET', '/', [HOST, unknown, ...FROM_OUR_PAGE]));
      expect([page.status, page.headers.has('location')]).toEqual([503, false]);
    } finally {
      redis.thaw();
    }
    await answers(one, unknown, 200);
    await answers(other, unknown, 200);
  });

  test('a replica whose feed is cut stops trusting its cache, so a session that ended meanwhile is not served', async () => {
    await using here = await start(redis.url, { recheckAfter: NEVER });
    await using cutOff = await start(proxy.url, { recheckAfter: NEVER, feedTimeout: '200ms', outageGrace: '0s' });
    const cookie = await logIn(here);
    await answers(cutOff, cookie, 200);
    proxy.block();
    try {
      await until(async () => (await logOut(here, cookie)).status === 204, 'she is logged out');
      await answers(cutOff, cookie, 503);
    } finally {
      proxy.unblock();
    }
    await answers(cutOff, cookie, 401);
  });
});
