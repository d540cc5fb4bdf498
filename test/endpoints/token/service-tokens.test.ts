import { decodeProtectedHeader } from 'jose';
import { describe, expect, test } from 'vitest';
import { TestClocks } from '../../support/clocks.ts';
import { AS_ORDERS, accessTokenOf, basic, errorOf, jsonOf, SECRET, TOKEN_URL, TokenStage } from './fixture.ts';

const OWN = { grant_type: 'client_credentials' };

describe('a token for the client itself', () => {
  test('RFC 6749 §4.4.3: names the client, one audience and its scopes, and lives for five minutes', async () => {
    const clocks = new TestClocks();
    await using stage = await TokenStage.start({ clocks });
    const response = await stage.token({ ...OWN, audience: 'stock', scope: 'stock:read' }, AS_ORDERS);
    expect(response.status).toBe(200);
    const { access_token: token, ...answer } = jsonOf(response);
    expect(answer).toEqual({ token_type: 'Bearer', expires_in: 300, scope: 'stock:read' });
    const iat = clocks.wallMs() / 1_000;
    expect(await stage.verified(token as string)).toEqual({
      iss: 'https://shop.example.com',
      sub: 'orders',
      aud: 'stock',
      scope: 'stock:read',
      client_id: 'orders',
      iat,
      exp: iat + 300,
      jti: expect.any(String),
    });
    expect(decodeProtectedHeader(token as string)).toMatchObject({ typ: 'at+jwt' });
  });

  test('has a configurable lifetime and subject', async () => {
    await using stage = await TokenStage.start({
      tokenEndpoint: { serviceTokenLifetime: '90s' },
      clients: { orders: { subject: 'spiffe://shop/orders' } },
    });
    const response = await stage.token(OWN, AS_ORDERS);
    expect(jsonOf(response)['expires_in']).toBe(90);
    expect(await stage.verified(accessTokenOf(response))).toMatchObject({ sub: 'spiffe://shop/orders' });
  });

  test('is limited to the audiences and scopes of the policy for this grant', async () => {
    await using stage = await TokenStage.start();
    for (const [form, error] of [
      [{ audience: 'billing' }, 'invalid_target'],
      [{ audience: 'orders' }, 'invalid_target'],
      [{ audience: 'stock', scope: 'stock:write' }, 'invalid_scope'],
      [{ resource: 'https://stock.example.com' }, 'invalid_target'],
    ] as const) {
      expect([form, ...errorOf(await stage.token({ ...OWN, ...form }, AS_ORDERS))]).toEqual([form, 400, error]);
    }
    expect(errorOf(await stage.token({ ...OWN, ...(await stage.asStock()) }))).toEqual([400, 'invalid_target']);
  });

  test('RFC 6749 §5.2: gets unauthorized_client without an audience for this grant', async () => {
    await using stage = await TokenStage.start({ clients: { orders: { serviceTokens: {} } } });
    expect(errorOf(await stage.token(OWN, AS_ORDERS))).toEqual([400, 'unauthorized_client']);
  });
});

