/**
 * What an upstream gets when a service calls: the gateway's token, the service's own or none, and plain identity
 * headers. As raw bytes, because nothing else may arrive.
 */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { TokenAuthority } from '../support/issuers/token-authority.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const CREDENTIAL = { service: ['cluster'] };

let authority: TokenAuthority;
let upstream: RecordingUpstream;
let gateway: TestGateway;
beforeAll(async () => {
  authority = await TokenAuthority.create();
  upstream = await RecordingUpstream.start();
  gateway = await startGateway({
    upstream: upstream.origin,
    config: { issuers: { cluster: authority.config }, upstreamToken: { claims: { team: 'token.team' } } },
    routes: [
      { id: 'minted', match: { path: '/minted' }, credential: CREDENTIAL, audience: 'orders' },
      { id: 'original', match: { path: '/original' }, credential: CREDENTIAL, upstreamToken: 'original' },
      { id: 'none', match: { path: '/none' }, credential: CREDENTIAL, upstreamToken: 'none' },
      {
        id: 'plain',
        match: { path: '/plain' },
        credential: CREDENTIAL,
        upstreamToken: 'none',
        identityHeaders: { 'X-Service': 'subject', 'X-Team': 'token.team', 'X-Email': 'user.email' },
      },
    ],
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
});

async function call(path: string, token: string, ...lines: string[]) {
  upstream.reset();
  const answer = await rawRequest(
    gateway.port,
    requestHead('GET', path, [HOST, `Authorization: Bearer ${token}`, ...lines]),
  );
  expect(upstream.problems).toEqual([]);
  return { status: answer.status, upstream };
}
const bearerOf = (seen: RecordingUpstream) => (seen.last.values('authorization')[0] ?? '').replace(/^Bearer /, '');

describe('upstreamToken: minted', () => {
  test('RFC 7519 §4.1.2: names the subject’s issuer, even if a service has a user’s name', async () => {
    const token = await authority.token({ sub: 'alice', sid: 'x', presented_iss: 'https://shop.example.com' });
    await call('/minted', token);
    const { iss, sub, presented_iss } = decodeJwt(bearerOf(upstream));
    expect({ iss, sub, presented_iss }).toEqual({
      iss: 'https://shop.example.com',
      sub: 'alice',
      // S2: the token's own presented_iss is kept, but never replaces the name of its issuer.
      presented_iss: [decodeJwt(token).iss, 'https://shop.example.com'],
    });
  });

  test('sends a gateway token for the service and the upstream’s audience, never the presented one', async () => {
    const token = await authority.token({ sub: 'cart', team: 'shop', scope: 'orders:read orders:write' });
    const { status } = await call('/minted', token);
    expect(status).toBe(200);
    expect(upstream.last.values('authorization')).toHaveLength(1);
    expect(decodeJwt(bearerOf(upstream))).toMatchObject({
      iss: 'https://shop.example.com',
      sub: 'cart',
      aud: 'orders',
      scope: 'orders:read orders:write',
      team: 'shop',
    });
    expect(upstream.text).not.toContain(token);
    expect(upstream.text).not.toContain(token.split('.')[2]);
  });

  test('RFC 8693 §4.1, S2: keeps the actors with their issuer, and nothing else of the presented token', async () => {
    const act = { sub: 'cart', act: { sub: 'web' } };
    const { status } = await call('/minted', await authority.token({ sub: 'bob', act, sid: 'a-handle', azp: 'x' }));
    expect(status).toBe(200);
    const { iat, exp, jti, ...claims } = decodeJwt(bearerOf(upstream));
    const names = { iss: 'https://shop.example.com', presented_iss: 'https://cluster.example' };
    const { presented_iss } = names;
    const acting = { sub: 'cart', iss: presented_iss, act: { sub: 'web', iss: presented_iss } };
    expect(claims).toEqual({ ...names, sub: 'bob', aud: 'orders', act: acting });
    expect([iat, exp, jti]).not.toContain(undefined);
  });

  test('sends a token that expires no later than the presented one', async () => {
    const token = await authority.token({}, 30);
    await call('/minted', token);
    expect(decodeJwt(bearerOf(upstream)).exp).toBeLessThanOrEqual(decodeJwt(token).exp as number);
  });

  test('never mixes up the tokens of two services that take turns', async () => {
    const tokens = await Promise.all(['cart', 'billing'].map((sub) => authority.token({ sub })));
    for (const [index, sub] of ['cart', 'billing', 'cart', 'billing'].entries()) {
      await call('/minted', tokens[index % 2] as string);
      expect(decodeJwt(bearerOf(upstream)).sub).toBe(sub);
    }
  });
});

describe('upstreamToken: original', () => {
  test('sends the presented token byte for byte, once', async () => {
    const token = await authority.token();
    const { status } = await call('/original', token);
    expect(status).toBe(200);
    expect(upstream.last.values('authorization')).toEqual([`Bearer ${token}`]);
  });

  test('does not send a token that does not verify', async () => {
    using stranger = await TokenAuthority.create();
    const { status } = await call('/original', await stranger.token());
    expect(status).toBe(401);
    expect(upstream.requests).toEqual([]);
  });

  test('writes the scheme as Bearer, however the client spelled it', async () => {
    const token = await authority.token();
    upstream.reset();
    await rawRequest(gateway.port, requestHead('GET', '/original', [HOST, `authorization: bEaReR ${token}`]));
    expect(upstream.last.values('authorization')).toEqual([`Bearer ${token}`]);
  });

  test('sends the token in the configured header, and no client’s copy of that header', async () => {
    await using other = await startGateway({
      upstream: upstream.origin,
      config: { issuers: { cluster: authority.config }, upstreamToken: { header: 'X-Token' } },
      routes: [{ id: 'original', match: { path: '/' }, credential: CREDENTIAL, upstreamToken: 'original' }],
    });
    const token = await authority.token();
    upstream.reset();
    const lines = [HOST, `Authorization: Bearer ${token}`, 'x-token: mallory', 'X_Token: mallory', 'X.TOKEN: mallory'];
    await rawRequest(other.port, requestHead('GET', '/', lines));
    expect(upstream.last.values('x-token')).toEqual([token]);
    expect(upstream.last.values('authorization')).toEqual([]);
    expect(upstream.text).not.toContain('mallory');
  });
});

describe('upstreamToken: none', () => {
  test('sends no token', async () => {
    const token = await authority.token();
    const { status } = await call('/none', token, 'Proxy-Authorization: Bearer mallory');
    expect(status).toBe(200);
    expect(upstream.text.toLowerCase()).not.toContain('authorization');
    expect(upstream.text).not.toContain(token);
  });
});

describe('identity headers', () => {
  test('HDR-01: name the service, and replace every spelling of the client’s copies', async () => {
    const token = await authority.token({ sub: 'system:serviceaccount:shop:cart', team: 'shop' });
    const copies = ['X-Service', 'x-service', 'X_Service', 'X.Service', 'HTTP_X_SERVICE', 'x-team', 'X-Email'];
    const { status } = await call(
      '/plain',
      token,
      ...copies.map((name) => `${name}: mallory`),
      'Connection: X-Service, X-Team',
    );
    expect(status).toBe(200);
    expect(upstream.last.values('x-service')).toEqual(['system:serviceaccount:shop:cart']);
    expect(upstream.last.values('x-team')).toEqual(['shop']);
    expect(upstream.last.values('x-email')).toEqual([]);
    expect(upstream.text).not.toContain('mallory');
    expect(upstream.text).not.toContain(token);
  });

  test('UPS-01: cannot be split by a claim', async () => {
    await call('/plain', await authority.token({ team: 'a\r\nX-Service: mallory' }));
    expect(upstream.last.values('x-team')).toEqual(['a%0D%0AX-Service: mallory']);
    expect(upstream.last.values('x-service')).toEqual(['cart']);
  });
});
