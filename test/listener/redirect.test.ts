import { describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

describe('the redirect listener', () => {
  const startRedirect = () =>
    startGateway({
      config: {
        publicOrigin: ['https://shop.example.com', 'https://other.example.com:8443'],
        listeners: {
          public: { address: '127.0.0.1:0' },
          redirect: { address: '127.0.0.1:0' },
          admin: { address: '127.0.0.1:0' },
        },
      },
    });
  const answer = (gateway: TestGateway, request: string) => rawRequest(gateway.portOf('redirect'), request);

  test.each([
    ['GET', '/a/b?x=1&y=%2F', 'shop.example.com', 'https://shop.example.com/a/b?x=1&y=%2F'],
    ['POST', '/form', 'SHOP.example.com.:80', 'https://shop.example.com/form'],
    ['GET', '/signed%2bkey%40v1', 'shop.example.com', 'https://shop.example.com/signed%2bkey%40v1'],
    ['HEAD', '/%7euser/x', 'other.example.com', 'https://other.example.com:8443/~user/x'],
  ])('sends %s %s for %s to %s with 308', async (method, target, host, location) => {
    await using gateway = await startRedirect();
    const response = await answer(
      gateway,
      `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`,
    );
    expect(response.status).toBe(308);
    expect(response.headers.get('location')).toBe(location);
    expect(response.headers.get('strict-transport-security')).toBeUndefined();
  });

  test.each([
    ['an unknown host', 'GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n', 421],
    ['an IP address', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 421],
    ['a host with a line break', 'GET / HTTP/1.1\r\nHost: shop.example.com\rX: y\r\n\r\n', 400],
    ['two hosts', 'GET / HTTP/1.1\r\nHost: shop.example.com\r\nHost: evil.test\r\n\r\n', 400],
    ['a target that names another origin', 'GET //evil.test/%2e%2e HTTP/1.1\r\nHost: shop.example.com\r\n\r\n', 400],
    [
      'an upgrade',
      'GET / HTTP/1.1\r\nHost: shop.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      426,
    ],
  ])('refuses %s without echoing it', async (_title, request, status) => {
    await using gateway = await startRedirect();
    const response = await answer(gateway, request);
    expect(response.status).toBe(status);
    expect(response.headers.get('location')).toBeUndefined();
    expect(response.head + response.body.toString()).not.toContain('evil');
  });

  test('closes its connections when the gateway closes', async () => {
    const gateway = await startRedirect();
    await using connection = await RawConnection.open(gateway.portOf('redirect'));
    await until(async () => (await gateway.gateway.connectionCount()) === 1, 'the connection is open');
    await gateway.gateway.close();
    expect(await connection.remainder()).toHaveLength(0);
  });
});
