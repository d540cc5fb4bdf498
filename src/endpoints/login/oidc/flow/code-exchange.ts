/**
 * The second half of a login: the answer of the provider is judged, its code exchanged for tokens, the ID token verified, and
 * userinfo fetched if asked for.
 */

import type { TokenEndpointResponse } from 'openid-client';
import { Denial } from '../../../../errors.ts';
import type { Clock } from '../../../../lib/clock.ts';
import { protocolLibrary } from '../client-configuration.ts';
import type { ProviderMetadata } from '../metadata.ts';
import type { IdentityProvider } from '../provider.ts';
import { invalidResponse, providerError, refusalOf } from '../refusals.ts';
import type { ClaimDocuments } from '../user/claim-path.ts';
import { documentsIn } from '../user-documents.ts';
import type { LoginTransaction } from './transactions.ts';

/** What a provider has said about a user. */
export interface ExchangedCode {
  readonly documents: ClaimDocuments;
  readonly tokens: TokenEndpointResponse;
}

/** The parameters of an authorization response that are read; others are ignored (RFC 6749 §4.1.2). */
export type ResponseParameters = ReadonlyMap<string, string>;

const MIX_UP = invalidResponse('iss is that of another provider');
const NO_ISSUER = invalidResponse('iss is missing, which the provider says that it always sends');
const IMPLICIT = invalidResponse('tokens, or a signed response, came with the answer; only a code is accepted');
const NO_CODE = invalidResponse('neither a code nor an error');
const NO_ID_TOKEN = invalidResponse('token endpoint: no ID token');

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

function responseProblem(
  parameters: ResponseParameters,
  { issuer, statesIssuer }: ProviderMetadata,
  provider: IdentityProvider,
): Denial | null {
  const iss = parameters.get('iss') ?? null;
  // RFC 9207 §2.4: first of all. A provider without an issuer states none that could be compared.
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
