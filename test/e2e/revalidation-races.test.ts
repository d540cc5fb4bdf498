/**
 * Concurrent revalidations by five gateways in separate processes over a real Redis: the provider is asked once about
 * each session, and nobody is logged out. Its refresh tokens are good for one use, so a second question would end the
 * session.
 *
 * `SALLYPORT_REVALIDATIONS` sets how many sessions are due at once; by default forty.
 */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SessionId, sessionHandle } from '../../src/authentication/session/session-id.ts';
import { openTokens, sealTokens } from '../../src/endpoints/login/oidc/tokens/provider-tokens.ts';
import { PlainBrowser } from '../support/browsers/plain-browser.ts';
import { PUBLIC_ORIGIN } from '../support/gateway.ts';
import { GatewayProcess } from '../support/process.ts';
import { HostileProvider } from '../support/providers/hostile-provider.ts';
import { RedisServer } from '../support/redis.ts';
import { openStore } from '../support/redis-store.ts';
import { until } from '../support/until.ts';

const PROCESSES = 5;
const SESSIONS = Number(process.env['SALLYPORT_REVALIDATIONS'] ?? 40);
const HOUR_MS = 3_600_000;

let provider: HostileProvider;
let redis: RedisServer;
let upstream: Server;
let gateways: readonly GatewayProcess[];
let pools: readonly Pool[];

beforeAll(async () => {
  upstream = createServer((_, response) => response.end());
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  [provider, redis] = await Promise.all([HostileProvider.start(), RedisServer.start()]);
  const options = {
    files: { 'client.secret': provider.clientSecret },
    upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
    config: {
      store: { redis: { url: redis.url } },
      // No request is rejected for waiting in a queue while the test runs.
      listeners: { public: { limits: { maxQueueDelay: '1m' } } },
      login: {
        oidc: [
          {
            name: 'corporate',
            issuer: provider.issuer,
            clientId: provider.clientId,
            clientSecretFile: 'client.secret',
            revalidate: '30m',
            outageGrace: '10h',
            timeout: '1m',
          },
        ],
      },
      log: { access: 'off' },
    },
  };
  gateways = await Promise.all(Array.from({ length: PROCESSES }, () => GatewayProcess.start(options)));
  pools = gateways.map(({ port }) => new Pool(`http://127.0.0.1:${port}`, { connections: 50, pipelining: 1 }));
});

afterAll(async () => {
  for (const pool of pools) await pool.destroy();
  for (const gateway of gateways) await gateway[Symbol.asyncDispose]();
  await provider[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
  upstream.close();
});

/** Logs in, and returns the session id, which no request has used. */
async function logIn({ port }: GatewayProcess): Promise<string> {
  const browser = new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: port } });
  let page = await browser.step(`${PUBLIC_ORIGIN}/auth/login?provider=corporate`);
  while (page.headers.location !== undefined && page.headers.location !== '/')
    page = await browser.step(new URL(page.headers.location, page.url));
  const id = browser.cookies.get('shop.example.com', '__Host-sid')?.value;
  if (id === undefined) throw new Error(`no session: ${page.status} ${page.body}`);
  return id;
}

/** Logs in once for each session, at all gateways in turn. */
async function logInAll(): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let count = 0; count < SESSIONS; count += 1) {
    provider.user = { ...provider.user, sub: `user-${count}` };
    ids.push(await logIn(gateways[count % PROCESSES] as GatewayProcess));
  }
  return ids;
}

/** Backdates the provider's last answer about every session. */
async function age(sessionIds: readonly string[], byMs: number): Promise<void> {
  await using store = await openStore(redis.url);
  const source = { issuer: provider.issuer, endpoints: null, clientId: provider.clientId };
  for (const text of sessionIds) {
    const id = text as SessionId;
    const sealed = await store.sealedTokens.get(sessionHandle(id));
    const tokens = sealed === null ? null : openTokens(sealed.value, id, source);
    if (sealed === null || tokens === null) throw new Error('a session without tokens');
    const older = sealTokens({ ...tokens, confirmedBeforeMs: byMs }, id, source);
    expect(await store.sealedTokens.replace(sessionHandle(id), sealed.version, older)).toBe('replaced');
  }
}

/** Sends one request of each session to each gateway, all at once; counts the answers by status. */
async function use(sessionIds: readonly string[]): Promise<Record<number, number>> {
  const statuses = await Promise.all(
    sessionIds.flatMap((id) =>
      pools.map(async (pool) => {
        const headers = { host: 'shop.example.com', cookie: `__Host-sid=${id}`, accept: 'application/json' };
        const answer = await pool.request({ method: 'GET', path: '/', headers });
        await answer.body.dump();
        return answer.statusCode;
      }),
    ),
  );
  const counts: Record<number, number> = {};
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

/** Tokens, codes and the like that are in Redis unencrypted. */
async function secretsIn(server: RedisServer): Promise<readonly string[]> {
  const keys = (await server.cli('KEYS', 'sallyport:s:*')).split('\n').slice(0, 20);
  const values = await Promise.all(keys.map((key) => server.cli('GET', key)));
  expect(values.every((value) => value.includes('corporate|user-'))).toBe(true);
  const text = values.join('\n');
  return provider.secrets.filter((secret) => text.includes(secret));
}

const questions = () =>
  provider.calls.filter(({ parameters }) => parameters.get('grant_type') === 'refresh_token').length;

/** How many refreshes all gateways have counted with an outcome. */
async function counted(outcome: string): Promise<number> {
  const pattern = new RegExp(`provider_refreshes_total\\{provider="corporate",outcome="${outcome}"\\} (\\d+)`);
  const texts = await Promise.all(gateways.map(async (gateway) => (await gateway.admin('/metrics')).text()));
  return texts.reduce((sum, text) => sum + Number(pattern.exec(text)?.[1] ?? 0), 0);
}

describe('five gateways over one Redis', () => {
  test.each([
    ['in the background of their requests', 2 * HOUR_MS],
    ['while their requests wait, because the grace is over', 20 * HOUR_MS],
  ])(
    'REF-02: ask the provider once about each session that is due, %s',
    async (_how, ageMs) => {
      const sessionIds = await logInAll();
      await age(sessionIds, ageMs);
      const [before, confirmed] = [questions(), await counted('confirmed')];
      const startedMs = performance.now();
      expect(await use(sessionIds)).toEqual({ 200: SESSIONS * PROCESSES });
      const answeredMs = performance.now() - startedMs;
      await until(async () => (await counted('confirmed')) >= confirmed + SESSIONS, 'every session is confirmed');
      const doneMs = performance.now() - startedMs;
      console.log(
        `${SESSIONS} sessions due at once, ${SESSIONS * PROCESSES} requests: answered in ${answeredMs.toFixed(0)} ms, all confirmed within ${doneMs.toFixed(0)} ms`,
      );
      expect(await use(sessionIds)).toEqual({ 200: SESSIONS * PROCESSES });
      expect(questions() - before).toBe(SESSIONS);
      expect(await Promise.all(['ended', 'lost', 'failed'].map(counted))).toEqual([0, 0, 0]);
      expect(await secretsIn(redis)).toEqual([]);
    },
    600_000,
  );
});
