import { decodeJwt, decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { TestClocks } from '../../support/clocks.ts';
import { TokenAuthority } from '../../support/issuers/token-authority.ts';
import { asJti } from '../../support/names.ts';
import { ACCESS_TOKEN, AS_ORDERS, accessTokenOf, errorOf, JWT_TYPE, jsonOf, TokenStage } from './fixture.ts';

describe('token exchange', () => {
  test('RFC 8693 §2.2.1: turns a user’s token into one for the next audience, with the client as actor', async () => {
    await using stage = await TokenStage.start();
    const presented = await stage.userToken();
    const response = await stage.exchange(presented, { scope: 'stock:read' });
    expect(response.status).toBe(200);
    const { access_token: token, ...answer } = jsonOf(response);
    expect(answer).toEqual({
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'stock:read',
    });
    const before = decodeJwt(presented);
    const claims = await stage.verified(token as string);
    expect(claims).toEqual({
      iss: 'https://shop.example.com',
      sub: 'bob',
      aud: 'stock',
      act: { sub: 'orders' },
      scope: 'stock:read',
      client_id: 'orders',
      sid: before['sid'],
      roles: ['customer'],
      email: 'bob@example.com',
      iat: expect.any(Number),
      exp: expect.any(Number),
      jti: expect.any(String),
    });
    expect(claims.exp! - claims.iat!).toBe(answer['expires_in']);
    expect(decodeProtectedHeader(token as string)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
    expect(claims.jti).not.toBe(before.jti);
  });

  test('RFC 6749 §5.1: answers must not be cached', async () => {
    await using stage = await TokenStage.start();
    const { headers } = await stage.exchange(await stage.userToken());
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('pragma')).toBe('no-cache');
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.has('set-cookie')).toBe(false);
  });

  test('RFC 8693 §3: accepts and issues a token as the type jwt', async () => {
    await using stage = await TokenStage.start();
    const response = await stage.exchange(await stage.userToken(), {
      subject_token_type: JWT_TYPE,
      requested_token_type: JWT_TYPE,
    });
    expect(jsonOf(response)['issued_token_type']).toBe(JWT_TYPE);
  });

  test('RFC 8693 §4.1: puts each further actor at the head of the chain', async () => {
    await using stage = await TokenStage.start();
    const forStock = accessTokenOf(await stage.exchange(await stage.userToken(), { scope: 'stock:read' }));
    const form = { ...stage.exchangeForm(forStock, { audience: 'billing' }), ...(await stage.asStock()) };
    const claims = await stage.verified(accessTokenOf(await stage.token(form)));
    expect(claims).toMatchObject({ sub: 'bob', aud: 'billing', act: { sub: 'stock', act: { sub: 'orders' } } });
    expect(stage.events('token_exchanged').at(-1)).toMatchObject({ actors: ['stock', 'orders'], clientId: 'stock' });
  });

  test('refuses a chain longer than maxChainDepth', async () => {
    await using stage = await TokenStage.start({ tokenEndpoint: { maxChainDepth: 1 } });
    const forStock = accessTokenOf(await stage.exchange(await stage.userToken()));
    const form = { ...stage.exchangeForm(forStock, { audience: 'billing' }), ...(await stage.asStock()) };
    expect(errorOf(await stage.token(form))).toEqual([400, 'invalid_request']);
    expect(stage.events('token_refused')).toMatchObject([{ note: expect.stringContaining('actors') }]);
  });

  test('issues a token that ends no later than the one presented', async () => {
    const clocks = new TestClocks();
    await using stage = await TokenStage.start({ clocks, tokenEndpoint: { exchangeLifetime: '1h' } });
    const presented = await stage.userToken();
    clocks.advance(100_000);
    const response = await stage.exchange(presented);
    expect(decodeJwt(accessTokenOf(response)).exp).toBe(decodeJwt(presented).exp);
    expect(jsonOf(response)['expires_in']).toBe(20);
    clocks.advance(19_500);
    expect(errorOf(await stage.exchange(presented))).toEqual([400, 'invalid_request']);
    clocks.advance(500);
    expect(errorOf(await stage.exchange(presented))).toEqual([400, 'invalid_request']);
    const notes = stage.events('token_refused').map(({ note }) => note);
    expect(notes).toEqual(['subject token: ends within a second', 'subject token: not a live token of this gateway']);
  });

  test('issues a token that ends no later than its session', async () => {
    using edge = await TokenAuthority.create('https://edge.example');
    await using stage = await TokenStage.start({
      issuers: { edge: { ...edge.config, audience: 'orders' } },
      tokenEndpoint: { exchangeLifetime: '1h', subjectIssuers: [{ issuer: 'edge', sharesSessions: true }] },
    });
    const short = { subject: 'amy', user: {}, method: 'backend', device: '', lifetimeMs: 120_000 } as const;
    const { record } = await stage.gateway.gateway.sessions.open(short);
    const presented = await edge.token({ sub: 'amy', aud: 'orders', sid: record.handle }, 600);
    const { exp } = await stage.verified(accessTokenOf(await stage.exchange(presented)));
    expect(exp! * 1_000).toBeLessThanOrEqual(record.expiresAtMs);
  });

  test('uses the client’s only audience when none is requested', async () => {
    await using stage = await TokenStage.start();
    const forStock = accessTokenOf(await stage.exchange(await stage.userToken()));
    const { audience: _, ...form } = stage.exchangeForm(forStock);
    const response = await stage.token({ ...form, ...(await stage.asStock()) });
    expect(decodeJwt(accessTokenOf(response)).aud).toBe('billing');
    expect(errorOf(await stage.token(form, AS_ORDERS))).toEqual([400, 'invalid_target']);
  });
});

