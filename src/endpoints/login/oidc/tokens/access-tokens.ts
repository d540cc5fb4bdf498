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
import type { TokenRenewal } from './renewal.ts';
import { type SessionAtProvider, sessionAtProvider } from './sessions-at-providers.ts';

interface AccessTokenParts {
  readonly renewal: TokenRenewal;
  readonly sessionCookies: SessionCookies;
  readonly clocks: Clocks;
}

const ENDED = new Denial('session_unknown', 'the identity provider no longer admits the user');
/** After a renewal that gave no valid token, it is not tried again for this long (REF-12). */
const PAUSE_MS = 10_000;

const NONE = { accessToken: null, accessUntilMs: null };

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
    const { sessionCookies, clocks } = this.#parts;
    if (typeof sessionCookie !== 'string') return null;
    const sessionId = await sessionCookies.sessionIdOf(sessionCookie, publicOrigin);
    const tokens = await this.#aliveOf(sessionAtProvider(user, sessionId, provider));
    if (tokens instanceof Denial) return tokens;
    const { accessToken, accessUntilMs } = tokens ?? NONE;
    const token = accessToken !== null && isBearerToken(accessToken) ? accessToken : null;
    const untilMs = token === null ? clocks.wallMs() + PAUSE_MS : (accessUntilMs ?? Number.POSITIVE_INFINITY);
    standing.access = { of: provider, token, untilMs };
    return token;
  }

  /** The tokens of a session, renewed if need be; `null` where there is no access token that has not expired. */
  async #aliveOf(session: SessionAtProvider): Promise<ProviderTokens | null | Denial> {
    const { renewal } = this.#parts;
    const kept = await renewal.read(session);
    if (kept === null || this.#isAlive(kept.tokens)) return kept?.tokens ?? null;
    if (kept.tokens.refreshToken === null) return null;
    const wish = { isWanted: (tokens: ProviderTokens) => !this.#isAlive(tokens), waits: () => true };
    const renewed = await renewal.renew(session, wish);
    if (renewed.outcome === 'ended') return ENDED;
    return renewed.outcome === 'done' && this.#isAlive(renewed.tokens) ? renewed.tokens : null;
  }

  #isAlive({ accessToken, accessUntilMs }: ProviderTokens): boolean {
    return accessToken !== null && (accessUntilMs === null || this.#parts.clocks.wallMs() < accessUntilMs);
  }
}
