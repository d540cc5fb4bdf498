/** Options of oauth2-proxy about its endpoints, upstreams and headers. */

import type { OptionEntry } from './row.ts';

/** About the proxy itself: its paths, and what is in front of it. */
export const PROXY_ROWS = {
  proxy_prefix: {
    type: 'text',
    default: '/oauth2',
    becomes: ['basePath'],
    text: 'Written even if it is not set, so that the redirect URI at the provider stays.',
  },
  redirect_url: {
    type: 'text',
    becomes: ['publicOrigin', 'login.oidc[].callbackPath'],
    text: 'Its origin is the public origin. The path stays the registered one: `callbackPath: /callback`. Without it oauth2-proxy takes the host of each request; the gateway needs to know it (`--public-origin`).',
  },
  relative_redirect_url: {
    type: 'boolean',
    becomes: 'builtIn',
    text: 'The redirect URI is that of the public origin on which the login began.',
  },
  whitelist_domains: {
    flag: 'whitelist-domain',
    type: 'list',
    becomes: 'dropped',
    text: 'A login leads back to the public origin on which it began, and to no other host. Hosts that the gateway itself serves go into `publicOrigin`.',
  },
  skip_provider_button: {
    type: 'boolean',
    becomes: 'builtIn',
    text: 'With one provider and no password form, a login goes straight to it.',
  },
  encode_state: { type: 'boolean', becomes: 'builtIn', text: '`state` is a random value in URL-safe letters.' },
  reverse_proxy: {
    type: 'boolean',
    becomes: ['listeners.public.trustedProxies'],
    text: 'Together with `trusted_proxy_ips`. Without those oauth2-proxy believes every peer; the import believes this machine only, and says so.',
  },
  trusted_proxy_ips: {
    flag: 'trusted-proxy-ip',
    type: 'list',
    becomes: ['listeners.public.trustedProxies'],
    text: 'As it is.',
  },
  real_client_ip_header: {
    type: 'text',
    default: 'X-Real-IP',
    becomes: 'builtIn',
    text: 'The client is the nearest address in `X-Forwarded-For` that is not a trusted proxy.',
  },
  force_https: {
    type: 'boolean',
    becomes: ['listeners.redirect'],
    text: 'A listener at `http_address` that redirects to the public origin.',
  },
  ping_path: {
    type: 'text',
    default: '/ping',
    becomes: 'builtIn',
    text: '`/livez` on the admin listener. Probes have to ask there.',
  },
  ping_user_agent: { type: 'text', becomes: 'dropped', text: 'Probes ask `/livez` on the admin listener.' },
  ready_path: { type: 'text', default: '/ready', becomes: 'builtIn', text: '`/readyz` on the admin listener.' },
  gcp_healthchecks: {
    type: 'boolean',
    becomes: 'dropped',
    text: 'Let the load balancer ask `/readyz` on the admin listener.',
  },
  allow_query_semicolons: { type: 'boolean', becomes: 'builtIn', text: 'The query passes byte for byte.' },
  signature_key: {
    type: 'text',
    becomes: 'dropped',
    text: 'No `GAP-Signature`: the upstream token is signed, and names the user and the audience.',
    isSecret: true,
  },
} as const satisfies Readonly<Record<string, OptionEntry>>;

/** About the headers that upstreams, or the proxy that asks, get. */
export const HEADER_ROWS = {
  pass_user_headers: {
    type: 'boolean',
    default: true,
    becomes: ['routes[].identityHeaders'],
    text: '`X-Forwarded-User`, `-Email`, `-Groups` and `-Preferred-Username`.',
    isInAlpha: true,
  },
  pass_basic_auth: {
    type: 'boolean',
    default: true,
    becomes: ['routes[].identityHeaders'],
    text: 'Its user headers are those of `pass_user_headers`.',
    isInAlpha: true,
  },
  basic_auth_password: {
    type: 'text',
    becomes: 'dropped',
    text: 'The user does not go into `Authorization: Basic`. Let the service read the upstream token or an identity header.',
    isSecret: true,
    isInAlpha: true,
  },
  prefer_email_to_user: {
    type: 'boolean',
    becomes: ['routes[].identityHeaders'],
    text: '`X-Forwarded-User` has the email address.',
    isInAlpha: true,
  },
  pass_access_token: {
    type: 'boolean',
    becomes: ['routes[].providerToken'],
    text: '`X-Forwarded-Access-Token`, or `X-Auth-Request-Access-Token` in the answer to the proxy that asks. A service that needs no API of the provider is better off with the upstream token.',
    isInAlpha: true,
  },
  pass_authorization_header: {
    type: 'boolean',
    becomes: ['routes[].upstreamToken'],
    text: '`Authorization: Bearer` has the upstream token of the gateway instead of the ID token: two minutes, for this upstream, verified with `/.well-known/jwks.json`.',
    isInAlpha: true,
  },
  set_xauthrequest: {
    type: 'boolean',
    becomes: ['listeners.authorizer', 'routes[].identityHeaders'],
    text: '`X-Auth-Request-User`, `-Email`, `-Groups` and `-Preferred-Username` in the answer to the proxy that asks.',
    isInAlpha: true,
  },
  set_authorization_header: {
    type: 'boolean',
    becomes: ['routes[].upstreamToken'],
    text: 'As `pass_authorization_header`, in the answer to the proxy that asks.',
    isInAlpha: true,
  },
  set_basic_auth: {
    type: 'boolean',
    becomes: 'dropped',
    text: 'The user does not go into `Authorization: Basic`.',
    isInAlpha: true,
  },
  skip_auth_strip_headers: {
    type: 'boolean',
    default: true,
    becomes: 'builtIn',
    contrary: false,
    text: 'Identity headers of clients are removed on every route, in every spelling.',
    isInAlpha: true,
  },
} as const satisfies Readonly<Record<string, OptionEntry>>;

/** About the services behind it. */
export const UPSTREAM_ROWS = {
  upstreams: {
    flag: 'upstream',
    type: 'list',
    becomes: ['upstreams.<name>.endpoints', 'routes[].match'],
    text: 'One upstream and one route each. `static://` becomes `listeners.authorizer`. `file://` needs a web server: the gateway serves no files. `unix://` has no equivalent.',
    isInAlpha: true,
  },
  pass_host_header: {
    type: 'boolean',
    default: true,
    becomes: ['upstreams.<name>.hostHeader'],
    text: '`preserve`, or `endpoint`.',
    isInAlpha: true,
  },
  proxy_websockets: {
    type: 'boolean',
    default: true,
    becomes: ['routes[].webSocket'],
    text: 'As it is.',
    isInAlpha: true,
  },
  upstream_timeout: {
    type: 'duration',
    default: '30s',
    becomes: ['upstreams.<name>.timeouts.firstByte'],
    text: 'If it is set. The default is 60 s here.',
    isInAlpha: true,
  },
  ssl_upstream_insecure_skip_verify: {
    type: 'boolean',
    becomes: 'dropped',
    text: 'Certificates are always verified. `upstreams.<name>.tls.caFile` names the CA, `serverName` another name.',
    isInAlpha: true,
  },
  flush_interval: {
    type: 'duration',
    default: '1s',
    becomes: 'builtIn',
    text: 'Every part of an answer is passed on at once.',
    isInAlpha: true,
  },
  disable_keep_alives: {
    type: 'boolean',
    becomes: 'dropped',
    text: 'Connections to upstreams are kept and used again.',
    isInAlpha: true,
  },
} as const satisfies Readonly<Record<string, OptionEntry>>;
