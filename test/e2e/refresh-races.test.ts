/**
 * Concurrent refreshes at five gateways in separate processes over a real Redis: one successor each time, and never a
 * false verdict of theft.
 *
 * A round is fifty refreshes with one token, ten through each process. `SALLYPORT_REFRESH_ROUNDS` sets the number of
 * rounds; the default makes 1,500 racing refreshes.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRefreshToken } from '../../src/endpoints/refresh/refresh-token.ts';
import { GatewayProcess } from '../support/process.ts';
import { RedisServer } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { until } from '../support/until.ts';

const PROCESSES = 5;
const REFRESHES_EACH = 10;
const ROUNDS = Number(process.env['SALLYPORT_REFRESH_ROUNDS'] ?? 30);
const SECRET = 'a-secret-of-at-least-32-characters!';
const BASIC = `Basic ${Buffer.from(`logins:${SECRET}`).toString('base64')}`;

/** A gateway in a process, and connections to it. */
class Gateway implements AsyncDisposable {
  readonly process: GatewayProcess;
  readonly #pool: Pool;

  private constructor(process: GatewayProcess) {
    this.process = process;
    this.#pool = new Pool(`http://127.0.0.1:${process.port}`, { connections: REFRESHES_EACH, pipelining: 1 });
  }

  static async start(redisUrl: string, redis: object = {}): Promise<Gateway> {
    return new Gateway(
      await GatewayProcess.start({
        files: { 'backend.secret': SECRET },
        config: {
          store: { redis: { url: redisUrl, ...redis } },
          login: { trustedBackends: [{ id: 'logins', clientSecretFile: 'backend.secret' }] },
          refresh: { clients: ['native'], grace: '60s' },
          log: { access: 'off' },
        },
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
    await this.process[Symbol.asyncDispose]();
  }

  /** Opens a session for a native app, and returns its first refresh token. */
  async logIn(subject: string): Promise<string> {
    const headers = { authorization: BASIC, 'content-type': 'application/json' };
    const { body } = await this.#post('/auth/sessions', headers, JSON.stringify({ subject, refresh: 'native' }));
    return (body['tokens'] as { refresh_token: string }).refresh_token;
  }

  refresh(token: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.#post('/auth/refresh', headers, `grant_type=refresh_token&refresh_token=${token}`);
  }

  /** How many refreshes had this result. */
  async count(result: string): Promise<number> {
    const text = await (await this.process.admin('/metrics')).text();
    return Number(new RegExp(`^sallyport_refreshes_total\\{result="${result}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
  }

  async #post(path: string, headers: Record<string, string>, body: string) {
    const host = 'shop.example.com';
    const answer = await this.#pool.request({ method: 'POST', path, headers: { host, ...headers }, body });
    return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, unknown> };
  }
}

let redis: RedisServer;
let gateways: Gateway[];

beforeAll(async () => {
  redis = await RedisServer.start();
  gateways = await Promise.all(Array.from({ length: PROCESSES }, () => Gateway.start(redis.url)));
});

afterAll(async () => {
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const sum = async (result: string) => {
  const counts = await Promise.all(gateways.map((gateway) => gateway.count(result)));
  return counts.reduce((total, count) => total + count, 0);
};

/**
 * Refreshes with one token through all gateways at once; returns the distinct successors and the refusals. The first
 * client of each gateway refreshes again with its successor, while the other requests are still in progress.
 */
async function race(token: string) {
  const racing = gateways.flatMap((gateway) =>
    Array.from({ length: REFRESHES_EACH }, async (_, at) => {
      const answer = await gateway.refresh(token);
      return at === 0 && answer.status === 200 ? gateway.refresh(String(answer.body['refresh_token'])) : answer;
    }),
  );
  const answers = await Promise.all(racing);
  return {
    successors: [...new Set(answers.map(({ body }) => String(body['refresh_token'])))],
    refused: answers.filter(({ status }) => status !== 200),
  };
}

const keyOf = (token: string) => `sallyport:r:${parseRefreshToken(token)?.familyHandle}`;

const verdicts = () => gateways.flatMap(({ process }) => process.stdout.match(/refresh_reuse_detected/g) ?? []);

describe('five gateways over one Redis', () => {
  test('REF-02: give fifty concurrent refreshes the same successor, in every race, and report no theft', async () => {
    const startedMs = performance.now();
    const [first] = gateways as [Gateway];
    const last: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const token = await first.logIn(`user-${round}`);
      const { successors, refused } = await race(token);
      expect(refused).toEqual([]);
      expect(successors).toHaveLength(1);
      last.push(...successors);
    }
    const tookSec = (performance.now() - startedMs) / 1_000;
    const refreshes = ROUNDS * PROCESSES * REFRESHES_EACH;
    console.log(`${ROUNDS} races of 50, ${refreshes} refreshes: ${tookSec.toFixed(1)} s`);
    expect([await sum('rotated'), await sum('replayed')]).toEqual([ROUNDS, refreshes - ROUNDS]);
    expect(await sum('kept')).toBe(ROUNDS * PROCESSES);
    expect([await sum('reused'), await sum('unknown'), await sum('failed')]).toEqual([0, 0, 0]);
    expect(verdicts()).toEqual([]);
    // And each successor is the family's current token: valid, and too young to be replaced.
    for (const token of last.slice(-20)) expect((await race(token)).successors).toEqual([token]);
  }, 3_600_000);

  test('REF-06: give every retry the same successor when Redis stalls during a race', async () => {
    await using impatient = await Gateway.start(redis.url, { commandTimeout: '250ms' });
    let refusals = 0;
    const untilAnswered = async (token: string) => {
      for (;;) {
        const { status, body } = await impatient.refresh(token);
        if (status === 200) return String(body['refresh_token']);
        expect([status, body['reason']]).toEqual([503, 'store_unavailable']);
        refusals += 1;
        await pause(50);
      }
    };
    for (let round = 0; round < 10; round++) {
      const token = await (gateways[0] as Gateway).logIn(`still-${round}`);
      const racing = Array.from({ length: 30 }, () => untilAnswered(token));
      // Between the first command and the last answer, at a different point each time.
      await pause(round * 2);
      redis.freeze();
      const before = refusals;
      const answers = Promise.all(racing);
      await Promise.race([answers, until(() => refusals > before, 'a refresh is refused')]);
      redis.thaw();
      expect(new Set(await answers).size).toBe(1);
      expect(await redis.cli('HGET', keyOf(token), 'g')).toBe('1');
    }
    expect(refusals).toBeGreaterThan(0);
    expect(await impatient.count('reused')).toBe(0);
    expect(impatient.process.stdout).not.toContain('refresh_reuse_detected');
  });

  test('REF-03: lose no client when one is killed between a rotation and its answer', async () => {
    await using proxy = await RedisProxy.start(redis.port);
    await using doomed = await Gateway.start(proxy.url);
    const [survivor] = gateways as [Gateway];
    const token = await survivor.logIn('victim');
    const key = keyOf(token);
    // The answer to the rotation script, the only one with this word in it, does not arrive.
    proxy.holdAnswersTo('kept');
    const unanswered = doomed.refresh(token).catch(() => null);
    await until(async () => (await redis.cli('HGET', key, 'g')) === '1', 'the token is rotated');
    doomed.process.signal('SIGKILL');
    expect(await unanswered).toBeNull();
    const seed = await redis.cli('HGET', key, 'n');
    const retried = await survivor.refresh(token);
    expect(retried.status).toBe(200);
    expect(await redis.cli('HMGET', key, 'g', 'n')).toBe(`1\n${seed}`);
    expect(await redis.cli('HEXISTS', key, 'x')).toBe('0');
    const { successors } = await race(token);
    expect(successors).toEqual([retried.body['refresh_token']]);
    expect(verdicts()).toEqual([]);
  });
});
