/**
 * The two examples together: the configurations of `k8s/examples/`, run by two real gateways. The test supplies
 * addresses, store and files; the examples say who trusts whom, and for which audience.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { addKey, readKeyDirectory } from '../../src/token/key-directory.ts';
import { Keyring } from '../../src/token/keyring.ts';
import { foreignToken } from '../outbound/stage.ts';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { configData, GATEWAY_PODS } from './deployment.ts';

const listeners = { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } };
const configOf = (name: string) => configData(GATEWAY_PODS.find(({ from }) => from === name)!);

let directory: string;
let app: RecordingUpstream;
let orders: RecordingUpstream;
let ingress: TestGateway;
let sidecar: TestGateway;
let stock: RecordingUpstream;
/** The projected token of the sidecar's Pod. */
let podToken: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sallyport-examples-'));
  const keys = join(directory, 'keys');
  await addKey(keys, 'ES256', Date.now(), Date.now());
  await writeFile(join(directory, 'jwks.json'), JSON.stringify(await publishedKeys(keys)));
  app = await RecordingUpstream.start();
  orders = await RecordingUpstream.start();
  stock = await RecordingUpstream.start();
  podToken = await foreignToken({
    sub: 'system:serviceaccount:orders:default',
    exp: Math.floor(Date.now() / 1_000) + 600,
  });
  await writeFile(join(directory, 'token'), `${podToken}\n`);
  sidecar = await startSidecar(join(directory, 'jwks.json'), join(directory, 'token'));
  ingress = await startIngress(keys);
});

afterAll(async () => {
  for (const part of [ingress, sidecar, app, orders, stock]) await part[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

beforeEach(() => {
  app.reset();
  orders.reset();
});

/** The key set at `/.well-known/jwks.json` of the ingress gateway. */
async function publishedKeys(keys: string): Promise<object> {
  return new Keyring(await readKeyDirectory(keys, 'ES256'), 120_000, Date.now).published();
}

function startIngress(keys: string): Promise<TestGateway> {
  const config = configOf('examples/ingress');
  const sidecarOrigin = `http://127.0.0.1:${sidecar.port}`;
  return startGateway({
    config: {
      ...config,
      listeners,
      store: { memory: {} },
      login: {},
      upstreamToken: { ...(config['upstreamToken'] as object), keys: { directory: keys } },
      upstreams: { app: { endpoints: [app.origin] }, orders: { endpoints: [sidecarOrigin] } },
    },
  });
}

function startSidecar(jwksFile: string, tokenFile: string): Promise<TestGateway> {
  const config = configOf('examples/sidecar');
  const { shop } = config['issuers'] as { shop: object };
  const outbound = config['outbound'] as { destinations: object[] };
  const [toStock] = outbound.destinations;
  return startGateway({
    config: {
      ...config,
      listeners,
      issuers: { shop: { ...shop, jwksFile } },
      upstreams: { app: { endpoints: [orders.origin] }, stock: { endpoints: [stock.origin] } },
      outbound: {
        ...outbound,
        address: '127.0.0.1:0',
        destinations: [{ ...toStock, token: { kubernetes: { tokenFile } } }],
      },
    },
  });
}

async function get({ port }: TestGateway, path: string, ...lines: string[]): Promise<RawResponse> {
  await using connection = await RawConnection.open(port);
  connection.write([`GET ${path} HTTP/1.1`, HOST, ...lines, '', ''].join('\r\n'));
  return await connection.response();
}

const cookie = () => ingress.cookie('bob', { roles: ['customer'] });

it('a session passes the ingress gateway and the sidecar, and the app learns the user', async () => {
  expect((await get(ingress, '/orders/42', await cookie())).status).toBe(200);
  expect(orders.last.head).toMatch(/^GET \/42 HTTP\/1\.1/);
  expect(orders.last.values('x-user')).toEqual(['bob']);
  expect(orders.last.values('x-roles')).toEqual(['customer']);
});

it('the app behind the sidecar sees neither the cookie nor a token', async () => {
  await get(ingress, '/orders/42', await cookie());
  expect(orders.last.values('cookie')).toEqual([]);
  expect(orders.last.values('authorization')).toEqual([]);
});

it('a call of the app through the sidecar carries the token of the Pod, not the app’s own', async () => {
  const port = sidecar.portOf('outbound');
  const lines = [`Host: 127.0.0.1:${port}`, 'Authorization: Bearer mallory'];
  expect((await rawRequest(port, requestHead('GET', '/stock/levels/7?all=1', lines))).status).toBe(200);
  expect(stock.last.head).toMatch(/^GET \/levels\/7\?all=1 HTTP\/1\.1/);
  expect(stock.last.values('authorization')).toEqual([`Bearer ${podToken}`]);
  expect(stock.last.values('host')).toEqual([new URL(stock.origin).host]);
});

it('a role that the route does not allow never reaches the sidecar', async () => {
  expect((await get(ingress, '/orders/42', await ingress.cookie('eve', { roles: ['guest'] }))).status).toBe(403);
  expect(orders.requests).toEqual([]);
});

it('the other app gets a token for its own audience', async () => {
  expect((await get(ingress, '/', await cookie())).status).toBe(200);
  const [authorization = ''] = app.last.values('authorization');
  const { iss, aud, sub } = decodeJwt(authorization.slice('Bearer '.length));
  expect({ iss, aud, sub }).toEqual({ iss: 'https://shop.example.com', aud: 'app', sub: 'bob' });
});

it.each([
  { what: 'nothing', lines: async () => [] },
  { what: 'its own X-User', lines: async () => ['X-User: bob'] },
  { what: 'the session cookie', lines: async () => [await cookie()] },
  {
    what: 'a token for another audience',
    lines: async () => {
      await get(ingress, '/', await cookie());
      return [`Authorization: ${app.last.values('authorization')[0]}`];
    },
  },
])('a direct request to the sidecar with $what is refused', async ({ lines }) => {
  expect((await get(sidecar, '/42', ...(await lines()))).status).toBe(401);
  expect(orders.requests).toEqual([]);
});
