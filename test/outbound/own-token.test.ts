/** Calls that go out with the gateway's own service token, and what all calls have in common. */

import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { TestClocks } from '../support/clocks.ts';
import { HOST } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { counted } from '../support/telemetry/counted.ts';
import { until } from '../support/until.ts';
import { acceptKey, handshake } from '../support/websocket.ts';
import { OutboundStage } from './stage.ts';

const SERVICE = { token: { service: {} } };

describe('a service token', () => {
  test('names the workload, audience and scopes, and verifies with the published keys', async () => {
    await using stage = await OutboundStage.start({
      destinations: [{ audience: 'orders-api', token: { service: { scopes: ['orders:read', 'orders:write'] } } }],
    });
    expect(await stage.call('/list?x=1')).toMatchObject({ status: 200 });
    const jwks = await rawRequest(stage.gateway.port, requestHead('GET', '/.well-known/jwks.json', [HOST]));
    const keys = createLocalJWKSet(JSON.parse(jwks.body.toString()) as JSONWebKeySet);
    const { payload } = await jwtVerify(stage.lastToken, keys, {
      issuer: 'https://shop.example.com',
      audience: 'orders-api',
    });
    const { iat, exp, jti, iss: _iss, ...claims } = payload;
    expect(claims).toEqual({ sub: 'cart', aud: 'orders-api', scope: 'orders:read orders:write' });
    expect(Number(exp) - Number(iat)).toBe(120);
    expect(jti).toMatch(/.{20}/);
  });

  test('is reused for three quarters of its life, then reissued', async () => {
    const clocks = new TestClocks();
    await using stage = await OutboundStage.start({ destinations: [SERVICE], clocks });
    const tokens: string[] = [];
    for (const afterMs of [0, 89_000, 2_000]) {
      clocks.advance(afterMs);
      await stage.call('/');
      tokens.push(stage.lastToken);
    }
    expect(tokens[1]).toBe(tokens[0]);
    expect(tokens[2]).not.toBe(tokens[0]);
  });

  test('has the upstream as audience unless the destination sets another', async () => {
    await using stage = await OutboundStage.start({ destinations: [SERVICE] });
    await stage.call('/');
    expect(decodeJwt(stage.lastToken)).toMatchObject({ aud: 'orders', sub: 'cart' });
  });
});

