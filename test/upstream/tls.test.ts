/** TLS to upstreams: the configuration, never a request, decides whom the gateway talks to. */

import type { TLSSocket, TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST, startGateway } from '../support/gateway.ts';
import { CertificateFiles, TestAuthority } from '../support/issuers/certificates.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const DAY_MS = 86_400_000;

describe('TLS to upstreams', () => {
  const authority = new TestAuthority();
  const stranger = new TestAuthority('Somebody else');
  let files: CertificateFiles;
  let caFile: string;
  beforeAll(() => {
    files = new CertificateFiles();
    caFile = files.text('ca.crt', authority.certificate);
  });
  afterAll(() => files[Symbol.dispose]());

  interface Seen {
    readonly serverNames: (string | null)[];
    readonly reused: boolean[];
    readonly clients: string[];
  }

  const serve = async (options: TlsOptions): Promise<RawUpstream & Seen> => {
    const seen: Seen = { serverNames: [], reused: [], clients: [] };
    const upstream = await RawUpstream.start((socket) => {
      const tls = socket as TLSSocket;
      seen.serverNames.push(tls.servername || null);
      seen.reused.push(tls.isSessionReused());
      seen.clients.push(String(tls.getPeerCertificate().subject?.CN ?? ''));
      socket.on('data', () => socket.write(OK));
    }, options);
    return Object.assign(upstream, seen);
  };
  const certificateFor = (...names: string[]) => {
    const { certificate, key } = authority.issue({ names });
    return { cert: certificate, key };
  };
  const start = (endpoint: string, tls: Record<string, unknown> = { caFile }) =>
    startGateway({
      routes: [{ id: 'public', match: { host: ['shop.example.com', '*'], path: '/' }, credential: 'none' }],
      config: { upstreams: { app: { endpoints: [endpoint], tls } } },
    });
  const get = (host = HOST) => requestHead('GET', '/x', [host]);
  const statusAndReason = async (port: number, request = get()) => {
    const { status, body } = await rawRequest(port, request);
    return status === 200 ? [200] : [status, JSON.parse(body.toString()).reason];
  };
  const REFUSED = [502, 'upstream_connect_failed'];

  test('an upstream with a certificate from the configured CA for its address is reached', async () => {
    await using upstream = await serve(certificateFor('127.0.0.1'));
    await using gateway = await start(upstream.origin);
    expect(await statusAndReason(gateway.port)).toEqual([200]);
  });

  test('TLS-04: a certificate from another CA is refused', async () => {
    const { certificate, key } = stranger.issue({ names: ['127.0.0.1'] });
    await using upstream = await serve({ cert: certificate, key });
    await using gateway = await start(upstream.origin);
    expect(await statusAndReason(gateway.port)).toEqual(REFUSED);
  });

  test('TLS-04: a certificate from a private CA is refused if only the system CAs are trusted', async () => {
    await using upstream = await serve(certificateFor('127.0.0.1'));
    await using gateway = await start(upstream.origin, {});
    expect(await statusAndReason(gateway.port)).toEqual(REFUSED);
  });

  test('TLS-04: a certificate for another name is refused', async () => {
    await using upstream = await serve(certificateFor('other.internal'));
    await using gateway = await start(upstream.origin);
    expect(await statusAndReason(gateway.port)).toEqual(REFUSED);
    await using named = await start(upstream.origin, { caFile, serverName: 'orders.internal' });
    expect(await statusAndReason(named.port)).toEqual(REFUSED);
  });

  test.for([
    ['expired', -2 * DAY_MS, -DAY_MS],
    ['not yet valid', DAY_MS, 2 * DAY_MS],
  ] as const)('TLS-04: a certificate that is %s is refused', async ([, from, to]) => {
    const validity = { notBefore: new Date(Date.now() + from), notAfter: new Date(Date.now() + to) };
    const { certificate, key } = authority.issue({ names: ['127.0.0.1'], ...validity });
    await using upstream = await serve({ cert: certificate, key });
    await using gateway = await start(upstream.origin);
    expect(await statusAndReason(gateway.port)).toEqual(REFUSED);
  });

  test('TLS-04: an upstream that does not speak TLS is refused', async () => {
    await using upstream = await RawUpstream.start((socket) => socket.end(OK));
    await using gateway = await start(upstream.origin.replace('http:', 'https:'));
    expect(await statusAndReason(gateway.port)).toEqual(REFUSED);
  });

  test('UPS-12: the configured name is sent as SNI and verified, whatever Host the client sends', async () => {
    await using upstream = await serve(certificateFor('orders.internal'));
    await using gateway = await start(upstream.origin, { caFile, serverName: 'orders.internal' });
    for (const host of [HOST, 'Host: evil.com', 'Host: other.internal', HOST]) {
      expect(await statusAndReason(gateway.port, get(host))).toEqual([200]);
    }
    expect(new Set(upstream.serverNames)).toEqual(new Set(['orders.internal']));
    // One connection for all of them: the Host header does not choose it.
    expect(upstream.connectionCount).toBe(1);
  });

  test('a connection carries several requests with bodies in sequence', async () => {
    await using upstream = await serve(certificateFor('127.0.0.1'));
    await using gateway = await start(upstream.origin);
    const post = `${requestHead('POST', '/x', [HOST, 'Content-Length: 5'])}hello`;
    for (let count = 0; count < 5; count += 1) expect(await statusAndReason(gateway.port, post)).toEqual([200]);
    expect(upstream.connectionCount).toBe(1);
  });

  test('UPS-12: a Host header does not make a certificate valid', async () => {
    await using upstream = await serve(certificateFor('shop.example.com'));
    await using gateway = await start(upstream.origin);
    expect(await statusAndReason(gateway.port)).toEqual(REFUSED);
  });

  test('UPS-12: a configured address is verified instead of the name of the endpoint', async () => {
    await using named = await serve(certificateFor('localhost'));
    const endpointOf = ({ origin }: { readonly origin: string }) => `https://localhost:${new URL(origin).port}`;
    await using strict = await start(endpointOf(named), { caFile, serverName: '127.0.0.1' });
    expect(await statusAndReason(strict.port)).toEqual(REFUSED);
    await using addressed = await serve(certificateFor('127.0.0.1'));
    await using gateway = await start(endpointOf(addressed), { caFile, serverName: '127.0.0.1' });
    expect(await statusAndReason(gateway.port)).toEqual([200]);
    expect(addressed.serverNames).toEqual([null]);
  });

  test('an address is not sent as SNI', async () => {
    await using upstream = await serve(certificateFor('127.0.0.1'));
    await using gateway = await start(upstream.origin);
    await statusAndReason(gateway.port);
    expect(upstream.serverNames).toEqual([null]);
  });

  test('TLS-06: a TLS session is not reused for another name, and the certificate is verified again', async () => {
    // Both upstreams share their session tickets, so each would accept sessions of the other.
    const shared = { ticketKeys: Buffer.alloc(48, 7), ...certificateFor('orders.internal') };
    await using orders = await serve(shared);
    await using gateway = await startGateway({
      routes: ['orders', 'cart'].map((id) => ({ id, match: { path: `/${id}` }, credential: 'none', upstream: id })),
      config: {
        upstreams: {
          orders: { endpoints: [orders.origin], tls: { caFile, serverName: 'orders.internal' } },
          cart: { endpoints: [orders.origin], tls: { caFile, serverName: 'cart.internal' } },
        },
      },
    });
    const ask = (path: string) => statusAndReason(gateway.port, requestHead('GET', path, [HOST]));
    expect(await ask('/orders')).toEqual([200]);
    for (const socket of orders.sockets) socket.destroy();
    await expect.poll(() => orders.openConnections).toBe(0);
    expect(await ask('/orders')).toEqual([200]);
    expect(await ask('/cart')).toEqual(REFUSED);
    const reusedBy = (name: string) => orders.reused.filter((_, at) => orders.serverNames[at] === name);
    expect(reusedBy('orders.internal')).toEqual([false, true]);
    expect(reusedBy('cart.internal')).not.toContain(true);
  });

  test.each([
    ['an invalid CA', { ca: 'x' }, /^upstreams\.app\.tls\.caFile: \S+ is not a PEM certificate$/],
    ['an empty CA file', { ca: '' }, /^upstreams\.app\.tls\.caFile: \S+ is not a PEM certificate$/],
    ['an invalid client certificate', { cert: 'x' }, /^upstreams\.app\.tls\.certFile: \S+ is not a PEM certificate$/],
    ['an invalid client key', { key: 'x' }, /^upstreams\.app\.tls\.keyFile: \S+ is not a PEM private key$/],
    [
      'a client key of another certificate',
      { key: certificateFor('other').key },
      /^upstreams\.app\.tls\.keyFile: \S+ is not the key of the certificate$/,
    ],
  ])(
    '%s is refused at start and on reload, naming the configuration key, not with a 502 per request',
    async (_title, bad, message) => {
      const good = { ca: authority.certificate, ...certificateFor('client') };
      const write = ({ ca, cert, key }: typeof good) => ({
        caFile: files.text('checked-ca.crt', ca),
        certFile: files.text('checked.crt', cert),
        keyFile: files.text('checked.key', key),
      });
      const tls = write(good);
      await using gateway = await start('https://127.0.0.1:9', tls);
      write({ ...good, ...bad });
      await expect(gateway.apply(gateway.gateway.config)).rejects.toThrow(message);
      await expect(start('https://127.0.0.1:9', tls)).rejects.toThrow(message);
    },
  );

  test('a replaced CA file takes effect with the next reload of the same configuration', async () => {
    const path = files.text('rotated.crt', authority.certificate);
    await using upstream = await serve(certificateFor('127.0.0.1'));
    await using gateway = await start(upstream.origin, { caFile: path });
    expect(await statusAndReason(gateway.port)).toEqual([200]);
    await gateway.apply(gateway.gateway.config);
    expect(await statusAndReason(gateway.port)).toEqual([200]);
    expect(upstream.connectionCount).toBe(1);
    files.text('rotated.crt', stranger.certificate);
    await gateway.apply(gateway.gateway.config);
    expect(await statusAndReason(gateway.port)).toEqual(REFUSED);
  });

  test('a configured client certificate is presented; without one, the upstream refuses the gateway', async () => {
    const { certFile, keyFile } = files.write('gateway', authority.issue({ commonName: 'sallyport' }));
    const options = {
      ...certificateFor('127.0.0.1'),
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: true,
    };
    await using upstream = await serve(options);
    await using gateway = await start(upstream.origin, { caFile, certFile, keyFile });
    expect(await statusAndReason(gateway.port)).toEqual([200]);
    expect(upstream.clients).toEqual(['sallyport']);
    await using nameless = await start(upstream.origin);
    expect((await statusAndReason(nameless.port))[0]).toBe(502);
  });

  test('HTTP/2 is not offered to an upstream by default', async () => {
    await using upstream = await serve({ ...certificateFor('127.0.0.1'), ALPNProtocols: ['h2', 'http/1.1'] });
    await using gateway = await start(upstream.origin);
    expect(await statusAndReason(gateway.port)).toEqual([200]);
    expect([...upstream.sockets].map((socket) => (socket as TLSSocket).alpnProtocol)).toEqual(['http/1.1']);
  });

  test('a failed verification is explained in the log, but not to the client', async () => {
    await using upstream = await serve(certificateFor('other.internal'));
    await using gateway = await start(upstream.origin);
    const answer = await rawRequest(gateway.port, get());
    expect(answer.body.toString()).not.toContain('internal');
    expect(gateway.log.text).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
  });
});
