/** An application with an Authorization of its own behind a session route, as raw bytes. */

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
  test('the application gets its header byte for byte, and our token in the other one', async () => {
    expect((await send('/wiki', [cookie, BASIC])).status).toBe(200);
    expect(upstream.last.values('authorization')).toEqual(['Basic YWxpY2U6c2VjcmV0']);
    const [token = ''] = upstream.last.values(OURS);
    expect(decodeJwt(token)).toMatchObject({ sub: 'bob', aud: 'wiki' });
    expect(upstream.text).not.toContain('__Host-sid');
  });

  test('the header is no credential: without a session it gets 401, whatever it says', async () => {
    const { authorization } = { authorization: `Authorization: Bearer ${'a'.repeat(40)}` };
    expect(await send('/wiki', [authorization])).toEqual({ status: 401, reached: false });
    expect(await send('/wiki', [authorization, 'Cookie: __Host-sid=x'])).toEqual({ status: 401, reached: false });
  });

  test('where a session is optional, the header passes without one, and without a token of ours', async () => {
    expect((await send('/maybe', [BASIC])).status).toBe(200);
    expect([upstream.last.values('authorization'), upstream.last.values(OURS)]).toEqual([
      ['Basic YWxpY2U6c2VjcmV0'],
      [],
    ]);
  });

  test('HDR-01: no client’s copy of the token header survives, on this route or any other, in any spelling', async () => {
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

  test('it changes nothing else: two such headers get 400, an unsafe request from elsewhere 403', async () => {
    expect(await send('/wiki', [cookie, BASIC, BASIC])).toEqual({ status: 400, reached: false });
    const foreign = [cookie, BASIC, 'Origin: https://evil.example', 'Content-Length: 0'];
    expect(await send('/wiki', foreign, 'POST')).toEqual({ status: 403, reached: false });
  });

  test('a header that the route sets takes the place of the client’s', async () => {
    expect((await send('/set', [cookie, BASIC])).status).toBe(200);
    expect(upstream.last.values('authorization')).toEqual(['Basic c2V0']);
  });
});

test('P6: the default stays strict, and says the key: the application’s header beside a session gets 400', async () => {
  expect(await send('/strict', [cookie, BASIC])).toEqual({ status: 400, reached: false });
  const { note } = gateway.log.records.findLast(({ reason }) => reason === 'credential_conflict') ?? {};
  expect(note).toContain('passAuthorization');
});
