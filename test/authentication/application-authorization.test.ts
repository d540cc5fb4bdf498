/** An application that uses its own Authorization header behind a session route, as raw bytes. */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const BASIC = 'Authorization: Basic YWxpY2U6c2VjcmV0';
const OURS = 'x-gateway-token';

let upstream: RecordingUpstream;
let gateway: TestGateway;
let cookie: string;
beforeAll(async () => {
  upstream = await RecordingUpstream.start();
  const passing = { passAuthorization: true, tokenHeader: 'X-Gateway-Token' };
  gateway = await startGateway({
    upstream: upstream.origin,
    routes: [
      { id: 'wiki', match: { path: '/wiki' }, credential: 'session', ...passing, audience: 'wiki' },
      { id: 'maybe', match: { path: '/maybe' }, credential: { session: 'optional' }, ...passing },
      {
        id: 'set',
        match: { path: '/set' },
        credential: 'session',
        ...passing,
        requestHeaders: { set: { Authorization: 'Basic c2V0' } },
      },
      { id: 'strict', match: { path: '/strict' }, credential: 'session' },
    ],
  });
  cookie = await gateway.cookie();
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

async function send(path: string, lines: readonly string[], method = 'GET') {
  upstream.reset();
  const { status } = await rawRequest(gateway.port, requestHead(method, path, [HOST, ...lines]));
  expect(upstream.problems).toEqual([]);
  return { status, reached: upstream.requests.length > 0 };
}

describe('P6: passAuthorization on a session route', () => {
  test('forwards the header byte for byte, and the upstream token in tokenHeader', async () => {
    expect((await send('/wiki', [cookie, BASIC])).status).toBe(200);
    expect(upstream.last.values('authorization')).toEqual(['Basic YWxpY2U6c2VjcmV0']);
    const [token = ''] = upstream.last.values(OURS);
    expect(decodeJwt(token)).toMatchObject({ sub: 'bob', aud: 'wiki' });
    expect(upstream.text).not.toContain('__Host-sid');
  });

  test('does not turn the header into a credential: without a session it gets 401', async () => {
    const { authorization } = { authorization: `Authorization: Bearer ${'a'.repeat(40)}` };
    expect(await send('/wiki', [authorization])).toEqual({ status: 401, reached: false });
    expect(await send('/wiki', [authorization, 'Cookie: __Host-sid=x'])).toEqual({ status: 401, reached: false });
  });

  test('forwards the header without a token when an optional session is absent', async () => {
    expect((await send('/maybe', [BASIC])).status).toBe(200);
    expect([upstream.last.values('authorization'), upstream.last.values(OURS)]).toEqual([
      ['Basic YWxpY2U6c2VjcmV0'],
      [],
    ]);
  });

  test('HDR-01: removes every spelling of the token header from requests on all routes', async () => {
    for (const path of ['/wiki', '/maybe', '/strict']) {
      await send(path, [
        cookie,
        'X-Gateway-Token: mallory',
        'X_Gateway_Token: mallory',
        'HTTP_X_GATEWAY_TOKEN: mallory',
      ]);
      expect([path, upstream.text.includes('mallory')]).toEqual([path, false]);
    }
  });

  test('still answers 400 to two such headers and 403 to a cross-origin unsafe request', async () => {
    expect(await send('/wiki', [cookie, BASIC, BASIC])).toEqual({ status: 400, reached: false });
    const foreign = [cookie, BASIC, 'Origin: https://evil.example', 'Content-Length: 0'];
    expect(await send('/wiki', foreign, 'POST')).toEqual({ status: 403, reached: false });
  });

  test('replaces the client’s header with one that the route sets', async () => {
    expect((await send('/set', [cookie, BASIC])).status).toBe(200);
    expect(upstream.last.values('authorization')).toEqual(['Basic c2V0']);
  });
});

test('P6: by default Authorization beside a session gets 400, and the log names passAuthorization', async () => {
  expect(await send('/strict', [cookie, BASIC])).toEqual({ status: 400, reached: false });
  const { note } = gateway.log.records.findLast(({ reason }) => reason === 'credential_conflict') ?? {};
  expect(note).toContain('passAuthorization');
});
