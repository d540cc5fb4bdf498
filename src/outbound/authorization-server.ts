/**
 * A client of an OAuth 2.0 authorization server (RFC 6749): requests tokens from its token endpoint and accepts only usable
 * answers. Bounded in time and size; redirects are not followed; after a failure of the server, not of the request, it is
 * not asked again during a cool-down.
 */

import { ConfigFault, Denial, DependencyFault } from '../errors.ts';
import { MAX_TOKEN_LENGTH } from '../jwt/compact.ts';
import type { Clocks } from '../lib/clock.ts';
import { errorCode } from '../lib/error-code.ts';
import { isBearerToken } from '../lib/http/bearer.ts';
import { SmallRequests } from '../lib/http/small-requests.ts';
import { isJsonObject, jsonOf } from '../lib/text/json.ts';
import { inSpan } from '../telemetry/traces/request-trace.ts';
import { readCredential, type ServerConfig } from './client-credential.ts';
import type { DatedToken } from './kept-token.ts';
import { expiryOf, unverifiedClaims } from './unverified.ts';

const SUBJECT_REFUSED = new Denial('token_invalid', 'authorization server refused the token of the call');
const REFUSED = new Denial('exchange_refused', 'authorization server grants no token for this destination');

/** To one server. */
const MAX_CONNECTIONS = 16;
/** Longest answer that is read. */
const MAX_ANSWER_BYTES = 64 * 1024;
/** Assumed lifetime of a token when neither the answer nor the token says when it ends. */
const UNKNOWN_LIFETIME_MS = 60_000;
/** Longest lifetime that any token is assumed to have. */
const MAX_LIFETIME_MS = 24 * 3_600_000;

/** RFC 6749 §5.2, RFC 8693 §2.2.2: the subject token is not accepted. */
const SUBJECT_ERRORS = new Set(['invalid_request', 'invalid_grant']);
/** The same clauses: no token for this client, target or scope. */
const POLICY_ERRORS = new Set(['invalid_target', 'invalid_scope', 'unauthorized_client', 'access_denied']);

/** Errors that are named in the log; others are not quoted. */
const KNOWN_ERRORS = new Set([...SUBJECT_ERRORS, ...POLICY_ERRORS, 'invalid_client', 'unsupported_grant_type']);

type Parameters = Readonly<Record<string, string>>;
type TokenAnswer = Readonly<Record<string, unknown>>;
/** Status, and the body if it is a JSON object. */
interface Said {
  readonly status: number;
  readonly answer: TokenAnswer | null;
}

const LOST_CONNECTION = new Set(['ECONNRESET', 'EPIPE']);

/** Whether a token request exchanges the token of a call, which comes from a third party. */
const isExchange = (parameters: Parameters): boolean => parameters['subject_token'] !== undefined;

/** One authorization server, and the workload's credential for it. */
export class AuthorizationServer {
  readonly #config: ServerConfig;
  readonly #clocks: Clocks;
  readonly #requests: SmallRequests;
  readonly #timeoutMs: number;
  readonly #coolDownMs: number;
  #coolUntilMs = Number.NEGATIVE_INFINITY;

  /** @param ca  PEM; `null` for the CAs of the system */
  constructor(config: ServerConfig, ca: string | null, clocks: Clocks) {
    this.#config = config;
    this.#clocks = clocks;
    this.#timeoutMs = config.timeout;
    this.#coolDownMs = config.coolDown;
    this.#requests = new SmallRequests({ ca, maxConnections: MAX_CONNECTIONS, maxBodyBytes: MAX_ANSWER_BYTES });
  }

