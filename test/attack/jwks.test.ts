/**
 * Remote key sets, from a real HTTP server that misbehaves in many ways. The gateway keeps the last good keys for a configured
 * time, and fetches no more often than it is configured to, whatever tokens arrive.
 */

import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issuerRules } from '../../src/authentication/service-token/issuer.ts';
import { issuer as issuerSchema } from '../../src/authentication/service-token/section.ts';
import { ServiceTokens } from '../../src/authentication/service-token/service-tokens.ts';
import { Denial } from '../../src/errors.ts';
import { LocalControl } from '../../src/gateway/control.ts';
import { RemoteKeySet } from '../../src/jwt/remote-key-set.ts';
import { readKeySet } from '../../src/jwt/verification-keys.ts';
import { Keyring } from '../../src/token/keyring.ts';
import { generatePrivateJwk, importPrivateJwk } from '../../src/token/signing-key.ts';
import { TokenIssuer } from '../../src/token/token-issuer.ts';
import { TestClocks } from '../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../support/gateway.ts';
import { ecKeyPair, es256, forge, type KeyPair, publicJwk } from '../support/issuers/forger.ts';
import { answering, KeyServer } from '../support/issuers/key-server.ts';
import { asToken } from '../support/names.ts';
import { NO_REVOCATIONS, NO_SERVICE_TOKEN_EVENTS } from '../support/nothing.ts';
import { rawRequest } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { counted } from '../support/telemetry/counted.ts';
import { until } from '../support/until.ts';

const ISSUER = 'https://issuer.example';
const KEY = ecKeyPair();
const NEXT = ecKeyPair();
const GOOD = { keys: [publicJwk(KEY, { kid: 'one', use: 'sig', alg: 'ES256' })] };
const COOL_DOWN_MS = 30_000;
const MAX_STALE_MS = 600_000;

let upstream: RecordingUpstream;
beforeAll(async () => {
  upstream = await RecordingUpstream.start();
});
afterAll(() => upstream[Symbol.asyncDispose]());

/** A gateway and the server of its issuer's keys. */
class Stage implements AsyncDisposable {
  readonly server: KeyServer;
  readonly gateway: TestGateway;
  readonly clocks: TestClocks;

  private constructor(server: KeyServer, gateway: TestGateway, clocks: TestClocks) {
    this.server = server;
    this.gateway = gateway;
    this.clocks = clocks;
  }

  static async start(behaviour: RequestListener = answering(GOOD), fetch: object = {}): Promise<Stage> {
    const server = await KeyServer.start(behaviour);
    const clocks = new TestClocks();
    const gateway = await startGateway({
      upstream: upstream.origin,
      clocks,
      config: {
        issuers: {
          main: {
            issuer: ISSUER,
            algorithms: ['ES256'],
            jwksUrl: `${server.origin}/jwks.json`,
            fetch: { timeout: '60s', maxStale: '10m', coolDown: '30s', ...fetch },
          },
        },
      },
      routes: [{ id: 'api', match: { path: '/api' }, credential: { service: ['main'] } }],
    });
    return new Stage(server, gateway, clocks);
  }

  token(kid = 'one', key: KeyPair = KEY, lifetimeSec = 3_600, more: object = {}): string {
    const iat = Math.floor(this.clocks.wallMs() / 1_000);
    const claims = { iss: ISSUER, sub: 'cart', aud: PUBLIC_ORIGIN, iat, exp: iat + lifetimeSec, ...more };
    return forge({ alg: 'ES256', kid }, claims, es256(key));
  }

  async ask(token: string) {
    return rawRequest(this.gateway.port, `GET /api HTTP/1.1\r\n${HOST}\r\nAuthorization: Bearer ${token}\r\n\r\n`);
  }

  async status(token: string): Promise<number> {
    return (await this.ask(token)).status;
  }

  async fetches(result: string): Promise<number> {
    return counted(this.gateway.metrics, 'jwks_fetches_total', { issuer: 'main', result });
  }

  /** Makes the gateway fetch, with a token whose key is unknown. */
  async provokeFetch(): Promise<number> {
    this.clocks.advance(COOL_DOWN_MS);
    return this.status(this.token('unknown', NEXT));
  }

  isReady(): Promise<boolean> {
    return new LocalControl(this.gateway.gateway, this.gateway.metrics)
      .health(false)
      .then(({ components }) => components.every(({ isOk }) => isOk));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

const raw =
  (status: number, body: string, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, headers).end(body);

/** A byte now and then: never silent for long, but never done. */
const drip: RequestListener = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 20);
  response.on('close', () => clearInterval(timer));
};

