/** Wrong answers of the token and userinfo endpoints (RFC 6749 §5, OIDC Core §5.3), and odd logouts. */

import { answering, broken, endless, htmlPage, padded, silent, stalled } from '../hostile-responses.ts';
import type { Claims, Misbehaviour } from '../misbehaviour.ts';
import { ATTACK_MARKUP } from './responses.ts';

const token = (changed: Claims): Misbehaviour => ({ token: (honest) => ({ ...honest, ...changed }) });
const userinfo = (changed: Claims): Misbehaviour => ({ userinfo: (honest) => ({ ...honest, ...changed }) });
const refresh = (changed: Claims): Misbehaviour => ({ refreshClaims: (honest) => ({ ...honest, ...changed }) });

const DEEP = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
const TEN_MEGABYTES = 10_000_000;

export const ANSWERS = {
  'token-html': { token: () => htmlPage },
  'token-html-with-json-type': { token: () => answering(200, '<!doctype html><title>Sign in</title>') },
  'token-ten-megabytes': { token: (honest) => padded(honest, TEN_MEGABYTES) },
  'token-endless': { token: () => endless },
  'token-silent': { token: () => silent },
  'token-stalled': { token: () => stalled },
  'token-broken-connection': { token: () => broken },
  'token-not-json': { token: () => answering(200, '{"access_token":') },
  'token-a-list': { token: () => answering(200, '[]') },
  'token-null': { token: () => answering(200, 'null') },
  'token-deeply-nested': { token: () => answering(200, `{"access_token":"x","token_type":"Bearer","a":${DEEP}}`) },
  'token-redirects': { token: (_honest, { issuer }) => answering(307, '', { location: `${issuer}/token-elsewhere` }) },
  'token-redirects-inside': {
    token: () => answering(302, '', { location: 'http://169.254.169.254/latest/meta-data' }),
  },
  'token-500': { token: () => answering(500, { error: 'server_error' }) },
  'token-503': { token: () => answering(503, '', { 'retry-after': '7' }) },
  'token-429': { token: () => answering(429, { error: 'slow_down' }, { 'retry-after': '5' }) },
  'token-invalid-grant': { token: () => answering(400, { error: 'invalid_grant' }) },
  'token-invalid-client': {
    token: () => answering(401, { error: 'invalid_client', error_description: 'wrong secret' }),
  },
  'token-error-with-markup': {
    token: () => answering(400, { error: 'invalid_grant', error_description: ATTACK_MARKUP }),
  },
  'token-error-not-a-string': { token: () => answering(400, { error: { nested: true } }) },
  'token-200-with-error': { token: () => answering(200, { error: 'bad_verification_code' }) },
  'token-type-mac': token({ token_type: 'mac' }),
  'token-type-missing': token({ token_type: undefined }),
  'token-type-lower-case': token({ token_type: 'bearer' }),
  'expires-in-negative': token({ expires_in: -1 }),
  'expires-in-zero': token({ expires_in: 0 }),
  'expires-in-huge': token({ expires_in: 1e9 }),
  'expires-in-beyond-numbers': token({ expires_in: 1e308 }),
  'expires-in-a-string': token({ expires_in: '300' }),
  'expires-in-nonsense': token({ expires_in: 'soon' }),
  'expires-in-missing': token({ expires_in: undefined }),
  'access-token-missing': token({ access_token: undefined }),
  'access-token-not-a-string': token({ access_token: { a: 1 } }),
  'access-token-with-newline': token({ access_token: 'a\r\nX-Injected: 1' }),
  'access-token-huge': token({ access_token: 'x'.repeat(100_000) }),
  'refresh-token-not-a-string': token({ refresh_token: 7 }),
  'refresh-token-missing': token({ refresh_token: undefined }),
  'id-token-missing': token({ id_token: undefined }),
  'id-token-not-a-string': token({ id_token: ['a'] }),
  'userinfo-sub-wrong': userinfo({ sub: 'somebody-else' }),
  'userinfo-sub-missing': userinfo({ sub: undefined }),
  'userinfo-html': { userinfo: () => htmlPage },
  'userinfo-ten-megabytes': { userinfo: (honest) => padded(honest, TEN_MEGABYTES) },
  'userinfo-silent': { userinfo: () => silent },
  'userinfo-401': { userinfo: () => answering(401, { error: 'invalid_token' }, { 'www-authenticate': 'Bearer' }) },
  'userinfo-500': { userinfo: () => answering(500, 'broken', { 'content-type': 'text/plain' }) },
  'userinfo-a-list': { userinfo: () => answering(200, '[]') },
  'userinfo-redirects': {
    userinfo: (_honest, { issuer }) => answering(302, '', { location: `${issuer}/userinfo-elsewhere` }),
  },
  'userinfo-unsigned-jwt': {
    userinfo: (honest) =>
      answering(200, `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify(honest)).toString('base64url')}.`, {
        'content-type': 'application/jwt',
      }),
  },
  /** Userinfo must not set the protocol's own claims. */
  'userinfo-other-iss': userinfo({ iss: 'https://evil.example', aud: 'another', acr: 'urn:example:more', sid: 'x' }),
  'refresh-iss-wrong': refresh({ iss: 'https://evil.example' }),
  'refresh-sub-wrong': refresh({ sub: 'somebody-else' }),
  'refresh-aud-wrong': refresh({ aud: 'another-shop' }),
  'refresh-azp-wrong': refresh({ azp: 'another-shop' }),
  'refresh-nonce-other': refresh({ nonce: 'a nonce of another login' }),
  'refresh-without-id-token': { refresh: (honest) => ({ ...honest, id_token: undefined }) },
  'refresh-without-refresh-token': { refresh: (honest) => ({ ...honest, refresh_token: undefined }) },
  'refresh-invalid-grant': { refresh: () => answering(400, { error: 'invalid_grant' }) },
  'refresh-invalid-client': { refresh: () => answering(401, { error: 'invalid_client' }) },
  'refresh-500': { refresh: () => answering(500, 'broken', { 'content-type': 'text/plain' }) },
  'refresh-silent': { refresh: () => silent },
  'refresh-html': { refresh: () => htmlPage },
  'refresh-expires-at-once': { refresh: (honest) => ({ ...honest, expires_in: 1 }) },
  'logout-state-other': { logoutState: () => 'a state of another logout' },
  'logout-state-missing': { logoutState: () => null },
} satisfies Record<string, Misbehaviour>;
