/**
 * A browser's call through two services, each part in its own process:
 *
 *   browser ─cookie→ ingress ─JWT aud=cart→ sidecar of cart → cart ─→ outbound side of cart
 *     ─JWT aud=orders, act=cart→ sidecar of orders → orders
 *
 * The outbound side exchanges the token at the ingress's POST /auth/token. The sidecars verify with the ingress's
 * published keys, and follow the revocations in the same Redis.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { decodeJwt, generateKeyPair, importJWK, type JWK, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addKey } from '../../src/token/key-directory.ts';
import { HOST, PUBLIC_ORIGIN } from '../support/gateway.ts';
import { ADMIN_TOKEN } from '../support/instance.ts';
import { freePort } from '../support/ports.ts';
import { GatewayProcess } from '../support/process.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RedisServer } from '../support/redis.ts';
import { BUSY_MS, until } from '../support/until.ts';

const CLIENT_SECRET = 'the-secret-of-cart-at-the-token-endpoint';
const USERS = readFileSync(join(import.meta.dirname, '../../demo/users.yaml'), 'utf8');
/** The promise for an idle machine. */
const REVOCATION_BOUND_MS = 1_000;

type Json = Record<string, unknown>;

/** One of the services. */
class Service implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(role: 'cart' | 'orders', address: string): Promise<Service> {
    const program = join(import.meta.dirname, 'chain-service.ts');
    const child = spawn(process.execPath, [program, role, address], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return new Service(child, Number(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exit;
  }
}

const opened = new AsyncDisposableStack();
const keyDirectory = join(mkdtempSync(join(tmpdir(), 'sallyport-chain-')), 'keys');
let ingress: GatewayProcess;
let cartSidecar: GatewayProcess;
let ordersSidecar: GatewayProcess;
let outboundPort: number;
/** Of the ingress's signing key. */
let kid: string;

beforeAll(async () => {
  opened.defer(() => rmSync(join(keyDirectory, '..'), { recursive: true, force: true }));
  mkdirSync(keyDirectory);
  kid = await addKey(keyDirectory, 'ES256', Date.now(), Date.now());
  const redis = opened.use(await RedisServer.start());
  const store = { redis: { url: redis.url } };
  const [ingressPort, cartPort] = [await freePort(), await freePort()];
  outboundPort = await freePort();
  const jwksUrl = `http://127.0.0.1:${ingressPort}/.well-known/jwks.json`;
  const tokenUrl = `http://127.0.0.1:${ingressPort}/auth/token`;

  const cart = opened.use(await Service.start('cart', `http://127.0.0.1:${outboundPort}`));

  const issuers = (audience: string) => ({
    shop: { issuer: PUBLIC_ORIGIN, jwksUrl, algorithms: ['ES256'], audience, maxLifetime: '5m' },
  });
  const inbound = { match: { host: '*', path: '/' }, credential: { service: ['shop'] }, upstreamToken: 'original' };
  const exchange = { tokenUrl, clientId: 'cart', clientSecretFile: 'client.secret' };
  const files = { 'client.secret': CLIENT_SECRET };

  ingress = opened.use(
    await GatewayProcess.start({
      port: ingressPort,
      upstream: `http://127.0.0.1:${cartPort}`,
      routes: [{ id: 'cart', match: { path: '/cart' }, credential: 'session', audience: 'cart' }],
      config: {
        store,
        login: { password: { usersFile: 'users.yaml' } },
        upstreamToken: { keys: { directory: keyDirectory } },
        tokenEndpoint: {
          clients: { cart: { clientSecretFile: 'client.secret', exchange: { orders: { scopes: ['orders:read'] } } } },
        },
      },
      files: { ...files, 'users.yaml': USERS },
    }),
  );
  const orders = opened.use(await Service.start('orders', jwksUrl));
  ordersSidecar = opened.use(
    await GatewayProcess.start({
      upstream: `http://127.0.0.1:${orders.port}`,
      routes: [{ id: 'orders', ...inbound, identityHeaders: { 'X-User': 'subject', 'X-Actor': 'actor' } }],
      config: { store, issuers: issuers('orders') },
    }),
  );
  cartSidecar = opened.use(
    await GatewayProcess.start({
      port: cartPort,
      upstream: `http://127.0.0.1:${cart.port}`,
      routes: [{ id: 'cart', ...inbound }],
      config: {
        store,
        // Otherwise a call without a credential is not logged.
        log: { level: 'debug' },
        issuers: issuers('cart'),
        upstreams: {
          app: { endpoints: [`http://127.0.0.1:${cart.port}`] },
          orders: { endpoints: [`http://127.0.0.1:${ordersSidecar.port}`] },
        },
        outbound: {
          address: `127.0.0.1:${outboundPort}`,
          workload: 'cart',
          destinations: [
            { id: 'to-orders', match: { path: '/orders' }, upstream: 'orders', token: { exchange } },
            {
              id: 'to-billing',
              match: { path: '/billing' },
              upstream: 'orders',
              audience: 'billing',
              token: { exchange },
            },
          ],
        },
      },
      files,
    }),
  );
});
afterAll(() => opened.disposeAsync());

const json = ({ body }: RawResponse) => JSON.parse(body.toString()) as Json;

const get = (port: number, target: string, ...headers: readonly string[]) =>
  rawRequest(port, requestHead('GET', target, [HOST, ...headers]));

/** A call by the workload beside cart's gateway. */
const callOut = (target: string, ...headers: readonly string[]) =>
  rawRequest(outboundPort, requestHead('GET', target, [`Host: 127.0.0.1:${outboundPort}`, ...headers]));

function post(target: string, type: string, body: string, ...headers: readonly string[]): Promise<RawResponse> {
  const lines = [HOST, `Content-Type: ${type}`, `Content-Length: ${body.length}`, ...headers];
  return rawRequest(ingress.port, requestHead('POST', target, lines) + body);
}

/** Logs in as a browser does, and returns a Cookie header line. */
async function logIn(): Promise<string> {
  const body = JSON.stringify({ username: 'demo', password: 'demo-password' });
  const answer = await post('/auth/login', 'application/json', body);
  const [cookie] = /^__Host-sid=[A-Za-z0-9_-]{43}/.exec(answer.headers.get('set-cookie') ?? '') ?? [];
  if (cookie === undefined) throw new Error(`no session: ${answer.status} ${answer.body.toString()}`);
  return `Cookie: ${cookie}`;
}

const bearer = (token: string) => `Authorization: Bearer ${token}`;
const bare = (authorization: unknown) => String(authorization).replace(/^Bearer /, '');

/** The token that cart is called with on behalf of a session. */
const tokenOfCart = async (cookie: string) => bare(json(await get(ingress.port, '/cart/token', cookie))['token']);

/** The token that orders is called with on behalf of a session. */
async function tokenOfOrders(cookie: string): Promise<string> {
  const { answer } = json(await get(ingress.port, '/cart/orders/7', cookie));
  return bare((answer as Json)['token']);
}

/** Waits until a gateway has written a record with these fields to its log or audit log. */
async function recorded(gateway: GatewayProcess, fields: Json): Promise<void> {
  const matches = (record: Json) => Object.entries(fields).every(([name, value]) => record[name] === value);
  await until(
    () => gateway.records.some(matches),
    `${JSON.stringify(fields)} is in the log:\n${gateway.stdout.slice(-3_000)}`,
  );
}

/** A request id, which is unique, so that its records can be found. */
const idOf = (answer: RawResponse) => String(json(answer)['requestId']);

/** A token that is signed with the ingress's own key, and valid except for these claims. */
async function signed(claims: JWTPayload, key: CryptoKey | null = null): Promise<string> {
  const { privateJwk } = JSON.parse(readFileSync(join(keyDirectory, `${kid}.key.json`), 'utf8')) as { privateJwk: JWK };
  const nowSec = Math.floor(Date.now() / 1_000);
  return new SignJWT({ iss: PUBLIC_ORIGIN, sub: 'demo', aud: 'orders', iat: nowSec, exp: nowSec + 60, ...claims })
    .setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT' })
    .sign(key ?? (await importJWK(privateJwk, 'ES256')));
}

const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;

/** Bad tokens, all for one audience. */
const EXPIRED = { iat: secondsFromNow(-600), exp: secondsFromNow(-300) };
const OF_ANOTHER_ISSUER = { iss: 'https://other.example.com' };
const forged = async (audience: string) => signed({ aud: audience }, (await generateKeyPair('ES256')).privateKey);

describe('a browser calls through two services', () => {
  test('orders learns the user and the actor from its sidecar and from the token itself', async () => {
    const cookie = await logIn();
    const received = json(await get(ingress.port, '/cart/orders/7?x=1', cookie));
    expect(received).toMatchObject({
      status: 200,
      answer: {
        url: '/orders/7?x=1',
        told: { user: 'demo', actor: 'cart' },
        verified: { subject: 'demo', actors: ['cart'], audiences: ['orders'] },
      },
    });
    const session = json(await get(ingress.port, '/auth/session', cookie));
    expect(session['subject'] ?? (session['user'] as Json)['subject']).toBe('demo');
    await recorded(ingress, { event: 'token_exchanged', clientId: 'cart', subject: 'demo', audience: 'orders' });
  });

  test('RFC 8693 §4.1: the token for orders expires no later than the one for cart, and names the same session', async () => {
    const cookie = await logIn();
    const [first, second] = [decodeJwt(await tokenOfCart(cookie)), decodeJwt(await tokenOfOrders(cookie))];
    expect(second).toMatchObject({
      iss: first.iss,
      sub: first.sub,
      sid: first['sid'],
      aud: 'orders',
      act: { sub: 'cart' },
    });
    expect(second.exp).toBeLessThanOrEqual(first.exp!);
    expect(first).toMatchObject({ aud: 'cart' });
    expect(first['act']).toBeUndefined();
  });
});

describe('a misused or invalid token is refused where it is presented, and the log there says why', () => {
  let cookie: string;
  beforeAll(async () => {
    cookie = await logIn();
  });

  const AUDIENCE = 'aud is missing, malformed, or does not mean us';
  const ISSUER = 'issuer is not one that the route accepts';
  const AT_SIDECARS: readonly (readonly [string, () => GatewayProcess, () => Promise<string>, string])[] = [
    ['JWT-54: a token for cart, replayed to orders', () => ordersSidecar, () => tokenOfCart(cookie), AUDIENCE],
    ['JWT-54: a token for orders, replayed to cart', () => cartSidecar, () => tokenOfOrders(cookie), AUDIENCE],
    ['JWT-36: a token for another audience', () => ordersSidecar, () => signed({ aud: 'billing' }), AUDIENCE],
    ['JWT-35: a token from another issuer', () => ordersSidecar, () => signed(OF_ANOTHER_ISSUER), ISSUER],
    ['an expired token', () => ordersSidecar, () => signed(EXPIRED), 'token has expired'],
    ['JWT-38: a forged token', () => ordersSidecar, () => forged('orders'), 'signature does not verify'],
  ];
  test.concurrent.for(AT_SIDECARS)('%s: by the sidecar', async ([, gateway, token, note], { expect }) => {
    const answer = await get(gateway().port, '/orders/7', bearer(await token()));
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    await recorded(gateway(), { msg: 'request', id: idOf(answer), status: 401, reason: 'token_invalid', note });
    await recorded(gateway(), { event: 'denied', id: idOf(answer), reason: 'token_invalid', note });
  });

  const REFUSED_THERE = 'authorization server refused the token of the call';
  const NOT_LIVE = 'subject token: not a live token of this gateway';
  const NOT_FOR_CART = 'subject token: its audience is not the client that presents it';
  const AT_EXCHANGE: readonly (readonly [string, () => Promise<string>, string])[] = [
    ['JWT-54: a token for orders, replayed at the outbound side of cart', () => tokenOfOrders(cookie), NOT_FOR_CART],
    ['JWT-36: a token for another audience', () => signed({ aud: 'billing', sub: 'audience' }), NOT_FOR_CART],
    ['JWT-35: a token from another issuer', () => signed({ aud: 'cart', ...OF_ANOTHER_ISSUER }), NOT_LIVE],
    ['JWT-38: a forged token', () => forged('cart'), NOT_LIVE],
  ];
  // One at a time: only its reason identifies the token endpoint's record.
  test.each(AT_EXCHANGE)('%s: by the token endpoint, and no call goes out', async (_title, token, note) => {
    const presented = bearer(await token());
    const before = refusalsOf(note);
    const answer = await callOut('/orders/7', presented);
    expect(answer.status).toBe(401);
    await recorded(cartSidecar, { id: idOf(answer), outbound: true, reason: 'token_invalid', note: REFUSED_THERE });
    await until(() => refusalsOf(note) === before + 1, `the ingress has written down: ${note}`);
  });

  test.each([
    ['an expired token', '/orders/7', () => signed({ aud: 'cart', ...EXPIRED }), 401, 'token_invalid'],
    ['no token', '/orders/7', null, 401, 'credential_missing'],
    ['a destination that is not configured', '/anything', () => tokenOfCart(cookie), 404, 'route_not_found'],
  ] as const)('%s: by the outbound side itself', async (_title, target, token, status, reason) => {
    const asked = await exchangeCount();
    const answer = await callOut(target, ...(token === null ? [] : [bearer(await token())]));
    expect(answer.status).toBe(status);
    await recorded(cartSidecar, { id: idOf(answer), outbound: true, reason });
    expect(await exchangeCount()).toBe(asked);
  });

  test('an audience that cart may not request: 403 at the outbound side, by the policy of the ingress', async () => {
    const answer = await callOut('/billing/1', bearer(await tokenOfCart(cookie)));
    expect(answer.status).toBe(403);
    await recorded(cartSidecar, { id: idOf(answer), outbound: true, reason: 'exchange_refused' });
    await recorded(ingress, { event: 'token_refused', clientId: 'cart', reason: 'target_forbidden' });
  });

  test('no service sees an identity that the browser claims', async () => {
    const forgedHeaders = ['X-User: root', 'x_actor: root', 'X-Actor: root'];
    const { answer } = json(await get(ingress.port, '/cart/orders/7', cookie, ...forgedHeaders));
    expect((answer as Json)['told']).toEqual({ user: 'demo', actor: 'cart' });
  });
});

/** Exchanges that the ingress refused to cart for one cause, from its audit log. */
const refusalsOf = (note: string) =>
  ingress.records.filter(
    (record) => record['event'] === 'token_refused' && record['clientId'] === 'cart' && record['note'] === note,
  ).length;

/** Requests that the token endpoint has answered. */
async function exchangeCount(): Promise<number> {
  const text = await (await ingress.admin('/metrics')).text();
  const values = [...text.matchAll(/^sallyport_token_requests_total\{.*\} (\d+)$/gm)];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

/** `sallyport token revoke`, with the token on its standard input. */
async function revokeAt(gateway: GatewayProcess, token: string): Promise<void> {
  const main = join(import.meta.dirname, '../../src/main.ts');
  const tokenFile = gateway.file.text('admin.token', `${ADMIN_TOKEN}\n`);
  const options = ['--admin-url', `http://127.0.0.1:${gateway.adminPort}`, '--token-file', tokenFile];
  const child = spawn(process.execPath, [main, 'token', 'revoke', ...options], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  child.stdin.end(token);
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(0);
}

describe('the end of a session', () => {
  test('stops the chain everywhere within a second', async () => {
    const cookie = await logIn();
    const [ofCart, ofOrders] = [await tokenOfCart(cookie), await tokenOfOrders(cookie)];
    const places: Readonly<Record<string, () => Promise<RawResponse>>> = {
      ingress: () => get(ingress.port, '/cart/orders/7', cookie),
      'sidecar of cart': () => get(cartSidecar.port, '/cart/token', bearer(ofCart)),
      // Cached there from the earlier exchange: the sidecar of orders refuses it.
      'outbound side of cart': () => callOut('/orders/7', bearer(ofCart)),
      'sidecar of orders': () => get(ordersSidecar.port, '/orders/7', bearer(ofOrders)),
    };
    for (const [place, ask] of Object.entries(places))
      expect({ place, status: (await ask()).status }).toEqual({ place, status: 200 });

    const endedMs = performance.now();
    const logout = await post(
      '/auth/logout',
      'application/x-www-form-urlencoded',
      '',
      cookie,
      `Origin: ${PUBLIC_ORIGIN}`,
    );
    expect([200, 204, 302, 303]).toContain(logout.status);
    const stops = await Promise.all(
      Object.entries(places).map(async ([place, ask]) => {
        await until(async () => (await ask()).status === 401, `${place} refuses`);
        return { place, afterMs: performance.now() - endedMs };
      }),
    );
    for (const { place, afterMs } of stops) expect(afterMs, place).toBeLessThan(REVOCATION_BOUND_MS + BUSY_MS);
    console.log(
      `chain stopped after ${stops.map(({ place, afterMs }) => `${place} ${Math.round(afterMs)} ms`).join(', ')}`,
    );
    await recorded(ordersSidecar, { reason: 'token_invalid', note: 'token was revoked' });
    await recorded(cartSidecar, { reason: 'token_invalid', note: 'token was revoked' });

    // It cannot be exchanged either.
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: ofCart,
      audience: 'orders',
    }).toString();
    const basic = `Authorization: Basic ${btoa(`cart:${CLIENT_SECRET}`)}`;
    const exchanged = await post('/auth/token', 'application/x-www-form-urlencoded', form, basic);
    expect(exchanged.status).toBe(400);
    expect(json(exchanged)).toMatchObject({ error: 'invalid_request' });
  });

  test('is not needed to stop one token: revoking it at one gateway is enough', async () => {
    const cookie = await logIn();
    const [ofCart, ofOrders] = [await tokenOfCart(cookie), await tokenOfOrders(cookie)];
    const atOrders = async () => (await get(ordersSidecar.port, '/orders/7', bearer(ofOrders))).status;
    expect(await atOrders()).toBe(200);
    await revokeAt(ingress, ofOrders);
    await until(async () => (await atOrders()) === 401, 'the sidecar of orders refuses it');
    expect((await get(cartSidecar.port, '/cart/token', bearer(ofCart))).status).toBe(200);
    expect((await get(ingress.port, '/cart/token', cookie)).status).toBe(200);
  });

  test('stops no other session', async () => {
    const [mine, other] = [await logIn(), await logIn()];
    const ofOrders = await tokenOfOrders(mine);
    await post('/auth/logout', 'application/x-www-form-urlencoded', '', other, `Origin: ${PUBLIC_ORIGIN}`);
    await until(async () => (await get(ingress.port, '/cart/token', other)).status === 401, 'the other one has ended');
    expect((await get(ordersSidecar.port, '/orders/7', bearer(ofOrders))).status).toBe(200);
    expect((await get(ingress.port, '/cart/orders/7', mine)).status).toBe(200);
  });
});
