/** The outbound side of one gateway as a client of the token endpoint of another, both real. */

import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, exportJWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { SECRET, TokenStage } from '../endpoints/token/fixture.ts';
import { HOST } from '../support/gateway.ts';
import { OutboundStage, ReplacedFiles } from './stage.ts';

/** The workload is the client `orders` of the token endpoint, and calls `stock`. */
function destination(ingress: TokenStage, more: Record<string, unknown>, kind = 'exchange') {
  const tokenUrl = `http://127.0.0.1:${ingress.gateway.port}/auth/token`;
  return { audience: 'stock', token: { [kind]: { tokenUrl, clientId: 'orders', ...more } } };
}
const bearer = (token: string) => `Authorization: Bearer ${token}`;

describe('an exchange at the token endpoint of a gateway', () => {
  test('keeps user and session, adds the workload as actor, narrows scopes and never extends the lifetime', async () => {
    await using ingress = await TokenStage.start();
    using files = new ReplacedFiles();
    const clientSecretFile = files.put('secret', SECRET);
    await using stage = await OutboundStage.start({
      destinations: [destination(ingress, { clientSecretFile, scopes: ['stock:read'] })],
    });
    const token = await ingress.userToken('bob');
    expect((await stage.call('/', bearer(token))).status).toBe(200);
    const before = decodeJwt(token);
    const after = await ingress.verified(stage.lastToken);
    expect(after).toMatchObject({
      sub: 'bob',
      aud: 'stock',
      act: { sub: 'orders' },
      sid: before['sid'],
      scope: 'stock:read',
    });
    expect(after.exp).toBeLessThanOrEqual(before.exp as number);
  });

  test('RFC 7523: accepts a key of the workload in place of a secret', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    using files = new ReplacedFiles();
    const jwk = { ...(await exportJWK(publicKey)), kid: 'orders-1', alg: 'ES256', use: 'sig' };
    const jwksFile = files.put('jwks.json', JSON.stringify({ keys: [jwk] }));
    await using ingress = await TokenStage.start({ clients: { orders: { clientSecretFile: undefined, jwksFile } } });
    const privateKeyFile = files.put('key.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const credential = { privateKeyFile, keyId: 'orders-1', assertionAudience: 'https://shop.example.com' };
    await using stage = await OutboundStage.start({ destinations: [destination(ingress, credential)] });
    for (const user of ['bob', 'ann']) {
      expect((await stage.call('/', bearer(await ingress.userToken(user)))).status).toBe(200);
      expect(decodeJwt(stage.lastToken)).toMatchObject({ sub: user, act: { sub: 'orders' } });
    }
  });

  test('RFC 7523 §2.2: accepts a service token of the workload in place of a secret', async () => {
    await using ingress = await TokenStage.start();
    using files = new ReplacedFiles();
    const assertion = await ingress.cluster.token({ sub: 'system:serviceaccount:shop:reports' });
    const credential = {
      clientId: 'reports',
      assertionFile: files.put('token', `${assertion}\n`),
      audience: 'billing',
    };
    await using stage = await OutboundStage.start({
      destinations: [destination(ingress, credential, 'clientCredentials')],
    });
    expect((await stage.call('/')).status).toBe(200);
    expect(await ingress.verified(stage.lastToken)).toMatchObject({
      sub: 'system:serviceaccount:shop:reports',
      aud: 'billing',
    });
  });

  test('distinguishes failures of the user’s token, the policy and the workload’s credential', async () => {
    await using ingress = await TokenStage.start();
    using files = new ReplacedFiles();
    const clientSecretFile = files.put('secret', SECRET);
    const wrongSecretFile = files.put('wrong', `${SECRET}x`);
    await using stage = await OutboundStage.start({
      destinations: [
        destination(ingress, { clientSecretFile }),
        {
          ...destination(ingress, { clientSecretFile }),
          id: 'other',
          match: { host: 'other.internal' },
          audience: 'other',
        },
        {
          ...destination(ingress, { clientSecretFile: wrongSecretFile }),
          id: 'wrong',
          match: { host: 'wrong.internal' },
        },
      ],
    });
    const token = await ingress.userToken();
    const forCart = await ingress.upstreamToken(await ingress.cookie(), '/cart');
    expect(await stage.call('/', bearer('nonsense'))).toMatchObject({ status: 401, reason: 'token_invalid' });
    expect(await stage.call('/', bearer(forCart))).toMatchObject({ status: 401, reason: 'token_invalid' });
    expect(await stage.call('/', bearer(token), 'Host: other.internal')).toMatchObject({
      status: 403,
      reason: 'exchange_refused',
    });
    expect(await stage.call('/', bearer(token), 'Host: wrong.internal')).toMatchObject({
      status: 503,
      reason: 'token_unavailable',
    });
    expect(stage.orders.requests).toEqual([]);
  });

  test('issues no more tokens once the session has ended', async () => {
    await using ingress = await TokenStage.start();
    using files = new ReplacedFiles();
    const clientSecretFile = files.put('secret', SECRET);
    await using stage = await OutboundStage.start({
      destinations: [
        destination(ingress, { clientSecretFile }),
        {
          ...destination(ingress, { clientSecretFile }),
          id: 'billing',
          match: { host: 'b.internal' },
          audience: 'billing',
        },
      ],
    });
    const cookie = await ingress.cookie('bob');
    const token = await ingress.upstreamToken(cookie);
    expect((await stage.call('/', bearer(token))).status).toBe(200);
    expect(
      (await ingress.send('POST', '/auth/logout', [cookie, `Origin: https://${HOST.slice(6)}`])).status,
    ).toBeLessThan(400);
    // Another destination needs another exchange of the same token.
    expect(await stage.call('/', bearer(token), 'Host: b.internal')).toMatchObject({
      status: 401,
      reason: 'token_invalid',
    });
  });
});
