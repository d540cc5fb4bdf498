/** Wrong authorization responses, which come back through the browser (OIDC Core §3.1.2.5, RFC 9207). */

import type { Misbehaviour } from '../misbehaviour.ts';

/** An attacker's page that fits into a parameter. */
export const ATTACK_MARKUP = '<script>alert(1)</script><img src=x onerror=alert(2)>"\'`\r\nSet-Cookie: a=b\u0000\u202e';

const error =
  (name: string, description?: string): NonNullable<Misbehaviour['authorization']> =>
  ({ state = '', iss = '' }) => ({
    error: name,
    ...(description === undefined ? {} : { error_description: description }),
    state,
    iss,
  });

export const RESPONSES = {
  'state-missing': { authorization: ({ code = '', iss = '' }) => ({ code, iss }) },
  'state-wrong': { authorization: (honest) => ({ ...honest, state: 'A'.repeat(43) }) },
  'state-cut': { authorization: (honest) => ({ ...honest, state: `${honest['state']}`.slice(0, -1) }) },
  'state-twice': { authorization: (honest) => ({ ...honest, state: [`${honest['state']}`, 'another'] }) },
  'state-huge': { authorization: (honest) => ({ ...honest, state: 'A'.repeat(6_000) }) },
  'iss-parameter-wrong': { authorization: (honest) => ({ ...honest, iss: 'https://honest.example' }) },
  'iss-parameter-missing': { authorization: ({ code = '', state = '' }) => ({ code, state }) },
  'iss-parameter-with-slash': { authorization: (honest) => ({ ...honest, iss: `${honest['iss']}/` }) },
  'iss-parameter-twice': {
    authorization: (honest) => ({ ...honest, iss: [`${honest['iss']}`, 'https://evil.example'] }),
  },
  'code-missing': { authorization: ({ state = '', iss = '' }) => ({ state, iss }) },
  'code-empty': { authorization: (honest) => ({ ...honest, code: '' }) },
  'code-twice': { authorization: (honest) => ({ ...honest, code: [`${honest['code']}`, 'another'] }) },
  'code-of-nobody': { authorization: (honest) => ({ ...honest, code: 'not-a-code' }) },
  'code-and-error': { authorization: (honest) => ({ ...honest, error: 'access_denied' }) },
  'tokens-in-response': {
    authorization: (honest) => ({ ...honest, access_token: 'token', id_token: 'token', token_type: 'Bearer' }),
  },
  'response-as-jwt': { authorization: ({ state = '', iss = '' }) => ({ response: 'e30.e30.', state, iss }) },
  'fragment-response': { responseMode: 'fragment' },
  'form-post-response': { responseMode: 'form_post' },
  'query-response': { responseMode: 'query' },
  'access-denied': { authorization: error('access_denied', 'The person pressed cancel') },
  'login-required': { authorization: error('login_required') },
  'interaction-required': { authorization: error('interaction_required') },
  'temporarily-unavailable': { authorization: error('temporarily_unavailable') },
  'provider-error': { authorization: error('server_error', 'Something broke') },
  'invalid-scope': { authorization: error('invalid_scope') },
  'unknown-error': { authorization: error('something_that_nobody_knows') },
  'error-with-markup': { authorization: error('access_denied', ATTACK_MARKUP) },
  'error-name-with-markup': { authorization: error(ATTACK_MARKUP) },
  'error-uri-javascript': {
    authorization: ({ state = '', iss = '' }) => ({
      error: 'access_denied',
      error_uri: 'javascript:alert(1)',
      state,
      iss,
    }),
  },
  'error-with-wrong-iss': {
    authorization: ({ state = '' }) => ({ error: 'access_denied', state, iss: 'https://evil.example' }),
  },
  'error-huge': { authorization: error('access_denied', 'x'.repeat(5_000)) },
} satisfies Record<string, Misbehaviour>;
