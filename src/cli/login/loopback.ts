/**
 * Takes the answer of the gateway from the browser: a server on a free port of 127.0.0.1, for one request (RFC 8252 §7.3). What
 * does not have the `state` of the login is refused, and the login continues: any page can make a browser send
 * something here.
 */

import type { AddressInfo } from 'node:net';
import { ConfigFault } from '../../errors.ts';
import { createServer, type ServerResponse } from '../../lib/http/node-http.ts';
import { html } from '../../lib/text/html.ts';

/** A server that waits for the browser. */
export interface Loopback extends AsyncDisposable {
  readonly redirectUri: string;
  /** The address that the browser requested. Rejects with a ConfigFault when no request arrives in time. */
  readonly callback: Promise<URL>;
}

const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
  Connection: 'close',
} as const;

/** Starts the server. */
export async function listenForBrowser(state: string, timeoutMs: number): Promise<Loopback> {
  const { promise, resolve, reject } = Promise.withResolvers<URL>();
  // It is awaited later; until then its rejection must not end the process.
  promise.catch(() => {});
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', redirectUri);
    // Under another host name, a page could have rebound its own name to this address (DNS rebinding).
    const isMeant = request.method === 'GET' && url.pathname === '/callback' && request.headers.host === url.host;
    if (!isMeant || url.searchParams.get('state') !== state) {
      answer(response, 400, 'Not the answer that the terminal is waiting for', 'You can close this page.');
      return;
    }
    const isAllowed = url.searchParams.has('code');
    answer(response, 200, isAllowed ? 'Go back to the terminal' : 'Not logged in', 'You can close this page.');
    resolve(url);
  });
  await new Promise<void>((listening, failed) => {
    server.once('error', (cause) => failed(new ConfigFault('no port of 127.0.0.1 can be opened', { cause })));
    server.listen(0, '127.0.0.1', listening);
  });
  const { port } = server.address() as AddressInfo;
  const redirectUri = `http://127.0.0.1:${port}/callback`;
  const timer = setTimeout(() => reject(new ConfigFault('nobody logged in in time: start the login again')), timeoutMs);
  return {
    redirectUri,
    callback: promise,
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      await new Promise((closed) => server.close(closed));
    },
  };
}

function answer(response: ServerResponse, status: number, title: string, text: string): void {
  response.writeHead(status, HEADERS);
  response.end(
    html`<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1><p>${text}</p></html>`
      .text,
  );
}
