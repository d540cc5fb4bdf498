/** Single requests of the benchmark itself, to verify answers and to open sessions; each on its own connection. */

import { request } from 'node:http';

/** Of every request, and of the public origin of the gateway. */
export const HOST = 'shop.example.com';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

type Headers = Readonly<Record<string, string>>;

/** Sends a GET for the host of the benchmark. */
export const get = (port: number, path: string, headers: Headers = {}) => send(port, 'GET', path, headers, null);

/** Sends a POST of JSON. */
export const postJson = (port: number, path: string, body: unknown, headers: Headers) =>
  send(port, 'POST', path, { 'content-type': 'application/json', ...headers }, JSON.stringify(body));

/** Sends a request, with a body if there is one. */
export function send(
  port: number,
  method: string,
  path: string,
  headers: Headers,
  body: string | null,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { port, host: '127.0.0.1', method, path, agent: false, headers: { host: HOST, ...headers } },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (part: string) => {
          text += part;
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }));
        incoming.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
