/**
 * Client assertions (`private_key_jwt`, RFC 7523 §3): a JWT that a client signs with its own key to say who it is. Each is
 * good for one request.
 */

import { Denial } from '../../errors.ts';
import { type DecodedToken, decodeCompact } from '../../jwt/compact.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import { isSignedBy } from '../../jwt/signature.ts';
import type { Clock } from '../../lib/clock.ts';
import type { OnceStore } from '../../store/store.ts';

/** A client that signs assertions. */
export interface AssertingClient {
  readonly id: string;
  readonly keys: KeySet;
  readonly algorithms: readonly string[];
}

const unauthorized = (note: string) => new Denial('client_unauthorized', note);
const MALFORMED = unauthorized('assertion is not a strict compact JWS');
const ALGORITHM_REFUSED = unauthorized('assertion: algorithm is not one of the client’s');
const TYPE_REFUSED = unauthorized('assertion: typ is that of another kind of token');
const NOT_VERIFIED = unauthorized('assertion: signature does not verify');
const SUBJECT_WRONG = unauthorized('assertion: sub is not the client');
const AUDIENCE_WRONG = unauthorized('assertion: aud is not us, or not us alone');
const TIMES_REFUSED = unauthorized('assertion: exp, iat or nbf missing, not finite, passed, or too far ahead');
const ID_REFUSED = unauthorized('assertion: no usable jti');
const REPLAYED = unauthorized('assertion: jti was used before');

/** Farthest that `exp` can lie ahead: an assertion is made for the request that it goes with. */
const MAX_LIFETIME_MS = 5 * 60_000;
const CLOCK_SKEW_MS = 30_000;
const MAX_ID_LENGTH = 256;
/** What a client can state as `typ`; none is what most libraries write. */
const TYPES = new Set(['jwt', 'client-authentication+jwt']);

/** The client that an assertion claims to be of, unverified: for the choice of the keys to verify it with. */
export function claimedClient(assertion: string): { readonly iss: unknown; readonly decoded: DecodedToken } | Denial {
  const decoded = decodeCompact(assertion);
  return decoded === null ? MALFORMED : { iss: decoded.payload['iss'], decoded };
}

export class ClientAssertions {
  readonly #audiences: ReadonlySet<string>;
  readonly #once: OnceStore;
  readonly #wallMs: Clock;

  /** @param audiences  who we are: our issuer, and the addresses of the token endpoint (RFC 7523 §3, item 3) */
  constructor(audiences: ReadonlySet<string>, once: OnceStore, wallMs: Clock) {
    this.#audiences = audiences;
    this.#once = once;
    this.#wallMs = wallMs;
  }

  /**
   * Verifies an assertion of a client, and uses it up.
   *
   * @param decoded  the same assertion, decoded; its `iss` is the client
   * @returns `null` when it holds, else a Denial `client_unauthorized`
   * @throws DependencyFault `store_unavailable` | `store_full`, as a rejection: what cannot be marked as used is not taken
   */
  async problem(assertion: string, { header, payload }: DecodedToken, client: AssertingClient): Promise<Denial | null> {
    // What costs nothing first: nothing of it is told to whoever asks.
    const nowMs = this.#wallMs();
    const problem = formProblem(header, client) ?? this.#claimsProblem(payload, client, nowMs);
    if (problem !== null) return problem;
    const { alg, kid } = header as { readonly alg: string; readonly kid?: string };
    if (!isSignedBy(assertion, await client.keys.find(kid ?? null, alg), alg)) return NOT_VERIFIED;
    const { jti, exp } = payload as { readonly jti: string; readonly exp: number };
    const key = JSON.stringify(['client assertion', client.id, jti]);
    return (await this.#once.use(key, exp * 1_000 + CLOCK_SKEW_MS - nowMs)) ? null : REPLAYED;
  }

  #claimsProblem(claims: DecodedToken['payload'], client: AssertingClient, nowMs: number): Denial | null {
    const { iss, sub, aud, jti } = claims;
    if (iss !== client.id || sub !== client.id) return SUBJECT_WRONG;
    if (!this.#isForUs(aud)) return AUDIENCE_WRONG;
    if (!timesHold(claims, nowMs)) return TIMES_REFUSED;
    return typeof jti !== 'string' || jti === '' || jti.length > MAX_ID_LENGTH ? ID_REFUSED : null;
  }

  /** An assertion that names others besides us could be used by one of them, or have been. */
  #isForUs(aud: unknown): boolean {
    const values = Array.isArray(aud) ? aud : [aud];
    return values.length > 0 && values.every((value) => typeof value === 'string' && this.#audiences.has(value));
  }
}

function formProblem({ alg, typ, kid }: DecodedToken['header'], client: AssertingClient): Denial | null {
  if (typeof alg !== 'string' || !client.algorithms.includes(alg)) return ALGORITHM_REFUSED;
  if (typ !== undefined && (typeof typ !== 'string' || !TYPES.has(typ.toLowerCase()))) return TYPE_REFUSED;
  return kid === undefined || typeof kid === 'string' ? null : NOT_VERIFIED;
}

function timesHold({ exp, iat, nbf }: Readonly<Record<string, unknown>>, nowMs: number): boolean {
  if (!Number.isSafeInteger(exp)) return false;
  const endMs = (exp as number) * 1_000;
  if (endMs + CLOCK_SKEW_MS <= nowMs || endMs > nowMs + MAX_LIFETIME_MS + CLOCK_SKEW_MS) return false;
  const hasBegun = (sec: unknown) =>
    sec === undefined ||
    (Number.isSafeInteger(sec) && (sec as number) >= 0 && (sec as number) * 1_000 <= nowMs + CLOCK_SKEW_MS);
  return hasBegun(iat) && hasBegun(nbf);
}
