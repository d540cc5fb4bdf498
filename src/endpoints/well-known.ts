/**
 * `/.well-known/jwks.json` and `/.well-known/openid-configuration`: public, cacheable, and served on every host, since
 * services inside a cluster fetch them under an internal name.
 */

import type { Responder } from '../response/respond.ts';
import type { Keyring } from '../token/keyring.ts';
import type { EndpointRow } from './endpoints.ts';
import { tokenEndpointUrls } from './token/compile.ts';
import type { TokenEndpointConfig } from './token/section.ts';
import { GRANT_TYPES } from './token/token-request.ts';

/** The configuration that the documents describe. */
export interface WellKnownSections {
  readonly publicOrigin: readonly string[];
  readonly basePath: string;
  readonly upstreamToken: { readonly jwksMaxAge: number; readonly algorithm: string };
  readonly tokenEndpoint?: TokenEndpointConfig | undefined;
}

interface WellKnownSettings {
  readonly responder: Responder;
  readonly keyring: Keyring;
  /** `iss` of our tokens. */
  readonly issuer: string;
  readonly config: WellKnownSections;
}

const JWKS_PATH = '/.well-known/jwks.json';

/** The rows for {@link Endpoints}. */
export function wellKnownEndpoints({ responder, keyring, issuer, config }: WellKnownSettings): EndpointRow[] {
  const maxAgeSec = Math.floor(config.upstreamToken.jwksMaxAge / 1_000);
  const headers = ['Cache-Control', `public, max-age=${maxAgeSec}`, 'Access-Control-Allow-Origin', '*'];
  const discovery = discoveryDocument(issuer, config);
  const row = (path: string, document: () => string): EndpointRow => ({
    method: 'GET',
    path,
    needsPublicOrigin: false,
    answer: (exchange) => {
      responder.json(exchange, 200, document(), headers);
      return null;
    },
  });
  return [
    row(JWKS_PATH, () => JSON.stringify(keyring.published())),
    row('/.well-known/openid-configuration', () => discovery),
  ];
}

/** The metadata that a verifier reads (RFC 8414 §2), and the members that OpenID Connect libraries insist on. */
function discoveryDocument(issuer: string, config: WellKnownSections): string {
  const { publicOrigin, upstreamToken } = config;
  return JSON.stringify({
    issuer,
    jwks_uri: `${publicOrigin[0]}${JWKS_PATH}`,
    ...tokenEndpointMetadata(config),
    response_types_supported: ['none'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [upstreamToken.algorithm],
  });
}

/** What clients of the token endpoint read; `null` where there is none. */
export function tokenEndpointMetadata(config: WellKnownSections) {
  const { tokenEndpoint } = config;
  if (tokenEndpoint === undefined) return null;
  const asserting = Object.values(tokenEndpoint.clients).filter(({ jwksFile }) => jwksFile !== undefined);
  return {
    token_endpoint: tokenEndpointUrls(config)[0],
    grant_types_supported: GRANT_TYPES,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'private_key_jwt'],
    token_endpoint_auth_signing_alg_values_supported: [...new Set(asserting.flatMap(({ algorithms }) => algorithms))],
  };
}
