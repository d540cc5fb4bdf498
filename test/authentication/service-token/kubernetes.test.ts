/**
 * ServiceAccount tokens, with the answers and tokens of a real API server: `fixtures/kubernetes.json`, recorded by
 * scripts/record-kubernetes-tokens.ts. The server that replays them here uses TLS and requires the pod's own token.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalControl } from '../../../src/gateway/control.ts';
import { TestClocks } from '../../support/clocks.ts';
import { HOST, startGateway, type TestGateway } from '../../support/gateway.ts';
import { TestAuthority } from '../../support/issuers/certificates.ts';
import { TokenAuthority } from '../../support/issuers/token-authority.ts';
import { rawRequest } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { counted } from '../../support/telemetry/counted.ts';
import { until } from '../../support/until.ts';
import recorded from './fixtures/kubernetes.json' with { type: 'json' };

const { tokens } = recorded;
const RELEARN_MS = 10_000;
const COOL_DOWN_MS = 30_000;

/** Replays the recorded part of the API server. */
class ApiServer implements AsyncDisposable {
  /** The requested paths, and the token of each request. */
  readonly requests: { readonly path: string; readonly bearer: string | undefined }[] = [];
  /** The path prefix of the API. */
  below = '';
  /** The issuer in its metadata; null for the recorded one. */
  issuer: string | null = null;
  /** The key set that it serves; null for the recorded one. */
  jwks: string | null = null;
  /** The tokens that may read the keys. */
  readonly readers = new Set([tokens.own]);
  readonly #server: Server;

  private constructor(authority: TestAuthority) {
    const { certificate, key } = authority.issue({ names: ['127.0.0.1'] });
    this.#server = createServer({ cert: certificate, key }, (request, response) => {
      const bearer = request.headers.authorization?.replace(/^Bearer /, '');
      this.requests.push({ path: request.url ?? '', bearer });
      const path = request.url?.startsWith(this.below) ? request.url.slice(this.below.length) : '/not-below';
      const answer = this.#answer(path, bearer, request.headers.accept);
      response.writeHead(answer.status, { 'content-type': answer.contentType }).end(answer.body);
    });
  }

  static start(authority: TestAuthority): Promise<ApiServer> {
    const server = new ApiServer(authority);
    return new Promise((resolve) => server.#server.listen(0, '127.0.0.1', () => resolve(server)));
  }

  get origin(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #answer(path: string | undefined, bearer: string | undefined, accept = '') {
    if (bearer === undefined || !this.readers.has(bearer)) return recorded.jwksForNobody;
    if (path === '/.well-known/openid-configuration') {
      const { body } = recorded.discovery;
      return this.issuer === null
        ? recorded.discovery
        : { ...recorded.discovery, body: JSON.stringify({ ...JSON.parse(body), issuer: this.issuer }) };
    }
    // The real one answers 406 to a client that accepts only application/json.
    if (path !== '/openid/v1/jwks' || !accept.includes('application/jwk-set+json'))
      return { ...recorded.jwksForNobody, status: 406 };
    return this.jwks === null ? recorded.jwks : { ...recorded.jwks, body: this.jwks };
  }
}

