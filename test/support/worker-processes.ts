/** Several worker processes of one gateway, which share a Redis and a key. */

import { HOST } from './gateway.ts';
import type { InstanceTestOptions } from './instance.ts';
import type { GatewayProcess } from './process.ts';
import { rawRequest, requestHead } from './raw-client.ts';

const BACKEND_SECRET = 'a-secret-of-a-trusted-backend-0123456789';

/**
 * Two workers, with a route for sessions and the public route `/open`.
 *
 * @param upstream  its origin
 * @param more  sections that replace the defaults
 */
export function workerOptions(
  redisUrl: string,
  upstream: string,
  more: Readonly<Record<string, unknown>>,
): InstanceTestOptions {
  return {
    upstream,
    routes: [
      { id: 'app', match: { path: '/' }, credential: 'session' },
      { id: 'open', match: { path: '/open' }, credential: 'none' },
    ],
    config: {
      workers: 2,
      store: { redis: { url: redisUrl } },
      upstreamToken: { algorithm: 'HS256', secretFile: 'token.secret' },
      login: { trustedBackends: [{ id: 'shop', clientSecretFile: 'backend.secret' }] },
      ...more,
    },
    files: { 'token.secret': 'an-hs256-secret-of-32-bytes-or-more', 'backend.secret': BACKEND_SECRET },
  };
}

/** Opens a session through the trusted backend at one of the workers, and returns its cookie line. */
export async function openWorkerSession({ port }: GatewayProcess, subject: string): Promise<string> {
  const body = JSON.stringify({ subject });
  const head = requestHead('POST', '/auth/sessions', [
    HOST,
    `Authorization: Basic ${btoa(`shop:${BACKEND_SECRET}`)}`,
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ]);
  const response = await rawRequest(port, head + body);
  const cookie = /__Host-sid=[A-Za-z0-9_-]{43}/.exec(response.head + response.body.toString());
  if (cookie === null) throw new Error(`no session: ${response.status} ${response.body.toString()}`);
  return `Cookie: ${cookie[0]}`;
}
