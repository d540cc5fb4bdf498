/**
 * What the metadata of an identity provider say about the settings of a configuration, rule by rule. The gateway's own code
 * judges what would stop it.
 */

import { ID_TOKEN_ALGORITHMS, readMetadata } from '../../endpoints/login/oidc/metadata.ts';
import type { ProviderSettings } from '../../endpoints/login/oidc/settings.ts';
import { type Finding, failure, listed, note, ok, printable, textsOf, warn } from './finding.ts';

/** The metadata as the provider sends them. */
export type MetadataDocument = Readonly<Record<string, unknown>>;

/** What the gateway has to authenticate with. */
export interface HeldCredential {
  readonly hasSecret: boolean;
  /** Algorithm of the key for client assertions; `null` without one. */
  readonly assertionAlgorithm: string | null;
  readonly hasCertificate: boolean;
}

/** Judges metadata. @param settings  of a provider with an issuer */
export function metadataFindings(
  document: MetadataDocument,
  settings: ProviderSettings,
  credential: HeldCredential,
): readonly Finding[] {
  const rules = [
    ...necessities(document, settings, credential),
    responseMode(document, settings),
    pushedRequests(document, settings),
    clientAuthentication(document, settings, credential),
    ...mutualTls(document, credential),
    ...scopes(document, settings),
    ...claims(document, settings),
    ...userinfo(document, settings),
    ...refresh(document, settings),
    logout(document, settings),
    ...further(document),
  ];
  const whole = problemWith(document, settings.issuer as string, credential);
  const isSaid = whole === null || rules.some(({ verdict }) => verdict === 'failure');
  return isSaid ? rules : [...rules, failure('metadata', whole)];
}

/** Stand-ins for what a rule does not look at. */
const SOUND = {
  authorization_endpoint: 'https://provider.invalid/authorize',
  token_endpoint: 'https://provider.invalid/token',
  jwks_uri: 'https://provider.invalid/keys',
};

