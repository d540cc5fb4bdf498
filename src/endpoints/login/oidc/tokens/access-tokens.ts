/**
 * The access tokens of identity providers, for routes that pass them on (`providerToken`). A token is decrypted when such a route needs
 * it, kept in memory no longer than it lives, and renewed when it expires. Other routes never read or decrypt one.
 */

import type { SessionCookies } from '../../../../authentication/session/session-cookies.ts';
import { Denial } from '../../../../errors.ts';
import type { Clocks } from '../../../../lib/clock.ts';
import { SingleFlight } from '../../../../lib/concurrency/single-flight.ts';
import { type CompactToken, isBearerToken } from '../../../../lib/http/bearer.ts';
import { type Principal, type ProviderStanding, type UserPrincipal, userAtProvider } from '../../../../principal.ts';
import type { CookieRequest, ProviderTokenSource } from '../../../../token/token-source.ts';
import type { IdentityProvider } from '../provider.ts';
import type { ProviderTokens } from './provider-tokens.ts';
import { type SessionAtProvider, sessionAtProvider, type TokenRenewal } from './renewal.ts';

interface AccessTokenParts {
  readonly renewal: TokenRenewal;
  readonly sessionCookies: SessionCookies;
  readonly clocks: Clocks;
}

const ENDED = new Denial('session_unknown', 'the identity provider no longer admits the user');
/** After a renewal that gave no valid token, it is not tried again for this long (REF-12). */
const PAUSE_MS = 10_000;

type Handed = CompactToken | null | Denial;

/** Hands out access tokens. */
export class ProviderAccessTokens implements ProviderTokenSource {
  readonly #providers: ReadonlyMap<string, IdentityProvider>;
  readonly #parts: AccessTokenParts;
  readonly #underWay = new SingleFlight<Handed>();

  constructor(providers: readonly IdentityProvider[], parts: AccessTokenParts) {
    this.#providers = new Map(providers.map((provider) => [provider.name, provider]));
    this.#parts = parts;
  }

  /** See {@link ProviderTokenSource}. */
  forRequest(principal: Principal, request: CookieRequest): Handed | Promise<Handed> {
    const user = userAtProvider(principal);
    const provider = this.#providers.get(user?.session.login?.provider ?? '');
    // The gateway's own tokens for the session cannot decrypt it.
    if (user?.standing == null || provider === undefined || request.sessionCookie === null) return null;
    const { standing, session } = user;
    const { access } = standing;
    if (access?.of === provider && this.#parts.clocks.wallMs() < access.untilMs) return access.token;
    return this.#underWay.run(session.handle, () => this.#find(user, standing, provider, request));
  }

  async #find(
    user: UserPrincipal,
    standing: ProviderStanding,
    provider: IdentityProvider,
    { sessionCookie, publicOrigin }: CookieRequest,
  ): Promise<Handed> {
    const { renewal, sessionCookies } = this.#parts;
    if (typeof sessionCookie !== 'string') return null;
    const session = sessionAtProvider(user, await sessionCookies.sessionIdOf(sessionCookie, publicOrigin));
    const kept = await renewal.read(session, provider);
    if (kept === null) return this.#none(standing, provider);
    if (this.#isAlive(kept.tokens)) return this.#handed(standing, provider, kept.tokens);
    if (kept.tokens.refreshToken === null) return this.#none(standing, provider);
    return this.#renewed(session, standing, provider);
  }

  async #renewed(session: SessionAtProvider, standing: ProviderStanding, provider: IdentityProvider): Promise<Handed> {
    const wish = { isWanted: (tokens: ProviderTokens) => !this.#isAlive(tokens), waits: () => true };
    const renewed = await this.#parts.renewal.renew(session, provider, wish);
    if (renewed.outcome === 'ended') return ENDED;
    if (renewed.outcome !== 'done' || !this.#isAlive(renewed.tokens)) return this.#none(standing, provider);
    return this.#handed(standing, provider, renewed.tokens);
  }

  #isAlive({ accessToken, accessUntilMs }: ProviderTokens): boolean {
    return accessToken !== null && (accessUntilMs === null || this.#parts.clocks.wallMs() < accessUntilMs);
  }

  #handed(standing: ProviderStanding, of: IdentityProvider, tokens: ProviderTokens): Handed {
    const { accessToken, accessUntilMs } = tokens;
    if (accessToken === null || !isBearerToken(accessToken)) return this.#none(standing, of);
    standing.access = { of, token: accessToken, untilMs: accessUntilMs ?? Number.POSITIVE_INFINITY };
    return accessToken;
  }

  #none(standing: ProviderStanding, of: IdentityProvider): null {
    standing.access = { of, token: null, untilMs: this.#parts.clocks.wallMs() + PAUSE_MS };
    return null;
  }
}
