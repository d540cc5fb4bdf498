/** TLS of the public listener, spoken to with Node's own client. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectPlain, type Socket } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { FileReader } from '../../../src/config/files/named-files.ts';
import { ConfigFault } from '../../../src/errors.ts';
import { systemClocks } from '../../../src/lib/clock.ts';
import { readTls, TlsCertificates } from '../../../src/listener/http1/tls.ts';
import type { TlsConfig } from '../../../src/listener/section.ts';
import { startGateway, type TestGateway } from '../../support/gateway.ts';
import { Http2Client } from '../../support/http2/client.ts';
import { CertificateFiles, TestAuthority } from '../../support/issuers/certificates.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { until } from '../../support/until.ts';
import { PUBLIC_ROUTE, startListener } from './support.ts';

const authority = new TestAuthority();
const files = new CertificateFiles();
afterAll(() => files[Symbol.dispose]());

const shop = files.write('shop', authority.issue({ names: ['shop.example.com'] }));
const wildcard = files.write(
  'wildcard',
  authority.issue({ names: ['*.example.com', 'EXAMPLE.com'], commonName: 'wildcard' }),
);
const clientAuthority = new TestAuthority('Client authority');
const clientCaFile = files.text('clients.crt', clientAuthority.certificate);

function startTls(
  tls: Record<string, unknown> = {},
  upstream: RecordingUpstream | null = null,
  more = {},
): Promise<TestGateway> {
  return startListener(upstream, { tls: { certificates: [shop, wildcard], ...tls }, ...more } as never, {
    publicOrigin: ['https://shop.example.com', 'https://other.example.com'],
    routes: [{ ...PUBLIC_ROUTE, upstream: 'app', match: { host: '*', path: '/' } }],
  });
}

/** Connects, and resolves when the handshake is complete; rejects with the reason if it fails. */
function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ca: authority.certificate,
      host: '127.0.0.1',
      port,
      servername: 'shop.example.com',
      ALPNProtocols: ['http/1.1'],
      ...options,
    });
    socket.once('secureConnect', () => resolve(socket)).once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  });
}

/** The status of a request on an established connection. */
async function statusOf(socket: TLSSocket, host = 'shop.example.com'): Promise<number> {
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  return Number(text.split(' ')[1]);
}

const commonName = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN;

