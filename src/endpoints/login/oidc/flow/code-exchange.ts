/**
 * The second half of a login: the answer of the provider is judged, its code exchanged for tokens, the ID token verified, and
 * userinfo fetched if asked for.
 */

import type { TokenEndpointResponse } from 'openid-client';
import { Denial } from '../../../../errors.ts';
import type { Claims } from '../../../../jwt/names.ts';
import type { Clock } from '../../../../lib/clock.ts';
import { protocolLibrary } from '../client-configuration.ts';
import { verifyIdToken } from '../id-token.ts';
import type { ProviderMetadata } from '../metadata.ts';
import type { IdentityProvider } from '../provider.ts';
import { providerUnavailable, transportFault } from '../transport.ts';
import type { ClaimDocuments, ProviderClaims } from '../user/claim-path.ts';
import { grantProblem, invalidResponse, providerError } from './refusals.ts';
import type { LoginTransaction } from './transactions.ts';

/** What a provider has said about a user. */
export interface ExchangedCode {
  readonly documents: ClaimDocuments;
  readonly tokens: TokenEndpointResponse;
}

/** The parameters of an authorization response that are looked at; others are ignored (RFC 6749 §4.1.2). */
export type ResponseParameters = ReadonlyMap<string, string>;

const MIX_UP = invalidResponse('iss is that of another provider');
const NO_ISSUER = invalidResponse('iss is missing, which the provider says that it always sends');
const IMPLICIT = invalidResponse('tokens, or a signed response, came with the answer; only a code is accepted');
const NO_CODE = invalidResponse('neither a code nor an error');
const NO_ID_TOKEN = invalidResponse('token endpoint: no ID token');
/** The answer to a refresh is about another user than the login was. */
export const OTHER_SUBJECT = invalidResponse('refresh: sub of a different user');
const USERINFO_FORM = invalidResponse('userinfo: not a JSON object');

/** Parameters of other response types and modes (OIDC-18). */
const OF_OTHER_FLOWS = ['id_token', 'access_token', 'token', 'response'];

/**
 * Judges an authorization response, and exchanges its code.
 *
 * @param state        of the transaction, with which the response came
 * @param redirectUri  that of the authorization request
 * @returns what the provider says, or a Denial
 * @throws DependencyFault `provider_unavailable`, as a rejection
 */
export async function exchangeCode(
  provider: IdentityProvider,
  parameters: ResponseParameters,
  { nonce, verifier }: Pick<LoginTransaction, 'nonce' | 'verifier'>,
  redirectUri: string,
  wallMs: Clock,
): Promise<ExchangedCode | Denial> {
  const metadata = await provider.metadata();
  const problem = responseProblem(parameters, metadata, provider);
  if (problem !== null) return problem;
  const tokens = await redeem(provider, parameters, { nonce, verifier }, redirectUri);
  if (tokens instanceof Denial) return tokens;
  if (provider.keys.isFetched && tokens.id_token === undefined) return NO_ID_TOKEN;
  const documents = await documentsIn(provider, tokens, { nonce, sub: null }, wallMs);
  return documents instanceof Denial ? documents : { documents, tokens };
}

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

function responseProblem(
  parameters: ResponseParameters,
  { issuer, statesIssuer }: ProviderMetadata,
  provider: IdentityProvider,
): Denial | null {
  const iss = parameters.get('iss') ?? null;
  // RFC 9207 §2.4: first of all. Who has no issuer states none that could be compared.
  if (iss !== null && provider.settings.issuer !== null && iss !== issuer) return MIX_UP;
  if (iss === null && statesIssuer) return NO_ISSUER;
  if (OF_OTHER_FLOWS.some((name) => parameters.has(name))) return IMPLICIT;
  const error = parameters.get('error');
  if (error !== undefined) {
    provider.logProblem(error, parameters.get('error_description'));
    return providerError(error);
  }
  return parameters.has('code') ? null : NO_CODE;
}

async function redeem(
  provider: IdentityProvider,
  parameters: ResponseParameters,
  { nonce, verifier }: Pick<LoginTransaction, 'nonce' | 'verifier'>,
  redirectUri: string,
): Promise<TokenEndpointResponse | Denial> {
  const library = await protocolLibrary();
  const configuration = await provider.configuration('token');
  const answer = new URL(redirectUri);
  answer.searchParams.set('code', parameters.get('code') ?? '');
  const iss = parameters.get('iss');
  if (iss !== undefined && provider.settings.issuer !== null) answer.searchParams.set('iss', iss);
  const isOpenId = provider.keys.isFetched;
  try {
    return await library.authorizationCodeGrant(configuration, answer, {
      pkceCodeVerifier: verifier,
      // The transaction was found by it.
      expectedState: library.skipStateCheck,
      ...(isOpenId && { expectedNonce: nonce, idTokenExpected: true }),
    });
  } catch (thrown) {
    return refusalOf(thrown, library, provider);
  }
}

/** A fault of the transport as it is; anything else by the rule that the library names. Logs what the provider says. */
export function refusalOf(
  thrown: unknown,
  library: typeof import('openid-client'),
  provider: IdentityProvider,
): Denial {
  const fault = transportFault(thrown);
  if (fault !== null) throw fault;
  if (thrown instanceof library.ResponseBodyError) {
    provider.logProblem(thrown.error, thrown.error_description);
    const denial = grantProblem(thrown.error);
    // The client id, its secret, the redirect URI: nobody can log in until the operator has mended it.
    if (denial === null) throw providerUnavailable('it refuses this client', thrown);
    return denial;
  }
  if (thrown instanceof library.WWWAuthenticateChallengeError)
    throw providerUnavailable('it refuses this client', thrown);
  if (thrown instanceof library.ClientError) return invalidResponse(`token endpoint: ${ruleOf(thrown)}`);
  throw thrown;
}

/** Claims that the library misses in an ID token, in the order in which it looks for them. */
const NEEDED_CLAIMS = ['aud', 'exp', 'iat', 'iss', 'sub', 'nonce'];

/** The rule that the library found broken: its code, and the claim where it is one. Neither comes from the provider. */
function ruleOf({ code = 'something went wrong', cause }: Error & { readonly code?: string | undefined }): string {
  const inner = (cause instanceof Error ? cause.cause : cause) as Readonly<Record<string, unknown>> | null | undefined;
  // What is wrong is told apart by what the library hands over with it.
  if (code === 'OAUTH_UNSUPPORTED_OPERATION' && inner?.['body'] !== undefined) return 'token_type is not supported';
  const rule = code
    .replace(/^OAUTH_/, '')
    .replaceAll('_', ' ')
    .toLowerCase();
  const claim = inner?.['claim'] ?? missingClaim(inner?.['claims']);
  return typeof claim === 'string' && /^[a-z_ ]{2,20}$/.test(claim) ? `${rule} (${claim})` : rule;
}

function missingClaim(claims: unknown): string | null {
  if (typeof claims !== 'object' || claims === null) return null;
  const missing = NEEDED_CLAIMS.find((name) => !Object.hasOwn(claims, name));
  return missing === undefined ? null : `no ${missing}`;
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
  const expected = {
    issuer,
    clientId,
    algorithms,
    nonce,
    accessToken: tokens.access_token,
    clockSkewMs,
  };
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
  if (typeof userinfo !== 'object' || userinfo === null || Array.isArray(userinfo)) return USERINFO_FORM;
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
