/**
 * token: a Permit in, the upstream token out.
 *
 * A token names one principal and one audience and lives for the configured time, two minutes by default. It is reused
 * until three quarters of that, per (session version, audience, signing key), and kept with its principal, so no one else
 * can get it. It never outlives the credential that it stands for, and is not sent again once it was revoked.
 */

import type { KnownRevocations } from '../authentication/revocation/revoked-tokens.ts';
import type { Permit } from '../authorization/permit.ts';
import type { CompactJws } from '../jwt/compact.ts';
import { signsOnThread } from '../jwt/jws.ts';
import type { Clocks } from '../lib/clock.ts';
import { SingleFlight } from '../lib/concurrency/single-flight.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import { TOKEN_REUSE_SHARE } from '../lib/token-limits.ts';
import {
  type ClaimMapping,
  type KnownPrincipal,
  loginClaims,
  mappedClaims,
  principalKey,
  type ReusableToken,
} from '../principal.ts';
import type { Keyring } from './keyring.ts';
import type { MintCause, TokenSeries } from './series.ts';
import { type IssuedToken, TokenIssuer } from './token-issuer.ts';
import type { TokenSource } from './token-source.ts';

/** By what upstream tokens are minted. Compared by identity to see whether a kept token is still right. */
interface UpstreamTokenSettings {
  readonly issuer: string;
  readonly lifetimeMs: number;
  /** Claim name → source on the principal, or a constant. */
  readonly claims: ClaimMapping;
}

/** The token stage: mints upstream tokens, and sends them again until they near their end. */
export class UpstreamTokens implements TokenSource {
  /** Tokens are reused for as long as it is this very object. */
  readonly settings: UpstreamTokenSettings;
  readonly #keyring: Keyring;
  readonly #revoked: KnownRevocations;
  readonly #issuer: TokenIssuer;
  readonly #clocks: Clocks;
  readonly #series: TokenSeries;
  readonly #minting = new SingleFlight<CompactJws>();

  constructor(
    settings: UpstreamTokenSettings,
    keyring: Keyring,
    revoked: KnownRevocations,
    clocks: Clocks,
    series: TokenSeries,
  ) {
    this.settings = settings;
    this.#keyring = keyring;
    this.#revoked = revoked;
    this.#issuer = new TokenIssuer(settings.issuer, keyring, clocks.wallMs);
    this.#clocks = clocks;
    this.#series = series;
  }

  /**
   * The token to send with a permitted request. Answers at once, without a promise, unless one has to be signed with RSA.
   *
   * @returns a compact JWS, or `null` when the route sends none or the principal is nobody
   * @throws DependencyFault `signing_key_unavailable`
   */
  forPermit({ principal, route }: Permit): CompactToken | null | Promise<CompactToken> {
    if (principal.credential === null || route.upstreamToken === 'none') return null;
    if (route.upstreamToken === 'original') return principal.credential.compact;
    const signing = this.#keyring.active();
    const present = principal.tokens.get(route.audience);
    const cause = this.#mintCause(present, signing.kid);
    if (cause === null) {
      this.#series.reused.inc();
      return (present as ReusableToken).compact;
    }
    // Nothing can come between the two halves of what is signed at once.
    if (!signsOnThread(signing.algorithm)) return this.#mint(principal, route.audience, cause);
    // Unambiguous whatever a subject or an audience contains: JSON keeps the parts apart (SES-15).
    const key = JSON.stringify([...principalKey(principal), route.audience, signing.kid]);
    return this.#minting.run(key, async () => this.#mint(principal, route.audience, cause));
  }

  /** Why another token is needed; `null` when the present one can be sent again. */
  #mintCause(present: ReusableToken | undefined, activeKid: string): MintCause | null {
    if (present === undefined) return 'first';
    const { kid, settings, reuseFromMs, reuseUntilMs, identity } = present;
    if (kid !== activeKid || settings !== this.settings || this.#revoked.isKnown(identity)) return 'replaced';
    const nowMs = this.#clocks.wallMs();
    // A verifier refuses a token from the future.
    if (nowMs < reuseFromMs) return 'replaced';
    return nowMs < reuseUntilMs ? null : 'renewal';
  }

  /** Signs a token and keeps it with its principal. */
  #mint(principal: KnownPrincipal, audience: string, cause: MintCause): CompactJws | Promise<CompactJws> {
    const startedMs = this.#clocks.monotonicMs();
    const nowMs = this.#clocks.wallMs();
    const { subject, act, credential } = principal;
    const { sid, presentedIssuer } = credential;
    const issued = this.#issuer.issue({
      subject,
      presentedIssuer,
      audience,
      scopes: Object.hasOwn(this.settings.claims, 'scope') ? null : principal.scopes,
      actor: act,
      sid,
      lifetimeMs: this.settings.lifetimeMs,
      notAfterMs: credential.endsAtMs,
      claims: { ...loginClaims(principal), ...mappedClaims(principal, this.settings.claims) },
      typ: 'JWT',
    });
    const keep = ({ compact, expiresAtMs, lifetimeSec, jti, kid }: IssuedToken) => {
      this.#series.minted(this.#clocks.monotonicMs() - startedMs, cause);
      const reuseUntilMs = nowMs + (expiresAtMs - nowMs) * TOKEN_REUSE_SHARE;
      const iat = expiresAtMs / 1_000 - lifetimeSec;
      const presented = presentedIssuer === null ? null : { presented_iss: presentedIssuer };
      const identity = { iss: this.settings.issuer, sub: subject, ...presented, iat, jti, sid, act };
      const { settings } = this;
      principal.tokens.set(audience, { compact, kid, settings, reuseFromMs: iat * 1_000, reuseUntilMs, identity });
      return compact;
    };
    return issued instanceof Promise ? issued.then(keep) : keep(issued);
  }
}
