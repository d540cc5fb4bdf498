/** Strict-Transport-Security, as SECURITY.md describes it. */

import { expect, test } from 'vitest';
import { HOST, PUBLIC_ORIGIN, startGateway } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const HSTS = 'max-age=31536000';
const ORIGINS = { https: PUBLIC_ORIGIN, http: 'http://localhost' };
const behindProxy = (trustedProxies: readonly string[]) => ({
  listeners: { public: { address: '127.0.0.1:0', trustedProxies }, admin: { address: '127.0.0.1:0' } },
});

test.each([
  ['over https, according to a trusted proxy', ORIGINS.https, ['127.0.0.1'], ['X-Forwarded-Proto: https'], HSTS],
  ['over http, according to a trusted proxy', ORIGINS.https, ['127.0.0.1'], ['X-Forwarded-Proto: http'], undefined],
  ['to an https origin, without a trusted proxy', ORIGINS.https, [], [], HSTS],
  ['to an http origin', ORIGINS.http, [], [], undefined],
  [
    'to an http origin, over https according to an untrusted client',
    ORIGINS.http,
    [],
    ['X-Forwarded-Proto: https'],
    undefined,
  ],
])("RFC 6797 §7: the gateway's own answer to a request %s", async (_how, publicOrigin, proxies, headers, expected) => {
  await using gateway = await startGateway({ config: { publicOrigin, ...behindProxy(proxies) } });
  const host = `Host: ${new URL(publicOrigin).host}`;
  for (const path of ['/.well-known/jwks.json', '/needs-a-session']) {
    const response = await rawRequest(gateway.port, requestHead('GET', path, [host, ...headers]));
    expect(response.headers.get('strict-transport-security')).toBe(expected);
  }
});

test('an answer of an upstream is relayed without the header', async () => {
  await using upstream = await RecordingUpstream.start();
  const routes = [{ id: 'app', match: { path: '/' }, credential: 'none' }];
  await using gateway = await startGateway({ upstream: upstream.origin, routes, config: behindProxy(['127.0.0.1']) });
  const response = await rawRequest(gateway.port, requestHead('GET', '/', [HOST, 'X-Forwarded-Proto: https']));
  expect([response.status, response.headers.has('strict-transport-security')]).toEqual([200, false]);
});