const flood: RequestListener = (_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.on('error', () => {});
  response.write('{"keys":[');
  const more = () => {
    while (!response.destroyed && response.write(' '.repeat(64 * 1024)));
  };
  response.on('drain', more);
  more();
};

const other = ecKeyPair();
const MISBEHAVIOUR: readonly (readonly [title: string, behaviour: RequestListener, logged: RegExp])[] = [
  ['500', raw(500, JSON.stringify(GOOD)), /^status 500$/],
  ['404 with HTML', raw(404, '<html>'), /^status 404$/],
  ['204', raw(204, ''), /^status 204$/],
  ['203 with a key set', raw(203, JSON.stringify(GOOD)), /^status 203$/],
  ['no answer', () => {}, /^no whole answer within 1000 ms$/],
  ['headers and then nothing', (_request, response) => void response.writeHead(200).flushHeaders(), /^no whole answer/],
  ['a byte now and then', drip, /^no whole answer/],
  [
    'ten megabytes',
    (_request, response) => void response.end(JSON.stringify({ ...GOOD, pad: 'x'.repeat(10_000_000) })),
    /^more than 1048576 bytes$/,
  ],
  ['endless bytes', flood, /^more than 1048576 bytes$/],
  [
    'HTML',
    raw(200, '<!doctype html><title>Sign in</title>', { 'content-type': 'text/html' }),
    /^an answer that is not JSON$/,
  ],
  ['an empty body', raw(200, ''), /not JSON/],
  ['half of a key set', raw(200, JSON.stringify(GOOD).slice(0, 60)), /not JSON/],
  [
    'fewer bytes than announced',
    (_request, response) =>
      void response.writeHead(200, { 'content-length': '999' }).write('{', () => response.destroy()),
    /^ECONNRESET$/,
  ],
  ['a compressed answer', raw(200, 'x', { 'content-encoding': 'gzip' }), /^a compressed answer$/],
  ['headers of 64 KiB', raw(200, JSON.stringify(GOOD), { 'x-more': 'x'.repeat(65_536) }), /^HPE_HEADER_OVERFLOW$/],
  ['a key set without keys', answering({ keys: [] }), /^a set without a usable key$/],
  ['a list instead of a key set', answering([]), /^not a JWK Set$/],
  ['null', answering(null), /^not a JWK Set$/],
  [
    'two keys with the same kid',
    answering({ keys: [...GOOD.keys, publicJwk(other, { kid: 'one' })] }),
    /^two keys with one kid$/,
  ],
  ['only a private key', answering({ keys: [KEY.privateKey.export({ format: 'jwk' })] }), /left out a private key$/],
  ['only a symmetric key', answering({ keys: [{ kty: 'oct', k: 'AAAA' }] }), /left out a symmetric key$/],
  [
    'a thousand keys',
    answering({ keys: Array.from({ length: 1_000 }, () => GOOD.keys[0]) }),
    /^a JWK Set of more than 100 keys$/,
  ],
  ['a reset of the connection', (request) => void request.socket.destroy(), /^ECONNRESET$/],
];

describe('JWT-46: the last good keys stay in use when the server sends', () => {
  test.each(MISBEHAVIOUR)('%s', async (_title, behaviour, logged) => {
    const isSlow = logged.source.startsWith('^no whole answer');
    await using stage = await Stage.start(answering(GOOD), { timeout: isSlow ? '1s' : '60s' });
    const good = stage.token();
    expect(await stage.status(good)).toBe(200);
    stage.server.behaviour = behaviour;

    expect(await stage.provokeFetch()).toBe(401);
    expect(await stage.fetches('failed')).toBe(1);
    const said = stage.gateway.log.records.find(({ issuer, problem }) => issuer === 'main' && problem !== undefined);
    expect(said?.['problem']).toMatch(logged);
    expect(await stage.status(good)).toBe(200);
    expect(await stage.status(stage.token())).toBe(200);
    // A retry at once does not help either.
    expect(await stage.status(stage.token('unknown', NEXT))).toBe(401);
    expect(stage.server.requestCount).toBe(2);
  });

  test.each([301, 302, 303, 307, 308])('a redirect (%i), which is not followed', async (status) => {
    await using elsewhere = await KeyServer.start(answering({ keys: [publicJwk(NEXT, { kid: 'unknown' })] }));
    await using stage = await Stage.start();
    expect(await stage.status(stage.token())).toBe(200);
    stage.server.behaviour = raw(status, '', { location: `${elsewhere.origin}/jwks.json` });
    expect(await stage.provokeFetch()).toBe(401);
    expect(await stage.status(stage.token())).toBe(200);
    expect(elsewhere.requestCount).toBe(0);
  });

  test('keys that must not verify anything, which are left out and logged', async () => {
    await using stage = await Stage.start(
      answering({
        keys: [...GOOD.keys, { kty: 'oct', k: 'AAAA', kid: 'hmac' }, NEXT.privateKey.export({ format: 'jwk' })],
      }),
    );
    expect(await stage.status(stage.token())).toBe(200);
    expect(await stage.fetches('partial')).toBe(1);
    expect(stage.gateway.log.text).toContain('left out: a symmetric key, a private key');
  });
});

