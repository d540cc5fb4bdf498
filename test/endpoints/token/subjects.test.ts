/**
 * A subject keeps its issuer all the way: another issuer's `demo` presents its token, the upstream exchanges the
 * token that it got for it, and a second gateway gets the result. Nowhere is it the gateway's own user `demo` (ASVS
 * 10.3.3).
 */

import { decodeJwt, type JWTPayload } from 'jose';
import { describe, expect, test } from 'vitest';
import { HOST, startGateway } from '../../support/gateway.ts';
import { TokenAuthority } from '../../support/issuers/token-authority.ts';
import { rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { accessTokenOf, errorOf, ISSUER, jsonOf, TokenStage } from './fixture.ts';

const EXT = 'https://ext.example';

const bearer = (token: string) => `Authorization: Bearer ${token}`;

/** A gateway with a route that accepts the tokens of `ext` and leads to the client `orders`. */
const stageFor = (ext: TokenAuthority, tokenEndpoint: Record<string, unknown> = {}) =>
  TokenStage.start({
    issuers: { ext: { ...ext.config, audience: ['https://shop.example.com', 'orders'] } },
    tokenEndpoint,
    config: {
      routes: [
        { id: 'orders', match: { path: '/orders' }, upstream: 'app', credential: 'session', audience: 'orders' },
        { id: 'api', match: { path: '/api' }, upstream: 'app', credential: { service: ['ext'] }, audience: 'orders' },
      ],
    },
  });

/** What the upstream of `/api` gets for a token. */
async function mintedFor(stage: TokenStage, token: string): Promise<string> {
  const response = await stage.send('GET', '/api', [bearer(token)]);
  expect(response.status).toBe(200);
  return stage.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '';
}

/** What the upstream behind a second gateway gets, which accepts the first one's tokens by its published keys. */
async function secondGateway(first: TokenStage, token: string, audience: string): Promise<JWTPayload> {
  const jwks = jsonOf(await first.send('GET', '/.well-known/jwks.json', []));
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({
    upstream: upstream.origin,
    config: {
      upstreamToken: { issuer: 'https://second.example' },
      issuers: { first: { issuer: ISSUER, jwks, algorithms: ['ES256'], audience } },
    },
    routes: [{ id: 'api', match: { path: '/' }, credential: { service: ['first'] }, audience: 'billing' }],
  });
  const response = await rawRequest(gateway.port, requestHead('GET', '/', [HOST, bearer(token)]));
  expect(response.status).toBe(200);
  return decodeJwt(upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '');
}

describe('the subject of another issuer', () => {
  test('S2: keeps its issuer through an exchange, in the audit log and at a second gateway', async () => {
    using ext = await TokenAuthority.create(EXT);
    await using stage = await stageFor(ext);
    const scope = 'stock:read';
    const minted = await mintedFor(stage, await ext.token({ sub: 'demo', scope, act: { sub: 'cart' } }));
    expect(decodeJwt(minted)).toMatchObject({ iss: ISSUER, sub: 'demo', presented_iss: EXT });

    const exchanged = accessTokenOf(await stage.exchange(minted));
    expect(await stage.verified(exchanged)).toMatchObject({
      iss: ISSUER,
      sub: 'demo',
      presented_iss: EXT,
      act: { sub: 'orders', act: { sub: 'cart', iss: EXT } },
    });
    expect(stage.events('token_exchanged')).toMatchObject([
      { subject: 'demo', subjectIssuer: EXT, actors: ['orders', 'cart'], actorIssuers: [null, EXT] },
    ]);

    expect(await secondGateway(stage, exchanged, 'stock')).toMatchObject({
      iss: 'https://second.example',
      sub: 'demo',
      presented_iss: [ISSUER, EXT],
      act: { sub: 'orders', iss: ISSUER, act: { sub: 'cart', iss: [ISSUER, EXT] } },
    });
    const own = await stage.userToken('demo');
    expect((await secondGateway(stage, own, 'orders'))['presented_iss']).toBe(ISSUER);
  });

  test('S2: never becomes a user of the gateway, neither as subject nor as actor', async () => {
    using ext = await TokenAuthority.create(EXT);
    await using stage = await stageFor(ext);
    const token = await ext.token({ sub: 'demo', presented_iss: ISSUER, act: { sub: 'orders', iss: ISSUER } });
    const minted = decodeJwt(await mintedFor(stage, token));
    expect(minted).toMatchObject({ presented_iss: [EXT, ISSUER], act: { sub: 'orders', iss: [EXT, ISSUER] } });
  });

  test('S2: loses a sid that names a live session of the gateway, and gains no scope', async () => {
    using ext = await TokenAuthority.create(EXT);
    await using stage = await stageFor(ext, { subjectIssuers: [{ issuer: 'ext' }] });
    const { sid } = decodeJwt(await stage.userToken('demo'));
    const presented = await ext.token({ sub: 'demo', sid });
    const minted = await mintedFor(stage, presented);
    expect(decodeJwt(minted)).not.toHaveProperty('sid');

    const direct = await ext.token({ sub: 'demo', sid, aud: 'orders' });
    for (const token of [minted, direct]) {
      const claims = await stage.verified(accessTokenOf(await stage.exchange(token)));
      expect(claims).toMatchObject({ sub: 'demo', presented_iss: EXT });
      expect([claims['sid'], claims['scope']]).toEqual([undefined, undefined]);
      expect(errorOf(await stage.exchange(token, { scope: 'stock:read' }))).toEqual([400, 'invalid_scope']);
    }
  });

  test('S2: is logged with its issuer, and a user of the gateway without one', async () => {
    using ext = await TokenAuthority.create(EXT);
    await using stage = await TokenStage.start({
      issuers: { ext: ext.config },
      config: {
        log: { level: 'info', access: 'all' },
        routes: [
          { id: 'orders', match: { path: '/orders' }, upstream: 'app', credential: 'session', allow: { roles: ['x'] } },
          {
            id: 'api',
            match: { path: '/api' },
            upstream: 'app',
            credential: { service: ['ext'] },
            allow: { roles: ['x'] },
          },
        ],
      },
    });
    await stage.send('GET', '/api', [bearer(await ext.token({ sub: 'demo' }))]);
    await stage.send('GET', '/orders', [await stage.cookie('demo')]);
    expect(stage.events('denied')).toMatchObject([
      { subject: 'demo', subjectIssuer: EXT },
      { subject: 'demo', subjectIssuer: null },
    ]);
    const lines = stage.gateway.log.records.filter(({ subject }) => subject === 'demo');
    expect(lines.map(({ subjectIssuer }) => subjectIssuer)).toEqual([EXT, undefined]);
  });

  test('S2: in a JWT-SVID belongs to its trust domain, whatever its unverified iss says', async () => {
    using domain = await TokenAuthority.create(ISSUER);
    await using stage = await TokenStage.start({
      issuers: { mesh: { spiffe: { trustDomain: 'prod.example', bundleFile: domain.svidBundleFile } } },
      config: {
        routes: [
          {
            id: 'api',
            match: { path: '/api' },
            upstream: 'app',
            credential: { service: ['mesh'] },
            audience: 'orders',
          },
        ],
      },
    });
    const sub = 'spiffe://prod.example/cart';
    const claims = decodeJwt(await mintedFor(stage, await domain.token({ sub, sid: 'h', act: { sub: 'web' } })));
    const iss = 'spiffe://prod.example';
    expect(claims).toMatchObject({ sub, presented_iss: iss, act: { sub: 'web', iss } });
    expect(claims).not.toHaveProperty('sid');
  });
});
