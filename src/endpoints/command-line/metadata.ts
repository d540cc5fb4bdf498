/** `/.well-known/oauth-authorization-server` (RFC 8414): where the command line finds its endpoints. */

import type { EndpointRow } from '../endpoints.ts';
import { tokenEndpointMetadata, type WellKnownSections } from '../well-known.ts';
import type { CommandLineParts } from './parts.ts';
import { DEVICE_GRANT_TYPE } from './token-endpoints.ts';

/** Its row for `Endpoints`. Each public origin gets a document of its own, whose addresses begin with it. */
export function metadataRow(config: WellKnownSections, parts: CommandLineParts): EndpointRow {
  const documents = new Map(config.publicOrigin.map((origin) => [origin, metadataFor(origin, config, parts)]));
  const maxAgeSec = Math.floor(config.upstreamToken.jwksMaxAge / 1_000);
  return {
    method: 'GET',
    path: '/.well-known/oauth-authorization-server',
    needsPublicOrigin: true,
    answer: (exchange, { publicOrigin }) => {
      const document = documents.get(publicOrigin ?? '') ?? '';
      parts.login.responder.json(exchange, 200, document, ['Cache-Control', `public, max-age=${maxAgeSec}`]);
      return null;
    },
  };
}

function metadataFor(origin: string, config: WellKnownSections, { issuer, deviceGrant, refresh }: CommandLineParts) {
  const base = `${origin}${config.basePath}`;
  const services = tokenEndpointMetadata(config);
  return JSON.stringify({
    issuer,
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
    ...(deviceGrant !== null && { device_authorization_endpoint: `${base}/device_authorization` }),
    revocation_endpoint: `${base}/revoke`,
    jwks_uri: `${origin}/.well-known/jwks.json`,
    scopes_supported: [...refresh.accessTokens.allScopes],
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: [
      ...['authorization_code', 'refresh_token'],
      ...(deviceGrant !== null ? [DEVICE_GRANT_TYPE] : []),
      ...(services?.grant_types_supported ?? []),
    ],
    token_endpoint_auth_methods_supported: ['none', ...(services?.token_endpoint_auth_methods_supported ?? [])],
    ...(services !== null && {
      token_endpoint_auth_signing_alg_values_supported: services.token_endpoint_auth_signing_alg_values_supported,
    }),
    revocation_endpoint_auth_methods_supported: ['none'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  });
}
