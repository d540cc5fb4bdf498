import { describe, expect, test } from 'vitest';
import { Files } from '../login/fixture.ts';
import { AS_ORDERS, accessTokenOf, basic, errorOf, TokenStage } from './fixture.ts';

const OWN = { grant_type: 'client_credentials' };

describe('a reload', () => {
  test('changes the policy, and tokens issued before stay valid', async () => {
    await using files = new Files();
    await using stage = await TokenStage.start();
    const { gateway } = stage.gateway;
    const before = await stage.userToken();
    const forStock = accessTokenOf(await stage.exchange(before));

    const { config } = gateway;
    const { tokenEndpoint } = config;
    const { orders, ...others } = tokenEndpoint!.clients;
    const clientSecretFile = await files.write('new', 'n'.repeat(32));
    const changed = { ...orders!, clientSecretFile, exchange: { billing: { scopes: [] } } };
    await stage.gateway.apply({
      ...config,
      tokenEndpoint: { ...tokenEndpoint!, clients: { ...others, orders: changed } },
    });

    const now = basic('orders', 'n'.repeat(32));
    expect(errorOf(await stage.token(OWN, AS_ORDERS))).toEqual([401, 'invalid_client']);
    expect((await stage.token(OWN, now)).status).toBe(200);
    expect(errorOf(await stage.token(stage.exchangeForm(before), now))).toEqual([400, 'invalid_target']);
    expect((await stage.token(stage.exchangeForm(before, { audience: 'billing' }), now)).status).toBe(200);
    const form = { ...stage.exchangeForm(forStock, { audience: 'billing' }), ...(await stage.asStock()) };
    expect((await stage.token(form)).status).toBe(200);
  });

  test('with an unusable secret changes nothing', async () => {
    await using files = new Files();
    await using stage = await TokenStage.start();
    const { gateway } = stage.gateway;
    const { config } = gateway;
    const { tokenEndpoint } = config;
    const clientSecretFile = await files.write('short', 'n'.repeat(31));
    const orders = { ...tokenEndpoint!.clients['orders']!, clientSecretFile };
    const clients = { ...tokenEndpoint!.clients, orders };
    const apply = stage.gateway.apply({ ...config, tokenEndpoint: { ...tokenEndpoint!, clients } });
    await expect(apply).rejects.toThrow('fewer than 32 characters');
    expect((await stage.token(OWN, AS_ORDERS)).status).toBe(200);
  });

  test('JWT-44: does not make a used assertion valid again', async () => {
    await using stage = await TokenStage.start();
    const form = { ...OWN, audience: 'billing', ...(await stage.asStock()) };
    expect((await stage.token(form)).status).toBe(200);
    await stage.gateway.apply(stage.gateway.gateway.config);
    expect(errorOf(await stage.token(form))).toEqual([401, 'invalid_client']);
  });
});