describe('JWT-46: stale keys', () => {
  test('are used for the configured time; then the answer is 503, not 401, until the server is back', async () => {
    await using stage = await Stage.start();
    const good = stage.token();
    expect(await stage.status(good)).toBe(200);
    stage.server.behaviour = raw(500, '');
    stage.clocks.advance(MAX_STALE_MS);
    expect(await stage.status(good)).toBe(200);

    stage.clocks.advance(1);
    const { status, headers, body } = await stage.ask(good);
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toMatch(/^\d+$/);
    expect(headers.get('www-authenticate')).toBeUndefined();
    expect(JSON.parse(body.toString())).toMatchObject({ reason: 'jwks_unavailable' });
    expect(await stage.status(stage.token('unknown', NEXT))).toBe(503);

    stage.server.behaviour = answering(GOOD);
    stage.clocks.advance(COOL_DOWN_MS);
    expect(await stage.status(good)).toBe(200);
  });

  test('report their age as a metric', async () => {
    await using stage = await Stage.start();
    expect(await stage.status(stage.token())).toBe(200);
    stage.clocks.advance(90_000);
    expect(await stage.gateway.metrics.text()).toContain('sallyport_jwks_age_seconds{issuer="main"} 90');
  });
});

describe('JWT-45: a flood of tokens with unknown keys', () => {
  test('causes one fetch per cool-down', async () => {
    await using stage = await Stage.start();
    expect(await stage.status(stage.token())).toBe(200);
    const before = stage.server.requestCount;
    for (const round of [1, 2, 3]) {
      stage.clocks.advance(COOL_DOWN_MS);
      const answers = await Promise.all(
        Array.from({ length: 100 }, (_, index) => stage.status(stage.token(`unknown-${round}-${index}`, NEXT))),
      );
      expect(new Set(answers)).toEqual(new Set([401]));
      expect(stage.server.requestCount).toBe(before + round);
    }
  });

  test('causes one fetch per cool-down even when every fetch fails', async () => {
    const sinceMs = performance.now();
    await using stage = await Stage.start(raw(500, ''));
    await until(async () => (await stage.fetches('failed')) >= 1, 'the first fetch has failed');
    const answers = await Promise.all(Array.from({ length: 100 }, () => stage.status(stage.token())));
    expect(new Set(answers)).toEqual(new Set([503]));
    // The background retries after 1 s, 2 s, 4 s and so on, less the jitter; no token causes a retry.
    const retries = Math.log2(1 + (performance.now() - sinceMs) / 900);
    expect(stage.server.requestCount).toBeLessThanOrEqual(1 + retries);
  });

  test('causes no fetch if the tokens are refused for another reason', async () => {
    await using stage = await Stage.start();
    expect(await stage.status(stage.token())).toBe(200);
    stage.clocks.advance(COOL_DOWN_MS);
    expect(await stage.status(stage.token('unknown', NEXT, 3_600, { aud: 'other' }))).toBe(401);
    expect(await stage.status(stage.token('unknown', NEXT, 7_200))).toBe(401);
    expect(await stage.status(stage.token('unknown', NEXT, 3_600, { iss: 'https://other.example' }))).toBe(401);
    expect(stage.server.requestCount).toBe(1);
  });

  test('shares a single first fetch', async () => {
    let answer: (() => void) | null = null;
    await using stage = await Stage.start((request, response) => {
      answer = () => answering(GOOD)(request, response);
    });
    const asked = Array.from({ length: 50 }, () => stage.status(stage.token()));
    await until(() => answer !== null && stage.gateway.gateway.requestsInFlight === 50, 'all of them wait');
    (answer as (() => void) | null)?.();
    expect(new Set(await Promise.all(asked))).toEqual(new Set([200]));
    expect(stage.server.requestCount).toBe(1);
  });
});

