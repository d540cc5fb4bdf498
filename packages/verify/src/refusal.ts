/**
 * What both adapters share: taking the one token from the headers, and answering when it is refused. Every bad token gets
 * the same answer (RFC 6750 §3.1); the reason goes to the service's own log, through `onRefused`.
 */

import { challenge } from '../../../src/lib/http/challenge.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';
import { VerifyError } from './verify-error.ts';

/** What {@link expressVerify} and {@link fastifyVerify} take. */
export interface GuardOptions {
  readonly verifier: Verifier;
  /** All of these are required, else 403. Default: none. */
  readonly scopes?: readonly string[];
  /** Called for every refusal, for a log or a metric: `error.reason` is from a closed set. */
  readonly onRefused?: (error: VerifyError) => void;
}

/** The part of an incoming request that the adapters read, as `node:http` provides it. */
export interface RequestHeaders {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly headersDistinct?: Readonly<Record<string, string[] | undefined>>;
}

/** Status, headers and body of a refusal. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** RFC 9457. */
  readonly body: string;
}

/**
 * Verifies the token of a request.
 *
 * @throws VerifyError, as a rejection
 */
export async function verifyRequest(request: RequestHeaders, options: GuardOptions): Promise<VerifiedToken> {
  // node:http shows the first of several Authorization headers: refuse them instead of guessing which one was meant.
  const all = request.headersDistinct?.['authorization'];
  if (all !== undefined && all.length > 1) throw new VerifyError('not_bearer');
  const { authorization } = request.headers;
  if (authorization !== undefined && typeof authorization !== 'string') throw new VerifyError('not_bearer');
  const token = await options.verifier.verify(authorization);
  if (options.scopes?.every((scope) => token.scopes.has(scope)) === false) throw new VerifyError('scope');
  return token;
}

/** The answer for an error. Rethrows anything that is not a {@link VerifyError}. */
export function refusalOf(error: unknown, { scopes = [], onRefused }: GuardOptions): Refusal {
  if (!(error instanceof VerifyError)) throw error;
  onRefused?.(error);
  const { status, reason } = error;
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(status === 503 ? { 'Retry-After': '2' } : { 'WWW-Authenticate': challengeFor(reason, scopes) }),
    },
    body: JSON.stringify({ type: 'about:blank', title: TITLES[status], status }),
  };
}

const TITLES = { 401: 'Authentication required', 403: 'Insufficient scope', 503: 'Temporarily unavailable' } as const;

/** RFC 6750 §3: no error code when nothing was presented. */
function challengeFor(reason: VerifyError['reason'], scopes: readonly string[]): string {
  if (reason === 'missing') return challenge('Bearer');
  if (reason === 'scope') return challenge('Bearer', { error: 'insufficient_scope', scope: scopes.join(' ') });
  return challenge('Bearer', { error: 'invalid_token' });
}