describe('certificates', () => {
  test.each([
    ['the exact name', 'shop.example.com', 'shop.example.com'],
    ['TLS-01: a name in upper case', 'EXAMPLE.Com', 'wildcard'],
    ['TLS-01: a name with a trailing dot', 'example.com.', 'wildcard'],
    ['TLS-01: a name below the wildcard in upper case and with a trailing dot', 'OTHER.Example.com.', 'wildcard'],
    ['a name that only the wildcard covers', 'other.example.com', 'wildcard'],
    ['a name in upper case in the certificate', 'example.com', 'wildcard'],
    ['a name two labels below the wildcard', 'a.b.example.com', 'shop.example.com'],
    ['an unknown name', 'nobody.test', 'shop.example.com'],
  ])('%s gets its certificate', async (_title, servername, expected) => {
    await using gateway = await startTls();
    const socket = await handshake(gateway.port, { servername, rejectUnauthorized: false });
    expect(commonName(socket)).toBe(expected);
    socket.destroy();
  });

  test('a client that sends no name gets the first certificate', async () => {
    await using gateway = await startTls();
    const socket = await handshake(gateway.port, { servername: '', rejectUnauthorized: false });
    expect(commonName(socket)).toBe('shop.example.com');
    socket.destroy();
  });

  test('TLS-07: no server name makes the choice of a certificate throw', async () => {
    const config: TlsConfig = { certificates: [shop], minVersion: 'TLSv1.2' };
    const certificates = new TlsCertificates(config, await readTls(config, new FileReader(systemClocks)));
    for (const name of [
      '',
      '.',
      '..',
      '*',
      '*.',
      '\0',
      '\ud800',
      `${'a.'.repeat(5_000)}b`,
      '__proto__',
      'constructor',
    ]) {
      expect(certificates.contextFor(name)).toBe(certificates.pairs[0]?.context);
    }
  });

  test('HST-13: a Host other than the server name of the connection is refused with 421', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startTls({}, upstream);
    expect(await statusOf(await handshake(gateway.port))).toBe(200);
    expect(await statusOf(await handshake(gateway.port), 'other.example.com')).toBe(421);
    expect(
      await statusOf(await handshake(gateway.port, { servername: 'other.example.com' }), 'other.example.com'),
    ).toBe(200);
    expect(upstream.requests).toHaveLength(2);
  });

  const { certificate } = authority.issue({ names: ['a.test'] });
  const { key } = authority.issue({ names: ['a.test'] });
  const expired = authority.issue({ names: ['a.test'], notBefore: new Date(0), notAfter: new Date(86_400_000) });
  test.each([
    ['a key of another certificate', { certificate, key }, 'is not the key of the certificate'],
    ['an invalid certificate', { certificate: 'nonsense', key }, 'is not a PEM certificate'],
    ['an invalid key', { certificate, key: 'nonsense' }, 'is not a PEM private key'],
    ['an encrypted key', { certificate, key: '-----BEGIN ENCRYPTED PRIVATE KEY-----' }, 'is encrypted'],
  ])('%s is refused at start, in one line with the configuration key and the file', async (title, pair, problem) => {
    const bad = files.write(title, pair);
    const opening = startTls({ certificates: [shop, bad] });
    await expect(opening).rejects.toThrow(ConfigFault);
    await expect(opening).rejects.toThrow(problem);
    await expect(opening).rejects.toThrow(/^listeners\.public\.tls\.certificates\[1\]\.(?:cert|key)File: [^\n]+$/);
  });

  test('R11: a start with only expired certificates is refused', async () => {
    const opening = startTls({ certificates: [files.write('expired', expired)] });
    await expect(opening).rejects.toThrow(
      /^listeners\.public\.tls\.certificates\[0\]\.certFile: \S+ expired on 1970-01-02/,
    );
  });

  test('R11: if one of two certificates has expired, the other serves its names and clients without one', async () => {
    const past = { notBefore: new Date(0), notAfter: new Date(86_400_000) };
    const old = files.write(
      'old',
      authority.issue({ names: ['shop.example.com', 'old.test'], commonName: 'old', ...past }),
    );
    await using gateway = await startTls({ certificates: [old, shop] });
    const nameOf = async (servername: string) => {
      const socket = await handshake(gateway.port, { servername, rejectUnauthorized: false });
      const name = commonName(socket);
      socket.destroy();
      return name;
    };
    expect(await nameOf('shop.example.com')).toBe('shop.example.com');
    expect(await nameOf('')).toBe('shop.example.com');
    expect(await nameOf('old.test')).toBe('old');
    const lastRead = async (value: number) =>
      (await gateway.metrics.text()).includes(`sallyport_tls_certificates_last_read_successful ${value}\n`);
    expect(await lastRead(0)).toBe(true);
    files.write('old', authority.issue({ names: ['old.test'], commonName: 'new' }));
    await until(() => lastRead(1), 'the renewed certificate is in use');
    expect(await nameOf('old.test')).toBe('new');
    files.write('old', authority.issue({ names: ['old.test'], commonName: 'old again', ...past }));
    await until(() => gateway.log.text.includes('certificates reloaded'), 'it is read again');
    expect(await nameOf('old.test')).toBe('new');
  });

  test('a certificate that is read again serves new connections, with and without a server name', async () => {
    const pair = files.write('replaced', authority.issue({ names: ['shop.example.com'], commonName: 'first' }));
    await using gateway = await startTls({ certificates: [pair] });
    const names = async () => {
      const sockets = [
        await handshake(gateway.port),
        await handshake(gateway.port, { servername: '', rejectUnauthorized: false }),
      ];
      const found = sockets.map(commonName);
      for (const socket of sockets) socket.destroy();
      return found;
    };
    expect(await names()).toEqual(['first', 'first']);
    const kept = await handshake(gateway.port);
    const lastRead = async (isGood: number) =>
      (await gateway.metrics.text()).includes(`sallyport_tls_certificates_last_read_successful ${isGood}\n`);

    files.write('replaced', authority.issue({ names: ['shop.example.com'], commonName: 'second' }));
    await until(async () => (await names()).join() === 'second,second', 'the new certificate is in use');
    expect(commonName(kept)).toBe('first');
    expect(await statusOf(kept)).toBe(502);

    files.write('replaced', { certificate, key });
    await until(() => lastRead(0), 'the bad pair is noticed');
    expect(await names()).toEqual(['second', 'second']);
    expect(gateway.log.text).toContain('is not the key of the certificate');

    files.write('replaced', authority.issue({ names: ['shop.example.com'], commonName: 'third' }));
    await until(() => lastRead(1), 'the good pair is noticed');
    expect(await names()).toEqual(['third', 'third']);
  });

  test('every swap of a Secret behind its symbolic link is noticed', async () => {
    const path = join(files.directory, 'secret');
    mkdirSync(path);
    const publish = (commonName: string) => {
      const data = join(path, `..${commonName}`);
      mkdirSync(data);
      const issued = authority.issue({ names: ['shop.example.com'], commonName });
      writeFileSync(join(data, 'tls.crt'), issued.certificate);
      writeFileSync(join(data, 'tls.key'), issued.key);
      symlinkSync(`..${commonName}`, join(path, '..data_tmp'));
      renameSync(join(path, '..data_tmp'), join(path, '..data'));
    };
    publish('one');
    for (const file of ['tls.crt', 'tls.key']) symlinkSync(`..data/${file}`, join(path, file));
    await using gateway = await startTls({
      certificates: [{ certFile: join(path, 'tls.crt'), keyFile: join(path, 'tls.key') }],
    });
    for (const commonNameNow of ['two', 'three']) {
      publish(commonNameNow);
      await until(async () => {
        const socket = await handshake(gateway.port);
        const found = commonName(socket);
        socket.destroy();
        return found === commonNameNow;
      }, `certificate ${commonNameNow} is in use`);
    }
  });

  test('R11: without TLS, the certificate gauges have no series', async () => {
    await using gateway = await startListener(null, {});
    expect(await gateway.metrics.text()).not.toMatch(/^sallyport_tls_certificate(?:s_last_read_successful|_expiry)/m);
  });

  test('each certificate has gauges for its start and its expiry', async () => {
    await using gateway = await startTls();
    const text = await gateway.metrics.text();
    for (const index of [0, 1]) {
      const timeMs = (which: string) =>
        Number(
          new RegExp(`tls_certificate_${which}_timestamp_seconds\\{certificate="${index}"\\} (\\d+)`).exec(text)?.[1],
        ) * 1_000;
      expect(timeMs('not_before')).toBeLessThan(Date.now());
      expect(timeMs('expiry')).toBeGreaterThan(Date.now());
    }
  });
});

