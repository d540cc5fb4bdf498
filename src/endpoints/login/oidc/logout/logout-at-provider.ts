/**
 * A logout here that continues at the provider (OpenID Connect RP-Initiated Logout 1.0 §2, §3), so that its session in
 * this browser ends too. The session here has ended before: whatever the provider does, or does not answer, nobody
 * stays logged in.
 *
 * With `id_token_hint` where the ID token was kept: without it, most providers ask the user whether to log out.
 */

import type { SessionCookies } from '../../../../authentication/session/session-cookies.ts';
import { isSessionId } from '../../../../authentication/session/session-id.ts';
import { DependencyFault } from '../../../../errors.ts';
import type { SessionHandle } from '../../../../jwt/names.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../../../../lib/crypto/base64url.ts';
import type { ScreenedRequest } from '../../../../sanitize/sanitize.ts';
import type { SealedTokenStore } from '../../../../store/sealed-tokens.ts';
import type { SessionRecord } from '../../../../store/session-record.ts';
import type { LoginTransactions } from '../flow/transactions.ts';
import type { ProviderMetadata } from '../metadata.ts';
import type { IdentityProvider } from '../provider.ts';
import type { ProviderSettings } from '../settings.ts';
import { openTokens, type ProviderTokens } from '../tokens/provider-tokens.ts';
import type { TokenRevoker } from '../tokens/revocation.ts';
import type { LogoutSeries } from './series.ts';

interface LogoutAtProviderParts {
  readonly providers: readonly IdentityProvider[];
  readonly transactions: LoginTransactions;
  readonly cookies: SessionCookies;
  readonly sealedTokens: SealedTokenStore;
  readonly revoker: TokenRevoker;
  readonly series: LogoutSeries;
  readonly basePath: string;
}

/** Where a logout continues. */
interface NextStep {
  /** Of the provider, for people. */
  readonly label: string;
  readonly url: string;
  /** Headers of the answer that leads there. */
  readonly headers: readonly string[];
}

/** Takes logouts to the providers. */
export class LogoutAtProvider {
  readonly #parts: LogoutAtProviderParts;

  constructor(parts: LogoutAtProviderParts) {
    this.#parts = parts;
  }

  /** The tokens of a session, to be read before it ends; `null` where it has none, or they cannot be read. */
  async sealedOf(handle: SessionHandle): Promise<string | null> {
    const { providers, sealedTokens } = this.#parts;
    if (!providers.some(({ kept }) => kept.id || kept.refresh)) return null;
    return (await orNothing(sealedTokens.get(handle)))?.value ?? null;
  }

  /**
   * Revokes the tokens of a session that has ended, in the background.
   *
   * @returns its ID token; `null` where none was kept
   */
  async revoke(record: Pick<SessionRecord, 'login'>, sealed: string, request: ScreenedRequest): Promise<string | null> {
    const provider = this.#providerOf(record);
    const tokens = provider === undefined ? null : await this.#opened(sealed, request, provider);
    if (provider === undefined || tokens === null) return null;
    this.#parts.revoker.revoke(provider, tokens);
    return tokens.idToken;
  }

  /**
   * Where the logout of a session that has ended continues; `null` where it is over. Waits for no provider.
   *
   * @param idToken  of the session; `null` where there is none
   */
  async next(
    record: Pick<SessionRecord, 'login'>,
    idToken: string | null,
    request: ScreenedRequest,
  ): Promise<NextStep | null> {
    const { series, basePath } = this.#parts;
    const provider = this.#providerOf(record);
    const metadata = provider?.knownMetadata ?? null;
    if (provider === undefined || metadata === null || !provider.settings.logoutAtProvider) return null;
    const url = logoutUrl(provider.settings, metadata, `${request.publicOrigin}${basePath}/logged-out`);
    if (url === null) return null;
    // Only logouts of the specification have this parameter.
    if (idToken !== null && url.searchParams.has('post_logout_redirect_uri'))
      url.searchParams.set('id_token_hint', idToken);
    const headers = await this.#remember(url, provider.name, request);
    series.atProvider.inc({ provider: provider.name, step: 'begun' });
    return { label: provider.settings.label, url: url.href, headers };
  }

  /** Counts a browser that comes back with the `state` of a logout that it has begun; any other changes nothing. */
  async returned(request: ScreenedRequest): Promise<void> {
    const { providers, transactions, series } = this.#parts;
    const state = new URLSearchParams(request.target.query).get('state') ?? '';
    if (!BASE64URL_32_BYTES_PATTERN.test(state)) return;
    const browser = transactions.browserThatBegan(state, request.otherCookies);
    const name = browser === null ? null : await orNothing(transactions.takeLogout(browser, state));
    if (name !== null && providers.some((provider) => provider.name === name))
      series.atProvider.inc({ provider: name, step: 'returned' });
  }

  #providerOf({ login }: Pick<SessionRecord, 'login'>): IdentityProvider | undefined {
    return this.#parts.providers.find(({ name }) => name === login?.provider);
  }

  /** The tokens of the session that a request has presented. */
  async #opened(
    sealed: string,
    { sessionCookie, publicOrigin }: ScreenedRequest,
    { settings }: IdentityProvider,
  ): Promise<ProviderTokens | null> {
    if (typeof sessionCookie !== 'string') return null;
    const id = await orNothing(Promise.resolve(this.#parts.cookies.sessionIdOf(sessionCookie, publicOrigin)));
    return id !== null && isSessionId(id) ? openTokens(sealed, id, settings) : null;
  }

  /** Adds `state`, where the provider knows it and the store keeps it. */
  async #remember(url: URL, provider: string, request: ScreenedRequest): Promise<readonly string[]> {
    if (!url.searchParams.has('post_logout_redirect_uri')) return [];
    const { transactions } = this.#parts;
    const browser = transactions.browserOf(request.otherCookies) ?? transactions.newBrowser();
    const { state } = transactions.secrets(browser);
    const kept = await orNothing(transactions.beginLogout(browser, state, provider).then(() => true));
    if (kept === null) return [];
    url.searchParams.set('state', state);
    return ['Set-Cookie', transactions.cookieLine(browser)];
  }
}

/** The result of work, or `null` if a dependency fails: the logout is done all the same. */
async function orNothing<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (thrown) {
    if (thrown instanceof DependencyFault) return null;
    throw thrown;
  }
}

/** The logout of a provider; `null` where it has none. @param returnTo  exactly as registered there */
export function logoutUrl(
  { preset, clientId, issuer }: Pick<ProviderSettings, 'preset' | 'clientId' | 'issuer'>,
  { endSessionEndpoint }: Pick<ProviderMetadata, 'endSessionEndpoint'>,
  returnTo: string,
): URL | null {
  const isOldAuth0 = endSessionEndpoint === null && preset === 'auth0' && issuer !== null;
  const endpoint = isOldAuth0 ? new URL('v2/logout', issuer).href : endSessionEndpoint;
  if (endpoint === null) return null;
  const url = new URL(endpoint);
  url.searchParams.set('client_id', clientId);
  // Both have a logout that is older than the specification.
  const target = isOldAuth0 ? 'returnTo' : preset === 'cognito' ? 'logout_uri' : 'post_logout_redirect_uri';
  url.searchParams.set(target, returnTo);
  return url;
}
