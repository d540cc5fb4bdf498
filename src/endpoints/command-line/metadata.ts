/** `/.well-known/oauth-authorization-server` (RFC 8414): where the command line finds its endpoints. */

import { tokenEndpointMetadata, type WellKnownSections } from '../well-known.ts';
import { DEVICE_GRANT_TYPE } from './token-endpoints.ts';

/** What the document says. */
interface MetadataSettings {
  /** `iss` of our tokens. */
  readonly issuer: string;
  readonly config: WellKnownSections;
  readonly hasDeviceGrant: boolean;
  readonly scopes: readonly string[];
}

/** Writes the document. @param origin  the public origin at which it was asked for, and which its addresses begin with */
export function authorizationServerMetadata(
  origin: string,
  { issuer, config, hasDeviceGrant, scopes }: MetadataSettings,
): string {
  const base = `${origin}${config.basePath}`;
  const services = tokenEndpointMetadata(config);
  return JSON.stringify({
    issuer,
    authorization_endpoint: `${base}/authorize`,
    token_endpoint: `${base}/token`,
    ...(hasDeviceGrant && { device_authorization_endpoint: `${base}/device_authorization` }),
    revocation_endpoint: `${base}/revoke`,
    jwks_uri: `${origin}/.well-known/jwks.json`,
    scopes_supported: scopes,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: [
      ...['authorization_code', 'refresh_token'],
      ...(hasDeviceGrant ? [DEVICE_GRANT_TYPE] : []),
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
