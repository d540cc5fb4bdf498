/**
 * How an identity provider answers the gateway as its client before anyone logs in: whether it knows the redirect URI,
 * and whether it accepts the secret or the key.
 */

import { randomBytes } from 'node:crypto';
import type { Configuration } from 'openid-client';
import { protocolLibrary } from '../../endpoints/login/oidc/client-configuration.ts';
import { authorizationParameters, isPushed } from '../../endpoints/login/oidc/flow/authorization-request.ts';
import type { LoginSecrets } from '../../endpoints/login/oidc/flow/transactions.ts';
import type { IdentityProvider } from '../../endpoints/login/oidc/provider.ts';
import { transportFault } from '../../endpoints/login/oidc/transport.ts';
import { type Finding, failure, ok, printable, warn } from './finding.ts';
import { type Answer, get, type Reach } from './provider-fetch.ts';

/**
 * The address of an authorization request, as the gateway makes it; pushed where the gateway would push it.
 *
 * @param more  further parameters
 * @throws DependencyFault, or an error of the library for a refused pushed request, as a rejection
 */
export async function authorizationAddress(
  provider: IdentityProvider,
  redirectUri: string,
  secrets: LoginSecrets,
  more: Readonly<Record<string, string>>,
): Promise<string> {
  const library = await protocolLibrary();
  const parameters = authorizationParameters(provider, redirectUri, secrets, more);
  const configuration = await provider.configuration('par');
  const url = isPushed(provider, await provider.metadata())
    ? await library.buildAuthorizationUrlWithPAR(configuration, parameters)
    : library.buildAuthorizationUrl(configuration, parameters);
  return url.href;
}

/** Whether the provider knows a redirect URI, and accepts the rest of the authorization request. */
export async function redirectUriFinding(
  provider: IdentityProvider,
  redirectUri: string,
  reach: Reach,
): Promise<Finding> {
  const about = 'redirect URI';
  const library = await protocolLibrary();
  const random = () => randomBytes(32).toString('base64url');
  const secrets = { state: random(), nonce: random(), verifier: random() };
  try {
    // Nobody will log in: a provider that knows the redirect URI sends the browser back at once.
    const address = await authorizationAddress(provider, redirectUri, secrets, { prompt: 'none' });
    return answerFinding(about, redirectUri, await get(address, reach, 'text/html'));
  } catch (thrown) {
    const { error, description, fault } = refusalIn(thrown, library);
    if (fault !== null) return failure(about, `${redirectUri}: the provider cannot be asked: ${fault}`);
    return failure(about, `${redirectUri}: the pushed request is refused: ${error}${description}`);
  }
}

/** What a provider answers where the user has not logged in and may not be asked (OpenID Connect Core §3.1.2.6). */
const EXPECTED = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required'];

function answerFinding(about: string, redirectUri: string, { status, location, text }: Answer): Finding {
  const back = location === null ? null : URL.parse(location);
  const isRedirect = status >= 300 && status < 400;
  if (isRedirect && back !== null && `${back.origin}${back.pathname}` === redirectUri)
    return returned(about, redirectUri, back.searchParams.get('error'), back.searchParams.get('error_description'));
  if (text.includes(`"${redirectUri}"`) && text.includes('name="error"'))
    return returned(about, redirectUri, /name="error" value="([^"]*)"/.exec(text)?.[1] ?? null, null);
  if (status >= 400 && status < 500)
    return failure(
      about,
      `${redirectUri}: the provider shows an error (${status}). It is probably not registered, or the client id is wrong`,
    );
  return warn(about, `${redirectUri}: cannot be checked without a login (the provider answers ${status})`);
}

function returned(about: string, redirectUri: string, error: string | null, description: string | null): Finding {
  if (error === null || EXPECTED.includes(error)) return ok(about, `${redirectUri} is registered`);
  const said = description === null ? '' : ` (${printable(description)})`;
  return failure(about, `${redirectUri} is registered, but the request is refused: ${printable(error, 64)}${said}`);
}

/** How RFC 6749 and GitHub say that an invented code is wrong. */
const WRONG_CODE = ['invalid_grant', 'bad_verification_code'];
const WRONG_CLIENT = ['invalid_client', 'unauthorized_client', 'incorrect_client_credentials'];

/** Whether the provider accepts the secret or the key: it is asked to redeem an invented code. */
export async function credentialFinding(provider: IdentityProvider, redirectUri: string): Promise<Finding> {
  const about = 'credential';
  const library = await protocolLibrary();
  try {
    const configuration: Configuration = await provider.configuration('token');
    const answer = new URL(redirectUri);
    answer.searchParams.set('code', randomBytes(32).toString('base64url'));
    const { statesIssuer, issuer } = await provider.metadata();
    if (statesIssuer) answer.searchParams.set('iss', issuer);
    const pkceCodeVerifier = library.randomPKCECodeVerifier();
    await library.authorizationCodeGrant(configuration, answer, {
      pkceCodeVerifier,
      expectedState: library.skipStateCheck,
    });
    return warn(about, 'the provider accepts an invented code');
  } catch (thrown) {
    const { error, description, fault } = refusalIn(thrown, library);
    if (fault !== null) return failure(about, `the token endpoint cannot be asked: ${fault}`);
    if (WRONG_CODE.includes(error)) return ok(about, 'the token endpoint accepts the client');
    if (WRONG_CLIENT.includes(error))
      return failure(about, `the token endpoint refuses the client: ${error}${description}`);
    return warn(about, `cannot be checked: the token endpoint answers an invented code with ${error}${description}`);
  }
}

/** Why a provider refuses, or cannot be reached. Fit for a terminal. */
function refusalIn(thrown: unknown, library: Awaited<ReturnType<typeof protocolLibrary>>) {
  const fault = transportFault(thrown)?.message.replace(/^identity provider: /, '') ?? null;
  if (thrown instanceof library.ResponseBodyError) {
    const description = thrown.error_description === undefined ? '' : ` (${printable(thrown.error_description)})`;
    return { error: printable(thrown.error, 64), description, fault };
  }
  if (thrown instanceof library.WWWAuthenticateChallengeError)
    return { error: 'invalid_client', description: ` (status ${thrown.status})`, fault };
  if (fault === null && !(thrown instanceof library.ClientError)) throw thrown;
  return { error: 'an invalid answer', description: '', fault };
}
