/** Shared by the listener tests: a gateway with one public route, and answers read as problem documents. */

import { expect } from 'vitest';
import { startGateway, type TestGateway } from '../../support/gateway.ts';
import type { RawConnection, RawResponse } from '../../support/raw-client.ts';
import type { RecordingUpstream } from '../../support/recording-upstream.ts';

export const PUBLIC_ROUTE = { id: 'app', match: { path: '/' }, credential: 'none' };

interface ListenerSettings {
  readonly limits?: Record<string, unknown>;
  readonly timeouts?: Record<string, unknown>;
}

/** A gateway whose public listener has these limits and timeouts. */
export function startListener(
  upstream: RecordingUpstream | null,
  settings: ListenerSettings,
  config: Record<string, unknown> = {},
): Promise<TestGateway> {
  return startGateway({
    ...(upstream !== null && { upstream: upstream.origin }),
    routes: [PUBLIC_ROUTE],
    config: {
      listeners: { public: { address: '127.0.0.1:0', ...settings }, admin: { address: '127.0.0.1:0' } },
      ...config,
    },
  });
}

/** Expects a refusal by the gateway: a problem document whose status and reason agree, then a closed connection. */
export async function expectRefusal(connection: RawConnection, status: number, reason: string): Promise<RawResponse> {
  const response = await connection.response();
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(response.headers.get('connection')).toBe('close');
  expect(JSON.parse(response.body.toString())).toMatchObject({ status, reason });
  expect((await connection.remainder()).toString('latin1')).toBe('');
  return response;
}