describe('JWT-47: keys that are unavailable at startup', () => {
  test('leave the gateway running but not ready, with 503 for its tokens, until a fetch succeeds', async () => {
    await using stage = await Stage.start(raw(500, ''));
    await until(async () => (await stage.fetches('failed')) === 1, 'the first fetch has failed');
    expect(await stage.isReady()).toBe(false);
    expect(await stage.status(stage.token())).toBe(503);

    stage.server.behaviour = answering(GOOD);
    stage.clocks.advance(COOL_DOWN_MS);
    expect(await stage.status(stage.token())).toBe(200);
    expect(await stage.isReady()).toBe(true);

    // Losing the keys later must not make all replicas unready at once.
    stage.server.behaviour = raw(500, '');
    stage.clocks.advance(MAX_STALE_MS + 1);
    expect(await stage.status(stage.token())).toBe(503);
    expect(await stage.isReady()).toBe(true);
  });
});

describe('JWT-48: rotation', () => {
  test('a key that signs before it is published is refused until a fetch finds it, one per cool-down', async () => {
    await using stage = await Stage.start();
    expect(await stage.status(stage.token())).toBe(200);
    stage.clocks.advance(COOL_DOWN_MS);
    expect(await stage.status(stage.token('two', NEXT))).toBe(401);
    stage.server.behaviour = answering({ keys: [...GOOD.keys, publicJwk(NEXT, { kid: 'two' })] });
    expect(await stage.status(stage.token('two', NEXT))).toBe(401);
    stage.clocks.advance(COOL_DOWN_MS);
    expect(await stage.status(stage.token('two', NEXT))).toBe(200);
    expect(stage.server.requestCount).toBe(3);
  });

  test('JWT-50: a withdrawn key is refused after the next fetch, even for tokens that were accepted before', async () => {
    await using stage = await Stage.start();
    const good = stage.token();
    expect(await stage.status(good)).toBe(200);
    expect(await stage.status(good)).toBe(200);
    stage.server.behaviour = answering({ keys: [publicJwk(NEXT, { kid: 'two' })] });
    expect(await stage.status(good)).toBe(200);
    stage.clocks.advance(COOL_DOWN_MS);
    expect(await stage.status(stage.token('two', NEXT))).toBe(200);
    expect(await stage.status(good)).toBe(401);
  });

  test('JWT-50: a new key under an old kid invalidates what the old key has signed', async () => {
    await using stage = await Stage.start();
    const good = stage.token();
    const early = stage.token('one', NEXT);
    expect([await stage.status(good), await stage.status(early)]).toEqual([200, 401]);
    stage.server.behaviour = answering({ keys: [publicJwk(NEXT, { kid: 'one' })] });
    await stage.provokeFetch();
    // A token that was refused with the old key is not refused for ever.
    expect([await stage.status(good), await stage.status(early)]).toEqual([401, 200]);
  });

  test('a new key under an old kid is found by one fetch per cool-down, despite forged tokens', async () => {
    await using stage = await Stage.start();
    expect(await stage.status(stage.token())).toBe(200);
    stage.server.behaviour = answering({ keys: [publicJwk(NEXT, { kid: 'one' })] });
    const early = stage.token('one', NEXT);
    expect([await stage.status(early), stage.server.requestCount]).toEqual([401, 1]);
    stage.clocks.advance(COOL_DOWN_MS);
    expect([await stage.status(early), stage.server.requestCount]).toEqual([200, 2]);
    const forged = await Promise.all(
      Array.from({ length: 50 }, (_, at) => stage.status(stage.token('one', KEY, 60 + at))),
    );
    expect([new Set(forged), stage.server.requestCount]).toEqual([new Set([401]), 2]);
    stage.clocks.advance(COOL_DOWN_MS);
    expect([await stage.status(stage.token('one', KEY)), stage.server.requestCount]).toEqual([401, 3]);
    expect(await stage.status(early)).toBe(200);
  });

  test('keys are refreshed in the background, so that a withdrawn key is soon refused', async () => {
    await using stage = await Stage.start(answering(GOOD), { refreshEvery: '1s' });
    const good = stage.token();
    expect(await stage.status(good)).toBe(200);
    stage.server.behaviour = answering({ keys: [publicJwk(NEXT, { kid: 'two' })] });
    await until(async () => (await stage.status(good)) === 401, 'the withdrawn key is refused');
  });

  test('JWT-50: a cached token is refused once it has expired', async () => {
    await using stage = await Stage.start();
    const good = stage.token('one', KEY, 60);
    expect(await stage.status(good)).toBe(200);
    stage.clocks.advance(89_999);
    expect(await stage.status(good)).toBe(200);
    stage.clocks.advance(1);
    expect(await stage.status(good)).toBe(401);
  });
});