/** A pod: its projected files, and a gateway in it. */
class Pod implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'sallyport-pod-'));
  readonly clocks = new TestClocks();
  readonly gateway!: TestGateway;

  static async start(apiServer: ApiServer, files: Record<string, string>, more: object = {}): Promise<Pod> {
    const pod = new Pod();
    pod.clocks.stepWall(recorded.recordedAtSec * 1_000 - pod.clocks.wallMs());
    for (const [name, text] of Object.entries(files)) pod.write(name, text);
    const kubernetes = {
      apiServer: `${apiServer.origin}${apiServer.below}`,
      tokenFile: join(pod.directory, 'token'),
      caFile: join(pod.directory, 'ca.crt'),
    };
    const service = { credential: { service: ['cluster', ...Object.keys(more)] } };
    const gateway = await startGateway({
      upstream: upstream.origin,
      clocks: pod.clocks,
      config: { issuers: { cluster: { kubernetes }, ...more } },
      routes: [
        { id: 'any', match: { path: '/' }, ...service, identityHeaders: { 'X-Caller': 'subject' } },
        { id: 'cart', match: { path: '/cart' }, ...service, allow: { serviceAccounts: ['shop/cart'] } },
        { id: 'shop', match: { path: '/shop' }, ...service, allow: { serviceAccounts: ['shop/*'] } },
      ],
    });
    return Object.assign(pod, { gateway });
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  async status(token: string, path = '/'): Promise<number> {
    const head = `GET ${path} HTTP/1.1\r\n${HOST}\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    return (await rawRequest(this.gateway.port, head)).status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const authority = new TestAuthority();
let upstream: RecordingUpstream;
let apiServer: ApiServer;
beforeEach(async () => {
  upstream = await RecordingUpstream.start();
  apiServer = await ApiServer.start(authority);
});
afterEach(async () => {
  await apiServer[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});
const FILES = { token: tokens.own, 'ca.crt': authority.certificate };

test('a ServiceAccount token for the gateway authenticates system:serviceaccount:namespace:name', async () => {
  await using pod = await Pod.start(apiServer, FILES);
  expect(await pod.status(tokens.cart)).toBe(200);
  expect(upstream.last.values('x-caller')).toEqual(['system:serviceaccount:shop:cart']);
  expect(await pod.status(tokens.ledger)).toBe(200);
});

test('keys are read from the API server with the pod’s token, not from the advertised address', async () => {
  await using pod = await Pod.start(apiServer, FILES);
  expect(await pod.status(tokens.cart)).toBe(200);
  expect(apiServer.requests).toEqual([{ path: '/openid/v1/jwks', bearer: tokens.own }]);
});

test.each([
  ['for another audience', tokens.otherAudience],
  ['for the API server, which every pod has', tokens.own],
  ['that lives for a day', tokens.longLived],
])('JWT-36, JWT-30: a token %s is refused', async (_title, token) => {
  await using pod = await Pod.start(apiServer, FILES);
  expect(await pod.status(token)).toBe(401);
});

test('an expired token, or one with an altered subject, is refused', async () => {
  await using pod = await Pod.start(apiServer, FILES);
  const [header = '', payload = '', signature = ''] = tokens.cart.split('.');
  const claims = Buffer.from(payload, 'base64url').toString().replace('shop:cart', 'kube-system:admin');
  expect(await pod.status(`${header}.${Buffer.from(claims).toString('base64url')}.${signature}`)).toBe(401);
  pod.clocks.advance(631_000);
  expect(await pod.status(tokens.cart)).toBe(401);
});

describe('allow.serviceAccounts', () => {
  test('accepts one account by name, or all of a namespace', async () => {
    await using pod = await Pod.start(apiServer, FILES);
    expect(await pod.status(tokens.cart, '/cart')).toBe(200);
    expect(await pod.status(tokens.cart, '/shop')).toBe(200);
    expect(await pod.status(tokens.ledger, '/cart')).toBe(403);
    expect(await pod.status(tokens.ledger, '/shop')).toBe(403);
  });

  test('refuses another issuer’s subject with such a name', async () => {
    using impostor = await TokenAuthority.create('https://impostor.example');
    const iat = recorded.recordedAtSec;
    const token = await impostor.token({ sub: 'system:serviceaccount:shop:cart', iat, exp: iat + 300 });
    await using pod = await Pod.start(apiServer, FILES, { impostor: impostor.config });
    expect(await pod.status(token)).toBe(200);
    expect(await pod.status(token, '/cart')).toBe(403);
    expect(await pod.status(token, '/shop')).toBe(403);
  });
});

describe('the pod’s token', () => {
  test('is read again for each fetch, with or without a trailing newline', async () => {
    await using pod = await Pod.start(apiServer, FILES);
    expect(await pod.status(tokens.cart)).toBe(200);
    apiServer.readers.clear();
    apiServer.readers.add('rotated');
    pod.write('token', 'rotated\n');
    pod.clocks.advance(COOL_DOWN_MS);
    const [header = '', ...rest] = tokens.cart.split('.');
    const unknown = Buffer.from(header, 'base64url')
      .toString()
      .replace(/"kid":"[^"]+"/, '"kid":"other"');
    expect(await pod.status([Buffer.from(unknown).toString('base64url'), ...rest].join('.'))).toBe(401);
    expect(apiServer.requests.at(-1)).toEqual({ path: '/openid/v1/jwks', bearer: 'rotated' });
    // It is not a JWT and names no issuer, so the learnt issuer stays.
    expect(await pod.status(tokens.ledger)).toBe(200);
  });

  test('if missing, means 503 for the cluster’s tokens, but not for other issuers’', async () => {
    using other = await TokenAuthority.create('https://other.example');
    const iat = recorded.recordedAtSec;
    await using pod = await Pod.start(apiServer, { 'ca.crt': authority.certificate }, { other: other.config });
    await until(async () => (await failures(pod)) === 1, 'the first fetch has failed');
    expect(await pod.status(tokens.cart)).toBe(503);
    expect(await pod.status(await other.token({ iat, exp: iat + 300 }))).toBe(200);
    expect(pod.gateway.log.text).toContain('ENOENT');

    const { components } = await new LocalControl(pod.gateway.gateway, pod.gateway.metrics).health(false);
    const cluster = { name: 'issuer cluster', isOk: false, isRequired: false, detail: 'keys not fetched yet' };
    expect(components).toContainEqual(cluster);

    pod.write('token', tokens.own);
    expect(await pod.status(tokens.cart)).toBe(503);
    pod.clocks.advance(Math.max(RELEARN_MS, COOL_DOWN_MS));
    expect(await pod.status(tokens.cart)).toBe(200);
  });

  test.each([
    ['a legacy token, whose issuer is not a URL', 'kubernetes/serviceaccount'],
    ['a token without an issuer', undefined],
  ])('teaches no issuer when it is %s', async (_title, iss) => {
    using legacy = await TokenAuthority.create();
    await using pod = await Pod.start(apiServer, { ...FILES, token: await legacy.token({ iss }) });
    expect(await pod.status(await legacy.token({ iss }))).toBe(iss === undefined ? 401 : 503);
  });
});

describe('R8: when --service-account-issuer changes', () => {
  /** A cluster that signs with the test's own key, so that it can use any issuer. */
  async function cluster() {
    const signer = await TokenAuthority.create('https://old.example');
    const iat = recorded.recordedAtSec;
    const at = (sec: number) => ({ iat: iat + sec, exp: iat + sec + 3_000 });
    const token = (iss: string, sec = 0) => signer.token({ iss, sub: 'system:serviceaccount:shop:cart', ...at(sec) });
    const own = await token('https://old.example');
    apiServer.jwks = readFileSync(signer.jwksFile, 'utf8');
    apiServer.issuer = 'https://old.example';
    apiServer.readers.clear();
    const pod = await Pod.start(apiServer, { ...FILES, token: own });
    const rotate = (text: string) => {
      apiServer.readers.add(text);
      pod.write('token', text);
    };
    rotate(own);
    return { pod, token, rotate, [Symbol.dispose]: () => signer[Symbol.dispose]() };
  }

  test('callers’ old tokens work until they expire, and new ones at once', async () => {
    using it = await cluster();
    await using pod = it.pod;
    const old = await it.token('https://old.example');
    expect(await pod.status(old)).toBe(200);
    apiServer.issuer = 'https://new.example';
    it.rotate(await it.token('https://new.example'));
    pod.clocks.advance(RELEARN_MS);
    expect(await pod.status(await it.token('https://new.example'))).toBe(200);
    expect(upstream.last.values('x-caller')).toEqual(['system:serviceaccount:shop:cart']);
    pod.clocks.advance(2_900_000);
    expect(await pod.status(old)).toBe(200);
    // maxLifetime (1 h) and the skew (30 s) after the change, no token with the old issuer can be valid.
    pod.clocks.advance(730_000);
    expect(await pod.status(await it.token('https://old.example', 3_600))).toBe(401);
    expect(await pod.status(await it.token('https://new.example', 3_600))).toBe(200);
  });

  test('callers’ new tokens work while the pod’s token still has the old issuer', async () => {
    using it = await cluster();
    await using pod = it.pod;
    expect(await pod.status(await it.token('https://old.example'))).toBe(200);
    apiServer.issuer = 'https://new.example';
    pod.clocks.advance(RELEARN_MS);
    expect(await pod.status(await it.token('https://new.example'))).toBe(200);
    expect(await pod.status(await it.token('https://old.example'))).toBe(200);
  });

  test('an issuer that the cluster never had is refused, and looked up once in ten seconds', async () => {
    using it = await cluster();
    await using pod = it.pod;
    expect(await pod.status(await it.token('https://old.example'))).toBe(200);
    pod.clocks.advance(RELEARN_MS);
    const asked = apiServer.requests.length;
    for (let round = 0; round < 5; round += 1)
      expect(await pod.status(await it.token('https://evil.example'))).toBe(401);
    expect(apiServer.requests.slice(asked).map(({ path }) => path)).toEqual(['/.well-known/openid-configuration']);
  });
});

test('R8: the path of apiServer is kept, as Rancher needs', async () => {
  apiServer.below = '/k8s/clusters/c-m-1';
  await using pod = await Pod.start(apiServer, FILES);
  expect(await pod.status(tokens.cart)).toBe(200);
  expect(apiServer.requests.map(({ path }) => path)).toEqual(['/k8s/clusters/c-m-1/openid/v1/jwks']);
});

test('the pod’s token is not sent to an API server with another CA’s certificate', async () => {
  await using pod = await Pod.start(apiServer, { ...FILES, 'ca.crt': new TestAuthority('Another').certificate });
  expect(await pod.status(tokens.cart)).toBe(503);
  expect(apiServer.requests).toEqual([]);
  // Once the right CA is there, it is read without a reload.
  pod.write('ca.crt', authority.certificate);
  pod.clocks.advance(COOL_DOWN_MS);
  expect(await pod.status(tokens.cart)).toBe(200);
});

test('the recording contains what the code relies on', () => {
  expect(recorded.jwksForNobody.status).toBe(403);
  const discovery = JSON.parse(recorded.discovery.body) as Record<string, unknown>;
  const payload = Buffer.from(tokens.own.split('.')[1] ?? '', 'base64url').toString();
  expect((JSON.parse(payload) as { iss: string }).iss).toBe(discovery['issuer']);
  expect(recorded.jwks.contentType).toBe('application/jwk-set+json');
});

async function failures(pod: Pod): Promise<number> {
  return counted(pod.gateway.metrics, 'jwks_fetches_total', { issuer: 'cluster', result: 'failed' });
}