  /**
   * Asks for a token.
   *
   * @param parameters  of the token request, without those of the client's credential
   * @returns the token, or a Denial: `token_invalid` when the subject token is refused, `exchange_refused` when policy
   *   refuses the caller
   * @throws DependencyFault `token_unavailable`, as a rejection
   */
  async token(parameters: Parameters): Promise<DatedToken | Denial> {
    const { monotonicMs } = this.#clocks;
    if (monotonicMs() < this.#coolUntilMs) throw unavailable('is cooling down after a failure');
    try {
      return await inSpan('fetch token', () => this.#ask(parameters));
    } catch (fault) {
      // A failure caused by the token of one call must not affect other calls.
      const isOfOneCall = fault instanceof UnusableTokenAnswer && isExchange(parameters);
      if (!isOfOneCall) this.#coolUntilMs = monotonicMs() + this.#coolDownMs;
      throw fault;
    }
  }

  close(): void {
    this.#requests.close();
  }

  async #ask(parameters: Parameters): Promise<DatedToken | Denial> {
    const { status, answer } = await this.#post(parameters);
    if (status === 200) return this.#readToken(answer);
    if (status >= 300 && status < 400) throw unavailable(`redirects (${status}), which is not followed`);
    if (status === 429 || status === 503) throw unavailable(`is busy (${status})`);
    const error = answer?.['error'];
    if (status === 400 && typeof error === 'string') {
      if (isExchange(parameters) && SUBJECT_ERRORS.has(error)) return SUBJECT_REFUSED;
      if (isExchange(parameters) && POLICY_ERRORS.has(error)) return REFUSED;
      if (KNOWN_ERRORS.has(error)) throw unavailable(`refuses this client (${error})`);
    }
    if (status === 401 || status === 403)
      throw unavailable(`does not accept the credential of this client (${status})`);
    throw unusable(String(status));
  }

  /** Retries once when the connection was lost: the server may have closed an idle one at that moment. */
  async #post(parameters: Parameters, signal = AbortSignal.timeout(this.#timeoutMs), isLast = false): Promise<Said> {
    try {
      const credential = await readCredential(this.#config, this.#clocks.wallMs);
      const { status, text } = await this.#requests.send(new URL(this.#config.tokenUrl), {
        method: 'POST',
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          accept: 'application/json',
          ...(credential.authorization !== null && { authorization: credential.authorization }),
        },
        body: new URLSearchParams({ ...parameters, ...credential.parameters }).toString(),
        signal,
      });
      return { status, answer: jsonObject(text) };
    } catch (cause) {
      if (cause instanceof ConfigFault) throw unavailable('cannot be asked: a credential file is unusable', cause);
      if (!isLast && LOST_CONNECTION.has(codeOf(cause))) return this.#post(parameters, signal, true);
      throw unavailable(`does not answer (${codeOf(cause)})`, cause);
    }
  }

  #readToken(answer: TokenAnswer | null): DatedToken {
    const compact = answer?.['access_token'];
    const type = answer?.['token_type'];
    const isUsable = typeof compact === 'string' && compact.length <= MAX_TOKEN_LENGTH && isBearerToken(compact);
    if (!isUsable) throw unusable('without a usable token');
    // RFC 8693 §2.2.1: `N_A` marks a token that is not an access token; it is sent like one.
    if (typeof type !== 'string' || !/^(?:bearer|n_a)$/i.test(type))
      throw unusable('with a token that is not a bearer token');
    const nowMs = this.#clocks.wallMs();
    const expiresInMs = Number(answer?.['expires_in']) * 1_000;
    const endMs = Math.min(
      expiresInMs > 0 ? nowMs + expiresInMs : Number.POSITIVE_INFINITY,
      expiryOf(unverifiedClaims(compact)),
    );
    if (endMs <= nowMs) throw unusable('with an expired token');
    return {
      compact,
      expiresAtMs: Number.isFinite(endMs) ? Math.min(endMs, nowMs + MAX_LIFETIME_MS) : nowMs + UNKNOWN_LIFETIME_MS,
    };
  }
}

/** An answer that says nothing about the health of the server: the request itself may be at fault. */
class UnusableTokenAnswer extends DependencyFault {}

const unusable = (what: string) => new UnusableTokenAnswer('token_unavailable', `authorization server answers ${what}`);

const unavailable = (what: string, cause?: unknown) =>
  new DependencyFault('token_unavailable', `authorization server ${what}`, { cause });

function jsonObject(text: string): TokenAnswer | null {
  const value: unknown = jsonOf(text);
  return isJsonObject(value) ? value : null;
}

/** Never the message: it may quote the request. */
const codeOf = (error: unknown): string => errorCode(error) ?? (error instanceof Error ? error.name : 'unknown');