describe('who may exchange what', () => {
  test.each([
    ['an unknown audience', { audience: 'nothing' }],
    ['its own audience', { audience: 'orders' }],
    ['an audience from Object.prototype', { audience: '__proto__' }],
    ['an audience in other case', { audience: 'Stock' }],
    ['two audiences in one', { audience: 'stock billing' }],
    ['a resource (RFC 8707)', { resource: 'https://stock.example.com/' }],
  ])('RFC 8693 §2.2.2: %s gets invalid_target', async (_title, over) => {
    await using stage = await TokenStage.start();
    expect(errorOf(await stage.exchange(await stage.userToken(), over))).toEqual([400, 'invalid_target']);
  });

  test('RFC 6749 §5.2: a client without an audience for the grant gets unauthorized_client', async () => {
    await using stage = await TokenStage.start();
    const bearer = `Authorization: Bearer ${await stage.cluster.token({ sub: 'system:serviceaccount:shop:reports' })}`;
    const response = await stage.token(stage.exchangeForm(await stage.userToken()), bearer);
    expect(errorOf(response)).toEqual([400, 'unauthorized_client']);
  });

  test('JWT-54: a token for another service is refused (confused deputy)', async () => {
    await using stage = await TokenStage.start();
    const forCart = await stage.upstreamToken(await stage.cookie(), '/cart');
    expect(errorOf(await stage.exchange(forCart))).toEqual([400, 'invalid_request']);
    const forStock = accessTokenOf(await stage.exchange(await stage.userToken()));
    expect(errorOf(await stage.exchange(forStock))).toEqual([400, 'invalid_request']);
    const notes = stage.events('token_refused').map(({ note, subject }) => [note, subject]);
    expect(notes).toEqual(Array(2).fill([expect.stringContaining('its audience is not the client'), null]));
  });

  test('a client may have audiences other than its name', async () => {
    await using stage = await TokenStage.start({
      clients: { orders: { audiences: ['cart', 'basket'], exchange: { stock: {} } } },
    });
    const cookie = await stage.cookie();
    expect((await stage.exchange(await stage.upstreamToken(cookie, '/cart'))).status).toBe(200);
    expect(errorOf(await stage.exchange(await stage.upstreamToken(cookie)))).toEqual([400, 'invalid_request']);
  });
});

