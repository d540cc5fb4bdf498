import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { HOST, startGateway } from './support/gateway.ts';
import { rawRequest, requestHead } from './support/raw-client.ts';
import { RecordingUpstream } from './support/recording-upstream.ts';

test('a request without a session is refused with 401 and reaches no upstream', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({ upstream: upstream.origin });
  const response = await rawRequest(gateway.port, requestHead('GET', '/orders', [HOST]));
  expect(response.status).toBe(401);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(JSON.parse(response.body.toString())).toMatchObject({ reason: 'credential_missing', status: 401 });
  expect(upstream.connectionCount).toBe(0);
});

test('a session cookie becomes an upstream token for one user and one audience', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({ upstream: upstream.origin });
  const response = await rawRequest(
    gateway.port,
    requestHead('GET', '/orders?x=1', [HOST, await gateway.cookie('bob')]),
  );
  expect(response.status).toBe(200);
  expect(response.body.toString()).toBe('ok');
  expect(upstream.last.head).toMatch(/^GET \/orders\?x=1 HTTP\/1\.1\r\n/);
  expect(upstream.text).not.toContain('__Host-sid');
  const [authorization = ''] = upstream.last.values('authorization');
  const claims = decodeJwt(authorization.replace('Bearer ', ''));
  expect(claims).toMatchObject({ iss: 'https://shop.example.com', sub: 'bob', aud: 'app' });
  expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(120);
});
