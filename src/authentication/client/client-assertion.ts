/**
 * Client assertions (`private_key_jwt`, RFC 7523 §3): a JWT that a client signs with its own key to say who it is. Each is
 * good for one request.
 */

import { Denial } from '../../errors.ts';
import { endOf, type TokenProblem } from '../../jwt/claims.ts';
import { type DecodedToken, decodeCompact } from '../../jwt/compact.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import { clientAssertionProfile, type TokenProfile } from '../../jwt/profiles.ts';
import { verifyDecoded } from '../../jwt/verify.ts';
import type { Clock } from '../../lib/clock.ts';
import { USED_LEEWAY_MS } from '../../lib/token-limits.ts';
import type { OnceStore } from '../../store/store.ts';

/** A client that signs assertions. */
export interface AssertingClient {
  readonly id: string;
  readonly keys: KeySet;
  readonly profile: TokenProfile;
}

const unauthorized = (note: string) => new Denial('client_unauthorized', note);
const MALFORMED = unauthorized('assertion is not a strict compact JWS');
const NOT_VERIFIED = unauthorized('assertion: signature does not verify');
const WRONG_PARTY = unauthorized('assertion: sub is not the client');
const TIMES_REFUSED = unauthorized('assertion: exp, iat or nbf missing, not finite, passed, or too far ahead');
const REPLAYED = unauthorized('assertion: jti was used before');

const REFUSALS: Readonly<Record<TokenProblem, Denial>> = {
  malformed: MALFORMED,
  algorithm: unauthorized('assertion: algorithm is not one of the client’s'),
  type: unauthorized('assertion: typ is that of another kind of token'),
  key: NOT_VERIFIED,
  signature: NOT_VERIFIED,
  issuer: WRONG_PARTY,
  subject: WRONG_PARTY,
  party: WRONG_PARTY,
  audience: unauthorized('assertion: aud is not us, or not us alone'),
  times: TIMES_REFUSED,
  lifetime: TIMES_REFUSED,
  expired: TIMES_REFUSED,
  not_yet_valid: TIMES_REFUSED,
  claims: unauthorized('assertion: no usable jti'),
};

/** Decodes an assertion, to find out whose keys verify it. Verifies nothing. */
export const decodeAssertion = (assertion: string): DecodedToken | Denial => decodeCompact(assertion) ?? MALFORMED;

/** Verifies assertions, and remembers in the store which were used. */
export class ClientAssertions {
  readonly #audiences: readonly string[];
  readonly #once: OnceStore;
  readonly #wallMs: Clock;

  /** @param audiences  our issuer, and the addresses of the token endpoint (RFC 7523 §3, item 3) */
  constructor(audiences: readonly string[], once: OnceStore, wallMs: Clock) {
    this.#audiences = audiences;
    this.#once = once;
    this.#wallMs = wallMs;
  }

  /** A client that signs its assertions with these keys. */
  client(id: string, algorithms: readonly string[], keys: KeySet): AssertingClient {
    return { id, keys, profile: clientAssertionProfile(id, algorithms, this.#audiences) };
  }

  /**
   * Verifies an assertion of a client, and uses it up.
   *
   * @param decoded  the same assertion, decoded; its `iss` is the client
   * @returns `null` when it holds, else a Denial `client_unauthorized`
   * @throws DependencyFault `store_unavailable` | `store_full`, as a rejection: an assertion that cannot be marked as used
   *   is not accepted
   */
  async problem(assertion: string, decoded: DecodedToken, client: AssertingClient): Promise<Denial | null> {
    const { keys, profile } = client;
    const nowMs = this.#wallMs();
    const verdict = await verifyDecoded(assertion, decoded, keys, profile, nowMs);
    if (typeof verdict === 'string') return REFUSALS[verdict];
    const { jti, exp } = verdict.claims as { readonly jti: string; readonly exp: number };
    const key = JSON.stringify(['client assertion', client.id, jti]);
    return (await this.#once.use(key, endOf({ exp }, profile) - nowMs + USED_LEEWAY_MS)) ? null : REPLAYED;
  }
}