describe('a call', () => {
  test('never sends the workload’s Authorization, or headers that only a gateway may write', async () => {
    await using stage = await OutboundStage.start({
      destinations: [SERVICE],
      config: {
        routes: [
          {
            id: 'app',
            match: { path: '/' },
            credential: 'session',
            upstream: 'app',
            identityHeaders: { 'X-User': 'subject' },
          },
        ],
        upstreamToken: { header: 'X-Token' },
      },
    });
    const lines = ['Authorization: Bearer mallory', 'X-User: mallory', 'x_user: mallory', 'X-Token: mallory'];
    const more = ['X-Forwarded-For: 6.6.6.6', 'Proxy-Authorization: Basic mallory', 'Cookie: a=b; __Host-sid=mallory'];
    expect((await stage.call('/', ...lines, ...more, 'X-Fine: yes')).status).toBe(200);
    expect(stage.orders.problems).toEqual([]);
    expect(stage.orders.text).not.toContain('mallory');
    expect(stage.orders.last.values('authorization')).toHaveLength(1);
    expect(stage.orders.last.values('cookie')).toEqual(['a=b']);
    expect(stage.orders.last.values('x-fine')).toEqual(['yes']);
    expect(stage.orders.text.toLowerCase()).not.toContain('forwarded');
  });

  test('has the endpoint’s Host, or the one that was called, as configured', async () => {
    await using stage = await OutboundStage.start({
      destinations: [SERVICE, { ...SERVICE, id: 'kept', match: { host: 'kept.internal' }, hostHeader: 'preserve' }],
    });
    await stage.call('/');
    expect(stage.orders.last.values('host')).toEqual([new URL(stage.orders.origin).host]);
    await stage.call('/', 'Host: kept.internal:80');
    expect(stage.orders.last.values('host')).toEqual(['kept.internal:80']);
  });

  test('finds a destination by path on the loopback names, and can strip the prefix', async () => {
    await using stage = await OutboundStage.start({
      destinations: [{ ...SERVICE, match: { path: '/orders' }, rewrite: { stripPrefix: '/orders' } }],
    });
    for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
      expect((await stage.call('/orders/1?a=b', `Host: ${host}:${stage.port}`)).status).toBe(200);
      expect(stage.orders.last.head.split('\r\n')[0]).toBe('GET /1?a=b HTTP/1.1');
    }
  });

  test('has its body and its answer streamed', async () => {
    await using stage = await OutboundStage.start({ destinations: [SERVICE] });
    stage.orders.answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst');
    await using connection = await RawConnection.open(stage.port);
    const part = 'x'.repeat(50_000);
    connection.write(requestHead('POST', '/', ['Host: orders.internal', `Content-Length: ${2 * part.length}`]));
    connection.write(part);
    await until(() => stage.orders.text.endsWith(part), 'the destination has the first half');
    connection.write(part);
    const answer = await connection.response({ isHead: true });
    expect([answer.status, (await connection.bytes(5)).toString()]).toEqual([200, 'first']);
    stage.orders.writeToAll('other');
    expect((await connection.bytes(5)).toString()).toBe('other');
    expect(stage.orders.last.body.toString()).toBe(part + part);
  });

  test('opens a WebSocket with its destination’s token, unless the destination forbids it', async () => {
    await using stage = await OutboundStage.start({
      destinations: [
        { ...SERVICE, match: { host: 'shop.example.com' } },
        { ...SERVICE, id: 'none', match: { host: 'shop.example.com', path: '/none' }, webSocket: false },
      ],
    });
    stage.orders.answer = ({ values }, socket) => {
      const accept = acceptKey(values('sec-websocket-key')[0] ?? '');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
    };
    const noPage = '';
    await using connection = await RawConnection.open(stage.port);
    connection.write(handshake('/events', ['Authorization: Bearer mallory'], noPage));
    expect((await connection.response()).status).toBe(101);
    expect(decodeJwt(stage.lastToken)).toMatchObject({ sub: 'cart', aud: 'orders' });
    expect((await rawRequest(stage.port, handshake('/none', [], noPage))).status).toBe(400);
    expect(await counted(stage.gateway.metrics, 'open_websockets')).toBe(1);
  });

  test('gets 502 if the destination is unreachable, and 504 if it does not answer in time', async () => {
    await using stage = await OutboundStage.start({
      destinations: [
        { ...SERVICE, upstream: 'app' },
        { ...SERVICE, id: 'slow', match: { host: 'slow.internal' }, upstream: 'slow', timeouts: { firstByte: '50ms' } },
      ],
      upstreams: (orders) => ({ app: { endpoints: ['http://127.0.0.1:9'] }, slow: { endpoints: [orders] } }),
    });
    stage.orders.answer = () => {};
    expect(await stage.call('/')).toMatchObject({ status: 502, reason: 'upstream_connect_failed' });
    expect(await stage.call('/', 'Host: slow.internal')).toMatchObject({ status: 504, reason: 'upstream_timeout' });
  });

  test('appears in the access log and metrics under its destination’s id', async () => {
    await using stage = await OutboundStage.start({ destinations: [SERVICE] });
    await stage.call('/x');
    await stage.call('/x');
    await stage.call('/x', 'Host: elsewhere.internal');
    const lines = stage.gateway.log.records.filter(({ msg }) => msg === 'request');
    expect(lines[0]).toMatchObject({
      outbound: true,
      route: 'to-orders',
      kind: 'service',
      subject: 'cart',
      status: 200,
    });
    expect(lines[2]).toMatchObject({ outbound: true, status: 421, reason: 'host_not_served' });
    const text = await stage.gateway.metrics.text();
    expect(text).toContain('sallyport_http_requests_total{route="to-orders",method="GET",code_class="2xx"} 2\n');
    expect(text).toContain('sallyport_http_requests_total{route="_outbound",method="GET",code_class="4xx"} 1\n');
    expect(text).toContain('sallyport_destination_tokens_total{destination="to-orders",result="obtained"} 1\n');
    expect(text).toContain('sallyport_destination_tokens_total{destination="to-orders",result="reused"} 1\n');
    expect(text).toContain('sallyport_destination_tokens_total{destination="to-orders",result="failed"} 0\n');
    expect(stage.gateway.log.text).not.toContain(stage.lastToken);
  });
});
