/** Exceptions in forwarding steps that the event loop starts: uncaught, they would end the process. */

import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { Forwarding } from '../../src/upstream/forwarding.ts';
import { Upstream } from '../../src/upstream/servers/upstream.ts';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const routes = [{ id: 'app', match: { path: '/' }, credential: 'none' }];
let upstream: RecordingUpstream;
let gateway: TestGateway;
beforeAll(async () => {
  upstream = await RecordingUpstream.start();
  gateway = await startGateway({ upstream: upstream.origin, routes });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});
afterEach(() => vi.restoreAllMocks());

const broken = () => {
  throw new Error('broken');
};
const upload = requestHead('POST', '/', [HOST, 'Content-Length: 1']);
const get = requestHead('GET', '/', [HOST]);
const reasonOf = (body: Buffer) => (JSON.parse(body.toString()) as { reason: string }).reason;

test('an exception as a body begins fails its request, and the next one is served', async () => {
  vi.spyOn(Upstream.prototype, 'choose').mockImplementationOnce(broken);
  const connection = await RawConnection.open(gateway.port);
  connection.write(upload);
  await until(() => gateway.gateway.requestsInFlight === 1, 'the request has begun');
  connection.write('x');
  const answer = await connection.response();
  expect([answer.status, reasonOf(answer.body)]).toEqual([500, 'bug']);
  connection.close();
  expect((await rawRequest(gateway.port, get)).status).toBe(200);
});

test('an exception at the end of a turn fails its request, and the next one is served', async () => {
  vi.spyOn(Forwarding.prototype, 'settle').mockImplementationOnce(broken);
  const answer = await rawRequest(gateway.port, `${upload}x`);
  expect([answer.status, reasonOf(answer.body)]).toEqual([500, 'bug']);
  expect((await rawRequest(gateway.port, get)).status).toBe(200);
});

test('an exception at the end of a turn cuts an answer in progress', async () => {
  await using slow = await RawUpstream.start((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx'));
  });
  await using streaming = await startGateway({ upstream: slow.origin, routes });
  vi.spyOn(Forwarding.prototype, 'settle').mockImplementationOnce(broken);
  const connection = await RawConnection.open(streaming.port);
  connection.write(get);
  expect((await connection.remainder()).toString()).toMatch(/\r\n\r\nx$/);
});
