/**
 * tokens: which of an identity provider's tokens the gateway keeps, and how it uses them.
 *
 * This file: their stored form, and its encryption (AES-256-GCM). The key is derived from the session id, which only the browser
 * keeps: a copy of the store opens none of them. The provider and the client are authenticated with them, so that a changed
 * configuration sends no token to another server.
 */

import type { TokenEndpointResponse } from 'openid-client';
import type { SessionId } from '../../../../authentication/session/session-id.ts';
import { openText, sealText } from '../../../../lib/crypto/sealed-text.ts';
import type { ProviderSettings } from '../settings.ts';

/** What is kept for one session. Each is `null` where it is not needed, or the provider gave none. */
export interface ProviderTokens {
  /** For asking the provider again. */
  readonly refreshToken: string | null;
  /** The last one, for `id_token_hint`; never one that is too long for it. */
  readonly idToken: string | null;
  readonly accessToken: string | null;
  /** Until when the access token is used, shortly before its end; wall clock; `null` where the provider does not say. */
  readonly accessUntilMs: number | null;
  /** The beginning of the nonce of the login, which an ID token of a later answer may repeat. */
  readonly nonce: string | null;
  /** How long before they were written the provider last confirmed the user; 0 when they were written on a confirmation. */
  readonly confirmedBeforeMs: number;
}

/** The provider that issued tokens. */
type TokenProvider = Pick<ProviderSettings, 'issuer' | 'endpoints' | 'clientId'>;

/** Another stored form needs another name, under which these do not open. */
const PURPOSE = 'tokens of the identity provider';
/** Longest token that is kept. It is generous because access tokens of some providers list every group. */
const MAX_TOKEN_LENGTH = 16 * 1024;
/** Longest `id_token_hint`: it travels in a query, and in a header of our page, for which proxies have 4 or 8 KB. */
const MAX_HINT_LENGTH = 3_000;

/** Which tokens of a provider are kept. */
export interface KeptTokens {
  readonly refresh: boolean;
  readonly access: boolean;
  readonly id: boolean;
}

/** Which tokens are kept, by what they are for. @param isAccessTokenSent  to an upstream, by some route */
export const keptTokens = (
  { logoutAtProvider, revalidateEveryMs }: Pick<ProviderSettings, 'logoutAtProvider' | 'revalidateEveryMs'>,
  isAccessTokenSent: boolean,
): KeptTokens => ({
  refresh: revalidateEveryMs !== null || isAccessTokenSent,
  access: isAccessTokenSent,
  id: logoutAtProvider,
});

/**
 * What is kept of an answer of the token endpoint.
 *
 * @param previous  what was kept before: a provider may leave out of a later answer what has not changed
 * @param nowMs     wall clock
 * @returns `null` when a token is longer than is kept
 */
export function tokensIn(
  { refresh_token, access_token, id_token, expires_in }: TokenEndpointResponse,
  kept: KeptTokens,
  previous: ProviderTokens | null,
  nowMs: number,
): ProviderTokens | null {
  const refreshToken = kept.refresh ? (refresh_token ?? previous?.refreshToken ?? null) : null;
  const hint = kept.id ? (id_token ?? previous?.idToken ?? null) : null;
  const accessToken = kept.access ? access_token : null;
  if ([refreshToken, accessToken].some((token) => (token?.length ?? 0) > MAX_TOKEN_LENGTH)) return null;
  return {
    refreshToken,
    idToken: hint !== null && hint.length <= MAX_HINT_LENGTH ? hint : null,
    accessToken,
    accessUntilMs: accessToken === null ? null : endOf(expires_in, nowMs),
    nonce: previous?.nonce ?? null,
    confirmedBeforeMs: 0,
  };
}

/** An access token is used for no longer than this share of its life, so that it does not expire in transit. */
const USED_SHARE = 0.9;
/** And ends at most this long before its time. */
const MAX_LEEWAY_MS = 30_000;

/** Until when an access token is used; wall clock. */
function endOf(expiresInSec: number | undefined, nowMs: number): number | null {
  if (expiresInSec === undefined) return null;
  const lifeMs = Math.max(0, expiresInSec * 1_000);
  return nowMs + Math.max(lifeMs * USED_SHARE, lifeMs - MAX_LEEWAY_MS);
}

/** How much of a nonce is kept: 96 bits. */
const NONCE_KEPT = 16;

/** The tokens of a login, with what later ID tokens are compared with. */
export const withNonce = (tokens: ProviderTokens, nonce: string): ProviderTokens =>
  tokens.refreshToken === null ? tokens : { ...tokens, nonce: nonce.slice(0, NONCE_KEPT) };

/** Whether the nonce of a later ID token, if it has one, is that of the login (OpenID Connect Core §12.2). */
export const isNonceOf = ({ nonce }: ProviderTokens, claimed: unknown): boolean =>
  claimed === undefined || nonce === null || (typeof claimed === 'string' && claimed.slice(0, NONCE_KEPT) === nonce);

/** Whether there is anything to keep. */
export const isNothing = ({ refreshToken, idToken, accessToken }: ProviderTokens): boolean =>
  refreshToken === null && idToken === null && accessToken === null;

/** Seals tokens. */
export const sealTokens = (tokens: ProviderTokens, sessionId: SessionId, source: TokenProvider): string =>
  sealText(JSON.stringify(writtenForm(tokens)), sessionId, PURPOSE, bindingOf(source));

/** Opens sealed tokens; `null` when they are not those of this session and provider, or were changed. Never throws. */
export function openTokens(sealed: string, sessionId: SessionId, source: TokenProvider): ProviderTokens | null {
  const text = openText(sealed, sessionId, PURPOSE, bindingOf(source));
  if (text === null) return null;
  // What opens was written by a gateway.
  const [
    confirmedBeforeMs,
    refreshToken = null,
    ofLogin = null,
    idToken = null,
    accessToken = null,
    accessUntilMs = null,
  ] = JSON.parse(text) as Written;
  return { refreshToken, idToken, accessToken, accessUntilMs, nonce: ofLogin, confirmedBeforeMs };
}

/** What is missing at the end is left out. */
type Written = readonly [
  number,
  (string | null)?,
  (string | null)?,
  (string | null)?,
  (string | null)?,
  (number | null)?,
];

function writtenForm(tokens: ProviderTokens): Written {
  const { refreshToken, idToken, accessToken, accessUntilMs, nonce, confirmedBeforeMs } = tokens;
  const members = [confirmedBeforeMs, refreshToken, nonce, idToken, accessToken, accessUntilMs];
  while (members.at(-1) === null) members.pop();
  return members as unknown as Written;
}

const bindingOf = ({ issuer, endpoints, clientId }: TokenProvider): string =>
  JSON.stringify([issuer ?? endpoints?.token, clientId]);
