/** `docs/reference/endpoints.md`: the gateway's own HTTP endpoints, on the public and on the admin listener. */

import { ENDPOINTS } from '../../src/admin/endpoints.ts';
import { PAGES } from '../../src/admin/page/pages.ts';
import { FORM_PATHS, type Form } from '../../src/authorizer/form.ts';
import { cell, code, generated, table } from './markdown.ts';

/** Method, path, meaning. `{base}` is `basePath` of the configuration, `/auth` by default. */
export const PUBLIC_ENDPOINTS = [
  [
    'GET',
    '{base}/login',
    'The login page; `return_to` says where to go after it, `provider` with which identity provider to log in.',
  ],
  ['POST', '{base}/login', 'Logs in with a name and a password: a form of the page, or JSON. With `login.password`.'],
  [
    'GET',
    '{base}/callback/:name',
    'Where an identity provider sends the browser back. With `login.oidc`; `callbackPath` sets another path.',
  ],
  ['POST', '{base}/callback/:name', 'The same with `responseMode: formPost`, instead of GET.'],
  [
    'POST',
    '{base}/backchannel-logout/:name',
    'An identity provider ends sessions (OpenID Connect Back-Channel Logout 1.0). With `login.oidc`.',
  ],
  [
    'GET',
    '{base}/hand-over',
    "On the login origin: hands the browser's login over to the origin that sent it here. With `login.origin`.",
  ],
  [
    'GET',
    '{base}/handed-over',
    'On another origin: takes over that login, and redirects to the page that the person wanted.',
  ],
  [
    'GET',
    '{base}/step-up',
    'A user logs in again at the identity provider of the session, because a route has `require`: `route` is its id.',
  ],
  [
    'GET',
    '{base}/frontchannel-logout/:name',
    'The logout page of an identity provider ends a session by a frame (OpenID Connect Front-Channel Logout 1.0). With `frontchannelLogout`.',
  ],
  ['GET', '{base}/logout', 'Asks whether to log out.'],
  ['POST', '{base}/logout', 'Ends the session that the request presents.'],
  ['POST', '{base}/logout/all', 'Ends every session of the user.'],
  ['GET', '{base}/logged-out', 'The page after a logout.'],
  ['GET', '{base}/session', 'Who is logged in, and until when.'],
  [
    'GET',
    '{base}/session/ending',
    'When the session ends, as a page with a way to stay; `return_to` says where to go then.',
  ],
  ['POST', '{base}/session/ending', 'Prolongs the session, as any use does, and leads to `return_to`.'],
  ['GET', '{base}/sessions', "The user's sessions."],
  ['POST', '{base}/sessions', 'A trusted backend opens a session. With `login.trustedBackends`.'],
  ['POST', '{base}/sessions/others', 'Ends every session of the user but this one.'],
  ['DELETE', '{base}/sessions/:handle', 'Ends one session of the user.'],
  ['POST', '{base}/sessions/:handle', 'The same for a form.'],
  ['POST', '{base}/refresh', 'Exchanges a refresh token for an access token. With `refresh`.'],
  ['POST', '{base}/token', 'The token endpoint (RFC 6749, RFC 8693). With `tokenEndpoint` or `refresh.commandLine`.'],
  ['POST', '{base}/revoke', 'Ends the session of a refresh token (RFC 7009). With `refresh.commandLine`.'],
  ['GET', '{base}/authorize', 'Asks the user whether a terminal may log in (RFC 6749). With `refresh.commandLine`.'],
  ['POST', '{base}/authorize', 'Takes the decision.'],
  [
    'POST',
    '{base}/device_authorization',
    'Gives codes to a terminal without a browser (RFC 8628). With `refresh.commandLine.deviceGrant`.',
  ],
  ['GET', '{base}/device', 'Asks the user for the code of such a terminal.'],
  ['POST', '{base}/device', 'Takes the code, and the decision.'],
  ['GET', '/.well-known/jwks.json', "The public keys of the gateway's tokens."],
  ['GET', '/.well-known/openid-configuration', 'Discovery (RFC 8414).'],
  [
    'GET',
    '/.well-known/oauth-authorization-server',
    'Discovery for the command line (RFC 8414). With `refresh.commandLine`.',
  ],
] as const;

/** Who asks in each form, and where the described request is. */
const FORMS: Readonly<Record<Form, readonly [askedBy: string, described: string]>> = {
  'forward-auth': ['Traefik, Caddy, HAProxy', '`X-Forwarded-Method`, `X-Forwarded-Host`, `X-Forwarded-Uri`'],
  'auth-request': ['nginx, ingress-nginx', '`X-Original-Method`, `X-Original-URL`'],
  refusal: ['nginx, for the answer that the client of a refused request gets', 'the same'],
  'ext-authz': ['Envoy, Istio, Gateway API', 'method and `Host` of the question, and its path after the prefix'],
};

const GUARDS = {
  none: 'nothing',
  host: 'a host name of the listener; programs: any',
  token: 'the admin token',
  page: 'the admin token, as a password',
} as const;

/** Writes the page. */
export function endpointsPage(): string {
  const own = PUBLIC_ENDPOINTS.map(([method, path, meaning]) => [method, code(path), cell(meaning)]);
  const forms = Object.entries(FORMS).map(([form, [askedBy, described]]) => [
    code(`${FORM_PATHS[form as Form]}${form === 'ext-authz' ? '/…' : ''}`),
    askedBy,
    described,
  ]);
  const admin = [...ENDPOINTS, ...PAGES].map(({ method, path, takesSegment, parameter, guard, summary }) => {
    const { name, only = '…', isOptional } = parameter ?? {};
    const query = name === undefined ? '' : isOptional ? `[?${name}=${only}]` : `?${name}=${only}`;
    return [method, code(`${path}${takesSegment === true ? ':handle' : ''}${query}`), GUARDS[guard], cell(summary)];
  });
  return `${generated('src/admin/endpoints.ts and scripts/reference/endpoints.ts')}
# The gateway's own endpoints

Everything else is a route of the configuration. A path below \`basePath\` never reaches an upstream.

## On the public listener

\`{base}\` is \`basePath\`, \`/auth\` by default. Except for \`POST {base}/sessions\` of a trusted backend, \`POST {base}/token\`,
\`POST {base}/backchannel-logout/:name\` and the well-known documents, they answer under a public origin only. Refusals are problem documents ([reasons](reasons.md)), or pages for people.

${table(['Method', 'Path', 'Meaning'], own)}
## On the authorizer

What proxies ask on \`listeners.authorizer\` ([how](../how-to/authorize-for-other-proxies.md)). 200 allows; nothing else is 2xx.

${table(['Path', 'Asked by', 'The request is described by'], forms)}
## On the admin listener

HEAD is answered wherever GET is. A request with another query, or a body where none is taken, is refused.
[An OpenAPI document](admin-api.openapi.yaml) describes parameters, bodies and answers of the API,
[another page](../how-to/admin-page.md) the pages for people.

${table(['Method', 'Path', 'Needs', 'Meaning'], admin)}`;
}
