/**
 * The metadata of an identity provider (OpenID Connect Discovery 1.0 §3, RFC 8414 §2), read strictly: only what the
 * gateway uses of it, and nothing that could weaken a login.
 */

import { isLoopbackHost } from '../../../lib/address.ts';
import { isJsonObject } from '../../../lib/text/json.ts';
import type { ProviderEndpoints } from './presets.ts';

/** What the gateway uses of a provider's metadata. */
export interface ProviderMetadata {
  /** As the provider writes it; for a provider without one, the origin of its authorization endpoint. */
  readonly issuer: string;
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  readonly userinfoEndpoint: string | null;
  /** RFC 9126; `null` where it is not offered. */
  readonly pushedAuthorizationEndpoint: string | null;
  readonly requiresPushedRequests: boolean;
  /** For logout at the provider; `null` where it is not offered. */
  readonly endSessionEndpoint: string | null;
  /** RFC 7009; `null` where it is not offered. */
  readonly revocationEndpoint: string | null;
  /** `null` for a provider without ID tokens. */
  readonly jwksUri: string | null;
  /** RFC 9207: whether every answer names the issuer. */
  readonly statesIssuer: boolean;
  /** What it signs ID tokens with, of what is accepted here. */
  readonly idTokenAlgorithms: readonly string[];
  /** `null` where it does not say, which means client_secret_basic. */
  readonly tokenAuthMethods: readonly string[] | null;
}

/** Accepted signature algorithms of ID tokens: asymmetric ones, so that only the provider can sign. */
export const ID_TOKEN_ALGORITHMS = [
  'RS256',
  'ES256',
  'PS256',
  'EdDSA',
  'RS384',
  'ES384',
  'PS384',
  'RS512',
  'ES512',
  'PS512',
];

/** Entra's metadata for several tenants have this in place of the tenant. */
export const TENANT_PLACEHOLDER = '{tenantid}';

/** Longest URL that is taken. */
const MAX_URL_LENGTH = 2_048;

/**
 * Reads metadata.
 *
 * @param issuer  as configured; the metadata have to name exactly it (Discovery §4.3), or the template of all Entra tenants
 * @param hasCertificate  whether the gateway presents a client certificate: what it asks itself is then at the aliases for
 *                        such clients, where there are any (RFC 8705 §5)
 * @throws Error in fixed words, which may be logged
 */
export function readMetadata(document: unknown, issuer: string, hasCertificate: boolean): ProviderMetadata {
  if (!isJsonObject(document)) throw new Error('metadata that is not an object');
  if (!namesIssuer(document['issuer'], issuer)) throw new Error(issuerProblem(document['issuer'], issuer));
  const isPlainHttpMeant = issuer.startsWith('http:');
  const url = (name: string) => endpointIn(document, name, isPlainHttpMeant);
  const aliases = hasCertificate ? aliasesIn(document) : {};
  const direct = (name: string) => endpointIn(aliases, name, isPlainHttpMeant) ?? url(name);
  const needed = (name: string, found = url(name)) => found ?? missing(name);
  const challenges = textsIn(document, 'code_challenge_methods_supported');
  if (challenges?.includes('S256') === false) throw new Error('metadata of a provider without PKCE by S256');
  const responses = textsIn(document, 'response_types_supported');
  if (responses?.includes('code') === false) throw new Error('metadata of a provider without response_type=code');
  const signing = textsIn(document, 'id_token_signing_alg_values_supported') ?? ID_TOKEN_ALGORITHMS;
  const idTokenAlgorithms = ID_TOKEN_ALGORITHMS.filter((algorithm) => signing.includes(algorithm));
  if (idTokenAlgorithms.length === 0) throw new Error('metadata of a provider that signs ID tokens with no public key');
  return {
    issuer: document['issuer'] as string,
    authorizationEndpoint: needed('authorization_endpoint'),
    tokenEndpoint: needed('token_endpoint', direct('token_endpoint')),
    userinfoEndpoint: direct('userinfo_endpoint'),
    pushedAuthorizationEndpoint: direct('pushed_authorization_request_endpoint'),
    requiresPushedRequests: document['require_pushed_authorization_requests'] === true,
    endSessionEndpoint: url('end_session_endpoint'),
    revocationEndpoint: direct('revocation_endpoint'),
    jwksUri: needed('jwks_uri'),
    statesIssuer: document['authorization_response_iss_parameter_supported'] === true,
    idTokenAlgorithms,
    tokenAuthMethods: textsIn(document, 'token_endpoint_auth_methods_supported'),
  };
}

/** The metadata of a provider whose endpoints are configured. */
export function fixedMetadata(
  { authorization, token, userinfo }: ProviderEndpoints,
  issuer: string | null,
): ProviderMetadata {
  return {
    issuer: issuer ?? new URL(authorization).origin,
    authorizationEndpoint: authorization,
    tokenEndpoint: token,
    userinfoEndpoint: userinfo ?? null,
    pushedAuthorizationEndpoint: null,
    requiresPushedRequests: false,
    endSessionEndpoint: null,
    revocationEndpoint: null,
    jwksUri: null,
    statesIssuer: false,
    idTokenAlgorithms: [],
    tokenAuthMethods: null,
  };
}

/** Where the metadata of an issuer are (Discovery §4.1). */
export const metadataUrl = (issuer: string): string => `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;

function namesIssuer(stated: unknown, issuer: string): boolean {
  if (stated === issuer) return true;
  // The addresses for several tenants: /common, /organizations, /consumers.
  return typeof stated === 'string' && stated.includes(TENANT_PLACEHOLDER) && isMultiTenant(issuer)
    ? stated === issuer.replace(MULTI_TENANT, `/${TENANT_PLACEHOLDER}/`)
    : false;
}

const MULTI_TENANT = /\/(?:common|organizations|consumers)\//;

/** Whether an issuer is an address of Entra for people of many tenants. */
export const isMultiTenant = (issuer: string): boolean => MULTI_TENANT.test(issuer);

function issuerProblem(stated: unknown, issuer: string): string {
  const isSlashAmiss = typeof stated === 'string' && stated.replace(/\/$/, '') === issuer.replace(/\/$/, '');
  return isSlashAmiss ? 'metadata whose issuer differs in the slash at its end' : 'metadata of another issuer';
}

function missing(name: string): never {
  throw new Error(`metadata without ${name}`);
}

/** Endpoints for clients with a certificate, which the metadata name like their others. */
function aliasesIn(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const aliases = members['mtls_endpoint_aliases'] ?? {};
  if (!isJsonObject(aliases)) throw new Error('metadata whose mtls_endpoint_aliases is not an object');
  return aliases;
}

/** An endpoint that is https, or plain http on this machine for an issuer that is so itself (OIDC-11). */
function endpointIn(
  members: Readonly<Record<string, unknown>>,
  name: string,
  isPlainHttpMeant: boolean,
): string | null {
  const text = members[name];
  if (text === undefined || text === null) return null;
  const url = typeof text === 'string' && text.length <= MAX_URL_LENGTH ? URL.parse(text) : null;
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '')
    throw new Error(`metadata whose ${name} is not a plain URL`);
  if (url.protocol === 'https:') return url.href;
  if (url.protocol === 'http:' && isPlainHttpMeant && isLoopbackHost(url.hostname)) return url.href;
  throw new Error(`metadata whose ${name} is not https`);
}

function textsIn(members: Readonly<Record<string, unknown>>, name: string): readonly string[] | null {
  const list = members[name];
  return Array.isArray(list) && list.every((entry) => typeof entry === 'string') ? list : null;
}