describe('metadata, metrics and logs', () => {
  test('RFC 8414 §2: discovery names the endpoint, its grants and its client authentication methods', async () => {
    await using stage = await TokenStage.start();
    const discovery = jsonOf(await stage.send('GET', '/.well-known/openid-configuration', []));
    expect(discovery).toMatchObject({
      token_endpoint: TOKEN_URL,
      grant_types_supported: ['urn:ietf:params:oauth:grant-type:token-exchange', 'client_credentials'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt'],
      token_endpoint_auth_signing_alg_values_supported: ['ES256'],
    });
  });

  test('discovery names no token endpoint where there is none', async () => {
    await using stage = await TokenStage.start({ config: { tokenEndpoint: undefined } });
    const discovery = jsonOf(await stage.send('GET', '/.well-known/openid-configuration', []));
    expect(discovery).not.toHaveProperty('token_endpoint');
  });

  test('every outcome is counted by grant and result, and every series exists from the start', async () => {
    await using stage = await TokenStage.start();
    const count = (grant: string, result: string) =>
      stage.metric(`sallyport_token_requests_total{grant="${grant}",result="${result}"}`);
    expect(await count('token_exchange', 'invalid_target')).toBe(0);
    await stage.exchange(await stage.userToken());
    await stage.exchange('x');
    await stage.token(OWN, AS_ORDERS);
    await stage.token(OWN, basic('orders', 'x'));
    await stage.token({ grant_type: 'password' }, AS_ORDERS);
    expect(await count('token_exchange', 'issued')).toBe(1);
    expect(await count('token_exchange', 'invalid_request')).toBe(1);
    expect(await count('client_credentials', 'issued')).toBe(1);
    expect(await count('client_credentials', 'invalid_client')).toBe(1);
    expect(await count('other', 'unsupported_grant_type')).toBe(1);
    expect(await count('other', 'temporarily_unavailable')).toBe(0);
  });

  test('the audit log records who got what for whom, and why requests were refused', async () => {
    await using stage = await TokenStage.start();
    const presented = await stage.userToken();
    const { jti, sid } = await stage.verified(accessTokenOf(await stage.exchange(presented)));
    const own = await stage.verified(accessTokenOf(await stage.token(OWN, AS_ORDERS)));
    await stage.exchange(presented, { scope: 'stock:admin' });
    await stage.exchange(presented, { audience: 'x"\n{secret}' });
    await stage.token(OWN, basic('orders', 'x'));
    const granted = { clientId: 'orders', audience: 'stock', client: '127.0.0.1', id: expect.any(String) };
    expect(stage.events('token_exchanged')).toMatchObject([
      { ...granted, subject: 'bob', scopes: ['stock:read', 'stock:write'], jti, handle: sid, actors: ['orders'] },
    ]);
    expect(stage.events('token_issued')).toMatchObject([
      { ...granted, subject: 'orders', scopes: ['stock:read'], jti: own.jti },
    ]);
    const refused = { grant: 'token_exchange', clientId: 'orders' };
    expect(stage.events('token_refused')).toMatchObject([
      { ...refused, subject: 'bob', audience: 'stock', reason: 'scope_exceeded', note: expect.any(String) },
      { ...refused, subject: null, audience: null, reason: 'target_forbidden' },
      { grant: 'client_credentials', clientId: null, subject: null, audience: null, reason: 'client_unauthorized' },
    ]);
  });

  test('no token, secret or assertion is in any log', async () => {
    await using stage = await TokenStage.start();
    const presented = await stage.userToken();
    const assertion = await stage.assertion();
    const assertionForm = { ...(await stage.asStock()), client_assertion: assertion };
    const issued = [
      await stage.exchange(presented),
      await stage.token(OWN, AS_ORDERS),
      await stage.token({ ...OWN, ...assertionForm, audience: 'billing' }),
    ].map(accessTokenOf);
    await stage.exchange(`${presented}x`);
    await stage.token({ ...OWN, client_secret: SECRET });
    await stage.token({ ...OWN, ...assertionForm });
    await stage.token(OWN, basic('orders', `${SECRET}!`));
    const written = stage.gateway.log.text + stage.gateway.audit.text + (await stage.gateway.metrics.text());
    const basicValue = AS_ORDERS.slice('Authorization: Basic '.length);
    for (const secret of [...issued, presented, assertion, SECRET, basicValue]) {
      expect(written).not.toContain(secret);
      // A signature alone is as good as the token to anyone who knows the rest.
      expect(written).not.toContain(secret.split('.').at(-1));
    }
  });

  test('a token verifies until it expires, even if its signing key was replaced at once', async () => {
    const clocks = new TestClocks();
    await using stage = await TokenStage.start({ clocks, tokenEndpoint: { serviceTokenLifetime: '1h' } });
    const token = accessTokenOf(await stage.token(OWN, AS_ORDERS));
    const { keyring } = stage.gateway.gateway.longLived.signingKeys;
    const { generatePrivateJwk, importPrivateJwk } = await import('../../../src/token/signing-key.ts');
    const signing = await importPrivateJwk(await generatePrivateJwk('ES256'), 'ES256');
    const [old] = keyring.states();
    keyring.replace([old!, { signing, activatesAtMs: clocks.wallMs(), createdAtMs: clocks.wallMs() }]);
    clocks.advance(3_599_000);
    expect(await stage.verified(token)).toMatchObject({ sub: 'orders' });
    clocks.advance(62_000);
    await expect(stage.verified(token)).rejects.toThrow();
  });
});
