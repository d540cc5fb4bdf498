/**
 * Access tokens (RFC 9068), the result of a refresh. Signed by the key of upstream tokens, but of another `typ`, for an
 * audience of its own, and with claims of its own: an app can read them.
 */

import { Denial } from '../../errors.ts';
import { loginClaims, mappedClaims, type UserPrincipal } from '../../principal.ts';
import type { TokenIssuer } from '../../token/token-issuer.ts';
import { readScopes } from '../token/token-request.ts';
import type { RefreshConfig } from './section.ts';

const TOO_MUCH = new Denial('scope_exceeded', 'scope is malformed, or not among those of refresh.accessToken.scopes');

/** The answer to a refresh (RFC 6749 §5.1). */
export interface TokenDocument {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly scope?: string;
  readonly refresh_token?: string;
}

/** Issues access tokens. */
export class AccessTokens {
  readonly #settings: RefreshConfig['accessToken'];
  readonly #audience: string;
  readonly #issuer: TokenIssuer;
  /** All configured scopes: the default of a token. */
  readonly allScopes: ReadonlySet<string>;

  /** @param audience  where the settings name none */
  constructor(settings: RefreshConfig['accessToken'], audience: string, issuer: TokenIssuer) {
    this.#settings = settings;
    this.#audience = settings.audience ?? audience;
    this.#issuer = issuer;
    this.allScopes = new Set(settings.scopes);
  }

  /**
   * The scopes of a requested token: all that the configuration has, or fewer (RFC 6749 §6).
   *
   * @param asked  the parameter `scope`, untrusted; `null` when it was not sent
   * @returns the scopes, or a Denial `scope_exceeded`
   */
  scopesFor(asked: string | null): ReadonlySet<string> | Denial {
    if (asked === null || asked === '') return this.allScopes;
    const scopes = readScopes(asked);
    return scopes !== null && [...scopes].every((scope) => this.allScopes.has(scope)) ? scopes : TOO_MUCH;
  }

  /**
   * Issues a token for the user of a session. It does not outlive the session.
   *
   * @throws DependencyFault `signing_key_unavailable`, as a rejection
   */
  async issue(user: UserPrincipal, scopes: ReadonlySet<string>): Promise<TokenDocument> {
    const { lifetime: lifetimeMs, claims, clientId } = this.#settings;
    const { compact, lifetimeSec } = await this.#issuer.issue({
      subject: user.subject,
      presentedIssuer: null,
      audience: this.#audience,
      scopes,
      actor: null,
      sid: user.session.handle,
      lifetimeMs,
      notAfterMs: user.session.expiresAtMs,
      claims: { ...loginClaims(user), ...mappedClaims(user, claims), client_id: clientId },
      typ: 'at+jwt',
    });
    return {
      access_token: compact,
      token_type: 'Bearer',
      expires_in: lifetimeSec,
      ...(scopes.size > 0 && { scope: [...scopes].join(' ') }),
    };
  }
}
