/** `docs/reference/oauth2-proxy.md`: the equivalent of every option, header and endpoint of oauth2-proxy. */

import { ALPHA_ROWS } from '../../src/cli/import/oauth2-proxy/alpha-rows.ts';
import type { OptionRow } from '../../src/cli/import/oauth2-proxy/options/row.ts';
import { OAUTH2_PROXY_VERSION, OPTION_GROUPS, optionOf } from '../../src/cli/import/oauth2-proxy/options/table.ts';
import { cell, code, generated, table } from './markdown.ts';

/** Headers that oauth2-proxy writes or reads, and what there is instead. */
const HEADERS = [
  [
    'X-Forwarded-User',
    'to upstreams',
    '`identityHeaders: { X-Forwarded-User: user.user }`, with the attribute `user: sub`',
  ],
  ['X-Forwarded-Email', 'to upstreams', '`user.email`: verified addresses only'],
  ['X-Forwarded-Groups', 'to upstreams', '`user.groups`, with commas between them'],
  [
    'X-Forwarded-Preferred-Username',
    'to upstreams',
    '`user.preferredUsername`, with the attribute `preferredUsername: preferred_username`',
  ],
  ['X-Forwarded-Access-Token', 'to upstreams', '`providerToken: X-Forwarded-Access-Token`'],
  [
    'X-Auth-Request-User',
    'to the proxy that asks',
    '`identityHeaders: { X-Auth-Request-User: user.user }`: answers of the authorizer have the identity headers of the route',
  ],
  ['X-Auth-Request-Email', 'to the proxy that asks', '`user.email`'],
  ['X-Auth-Request-Groups', 'to the proxy that asks', '`user.groups`'],
  ['X-Auth-Request-Preferred-Username', 'to the proxy that asks', '`user.preferredUsername`'],
  ['X-Auth-Request-Access-Token', 'to the proxy that asks', '`providerToken: X-Auth-Request-Access-Token`'],
  [
    'X-Auth-Request-Redirect',
    'from the proxy that asks',
    'None: a login returns to the address of the request itself; links can have `return_to`',
  ],
  [
    'Authorization: Bearer',
    'to upstreams, or to the proxy that asks',
    'The upstream token: `upstreamToken: minted`, or under another name with `tokenHeader`. It is not the ID token of the provider',
  ],
  ['Authorization: Basic', 'to upstreams', 'None: read the upstream token or an identity header'],
  [
    'Authorization',
    'from clients',
    'Removed. `passAuthorization: true` passes it on; `credential: { service: […] }` reads it',
  ],
  ['Set-Cookie', 'from the authorizer', 'Passed on by the proxy that asks, as before'],
  ['GAP-Auth, GAP-Signature', 'to upstreams', 'None: the upstream token is signed'],
  ['X-Forwarded-For, X-Real-IP', 'from a proxy in front', '`X-Forwarded-For`, trusted from `trustedProxies` only'],
  [
    'X-Forwarded-Host, -Proto, -Uri',
    'from a proxy in front',
    'On the public listener, `publicOrigin` replaces them; the authorizer reads those of its [form](endpoints.md)',
  ],
] as const;

/** Paths of oauth2-proxy, below its prefix where they begin with `{base}`. */
const ENDPOINTS = [
  ['{base}/sign_in', '`{base}/login`', 'With one provider, it redirects there at once'],
  ['{base}/start?rd=…', '`{base}/login?return_to=…`', '`provider=NAME` chooses one'],
  ['{base}/callback', '`{base}/callback`', 'With `callbackPath: /callback`, so that the registered redirect URI stays'],
  [
    '{base}/sign_out?rd=…',
    '`{base}/logout`',
    'A confirmation page, or a POST: a link alone logs nobody out. `logoutAtProvider` continues at the provider',
  ],
  ['{base}/userinfo', '`{base}/session`', 'JSON with different fields'],
  [
    '{base}/auth',
    '`/auth-request`, `/forward-auth` or `/ext-authz/…` on the authorizer',
    'On a separate listener, for proxies only; 200 instead of 202',
  ],
  [
    '{base}/auth?allowed_groups=…',
    '`allow` of a route',
    'The configuration decides. A question with such a query is refused with 400 (nginx: 403)',
  ],
  ['{base}/static/', 'none', 'Pages are self-contained'],
  ['/ping', '`/livez` on the admin listener', ''],
  ['/ready', '`/readyz` on the admin listener', ''],
  ['/metrics', '`/metrics` on the admin listener', 'With other names: [metrics](metrics.md)'],
] as const;

function becomes(keys: OptionRow['becomes']): string {
  if (keys === 'builtIn') return 'built in';
  return keys === 'dropped' ? '—' : keys.map(code).join(', ');
}

const optionRow = (row: OptionRow) => [
  `${code(`--${row.flag}`)}<br>${code(row.key)}`,
  becomes(row.becomes),
  `${row.onlyWith === undefined ? '' : `With ${row.onlyWith.map(code).join(', ')}. `}${cell(row.text)}`,
];

/** Writes the page. */
export function oauth2ProxyPage(): string {
  const groups = OPTION_GROUPS.map(
    ([title, rows]) => `## ${title}\n\n${table(['Option', 'Becomes', 'How'], rows.map(optionRow))}`,
  );
  const alpha = ALPHA_ROWS.map(({ path, as }) => {
    if (typeof as !== 'string') return [code(path), becomes(as.becomes), cell(as.text)];
    const row = optionOf(as);
    return [code(path), becomes(row?.becomes ?? 'dropped'), `As ${code(as)}`];
  });
  return `${generated('src/cli/import/oauth2-proxy/')}
# Options of oauth2-proxy

The equivalent of every option, header and endpoint of oauth2-proxy ${OAUTH2_PROXY_VERSION}. \`sallyport import oauth2-proxy\` follows these
tables; [moving from oauth2-proxy](../how-to/move-from-oauth2-proxy.md) describes the steps.

*built in*: the gateway always does this, and nothing is written. —: there is no equivalent, and the import reports it if the option is
set. In the environment, an option is the name in the file in capitals: \`OAUTH2_PROXY_COOKIE_EXPIRE\`.

## Headers that services get

${table(
  ['Header', 'Goes', 'Here'],
  HEADERS.map(([name, way, here]) => [name.split(', ').map(code).join(', '), way, here]),
)}
From clients' requests, the gateway removes every header that a route writes, and all of \`X-Forwarded-…\` and \`X-Auth-Request-…\`, on
every route and in every spelling ([headers](headers.md)).

## Endpoints

\`{base}\` is \`--proxy-prefix\` there and \`basePath\` here, \`/oauth2\` after an import.

${table(
  ['oauth2-proxy', 'Sallyport', 'Notes'],
  ENDPOINTS.map(([old, here, note]) => [code(old), here, note]),
)}
${groups.join('\n')}
## The alpha configuration

${table(['Key', 'Becomes', 'How'], alpha)}`;
}
