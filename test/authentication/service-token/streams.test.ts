/** S7: the lifetime of a stream opened with a service token. */

import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { TestClocks } from '../../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN, startGateway } from '../../support/gateway.ts';
import { RawConnection, requestHead } from '../../support/raw-client.ts';
import { RawUpstream } from '../../support/raw-upstream.ts';
import { startEchoUpstream, WebSocketClient } from '../../support/websocket.ts';

const { privateKey, publicKey } = await generateKeyPair('ES256');
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] };
const issuer = (name: string, settings: Record<string, unknown> = {}) => ({
  issuer: `https://${name}.example`,
  algorithms: ['ES256'],
  jwks,
  ...settings,
});

/** A gateway with an issuer whose streams end with their tokens and one whose streams do not, and tokens of both. */
async function start(app: string, clocks: TestClocks) {
  const gateway = await startGateway({
    upstream: app,
    clocks,
    routes: [{ id: 'app', match: { path: '/' }, credential: { service: ['bound', 'free'] } }],
    config: { issuers: { bound: issuer('bound'), free: issuer('free', { streamsOutliveToken: true }) } },
  });
  const token = async (name: string, lifetimeSec: number) => {
    const nowSec = clocks.wallMs() / 1_000;
    const jwt = await new SignJWT({ iat: nowSec, exp: nowSec + lifetimeSec })
      .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'JWT' })
      .setIssuer(`https://${name}.example`)
      .setAudience(PUBLIC_ORIGIN)
      .setSubject('cart')
      .sign(privateKey);
    return `Authorization: Bearer ${jwt}`;
  };
  return { gateway, token };
}

test('S7: a WebSocket ends at its token’s `exp` plus skew, unless the issuer lets it outlive the token', async () => {
  const clocks = new TestClocks();
  await using upstream = await startEchoUpstream();
  const { gateway, token } = await start(upstream.origin, clocks);
  await using _ = gateway;
  const open = async (of: string) => WebSocketClient.open(gateway.port, '/ws', [of]);
  await using bound = await open(await token('bound', 3));
  await using longer = await open(await token('bound', 10));
  await using free = await open(await token('free', 3));
  const echoes = async (client: WebSocketClient) => {
    client.send('x');
    return await client.text();
  };
  expect(await echoes(bound)).toBe('x');
  clocks.advance(33_000);
  expect(await bound.closeCode()).toBe(1008);
  // `longer` has expired, but is within the skew that would still admit it.
  expect([await echoes(longer), await echoes(free)]).toEqual(['x', 'x']);
  clocks.advance(3_600_000);
  expect(await longer.closeCode()).toBe(1008);
  expect(await echoes(free)).toBe('x');
  const text = await gateway.metrics.text();
  expect(text).toContain('sallyport_streams_ended_total{credential="token"} 2\n');
});

test('S7: an expired token cuts a response in progress and answers an upload with 401', async () => {
  const clocks = new TestClocks();
  await using upstream = await RawUpstream.start((socket) => {
    socket.once('data', (head: Buffer) => {
      if (head.toString().startsWith('GET ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart');
    });
  });
  const { gateway, token } = await start(upstream.origin, clocks);
  await using _ = gateway;
  const authorization = await token('bound', 3);
  await using download = await RawConnection.open(gateway.port);
  download.write(requestHead('GET', '/x', [HOST, authorization]));
  await using upload = await RawConnection.open(gateway.port);
  upload.write(`${requestHead('PUT', '/x', [HOST, authorization, 'Content-Length: 9'])}part`);
  await expect.poll(() => upstream.connectionCount).toBe(2);
  clocks.advance(33_000);
  expect((await download.remainder()).toString()).toMatch(/\r\n\r\npart$/);
  const answer = await upload.response();
  expect(answer.status).toBe(401);
  expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
});
