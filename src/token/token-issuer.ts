/**
 * The one place where a token is put together and signed: upstream tokens, access tokens, exchanged and service tokens.
 * The caller has judged who may have which token; here, what it asks for is signed.
 */

import type { CompactJws } from '../jwt/compact.ts';
import { signJws } from '../jwt/jws.ts';
import { type Jti, newJti, type Sid } from '../jwt/names.ts';
import type { PresentedIssuer } from '../jwt/subject.ts';
import type { Clock } from '../lib/clock.ts';
import type { JSONType } from '../lib/text/json.ts';
import type { Actor } from '../principal.ts';
import { inSpan } from '../telemetry/traces/request-trace.ts';
import type { Keyring } from './keyring.ts';
import { encodeJson, type SigningKey, type TokenType } from './signing-key.ts';

/** What a token should say. `null` is left out of it. */
export interface MintRequest {
  readonly subject: string;
  /** The issuer of the subject (`presented_iss`); `null` for this gateway. */
  readonly presentedIssuer: PresentedIssuer | null;
  readonly audience: string;
  /** The `scope` claim (RFC 8693 §4.2); an empty set leaves the claim out, `null` leaves it to a mapping. */
  readonly scopes: ReadonlySet<string> | null;
  readonly actor: Actor | null;
  /** Handle of the session that the token stands for: it is revoked with it. */
  readonly sid: Sid | null;
  readonly lifetimeMs: number;
  /** Wall clock: the token does not outlive this, except that it lives for one second at least. `Infinity` for no bound. */
  readonly notAfterMs: number;
  /** Mapped claims. None of them can take the place of one that is named above, or of `iss`, `exp`, `iat`, `jti`. */
  readonly claims: Readonly<Record<string, JSONType>>;
  readonly typ: TokenType;
}

/** A signed token. */
export interface IssuedToken {
  /** Compact JWS. Never logged. */
  readonly compact: CompactJws;
  /** Its `exp`, as wall clock; whole seconds. */
  readonly expiresAtMs: number;
  /** `exp` − `iat`. */
  readonly lifetimeSec: number;
  readonly jti: Jti;
  /** `kid` of the key that signed it. */
  readonly kid: string;
}

/** Mints tokens: chooses the registered claims and signs. */
export class TokenIssuer {
  readonly #issuer: string;
  readonly #keyring: Keyring;
  readonly #wallMs: Clock;

  /** @param issuer  the `iss` of every token */
  constructor(issuer: string, keyring: Keyring, wallMs: Clock) {
    this.#issuer = issuer;
    this.#keyring = keyring;
    this.#wallMs = wallMs;
  }

  /**
   * Signs a token with the key that is active now. Answers at once, without a promise, unless the algorithm is one of RSA.
   *
   * @throws DependencyFault `signing_key_unavailable`
   */
  issue(request: MintRequest): IssuedToken | Promise<IssuedToken> {
    const signing = this.#keyring.active();
    const nowMs = this.#wallMs();
    const iatSec = Math.floor(nowMs / 1_000);
    const endMs = Math.min(nowMs + request.lifetimeMs, request.notAfterMs);
    const expSec = Math.max(iatSec + 1, Math.floor(endMs / 1_000));
    const jti = newJti();
    const claims = {
      ...request.claims,
      ...ownClaims(request),
      iss: this.#issuer,
      sub: request.subject,
      aud: request.audience,
      iat: iatSec,
      exp: expSec,
      jti,
    };
    const dates = { expiresAtMs: expSec * 1_000, lifetimeSec: expSec - iatSec };
    const issued = (compact: CompactJws) => ({ compact, ...dates, jti, kid: signing.kid });
    const compact = inSpan('mint token', () => signed(claims, request.typ, signing));
    return compact instanceof Promise ? compact.then(issued) : issued(compact);
  }
}

/** The compact form (RFC 7515 §7.1). JSON leaves out what is `undefined`. */
function signed(claims: object, typ: TokenType, { algorithm, key, headers }: SigningKey) {
  const signingInput = `${headers[typ]}.${encodeJson(claims)}`;
  const signature = signJws(algorithm, key, signingInput);
  const complete = (bytes: Buffer) => `${signingInput}.${bytes.toString('base64url')}` as CompactJws;
  return signature instanceof Promise ? signature.then(complete) : complete(signature);
}

/** Laid over the mapped ones, so that those cannot replace them: `undefined` leaves a claim out, mapped or not. */
function ownClaims({ presentedIssuer, scopes, actor, sid }: MintRequest): Record<string, unknown> {
  return {
    // Where scopes are not the caller's business, a mapping may say them.
    ...(scopes !== null && { scope: scopes.size === 0 ? undefined : [...scopes].join(' ') }),
    presented_iss: presentedIssuer ?? undefined,
    act: actor ?? undefined,
    sid: sid ?? undefined,
    nbf: undefined,
  };
}
