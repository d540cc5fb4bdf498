import { expect, test } from 'vitest';
import { startInstance } from '../support/instance.ts';
import { ecKeyPair, publicJwk } from '../support/issuers/forger.ts';
import { answering, KeyServer } from '../support/issuers/key-server.ts';
import { until } from '../support/until.ts';

test('JWT-47: /readyz fails until the keys of every issuer have been fetched once, and names the missing ones', async () => {
  await using server = await KeyServer.start((_request, response) => void response.writeHead(503).end());
  const issuer = { issuer: 'https://issuer.example', algorithms: ['ES256'] };
  await using instance = await startInstance({
    config: {
      issuers: {
        remote: { ...issuer, jwksUrl: `${server.origin}/jwks.json` },
        fixed: { ...issuer, jwks: { keys: [publicJwk(ecKeyPair())] } },
        cluster: { kubernetes: { tokenFile: 'nowhere', caFile: 'nowhere' } },
      },
    },
    routes: [{ id: 'api', match: { path: '/' }, credential: { service: ['remote', 'fixed', 'cluster'] } }],
  });
  const ready = async () => {
    const answer = await instance.admin('/readyz');
    return { status: answer.status, body: await answer.text() };
  };
  const before = await ready();
  expect(before.status).toBe(503);
  expect(JSON.parse(before.body)).toMatchObject({
    ready: false,
    components: expect.arrayContaining([
      { name: 'issuer remote', ok: false, required: true, detail: 'keys not fetched yet' },
      { name: 'issuer cluster', ok: false, required: false, detail: 'keys not fetched yet' },
    ]) as unknown,
  });
  expect(before.body).not.toContain('issuer fixed');

  // No request is needed: the gateway retries in the background, a second after the first failure.
  server.behaviour = answering({ keys: [publicJwk(ecKeyPair())] });
  await until(async () => (await ready()).status === 200, 'the keys were fetched');

  // R5: an issuer that a reload adds does not make a replica unready for everyone else.
  instance.file.write({
    config: { issuers: { later: { ...issuer, jwksUrl: 'http://127.0.0.1:1/jwks.json' } } },
    routes: [{ id: 'api', match: { path: '/' }, credential: { service: ['later'] } }],
  });
  expect((await instance.admin('/-/reload', { method: 'POST' })).status).toBe(200);
  const after = await ready();
  expect([after.status, after.body]).toEqual([
    200,
    expect.stringContaining('"issuer later","ok":false,"required":false'),
  ]);
});