describe('a reload', () => {
  const config = (stage: Stage, more: object) => {
    const { config } = stage.gateway.gateway;
    return { ...config, issuers: { ...config.issuers, ...more } } as typeof config;
  };

  test('keeps the keys of an unchanged issuer and stops fetching those of a removed one', async () => {
    await using stage = await Stage.start(answering(GOOD), { refreshEvery: '1s' });
    expect(await stage.status(stage.token())).toBe(200);
    const { main } = stage.gateway.gateway.config.issuers;
    const before = stage.server.requestCount;
    const sinceMs = performance.now();
    await stage.gateway.apply({
      ...stage.gateway.gateway.config,
      csrf: { allowMissingOrigin: true, additionalOrigins: [] },
    });
    stage.server.behaviour = raw(500, '');
    expect(await stage.status(stage.token())).toBe(200);
    // One refresh was due, and one more for each second since, less the jitter.
    const due = 1 + (performance.now() - sinceMs) / 900;
    expect(stage.server.requestCount - before).toBeLessThanOrEqual(due);

    if (main === undefined) throw new Error('no issuer');
    await using elsewhere = await KeyServer.start(answering(GOOD));
    await stage.gateway.apply(config(stage, { main: { ...main, jwksUrl: elsewhere.origin } }));
    expect(await stage.status(stage.token())).toBe(200);
    const count = stage.server.requestCount;
    // Each is due every second, if it still exists.
    await until(() => elsewhere.requestCount >= 3, 'the new keys were fetched twice more');
    expect(stage.server.requestCount).toBe(count);
  });
});

test('JWT-56: while signing keys rotate, no verifier with a current key set refuses a gateway token', async () => {
  const clocks = new TestClocks();
  const startMs = clocks.wallMs();
  const minute = 60_000;
  const makeKey = async (activatesAtMs: number) => ({
    signing: await importPrivateJwk(await generatePrivateJwk('ES256'), 'ES256'),
    activatesAtMs,
    createdAtMs: startMs,
  });
  const keyring = new Keyring([await makeKey(0)], 2 * minute, clocks.wallMs);
  const rules = issuerRules(
    issuerSchema({ baseDir: '/', fileProblem: () => null }).parse({
      issuer: ISSUER,
      algorithms: ['ES256'],
      jwksUrl: 'http://127.0.0.1/',
      audience: 'orders',
    }),
    { audiences: [], own: { issuer: ISSUER, algorithm: 'ES256' } },
  );
  const keys = new RemoteKeySet(
    () => readKeySet(JSON.parse(JSON.stringify(keyring.published())), { algorithms: ['ES256'], use: 'sig' }),
    { refreshEveryMs: 24 * 60 * minute, maxStaleMs: 24 * 60 * minute, coolDownMs: 24 * 60 * minute },
    clocks.monotonicMs,
    { onFetched: () => {}, unavailable: () => new Error('unavailable') },
  );
  const parts = { clocks, revoked: NO_REVOCATIONS, events: NO_SERVICE_TOKEN_EVENTS };
  const verifier = new ServiceTokens([{ name: 'ours', rules, keys, learnt: null }], parts);
  const ours = new Set(['ours']);
  const issuer = new TokenIssuer(ISSUER, keyring, clocks.wallMs);
  const request = {
    subject: 'bob',
    presentedIssuer: null,
    audience: 'orders',
    scopes: null,
    actor: null,
    sid: null,
    claims: {},
    typ: 'JWT',
  } as const;
  const refused: string[] = [];
  const signers = new Set<string>();
  const live: string[] = [];
  for (let at = 0; at < 180; at += 1) {
    // As with `keys.publishBefore` and `jwksMaxAge`: published an hour before its first use, read every half hour.
    if (at === 30) keyring.replace([...keyring.states(), await makeKey(clocks.wallMs() + 60 * minute)]);
    if (at % 30 === 0) await keys.refresh();
    const { compact, kid } = await issuer.issue({
      ...request,
      lifetimeMs: 2 * minute,
      notAfterMs: Number.POSITIVE_INFINITY,
    });
    signers.add(kid);
    live.push(compact);
    for (const token of live.slice(-2)) {
      const outcome = await verifier.verify(asToken(token), ours);
      if (outcome instanceof Denial) refused.push(`${at}: ${outcome.note}`);
    }
    clocks.advance(minute);
  }
  keys.close();
  expect(signers.size).toBe(2);
  expect(refused).toEqual([]);
});
