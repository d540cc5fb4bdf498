/** The outbound listener over time: reloads, shutdown, several processes. */

import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { HOST } from '../support/gateway.ts';
import { type InstanceTestOptions, startInstance, type TestInstance } from '../support/instance.ts';
import { TestAuthorizationServer } from '../support/issuers/authorization-server.ts';
import { freePort } from '../support/ports.ts';
import { GatewayProcess } from '../support/process.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisServer } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { outboundSection } from './stage.ts';

const get = (target = '/', ...lines: readonly string[]) =>
  requestHead('GET', target, ['Host: orders.internal', ...lines]);
const PUBLIC = [{ id: 'app', match: { path: '/' }, credential: 'none' }];
const portOf = ({ instance }: TestInstance) => instance.addresses['outbound']?.port ?? 0;

/** A configuration whose destination goes to an upstream. */
function options(upstream: string, section: unknown, more: Record<string, unknown> = {}): InstanceTestOptions {
  return {
    upstream,
    routes: PUBLIC,
    files: { secret: 'a-secret-of-the-workload' },
    config: {
      upstreams: { app: { endpoints: [upstream] }, orders: { endpoints: [upstream] } },
      outbound: section,
      ...more,
    },
  };
}

async function reload(instance: TestInstance, written: InstanceTestOptions) {
  instance.file.write(written);
  const answer = await instance.admin('/-/reload', { method: 'POST' });
  return (await answer.json()) as { result: string; problems: string[]; needRestart: string[] };
}

describe('a reload', () => {
  test('adds and removes destinations for the next call on open connections', async () => {
    await using upstream = await RecordingUpstream.start();
    const section = outboundSection([{ token: { service: {} } }]);
    await using instance = await startInstance(options(upstream.origin, section));
    await using connection = await RawConnection.open(portOf(instance));
    connection.write(get());
    expect((await connection.response()).status).toBe(200);
    const other = outboundSection([{ match: { host: 'billing.internal' }, token: { service: {} } }]);
    expect(await reload(instance, options(upstream.origin, other))).toMatchObject({
      result: 'applied',
      needRestart: [],
    });
    connection.write(get());
    expect((await connection.response()).status).toBe(421);
    connection.write(requestHead('GET', '/', ['Host: billing.internal']));
    expect((await connection.response()).status).toBe(200);
  });

  test('keeps fetched tokens, unless a different one is needed now', async () => {
    await using upstream = await RecordingUpstream.start();
    await using server = await TestAuthorizationServer.start();
    const section = (scopes: string[], more = {}) =>
      outboundSection([
        {
          token: {
            clientCredentials: { tokenUrl: server.tokenUrl, clientId: 'cart', clientSecretFile: 'secret', scopes },
          },
          ...more,
        },
      ]);
    await using instance = await startInstance(options(upstream.origin, section(['a'])));
    await rawRequest(portOf(instance), get());
    await reload(instance, options(upstream.origin, section(['a'], { maxBodyBytes: '1KiB' })));
    await rawRequest(portOf(instance), get());
    expect(server.requests).toHaveLength(1);
    await reload(instance, options(upstream.origin, section(['b'])));
    await rawRequest(portOf(instance), get());
    expect(server.requests.map(({ parameters }) => parameters.get('scope'))).toEqual(['a', 'b']);
  });

  test('with an unusable credential is rejected and changes nothing', async () => {
    await using upstream = await RecordingUpstream.start();
    await using server = await TestAuthorizationServer.start();
    const good = outboundSection([{ token: { service: {} } }]);
    await using instance = await startInstance(options(upstream.origin, good));
    const clientCredentials = { tokenUrl: server.tokenUrl, clientId: 'cart', privateKeyFile: 'secret' };
    const report = await reload(
      instance,
      options(upstream.origin, outboundSection([{ token: { clientCredentials } }])),
    );
    expect(report).toMatchObject({
      result: 'rejected',
      problems: [expect.stringContaining('is not a PEM private key')],
    });
    expect((await rawRequest(portOf(instance), get())).status).toBe(200);
  });

  test('that adds, moves or removes the listener reports that this needs a restart', async () => {
    await using upstream = await RecordingUpstream.start();
    const destinations = [{ token: { service: {} } }];
    await using instance = await startInstance(options(upstream.origin, outboundSection(destinations)));
    const moved = outboundSection(destinations, { address: `127.0.0.1:${await freePort()}` });
    expect((await reload(instance, options(upstream.origin, moved))).needRestart).toEqual(['outbound.address']);
    expect((await rawRequest(portOf(instance), get())).status).toBe(200);
    const { needRestart } = await reload(
      instance,
      options(upstream.origin, undefined, { acceptWarnings: ['config/unused'] }),
    );
    expect(needRestart).toEqual(['outbound']);
    expect((await rawRequest(portOf(instance), get())).status).toBe(421);

    const without = options(upstream.origin, undefined, { acceptWarnings: ['config/unused'] });
    await using other = await startInstance(without);
    const added = options(upstream.origin, outboundSection(destinations));
    expect((await reload(other, added)).needRestart).toEqual(['outbound']);
    expect(portOf(other)).toBe(0);
  });
});

