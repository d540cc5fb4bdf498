/**
 * What a proxy makes of a chunked DELETE, whose body looks like a second request: the upstream must get one request with that body, or
 * none. http-proxy-3 takes `Transfer-Encoding` away and sends the body all the same, so that its bytes are read as the next request on a
 * connection that others use: request smuggling, and why no such library forwards in the gateway (docs/adr/0001-websocket-upgrade-by-undici.md).
 *
 *     node bench/peers/chunked-delete.ts
 *
 * @returns exit code 1 when the gateway itself lets more than one request through
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/ports.ts';
import { until } from '../../test/support/until.ts';
import { PUBLIC_ORIGIN, startGateway } from '../load/gateway.ts';
import { get, HOST } from '../load/http.ts';
import { createServiceIssuer } from '../load/sessions.ts';
import { Children } from '../support/children.ts';

const HIDDEN = `GET /public/hidden HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
const REQUEST =
  `DELETE /public/orders HTTP/1.1\r\nHost: ${HOST}\r\nOrigin: ${PUBLIC_ORIGIN}\r\nTransfer-Encoding: chunked\r\n` +
  `\r\n${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`;
/** A second request that has not come until then does not come. */
const WAIT_MS = 1_000;

/** What an upstream understood: one line for each request. */
const understood: string[] = [];
const upstream = createServer((request, response) => {
  let bytes = 0;
  request.on('data', (part: Buffer) => {
    bytes += part.length;
  });
  request.on('end', () => {
    understood.push(`${request.method} ${request.url} with ${bytes} bytes of body`);
    response.end('ok');
  });
});
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
const upstreamPort = (upstream.address() as AddressInfo).port;

/** Sends the DELETE; what the upstream has understood by it, and the status that its sender got. */
async function sendTo(port: number) {
  understood.length = 0;
  let text = '';
  const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
  socket.on('error', () => {});
  socket.on('data', (part: Buffer) => {
    text += part.toString('latin1');
  });
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
  socket.destroy();
  return { requests: [...understood], status: text.split(' ', 2)[1] ?? 'nothing' };
}

using children = new Children();
const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
try {
  const port = await freePort();
  const proxy = fileURLToPath(new URL('programs/http-proxy-3.js', import.meta.url));
  children.program([process.execPath, proxy, String(port), String(upstreamPort)]);
  await until(
    () =>
      get(port, '/').then(
        () => true,
        () => false,
      ),
    'http-proxy-3 answers',
  );
  const relayFile = fileURLToPath(new URL('../load/servers/relay.ts', import.meta.url));
  const relay = await children.node([relayFile, `http://127.0.0.1:${upstreamPort}`]).ask<{ port: number }>();
  const { jwks } = await createServiceIssuer();
  const settings = { upstreamPort, redisUrl: null, accessLog: 'off', jwks } as const;
  const gateway = await startGateway(children, directory, settings);
  const results = {
    'http-proxy-3': await sendTo(port),
    'bare relay (undici)': await sendTo(relay.port),
    Sallyport: await sendTo(gateway.port),
  };
  for (const [name, { requests, status }] of Object.entries(results)) {
    console.log(`${name}: the client got ${status}; the upstream understood ${requests.length} requests`);
    for (const request of requests) console.log(`  ${request}`);
  }
  process.exitCode = results.Sallyport.requests.length > 1 ? 1 : 0;
} finally {
  upstream.closeAllConnections();
  upstream.close();
  await rm(directory, { recursive: true, force: true });
}
process.exit();
