/** What a provider says about a user: the claims of the ID token, verified, and those of userinfo, fetched if asked for. */

import type { TokenEndpointResponse } from 'openid-client';
import { Denial } from '../../../errors.ts';
import type { Claims } from '../../../jwt/names.ts';
import type { Clock } from '../../../lib/clock.ts';
import { isJsonObject } from '../../../lib/text/json.ts';
import { protocolLibrary } from './client-configuration.ts';
import { verifyIdToken } from './id-token.ts';
import type { ProviderMetadata } from './metadata.ts';
import type { IdentityProvider } from './provider.ts';
import { invalidResponse, ruleOf } from './refusals.ts';
import { providerUnavailable, transportFault } from './transport.ts';
import type { ClaimDocuments, ProviderClaims } from './user/claim-path.ts';

/** The answer to a refresh is about another user than the login was. */
export const OTHER_SUBJECT = invalidResponse('refresh: sub of a different user');
const USERINFO_FORM = invalidResponse('userinfo: not a JSON object');

/**
 * What a provider says about the user of an answer of its token endpoint. Without an ID token of a provider that signs them,
 * nothing: the documents are then `null`, both.
 *
 * @param expected  what the ID token has to have: the nonce, `null` for the answer to a refresh, where it has none; the `sub`,
 *                  `null` where none is known. With another one, nothing more is asked (OpenID Connect Core §12.2)
 * @throws DependencyFault `provider_unavailable`, as a rejection
 */
export async function documentsIn(
  provider: IdentityProvider,
  tokens: TokenEndpointResponse,
  { nonce, sub }: { readonly nonce: string | null; readonly sub: string | null },
  wallMs: Clock,
): Promise<ClaimDocuments | Denial> {
  const metadata = await provider.metadata();
  const idToken = await idTokenClaims(provider, metadata, tokens, nonce, wallMs);
  if (idToken instanceof Denial) return idToken;
  if (idToken !== null && sub !== null && idToken['sub'] !== sub) return OTHER_SUBJECT;
  const asksUserinfo = provider.settings.userinfo && (idToken !== null || !provider.keys.isFetched);
  const userinfo = asksUserinfo ? await fetchUserinfo(provider, metadata, tokens, idToken) : null;
  return userinfo instanceof Denial ? userinfo : { idToken, userinfo };
}

async function idTokenClaims(
  provider: IdentityProvider,
  { issuer, idTokenAlgorithms: algorithms }: ProviderMetadata,
  tokens: TokenEndpointResponse,
  nonce: string | null,
  wallMs: Clock,
): Promise<Claims | null | Denial> {
  if (!provider.keys.isFetched || tokens.id_token === undefined) return null;
  const { clientId, clockSkewMs } = provider.settings;
  const expected = { issuer, clientId, algorithms, nonce, accessToken: tokens.access_token, clockSkewMs };
  const claims = await verifyIdToken(tokens.id_token, provider.keys, expected, wallMs());
  return typeof claims === 'string' ? invalidResponse(claims) : claims;
}

async function fetchUserinfo(
  provider: IdentityProvider,
  { userinfoEndpoint }: ProviderMetadata,
  { access_token: accessToken }: TokenEndpointResponse,
  idToken: Claims | null,
): Promise<ProviderClaims | Denial> {
  if (userinfoEndpoint === null)
    throw providerUnavailable('metadata without userinfo_endpoint, and userinfo is asked for');
  if (idToken === null) return fetchDocuments(provider, userinfoEndpoint, accessToken);
  const library = await protocolLibrary();
  const configuration = await provider.configuration('userinfo');
  try {
    return await library.fetchUserInfo(configuration, accessToken, idToken['sub'] as string);
  } catch (thrown) {
    const fault = transportFault(thrown);
    if (fault !== null) throw fault;
    return invalidResponse(`userinfo: ${thrown instanceof library.ClientError ? ruleOf(thrown) : 'refused'}`);
  }
}

/** Userinfo of a provider without ID tokens, and its further documents. */
async function fetchDocuments(
  provider: IdentityProvider,
  userinfoEndpoint: string,
  accessToken: string,
): Promise<ProviderClaims | Denial> {
  const more = Object.entries(provider.settings.endpoints?.documents ?? {});
  const [userinfo, ...documents] = await Promise.all(
    [userinfoEndpoint, ...more.map(([, url]) => url)].map((url) => fetchDocument(provider, url, accessToken)),
  );
  if (!isJsonObject(userinfo)) return USERINFO_FORM;
  return { ...userinfo, ...Object.fromEntries(more.map(([name], index) => [name, documents[index]])) };
}

/** A JSON document; `undefined` where the provider gives none, as for a scope that was not granted. */
async function fetchDocument(provider: IdentityProvider, url: string, accessToken: string): Promise<unknown> {
  const response = await provider.fetchFor('userinfo')(url, {
    method: 'GET',
    headers: { accept: 'application/json', authorization: `Bearer ${accessToken}`, 'user-agent': 'sallyport' },
    body: null,
    redirect: 'manual',
  });
  if (response.status !== 200) return undefined;
  return response.json().catch(() => undefined) as Promise<unknown>;
}