describe('readiness', () => {
  test('covers upstreams behind the gateway, not those that the workload calls', async () => {
    await using upstream = await RecordingUpstream.start();
    const unreachable = `http://127.0.0.1:${await freePort()}`;
    const section = outboundSection([{ token: { service: {} } }]);
    const upstreams = { app: { endpoints: [upstream.origin] }, orders: { endpoints: [unreachable] } };
    await using instance = await startInstance(options(upstream.origin, section, { upstreams }));
    const answer = await instance.admin('/readyz?include=upstream');
    expect(answer.status).toBe(200);
    expect(await answer.text()).not.toContain('orders');
    expect((await rawRequest(portOf(instance), get())).status).toBe(502);
  });
});

describe('shutdown', () => {
  test('keeps the outbound side until the last request from outside is answered', async () => {
    await using upstream = await RecordingUpstream.start();
    await using instance = await startInstance(
      options(upstream.origin, outboundSection([{ token: { service: {} } }]), { shutdown: { timeout: '60s' } }),
    );
    const held: (() => void)[] = [];
    upstream.answer = (request, socket) => {
      const answer = () => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      if (request.head.startsWith('GET /held ')) held.push(answer);
      else answer();
    };
    await using inside = await RawConnection.open(instance.port);
    inside.write(requestHead('GET', '/held', [HOST]));
    await upstream.received(1);
    const end = instance.instance.drain();
    // No new request gets in. The app still works on the last one, and makes a call for it.
    const isRefused = () =>
      rawRequest(instance.port, requestHead('GET', '/', [HOST])).then(
        () => false,
        () => true,
      );
    await until(isRefused, 'the public listener is closed');
    const call = await rawRequest(portOf(instance), get('/called'));
    expect(call.status).toBe(200);
    expect(call.headers.get('connection')).toBe('close');
    held[0]?.();
    expect((await inside.response()).status).toBe(200);
    await end;
    await expect(rawRequest(portOf(instance), get())).rejects.toThrow();
  });

  test('cuts a call that does not end after shutdown.timeout', async () => {
    await using upstream = await RecordingUpstream.start();
    upstream.answer = () => {};
    await using instance = await startInstance(
      options(upstream.origin, outboundSection([{ token: { service: {} } }]), { shutdown: { timeout: '100ms' } }),
    );
    await using connection = await RawConnection.open(portOf(instance));
    connection.write(get());
    await upstream.received(1);
    const closed = once(connection.socket, 'close');
    await instance.instance.drain();
    await closed;
  });
});

describe('the program', () => {
  test('with two workers serves one address from both, each with its own tokens, and counts their calls together', async () => {
    await using redis = await RedisServer.start();
    await using upstream = await RecordingUpstream.start();
    const port = await freePort();
    const section = outboundSection([{ token: { service: {} } }], { address: `127.0.0.1:${port}` });
    await using gateway = await GatewayProcess.start({
      ...options(upstream.origin, section, {
        workers: 2,
        store: { redis: { url: redis.url } },
        upstreamToken: { algorithm: 'HS256', secretFile: 'token.secret' },
      }),
      files: { 'token.secret': 'an-hs256-secret-of-32-bytes-or-more' },
    });
    const answers = await Promise.all(Array.from({ length: 16 }, () => rawRequest(port, get())));
    expect(answers.map(({ status }) => status)).toEqual(Array(16).fill(200));
    const tokens = new Set(upstream.requests.map((request) => request.values('authorization')[0]));
    expect(tokens.size).toBe(2);
    const text = await (await gateway.admin('/metrics')).text();
    expect(text).toContain('sallyport_http_requests_total{route="to-orders",method="GET",code_class="2xx"} 16\n');
    expect(gateway.stdout).toContain(`"outbound":"http://127.0.0.1:${port}"`);
  });

  test('reports an address in use in one line', async () => {
    await using upstream = await RecordingUpstream.start();
    const taken = Number(new URL(upstream.origin).port);
    const section = outboundSection([{ token: { service: {} } }], { address: `127.0.0.1:${taken}` });
    await using gateway = await GatewayProcess.start({
      ...options(upstream.origin, section),
      isNotWaitedFor: true,
    });
    expect((await gateway.ended).code).toBe(1);
    const problem = `outbound.address: cannot listen on 127.0.0.1:${taken}: another program is listening there: stop it, or choose another port`;
    expect(gateway.records.at(-1)).toMatchObject({ msg: 'cannot start', problems: [problem] });
  });
});
