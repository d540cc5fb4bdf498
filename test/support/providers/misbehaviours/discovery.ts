/** Wrong discovery documents and key sets (OIDC Discovery §4.3, RFC 8414 §3.3). */

import { answering, endless, htmlPage, padded, silent } from '../hostile-responses.ts';
import type { Claims, MisbehavingProvider, Misbehaviour } from '../misbehaviour.ts';

const document = (changed: Claims | ((provider: MisbehavingProvider) => Claims)): Misbehaviour => ({
  discovery: (honest, provider) => ({ ...honest, ...(typeof changed === 'function' ? changed(provider) : changed) }),
});

export const DISCOVERY = {
  'discovery-issuer-other': document({ issuer: 'https://evil.example' }),
  'discovery-issuer-with-slash': document(({ issuer }) => ({ issuer: `${issuer}/` })),
  'discovery-issuer-missing': document({ issuer: undefined }),
  'discovery-authorization-endpoint-http': document({ authorization_endpoint: 'http://provider.example/authorize' }),
  'discovery-authorization-endpoint-javascript': document({ authorization_endpoint: 'javascript:alert(1)' }),
  'discovery-authorization-endpoint-with-fragment': document(({ issuer }) => ({
    authorization_endpoint: `${issuer}/authorize#fragment`,
  })),
  'discovery-authorization-endpoint-with-user': document({
    authorization_endpoint: 'https://user:password@provider.example/authorize',
  }),
  'discovery-authorization-endpoint-missing': document({ authorization_endpoint: undefined }),
  'discovery-token-endpoint-http': document({ token_endpoint: 'http://provider.example/token' }),
  'discovery-token-endpoint-metadata-service': document({ token_endpoint: 'http://169.254.169.254/token' }),
  'discovery-token-endpoint-missing': document({ token_endpoint: undefined }),
  'discovery-token-endpoint-not-a-url': document({ token_endpoint: 'token' }),
  'discovery-userinfo-endpoint-http': document({ userinfo_endpoint: 'http://provider.example/userinfo' }),
  'discovery-jwks-uri-http': document({ jwks_uri: 'http://provider.example/keys' }),
  'discovery-jwks-uri-missing': document({ jwks_uri: undefined }),
  'discovery-jwks-uri-file': document({ jwks_uri: 'file:///etc/passwd' }),
  'discovery-pkce-plain-only': document({ code_challenge_methods_supported: ['plain'] }),
  /** Does not mention PKCE: many providers support it without saying so. */
  'discovery-pkce-unsaid': document({ code_challenge_methods_supported: undefined }),
  'discovery-no-code': document({ response_types_supported: ['id_token'] }),
  'discovery-only-none': document({ id_token_signing_alg_values_supported: ['none'] }),
  'discovery-only-hs256': document({ id_token_signing_alg_values_supported: ['HS256', 'none'] }),
  'discovery-lists-not-lists': document({ code_challenge_methods_supported: 'S256', scopes_supported: 7 }),
  'discovery-html': { discovery: () => htmlPage },
  'discovery-not-json': { discovery: () => answering(200, '{') },
  'discovery-a-list': { discovery: () => answering(200, '[]') },
  'discovery-404': { discovery: () => answering(404, 'not found', { 'content-type': 'text/plain' }) },
  'discovery-500': { discovery: () => answering(500, 'broken', { 'content-type': 'text/plain' }) },
  'discovery-ten-megabytes': { discovery: (honest) => padded(honest, 10_000_000) },
  'discovery-endless': { discovery: () => endless },
  'discovery-silent': { discovery: () => silent },
  'discovery-redirects': {
    discovery: (_honest, { issuer }) => answering(302, '', { location: `${issuer}/elsewhere` }),
  },
  'discovery-prototype': {
    discovery: (honest) => answering(200, JSON.stringify(honest).replace('{', '{"__proto__":{"isAdmin":true},')),
  },
  'key-set-empty': { keySet: () => ({ keys: [] }) },
  'key-set-html': { keySet: () => htmlPage },
  'key-set-500': { keySet: () => answering(500, 'broken', { 'content-type': 'text/plain' }) },
  'key-set-endless': { keySet: () => endless },
  'key-set-not-a-set': { keySet: () => ({ keys: 'none' }) },
  'key-set-with-secret': { keySet: () => ({ keys: [{ kty: 'oct', k: 'c2VjcmV0', alg: 'HS256', kid: 'key-0' }] }) },
} satisfies Record<string, Misbehaviour>;
