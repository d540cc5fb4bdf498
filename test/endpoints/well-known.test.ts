import { expect, test } from 'vitest';
import { HOST, startGateway } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

test('the gateway serves its well-known documents, and routes may use the paths below them', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({
    upstream: upstream.origin,
    routes: [{ id: 'below', match: { path: '/.well-known/jwks.json/*' }, credential: 'none' }],
  });
  const ask = (path: string) => rawRequest(gateway.port, requestHead('GET', path, [HOST]));
  expect(JSON.parse((await ask('/.well-known/jwks.json')).body.toString())).toHaveProperty('keys');
  expect(upstream.requests).toHaveLength(0);
  expect((await ask('/.well-known/jwks.json/x')).status).toBe(200);
  expect(upstream.last.head).toContain('GET /.well-known/jwks.json/x HTTP/1.1');
});