describe('protocol', () => {
  test.each(['TLSv1', 'TLSv1.1'] as const)('%s is refused', async (version) => {
    await using gateway = await startTls();
    const old = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' };
    await expect(handshake(gateway.port, old)).rejects.toThrow(/version|closed/);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is accepted', async (version) => {
    await using gateway = await startTls();
    const socket = await handshake(gateway.port, { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    socket.destroy();
  });

  test('minVersion TLSv1.3 refuses TLS 1.2, whatever the server name', async () => {
    await using gateway = await startTls({ minVersion: 'TLSv1.3' });
    for (const servername of ['shop.example.com', 'other.example.com', 'nobody.test']) {
      const old = handshake(gateway.port, { maxVersion: 'TLSv1.2', servername, rejectUnauthorized: false });
      await expect(old).rejects.toThrow(/version/);
    }
  });

  test('H2: with http2: false, ALPN selects http/1.1, and a client with only h2 gets no connection', async () => {
    await using gateway = await startTls({}, null, { http2: false });
    const both = await handshake(gateway.port, { ALPNProtocols: ['h2', 'http/1.1'] });
    expect(both.alpnProtocol).toBe('http/1.1');
    both.destroy();
    await expect(handshake(gateway.port, { ALPNProtocols: ['h2'] })).rejects.toThrow(/no application protocol/);
  });

  test('H2: an HTTP/2 preface inside TLS is refused', async () => {
    await using gateway = await startTls();
    const socket = await handshake(gateway.port);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
  });

  test('DOS-03: a stalled handshake is cut', async () => {
    await using gateway = await startTls({}, null, { timeouts: { handshake: '200ms' } });
    const socket = connectPlain({ host: '127.0.0.1', port: gateway.port });
    await new Promise((resolve) => socket.once('close', resolve).resume());
    await until(
      async () => (await gateway.metrics.text()).includes('sallyport_connections_refused_total{reason="tls"} 1\n'),
      'it is counted',
    );
  });

  test('plain HTTP on the TLS port ends that connection and nothing else', async () => {
    await using gateway = await startTls();
    const socket = connectPlain({ host: '127.0.0.1', port: gateway.port });
    socket.write('GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n');
    await new Promise((resolve) =>
      socket
        .once('close', resolve)
        .on('error', () => {})
        .resume(),
    );
    expect(await statusOf(await handshake(gateway.port))).toBe(502);
  });

  test('TLS-03: a ClientHello sent byte by byte gets the same certificate and certificate request', async () => {
    await using gateway = await startTls({ clientCertificates: { caFile: clientCaFile, mode: 'require' } });
    const plain = connectPlain({ host: '127.0.0.1', port: gateway.port, noDelay: true });
    const socket = await handshake(gateway.port, { socket: byteByByte(plain), servername: 'other.example.com' });
    expect(commonName(socket)).toBe('wildcard');
    await expect(statusOf(socket, 'other.example.com')).rejects.toThrow(/certificate required|ECONNRESET|closed/);
  });
});

describe('client certificates', () => {
  const alice = clientAuthority.issue({ commonName: 'alice', uris: ['spiffe://example.com/ns/shop/sa/alice'] });
  const stranger = authority.issue({ commonName: 'alice', uris: ['spiffe://example.com/ns/shop/sa/alice'] });
  const client = ({ certificate: cert, key }: typeof alice) => ({ cert, key });

  test.each([
    ['the exact name', 'shop.example.com'],
    ['a wildcard', 'other.example.com'],
    ['TLS-02: an unknown name', 'nobody.test'],
    ['TLS-02: no name', ''],
  ])('are required with %s', async (_title, servername) => {
    await using gateway = await startTls({ clientCertificates: { caFile: clientCaFile, mode: 'require' } });
    const options = { servername, rejectUnauthorized: false };
    const host = servername || 'shop.example.com';
    // In TLS 1.3 the client believes that it is connected before it learns that its certificate is refused.
    const status = (credentials: ConnectionOptions) =>
      handshake(gateway.port, { ...options, ...credentials })
        .then((socket) => statusOf(socket, host))
        .catch(() => Number.NaN);
    expect(await status({})).toBeNaN();
    expect(await status(client(stranger))).toBeNaN();
    expect(await status(client(alice))).not.toBeNaN();
  });

  test('are optional in mode request, but a bad one is refused', async () => {
    await using gateway = await startTls({ clientCertificates: { caFile: clientCaFile, mode: 'request' } });
    expect(await statusOf(await handshake(gateway.port))).toBe(502);
    expect(await statusOf(await handshake(gateway.port, client(alice)))).toBe(502);
    const withAnother = handshake(gateway.port, client(stranger)).then((socket) => statusOf(socket));
    expect(await withAnother.catch(() => Number.NaN)).toBeNaN();
  });

  test('TLS-06: stay in force when a session is resumed', async () => {
    await using gateway = await startTls({ clientCertificates: { caFile: clientCaFile, mode: 'require' } });
    const options = { maxVersion: 'TLSv1.2' as const, ...client(alice) };
    const first = await handshake(gateway.port, options);
    const session = first.getSession();
    first.destroy();
    const second = await handshake(gateway.port, { ...options, ...(session !== undefined && { session }) });
    expect(second.isSessionReused()).toBe(true);
    expect(await statusOf(second)).toBe(502);
  });
});

describe('TLS-06: when another CA for client certificates replaces the previous one', () => {
  const alice = clientAuthority.issue({ commonName: 'alice' });
  const credentials = { cert: alice.certificate, key: alice.key };
  const others = new TestAuthority('Another client authority').certificate;
  const ticketKeys = randomBytes(48);

  async function start(caFile: string, upstream = 'http://127.0.0.1:9'): Promise<TestGateway> {
    const tls = { certificates: [shop], clientCertificates: { caFile, mode: 'require' } };
    return startGateway({
      upstream,
      ticketKeys,
      routes: [PUBLIC_ROUTE],
      config: {
        publicOrigin: ['https://shop.example.com'],
        listeners: { public: { address: '127.0.0.1:0', tls }, admin: { address: '127.0.0.1:0' } },
      },
    });
  }

  const replace = async (gateway: TestGateway, name: string, text: string) => {
    files.text(name, text);
    await gateway.apply(gateway.gateway.config);
  };

  /** Whether a session is resumed, and what a request then gets; `null`: the connection is refused. */
  async function resume(port: number, session: Buffer, maxVersion: 'TLSv1.2' | 'TLSv1.3') {
    const socket = await handshake(port, { ...credentials, session, maxVersion }).catch(() => null);
    if (socket === null) return { isResumed: false, status: null };
    const isResumed = socket.isSessionReused();
    const status = await statusOf(socket).catch(() => null);
    return { isResumed, status: Number.isNaN(status) ? null : status };
  }

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'sessions of the previous one are not resumed, here or in a process that starts later: %s',
    async (maxVersion) => {
      const caFile = files.text(`replaced-${maxVersion}.crt`, clientAuthority.certificate);
      await using first = await start(caFile);
      await using sameCa = await start(caFile);
      const socket = await handshake(first.port, { ...credentials, maxVersion });
      const session = new Promise<Buffer>((resolve) => {
        socket.once('session', resolve);
      });
      socket.write('GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n');
      const ticket = maxVersion === 'TLSv1.2' ? (socket.getSession() as Buffer) : await session;
      socket.destroy();
      expect(await resume(sameCa.port, ticket, maxVersion)).toEqual({ isResumed: true, status: 502 });
      expect(await resume(first.port, ticket, maxVersion)).toEqual({ isResumed: true, status: 502 });
      await replace(first, `replaced-${maxVersion}.crt`, others);
      await using later = await start(caFile);
      for (const { port } of [first, later])
        expect(await resume(port, ticket, maxVersion)).toEqual({ isResumed: false, status: null });
    },
  );

  test('an open connection finishes its request and carries no other', async () => {
    const caFile = files.text('open.crt', clientAuthority.certificate);
    const held: Socket[] = [];
    await using upstream = await RecordingUpstream.start((_request, socket) => held.push(socket));
    await using gateway = await start(caFile, upstream.origin);
    const request = 'GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n';
    const open = async () => {
      const socket = await handshake(gateway.port, credentials);
      let text = '';
      socket.on('data', (part: Buffer) => {
        text += part.toString('latin1');
      });
      return { socket, text: () => text, closed: once(socket, 'close') };
    };
    const [idle, waiting, streaming] = [await open(), await open(), await open()];
    waiting.socket.write(request);
    await until(() => held.length === 1, 'it is with the upstream');
    streaming.socket.write(request + request);
    await until(() => held.length === 2, 'the other is, too');
    const [first, second] = held as [Socket, Socket];
    second.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npart');
    await until(() => streaming.text().includes('part'), 'its answer has begun');

    await replace(gateway, 'open.crt', `${clientAuthority.certificate}${others}`);
    await replace(gateway, 'open.crt', others);
    await idle.closed;
    expect(idle.text()).toBe('');
    first.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await waiting.closed;
    expect(waiting.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\nconnection: close\r\n.*\r\nok$/is);
    second.write('last');
    await streaming.closed;
    expect(streaming.text()).toMatch(/\r\n\r\npartlast$/);
    expect(held).toHaveLength(2);
  });

  test('a handshake that began earlier is not completed', async () => {
    const caFile = files.text('handshake.crt', clientAuthority.certificate);
    await using gateway = await start(caFile);
    const { socket, release } = withoutLastFlight(gateway.port);
    const secure = connect({ ...credentials, socket, ca: authority.certificate, servername: 'shop.example.com' });
    // In TLS 1.3 the client is done when it has written its last flight.
    await once(secure, 'secureConnect');
    await replace(gateway, 'handshake.crt', others);
    release();
    expect(await statusOf(secure).catch(() => Number.NaN)).toBeNaN();
  });

  test('connections continue if the CA is only added', async () => {
    const caFile = files.text('beside.crt', clientAuthority.certificate);
    await using gateway = await start(caFile);
    const socket = await handshake(gateway.port, credentials);
    await replace(gateway, 'beside.crt', `${others}${clientAuthority.certificate}`);
    expect(await statusOf(socket)).toBe(502);
  });

  test('an HTTP/2 connection gets GOAWAY, and its streams finish', async () => {
    const caFile = files.text('http2.crt', clientAuthority.certificate);
    const held: Socket[] = [];
    await using upstream = await RecordingUpstream.start((_request, socket) => held.push(socket));
    await using gateway = await start(caFile, upstream.origin);
    const socket = await handshake(gateway.port, { ...credentials, ALPNProtocols: ['h2'] });
    await using client = new Http2Client(connectHttp2('https://shop.example.com', { createConnection: () => socket }));
    const answer = client.get('/');
    await until(() => held.length === 1, 'it is with the upstream');
    const goneAway = once(client.session, 'goaway');
    await replace(gateway, 'http2.crt', others);
    await goneAway;
    held[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect(await answer).toMatchObject({ status: 200, body: 'ok' });
    await until(() => socket.destroyed, 'the connection is closed');
  });
});

/** A connection on which only the first write goes out before it is released. */
function withoutLastFlight(port: number): { readonly socket: Duplex; readonly release: () => void } {
  const below = connectPlain({ port, host: '127.0.0.1', noDelay: true });
  const held: Buffer[] = [];
  let isHolding = false;
  let isReleased = false;
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, callback) {
      if (isHolding) held.push(chunk);
      else below.write(chunk);
      isHolding = !isReleased;
      callback();
    },
    destroy(error, callback) {
      below.destroy();
      callback(error);
    },
  });
  below.on('data', (chunk) => socket.push(chunk)).on('error', () => {});
  below.on('close', () => socket.push(null));
  const release = () => {
    isReleased = true;
    isHolding = false;
    below.write(Buffer.concat(held));
  };
  return { socket, release };
}

/** A stream that passes on what it is given byte by byte. */
function byteByByte(socket: Socket): Duplex {
  const stream = new Duplex({
    read() {
      socket.resume();
    },
    write(chunk: Buffer, _encoding, callback) {
      const bytes = [...chunk];
      const next = () => {
        const byte = bytes.shift();
        if (byte === undefined) callback();
        else socket.write(Buffer.from([byte]), () => setImmediate(next));
      };
      next();
    },
    destroy(_error, callback) {
      socket.destroy();
      callback(null);
    },
  });
  socket.on('data', (chunk) => stream.push(chunk));
  socket.on('close', () => stream.push(null));
  socket.on('error', () => stream.push(null));
  return stream;
}