/** Why the gateway could not use such metadata; `null` where it could. Its words are fixed. */
function problemWith(document: MetadataDocument, issuer: string, { hasCertificate }: HeldCredential): string | null {
  try {
    readMetadata(document, issuer, hasCertificate);
    return null;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

/** Without these no login works. */
function necessities(
  document: MetadataDocument,
  { issuer }: ProviderSettings,
  credential: HeldCredential,
): readonly Finding[] {
  const configured = issuer as string;
  const judge = (about: string, names: readonly string[], said: string): Finding => {
    const looked = Object.fromEntries(names.map((name) => [name, document[name]]));
    const problem = problemWith({ issuer: configured, ...SOUND, ...looked }, configured, credential);
    return problem === null ? ok(about, said) : failure(about, `${problem}${hintFor(about, document)}`);
  };
  const texts = (name: string) => textsOf(document[name]);
  const challenges = texts('code_challenge_methods_supported');
  const signing = texts('id_token_signing_alg_values_supported') ?? [];
  const usable = ID_TOKEN_ALGORITHMS.filter((algorithm) => signing.includes(algorithm));
  return [
    judge('issuer', ['issuer'], `${configured}, as configured`),
    judge(
      'endpoints',
      ['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'mtls_endpoint_aliases'],
      'authorization, token and keys',
    ),
    judge('flow', ['response_types_supported'], 'authorization code'),
    challenges === null
      ? note('PKCE', 'the provider does not say; the gateway sends a challenge (S256) in any case')
      : judge('PKCE', ['code_challenge_methods_supported'], 'S256'),
    judge('ID token', ['id_token_signing_alg_values_supported'], `signed with ${listed(usable)}`),
  ];
}

function hintFor(about: string, document: MetadataDocument): string {
  if (about === 'issuer') return `: they say ${printable(String(document['issuer']))}`;
  if (about === 'ID token')
    return `: it offers ${listed(textsOf(document['id_token_signing_alg_values_supported']) ?? [])}`;
  return '';
}

function responseMode(document: MetadataDocument, settings: ProviderSettings): Finding {
  const mode = settings.responseMode === 'formPost' ? 'form_post' : 'query';
  // OpenID Connect Discovery §3: the default.
  const offered = textsOf(document['response_modes_supported']) ?? ['query', 'fragment'];
  if (offered.includes(mode)) return ok('response mode', mode);
  return failure('response mode', `responseMode needs ${mode}, and the provider offers ${listed(offered)}`);
}

function pushedRequests(document: MetadataDocument, settings: ProviderSettings): Finding {
  const about = 'pushed requests';
  const isOffered = document['pushed_authorization_request_endpoint'] !== undefined;
  const isRequired = document['require_pushed_authorization_requests'] === true;
  const setting = settings.pushedAuthorizationRequests;
  if (!isOffered && setting === 'always')
    return failure(about, 'pushedAuthorizationRequests is always, and the provider does not offer them');
  if (!isOffered) return note(about, 'not offered, not used');
  if (isRequired && setting === 'never')
    return warn(about, 'the provider requires them, so they are used although pushedAuthorizationRequests is never');
  return setting === 'never' ? note(about, 'offered, not used') : ok(about, 'offered and used');
}

function clientAuthentication(
  document: MetadataDocument,
  { clientAuthentication: asked }: ProviderSettings,
  credential: HeldCredential,
): Finding {
  const about = 'client';
  // RFC 8414 §2: the default.
  const offered = textsOf(document['token_endpoint_auth_methods_supported']) ?? ['client_secret_basic'];
  const { assertionAlgorithm } = credential;
  const methods = methodsWith(credential, asked);
  const method = methods.find((name) => offered.includes(name));
  if (method === undefined)
    return failure(about, `the gateway would use ${methods.join(' or ')}, and the provider offers ${listed(offered)}`);
  const algorithms = textsOf(document['token_endpoint_auth_signing_alg_values_supported']);
  if (assertionAlgorithm !== null && algorithms?.includes(assertionAlgorithm) === false)
    return failure(about, `the key signs with ${assertionAlgorithm}, and the provider takes ${listed(algorithms)}`);
  return ok(about, `authenticates by ${method}`);
}

function methodsWith(
  { hasSecret, assertionAlgorithm, hasCertificate }: HeldCredential,
  asked: ProviderSettings['clientAuthentication'],
): readonly string[] {
  if (assertionAlgorithm !== null) return ['private_key_jwt'];
  if (hasSecret) return secretMethods(asked);
  // The gateway does the same for both; the provider has registered one of them.
  return hasCertificate ? ['tls_client_auth', 'self_signed_tls_client_auth'] : ['none'];
}

/** What the provider says about clients with a certificate (RFC 8705 §3.3, §5). */
function mutualTls(document: MetadataDocument, { hasCertificate }: HeldCredential): readonly Finding[] {
  if (!hasCertificate) return [];
  const about = 'mutual TLS';
  const aliases = Object.keys(document['mtls_endpoint_aliases'] ?? {});
  const where = aliases.length === 0 ? 'at the usual endpoints' : `at endpoints of its own for ${listed(aliases)}`;
  if (document['tls_client_certificate_bound_access_tokens'] !== true) return [note(about, where)];
  return [note(about, `${where}; access tokens are bound to the certificate: no upstream can use them`)];
}

function secretMethods(asked: ProviderSettings['clientAuthentication']): readonly string[] {
  if (asked === 'basic') return ['client_secret_basic'];
  if (asked === 'post') return ['client_secret_post'];
  return ['client_secret_basic', 'client_secret_post'];
}

function scopes(document: MetadataDocument, { scopes: wanted }: ProviderSettings): readonly Finding[] {
  const offered = textsOf(document['scopes_supported']);
  if (offered === null) return [note('scopes', 'the provider does not say which it has')];
  const missing = wanted.filter((scope) => !offered.includes(scope));
  if (missing.length === 0) return [ok('scopes', wanted.join(', '))];
  return [warn('scopes', `${missing.join(', ')} not listed by the provider, which lists ${listed(offered)}`)];
}

function claims(document: MetadataDocument, settings: ProviderSettings): readonly Finding[] {
  const offered = textsOf(document['claims_supported']);
  if (offered === null) return [];
  const { subject, attributes, roles, groups, allow } = settings;
  const paths = [subject, ...Object.values(attributes), roles, groups, ...Object.keys(allow?.claims ?? {})];
  const isListed = (path: string) =>
    offered.includes(path) || offered.includes((path.split('.')[0] ?? '').replace('[]', ''));
  const missing = [...new Set(paths.filter((path) => path !== null && !isListed(path)))];
  if (missing.length === 0) return [ok('claims', 'the provider lists every claim that is used')];
  return [note('claims', `not listed by the provider, which may send them anyway: ${missing.join(', ')}`)];
}

function refresh(document: MetadataDocument, { revalidateEveryMs }: ProviderSettings): readonly Finding[] {
  if (revalidateEveryMs === null) return [];
  const grants = textsOf(document['grant_types_supported']);
  if (grants?.includes('refresh_token') === false)
    return [failure('refresh token', 'not offered by the provider, but revalidate needs one')];
  return [note('refresh token', grants === null ? 'the provider does not say whether it issues one' : 'offered')];
}

function userinfo(document: MetadataDocument, settings: ProviderSettings): readonly Finding[] {
  if (!settings.userinfo) return [];
  if (document['userinfo_endpoint'] === undefined)
    return [failure('userinfo', 'asked for, and the provider has no such endpoint')];
  return [ok('userinfo', 'offered and used')];
}

/** Whether a logout here can continue at the provider. Auth0 has its own way where it does not offer the standard one. */
function logout(document: MetadataDocument, { logoutAtProvider, preset }: ProviderSettings): Finding {
  const isOffered = document['end_session_endpoint'] !== undefined;
  if (!logoutAtProvider)
    return note(
      'logout',
      isOffered ? 'supported by the provider (RP-initiated logout)' : 'not offered by the provider',
    );
  if (isOffered || preset === 'auth0') return ok('logout', 'continues at the provider');
  return warn(
    'logout',
    'logoutAtProvider is set, but the provider has no end_session_endpoint: a logout ends only the session here',
  );
}

/** What the provider offers besides logins. */
function further(document: MetadataDocument): readonly Finding[] {
  const has = (name: string) => document[name] !== undefined && document[name] !== false;
  const said = (about: string, name: string, words: string) =>
    note(about, has(name) ? words : 'not offered by the provider');
  return [
    said('iss', 'authorization_response_iss_parameter_supported', 'in every answer (RFC 9207)'),
    said('back-channel', 'backchannel_logout_supported', 'the provider can notify the gateway of logouts'),
    said('revocation', 'revocation_endpoint', 'of tokens (RFC 7009)'),
  ];
}
