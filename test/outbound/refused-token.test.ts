/** A destination that refuses a kept token, because its key was replaced or it was revoked there. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestClocks } from '../support/clocks.ts';
import { refusing, TestAuthorizationServer } from '../support/issuers/authorization-server.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { OutboundStage, ReplacedFiles } from './stage.ts';

let files: ReplacedFiles;
let server: TestAuthorizationServer;
let clocks: TestClocks;
let stage: OutboundStage;
/** The tokens that the destination does not accept. */
let refused: Set<string>;
beforeEach(async () => {
  files = new ReplacedFiles();
  clocks = new TestClocks();
  server = await TestAuthorizationServer.start();
  const clientSecretFile = files.put('secret', 'a secret that is long enough to be one\n');
  const clientCredentials = { tokenUrl: server.tokenUrl, clientId: 'cart', clientSecretFile };
  stage = await OutboundStage.start({
    destinations: [
      { token: { clientCredentials } },
      { id: 'own', match: { host: 'own.internal' }, token: { service: {} } },
    ],
    clocks,
  });
  refused = new Set();
  stage.orders.answer = (request, socket) => {
    const [authorization = ''] = request.values('authorization');
    const isRefused = refused.has('all') || refused.has(authorization.replace('Bearer ', ''));
    socket.write(`HTTP/1.1 ${isRefused ? '401 Unauthorized' : '200 OK'}\r\nContent-Length: 2\r\n\r\nok`);
  };
});
afterEach(async () => {
  await stage[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  files[Symbol.dispose]();
});

const tokens = () => stage.orders.requests.map((request) => request.values('authorization')[0]?.replace('Bearer ', ''));
const post = (body: string) =>
  rawRequest(
    stage.port,
    `${requestHead('POST', '/', ['Host: orders.internal', `Content-Length: ${body.length}`])}${body}`,
  );

describe('R9: a kept token that the destination answers with 401', () => {
  test.each(['GET', 'POST', 'DELETE'])('is replaced once, and a %s without a body is sent again', async (method) => {
    expect((await stage.call('/')).status).toBe(200);
    refused.add('token-1');
    const answer = await rawRequest(
      stage.port,
      requestHead(method, '/x', ['Host: orders.internal', 'Content-Length: 0']),
    );
    expect([answer.status, tokens(), server.requests.length]).toEqual([200, ['token-1', 'token-1', 'token-2'], 2]);
    expect((await stage.call('/')).status).toBe(200);
    expect(stage.lastToken).toBe('token-2');
    expect(stage.orders.problems).toEqual([]);
    expect(await stage.gateway.metrics.text()).toContain(
      'sallyport_upstream_retries_total{upstream="orders",reason="token_refused"} 1\n',
    );
  });

  test('is not retried for a request with a body, but the next call has another token', async () => {
    await stage.call('/');
    refused.add('token-1');
    expect((await post('order')).status).toBe(401);
    expect((await post('order')).status).toBe(200);
    expect(tokens()).toEqual(['token-1', 'token-1', 'token-2']);
  });

  test('is not replaced at every call to a destination that refuses all tokens', async () => {
    await stage.call('/');
    refused.add('all');
    for (let call = 0; call < 5; call += 1) expect((await stage.call('/')).status).toBe(401);
    expect([server.requests.length, stage.orders.requests.length]).toEqual([2, 7]);
    clocks.advance(10_000);
    expect((await stage.call('/')).status).toBe(401);
    expect([server.requests.length, stage.orders.requests.length]).toEqual([3, 9]);
  });

  test('is replaced by one token for all simultaneous calls', async () => {
    await stage.call('/');
    refused.add('token-1');
    const answers = await Promise.all(Array.from({ length: 8 }, () => stage.call('/')));
    expect([...new Set(answers.map(({ status }) => status))]).toEqual([200]);
    expect(server.requests).toHaveLength(2);
  });

  test('gets 503, not 401, if it cannot be replaced: the workload’s call is not at fault', async () => {
    await stage.call('/');
    refused.add('token-1');
    server.answer = refusing('server_error', 500);
    const answer = await stage.call('/');
    expect([answer.status, answer.reason]).toEqual([503, 'token_unavailable']);
  });

  test('is reissued when the gateway signed it', async () => {
    const lines = ['Host: own.internal'];
    await stage.call('/', ...lines);
    const first = stage.lastToken;
    refused.add(first);
    expect((await stage.call('/', ...lines)).status).toBe(200);
    expect(stage.lastToken).not.toBe(first);
    expect(stage.orders.requests).toHaveLength(3);
  });
});