describe('scopes', () => {
  test('JWT-52: a scope beyond the policy gets invalid_scope instead of being dropped', async () => {
    await using stage = await TokenStage.start();
    const presented = await stage.userToken();
    for (const scope of ['stock:admin', 'stock:read stock:admin', 'stock', 'stock:rea', 'STOCK:READ', 'bill:read']) {
      expect([scope, ...errorOf(await stage.exchange(presented, { scope }))]).toEqual([scope, 400, 'invalid_scope']);
    }
  });

  test.each([
    'stock:read  stock:write',
    ' stock:read',
    'stock:read ',
    'stock:read\tx',
    'a"b',
    'a\\b',
    'stück',
    'a\u2003b',
  ])('RFC 6749 §3.3: %j is not a list of scopes', async (scope) => {
    await using stage = await TokenStage.start();
    expect(errorOf(await stage.exchange(await stage.userToken(), { scope }))).toEqual([400, 'invalid_scope']);
  });

  test('all grantable scopes are issued when none are requested', async () => {
    await using stage = await TokenStage.start();
    const response = await stage.exchange(await stage.userToken());
    expect(jsonOf(response)['scope']).toBe('stock:read stock:write');
  });

  test('a second exchange adds no scope that the presented token lacks', async () => {
    await using stage = await TokenStage.start();
    const forStock = accessTokenOf(await stage.exchange(await stage.userToken(), { scope: 'stock:read' }));
    const further = async (over: Record<string, string>) =>
      stage.token({ ...stage.exchangeForm(forStock, { audience: 'billing', ...over }), ...(await stage.asStock()) });
    expect(errorOf(await further({ scope: 'bill:read' }))).toEqual([400, 'invalid_scope']);
    expect(jsonOf(await further({}))['scope']).toBe('stock:read');
  });

  test('a token that was exchanged for one without scopes gets none from the policy', async () => {
    await using stage = await TokenStage.start({ clients: { orders: { exchange: { stock: {} } } } });
    const forStock = accessTokenOf(await stage.exchange(await stage.userToken()));
    const further = async (over: Record<string, string>) =>
      stage.token({ ...stage.exchangeForm(forStock, { audience: 'billing', ...over }), ...(await stage.asStock()) });
    expect(errorOf(await further({ scope: 'bill:read' }))).toEqual([400, 'invalid_scope']);
    expect(jsonOf(await further({}))).not.toHaveProperty('scope');
  });

  test('a user without scopes gets none where users have mapped scopes', async () => {
    await using stage = await TokenStage.start({ config: { upstreamToken: { claims: { scope: 'user.scope' } } } });
    const scoped = await stage.upstreamToken(await stage.cookie('amy', { scope: 'stock:read other' }));
    expect(jsonOf(await stage.exchange(scoped))['scope']).toBe('stock:read');
    expect(errorOf(await stage.exchange(await stage.userToken(), { scope: 'stock:read' }))).toEqual([
      400,
      'invalid_scope',
    ]);
  });

  test('a service token without scopes gets none, either', async () => {
    await using stage = await TokenStage.start();
    // A service token without scopes, presented by the service that received it.
    const own = accessTokenOf(
      await stage.token({ grant_type: 'client_credentials', audience: 'orders', ...(await stage.asStock()) }),
    );
    expect(decodeJwt(own)).not.toHaveProperty('scope');
    expect(errorOf(await stage.exchange(own, { scope: 'stock:read' }))).toEqual([400, 'invalid_scope']);
    const exchanged = await stage.verified(accessTokenOf(await stage.exchange(own)));
    expect(exchanged).toMatchObject({ sub: 'stock', act: { sub: 'orders' } });
    expect(exchanged).not.toHaveProperty('scope');
  });
});

