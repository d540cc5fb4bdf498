/** Bodies are streamed, never held: neither passing nor stalled bodies make a gateway grow. */

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST } from '../support/gateway.ts';
import { MeasuredGateway } from '../support/measured-gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { until } from '../support/until.ts';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const ALLOWED_GROWTH = 64 * MIB;
/** Length of a body that passes completely: several times what may be held. `npm run bench -- memory` streams 1 GiB. */
const PASSING = 256 * MIB;
/** Of one body that is not read, in the gateway and in the buffers of the kernel. */
const MOST_HELD = 16 * MIB;
const PART = Buffer.alloc(64 * 1024, 'x');
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Writes as many bytes as the other side accepts. */
function pour(socket: Socket, bytes: number, onSent: (bytes: number) => void = () => {}): void {
  let left = bytes;
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      left -= PART.length;
      onSent(PART.length);
      if (!socket.write(PART)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

describe.skipIf(!existsSync('/proc/self/clear_refs'))('memory', () => {
  let upstream: RawUpstream;
  let gateway: MeasuredGateway;
  let sent = 0;

  beforeAll(async () => {
    upstream = await RawUpstream.start((socket) => {
      let body = -1;
      socket.on('data', (chunk: Buffer) => {
        if (body === -1) {
          const head = chunk.toString('latin1');
          if (head.startsWith('GET /big')) {
            const length = head.startsWith('GET /big?passing') ? PASSING : GIB;
            socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
            pour(socket, length, (bytes) => {
              sent += bytes;
            });
          } else if (head.startsWith('POST /stuck')) socket.pause();
          else if (head.startsWith('POST /big')) body = chunk.length - (head.indexOf('\r\n\r\n') + 4);
          else socket.write(OK);
          return;
        }
        body += chunk.length;
        if (body < PASSING) return;
        body = -1;
        socket.write(OK);
      });
    });
    gateway = await MeasuredGateway.start({
      upstream: upstream.origin,
      routes: [{ id: 'app', match: { path: '/' }, credential: 'session', csrf: 'off' }],
    });
    for (let round = 0; round < 300; round += 1) await rawRequest(gateway.port, request('GET', '/small'));
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const request = (method: string, path: string, ...lines: string[]) =>
    requestHead(method, path, [HOST, gateway.cookie, ...lines]);

  /**
   * Waits until a number stays the same while the gateway, which alone could change it, answers 200 requests; or until it
   * is more than it may be, so that a broken gateway does not fill the machine.
   */
  async function settled(read: () => number, most: number): Promise<void> {
    for (let before = -1; before !== read(); ) {
      before = read();
      for (let round = 0; round < 200; round += 1) {
        if (read() > most) return;
        const { status } = await rawRequest(gateway.port, request('GET', '/auth/session'));
        expect(status).toBe(200);
      }
    }
  }

  test('an answer of 256 MiB passes, and the gateway stays within 64 MiB of idle', async () => {
    let received = 0;
    const growth = await gateway.growthDuring(async () => {
      const client = connect(gateway.port, '127.0.0.1');
      client.write(request('GET', '/big?passing'));
      await new Promise<void>((resolve) => {
        client.on('data', (chunk: Buffer) => {
          received += chunk.length;
          if (received > PASSING) resolve();
        });
      });
      client.destroy();
    });
    expect(received).toBeGreaterThan(PASSING);
    expect(growth).toBeLessThan(ALLOWED_GROWTH);
  });

  test('a request of 256 MiB passes, and the gateway stays within 64 MiB of idle', async () => {
    const growth = await gateway.growthDuring(async () => {
      const client = connect(gateway.port, '127.0.0.1');
      client.write(request('POST', '/big', `Content-Length: ${PASSING}`));
      pour(client, PASSING);
      const [answer] = (await once(client, 'data')) as [Buffer];
      expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 /);
      client.destroy();
    });
    expect(growth).toBeLessThan(ALLOWED_GROWTH);
  });

  test('DOS-04: 100 clients that do not read their answers of 1 GiB leave the gateway within 64 MiB of idle', async () => {
    sent = 0;
    const clients: RawConnection[] = [];
    const growth = await gateway.growthDuring(async () => {
      for (let at = 0; at < 100; at += 1) {
        const client = await RawConnection.open(gateway.port);
        client.socket.pause();
        client.write(request('GET', '/big'));
        clients.push(client);
      }
      await until(() => sent > 100 * PART.length, 'something has come through for each of them');
      await settled(() => sent, 100 * MOST_HELD);
    });
    for (const client of clients) client.close();
    // Nearly all of it waits at the upstream.
    expect(sent).toBeLessThan(100 * MOST_HELD);
    expect(growth).toBeLessThan(ALLOWED_GROWTH);
  });

  test('an upstream that does not read leaves the body with the client, not in the gateway', async () => {
    let taken = 0;
    const clients: Socket[] = [];
    const growth = await gateway.growthDuring(async () => {
      for (let at = 0; at < 20; at += 1) {
        const client = connect(gateway.port, '127.0.0.1');
        client.on('error', () => {});
        client.write(request('POST', '/stuck', `Content-Length: ${GIB}`));
        pour(client, GIB, (bytes) => {
          taken += bytes;
        });
        clients.push(client);
      }
      await until(() => taken > 20 * PART.length, 'something has been taken of each of them');
      await settled(() => taken, 20 * MOST_HELD);
    });
    for (const client of clients) client.destroy();
    expect(taken).toBeLessThan(20 * MOST_HELD);
    expect(growth).toBeLessThan(ALLOWED_GROWTH);
  });
});