describe('a subject token', () => {
  test('of a revoked session is refused', async () => {
    await using stage = await TokenStage.start();
    const presented = await stage.userToken();
    expect((await stage.exchange(presented)).status).toBe(200);
    await stage.gateway.gateway.sessions.endAll('bob', 'operator');
    expect(errorOf(await stage.exchange(presented))).toEqual([400, 'invalid_request']);
    expect(stage.events('token_refused')).toMatchObject([{ note: 'subject token: its session has ended' }]);
  });

  test('of an idle session is refused, and exchanging it does not prolong the session', async () => {
    const clocks = new TestClocks();
    await using stage = await TokenStage.start({ clocks, config: { session: { idleTimeout: '60s' } } });
    const presented = await stage.userToken();
    clocks.advance(40_000);
    expect((await stage.exchange(presented)).status).toBe(200);
    clocks.advance(20_000);
    expect(errorOf(await stage.exchange(presented))).toEqual([400, 'invalid_request']);
    expect(stage.events('token_refused')).toMatchObject([{ note: 'subject token: its session has ended' }]);
  });

  test('that was itself exchanged is refused once its session is revoked', async () => {
    await using stage = await TokenStage.start();
    const forStock = accessTokenOf(await stage.exchange(await stage.userToken()));
    await stage.gateway.gateway.sessions.endAll('bob', 'operator');
    const form = { ...stage.exchangeForm(forStock, { audience: 'billing' }), ...(await stage.asStock()) };
    expect(errorOf(await stage.token(form))).toEqual([400, 'invalid_request']);
  });

  test('that was revoked by jti, subject or actor is refused', async () => {
    const clocks = new TestClocks();
    await using stage = await TokenStage.start({ clocks });
    const { tokenRevocations } = stage.gateway.gateway.store;
    const nowMs = clocks.wallMs();
    const common = { issuer: null, expiresAtMs: nowMs + 600_000 } as const;
    const asStock = async (token: string) =>
      stage.token({ ...stage.exchangeForm(token, { audience: 'billing' }), ...(await stage.asStock()) });

    const leaked = await stage.userToken('carl');
    const another = await stage.userToken('carl');
    await tokenRevocations.revoke({ kind: 'token', tokenId: asJti(decodeJwt(leaked).jti!), ...common });
    expect(errorOf(await stage.exchange(leaked))).toEqual([400, 'invalid_request']);
    expect((await stage.exchange(another)).status).toBe(200);

    const forStock = accessTokenOf(await stage.exchange(await stage.userToken('dora')));
    expect((await asStock(forStock)).status).toBe(200);
    clocks.advance(1_000);
    const notBeforeMs = clocks.wallMs();
    await tokenRevocations.revoke({ kind: 'subject', subject: 'orders', notBeforeMs, ...common });
    expect(errorOf(await asStock(forStock))).toEqual([400, 'invalid_request']);
    await tokenRevocations.revoke({ kind: 'subject', subject: 'carl', notBeforeMs, ...common });
    expect(errorOf(await stage.exchange(another))).toEqual([400, 'invalid_request']);
    const notes = stage.events('token_refused').map(({ note }) => note);
    expect(notes).toEqual(Array(3).fill('subject token: revoked'));
  });

  test('is refused unless the gateway signed it', async () => {
    await using stage = await TokenStage.start();
    const presented = await stage.userToken();
    const { kid } = decodeProtectedHeader(presented);
    const { privateKey } = await generateKeyPair('ES256');
    const claims = decodeJwt(presented);
    const forged = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: kid!, typ: 'JWT' })
      .sign(privateKey);
    const [head, payload, signature] = presented.split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none', kid, typ: 'JWT' })).toString('base64url');
    const otherPayload = Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url');
    const other = await stage.cluster.token({ sub: 'bob', aud: 'orders' });
    for (const [what, token] of [
      ['another key', forged],
      ['JWT-01: alg none', `${none}.${payload}.`],
      ['JWT-01: alg none with a signature', `${none}.${payload}.${signature}`],
      ['another payload', `${head}.${otherPayload}.${signature}`],
      ['JWT-20: no signature', `${head}.${payload}.`],
      [
        'JWT-26: a trailing bit',
        `${presented.slice(0, -1)}${String.fromCharCode(presented.charCodeAt(presented.length - 1) + 1)}`,
      ],
      ['JWT-25: a space in it', presented.replace('.', '. ')],
      ['an issuer that the policy does not name', other],
      ['no token', 'x'],
      ['JWT-39: very many dots', '.'.repeat(10_000)],
    ] as const) {
      expect([what, ...errorOf(await stage.exchange(token))]).toEqual([what, 400, 'invalid_request']);
    }
  });

  test('RFC 8693 §4.4: names in may_act who may exchange it', async () => {
    using edge = await TokenAuthority.create('https://edge.example');
    await using stage = await TokenStage.start({
      issuers: { edge: { ...edge.config, audience: 'orders' } },
      tokenEndpoint: { subjectIssuers: [{ issuer: 'edge', sharesSessions: false }] },
    });
    const exchange = async (claims: Record<string, unknown>) =>
      stage.exchange(await edge.token({ sub: 'eve', aud: 'orders', scope: 'stock:read', ...claims }));
    expect((await exchange({})).status).toBe(200);
    const iss = 'https://shop.example.com';
    expect((await exchange({ may_act: { sub: 'orders', iss } })).status).toBe(200);
    for (const may_act of [
      { sub: 'stock', iss },
      { sub: 'orders', iss: 'https://edge.example' },
      // S2: without an issuer this is the `orders` of edge, which is unknown here.
      { sub: 'orders' },
      'orders',
    ])
      expect([may_act, ...errorOf(await exchange({ may_act }))]).toEqual([may_act, 400, 'invalid_request']);
  });

  test('from a listed issuer is accepted; its sid names a session only with sharesSessions', async () => {
    using edge = await TokenAuthority.create('https://edge.example');
    const issuers = { edge: { ...edge.config, audience: 'orders' } };
    const withPolicy = (sharesSessions: boolean) =>
      TokenStage.start({ issuers, tokenEndpoint: { subjectIssuers: [{ issuer: 'edge', sharesSessions }] } });
    const token = (claims: Record<string, unknown> = {}) =>
      edge.token({ sub: 'eve', aud: ['orders', 'more'], scope: 'stock:read x', roles: ['r'], tier: 'gold', ...claims });
    const foreign = 'f'.repeat(43);

    await using apart = await withPolicy(false);
    const claims = await apart.verified(accessTokenOf(await apart.exchange(await token({ sid: foreign }))));
    expect(claims).toMatchObject({
      sub: 'eve',
      aud: 'stock',
      scope: 'stock:read',
      roles: ['r'],
      act: { sub: 'orders' },
    });
    expect(claims).not.toHaveProperty('sid');
    expect(claims).not.toHaveProperty('tier');

    await using shared = await withPolicy(true);
    for (const sid of [foreign, 'not a handle', 7, null]) {
      expect(errorOf(await shared.exchange(await token({ sid })))).toEqual([400, 'invalid_request']);
    }
    const notes = shared.events('token_refused').map(({ note }) => String(note).includes('sid is not a handle'));
    expect(notes).toEqual([false, true, true, true]);
    const { sid } = decodeJwt(await shared.userToken('bob'));
    expect(errorOf(await shared.exchange(await token({ sid })))).toEqual([400, 'invalid_request']);
    const bobs = await shared.verified(accessTokenOf(await shared.exchange(await token({ sub: 'bob', sid }))));
    expect(bobs).toMatchObject({ sub: 'bob', sid });
  });

  test('from another gateway with our issuer and its own keys is accepted if it is listed', async () => {
    using ingress = await TokenAuthority.create('https://shop.example.com');
    const issuers = { ingress: { ...ingress.config, audience: 'orders' } };
    await using named = await TokenStage.start({ issuers, tokenEndpoint: { subjectIssuers: [{ issuer: 'ingress' }] } });
    await using unnamed = await TokenStage.start({ issuers });
    const { sid } = decodeJwt(await named.userToken());
    const token = await ingress.token({ sub: 'bob', aud: 'orders', sid });
    expect(await named.verified(accessTokenOf(await named.exchange(token)))).toMatchObject({ sub: 'bob', sid });
    expect((await named.exchange(await named.userToken())).status).toBe(200);
    expect(errorOf(await unnamed.exchange(token))).toEqual([400, 'invalid_request']);
  });

  test.each([
    ['a chain that is not an object', 'orders'],
    ['an actor without a subject', {}],
    ['an actor whose subject is not a string', { sub: 7 }],
    ['a list of actors', [{ sub: 'a' }]],
    ['a broken link', { sub: 'a', act: 'b' }],
    ['a chain that is already full', { sub: 'a', act: { sub: 'b', act: { sub: 'c' } } }],
    ['a chain that is too long', { sub: 'a', act: { sub: 'b', act: { sub: 'c', act: { sub: 'd' } } } }],
  ])('RFC 8693 §4.1: with %s is refused', async (_title, act) => {
    using edge = await TokenAuthority.create('https://edge.example');
    await using stage = await TokenStage.start({
      issuers: { edge: { ...edge.config, audience: 'orders' } },
      tokenEndpoint: { subjectIssuers: [{ issuer: 'edge', sharesSessions: false }] },
    });
    expect(errorOf(await stage.exchange(await edge.token({ aud: 'orders', act })))).toEqual([400, 'invalid_request']);
  });

  test('JWT-33: of another type is refused, as are unusable claims', async () => {
    await using stage = await TokenStage.start();
    const { signing } = stage.gateway.gateway.longLived.signingKeys.keyring.states()[0]!;
    const presented = decodeJwt(await stage.userToken());
    const signed = (typ: string | undefined, claims: Record<string, unknown> = {}) =>
      new SignJWT({ ...presented, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: signing.kid, ...(typ !== undefined && { typ }) })
        .sign(signing.key);
    expect((await stage.exchange(await signed('JWT'))).status).toBe(200);
    for (const typ of ['logout+jwt', 'jwt+x', undefined]) {
      expect([typ, ...errorOf(await stage.exchange(await signed(typ)))]).toEqual([typ, 400, 'invalid_request']);
    }
    for (const claims of [
      { iss: 'https://other.example' },
      { exp: undefined },
      { exp: 1e300 },
      { exp: '9' },
      { iat: undefined },
      { sub: 7 },
      { aud: 7 },
    ]) {
      const answer = errorOf(await stage.exchange(await signed('JWT', claims)));
      expect([claims, ...answer]).toEqual([claims, 400, 'invalid_request']);
    }
  });
});
