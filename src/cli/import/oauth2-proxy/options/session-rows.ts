/** Options of oauth2-proxy about its cookies and its session store. */

import type { OptionEntry } from './row.ts';

/** About cookies and where sessions are stored. */
export const SESSION_ROWS = {
  cookie_name: {
    type: 'text',
    default: '_oauth2_proxy',
    becomes: 'builtIn',
    text: 'The cookie is `__Host-sid` (`session.cookie.name`). Its name must begin with `__Host-`, so both gateways can run side by side.',
  },
  cookie_secret: {
    type: 'text',
    becomes: 'builtIn',
    text: 'The cookie holds a random id and nothing else, so there is no key to it.',
    isSecret: true,
  },
  cookie_secret_file: {
    type: 'text',
    becomes: 'builtIn',
    text: 'The cookie holds a random id and nothing else, so there is no key to it.',
  },
  cookie_domains: {
    flag: 'cookie-domain',
    type: 'list',
    becomes: 'dropped',
    text: 'A `__Host-` cookie has no domain: no other host can read it or plant one. `login.origin` gives several origins one login, and `session.cookie.domain` is one cookie for all subdomains, at a price.',
  },
  cookie_path: { type: 'text', default: '/', becomes: 'dropped', text: 'A `__Host-` cookie always has the path `/`.' },
  cookie_expire: {
    type: 'duration',
    default: '168h',
    becomes: ['session.remember', 'session.idleTimeout', 'session.absoluteTimeout'],
    text: 'Written even if it is not set, so that a session lasts as long as before and outlives the browser (`session.remember.always`). With 0 it ends with the browser. oauth2-proxy ends no idle session; a shorter `idleTimeout` is safer.',
  },
  cookie_refresh: {
    type: 'duration',
    becomes: ['login.oidc[].revalidate'],
    text: 'The provider is asked again in the background, and `allow` with it. That needs a refresh token, so it is carried over with the scope `offline_access`, and for Keycloak, Google and GitLab; elsewhere logins without one would be refused.',
  },
  cookie_secure: {
    type: 'boolean',
    default: true,
    becomes: 'builtIn',
    contrary: false,
    text: 'Always. A browser counts `http://localhost` as secure.',
  },
  cookie_httponly: {
    type: 'boolean',
    default: true,
    becomes: 'builtIn',
    contrary: false,
    text: 'Always. Scripts ask `{basePath}/session`.',
  },
  cookie_samesite: {
    type: 'text',
    becomes: ['session.cookie.sameSite'],
    text: '`lax` where oauth2-proxy leaves it to the browser.',
  },
  cookie_csrf_per_request: {
    type: 'boolean',
    becomes: 'builtIn',
    text: 'Logins of many tabs at once work with one cookie; what belongs to each is in the store.',
  },
  cookie_csrf_per_request_limit: {
    type: 'number',
    becomes: 'builtIn',
    text: 'The logins that one browser has under way are limited.',
  },
  cookie_csrf_expire: { type: 'duration', default: '15m', becomes: 'builtIn', text: 'A login has ten minutes.' },
  cookie_csrf_samesite: {
    type: 'text',
    becomes: 'builtIn',
    text: '`lax`, and `none` only where a provider answers with a form (`responseMode: formPost`).',
  },
  session_store_type: {
    type: 'text',
    default: 'cookie',
    becomes: ['store.redis', 'store.memory'],
    text: '`redis` stays Redis. `cookie` becomes the embedded store: for one process, lost when it ends. Several replicas need Redis.',
  },
  session_cookie_minimal: {
    type: 'boolean',
    becomes: 'builtIn',
    text: 'Tokens of the provider are never in a cookie.',
  },
  redis_connection_url: {
    type: 'text',
    becomes: ['store.redis.url'],
    text: 'Without its password, which goes into `passwordFile`.',
    isSecret: true,
  },
  redis_username: { type: 'text', becomes: ['store.redis.username'], text: 'As it is.' },
  redis_password: {
    type: 'text',
    becomes: ['store.redis.passwordFile'],
    text: 'Secrets are in files. `--secrets DIRECTORY` writes the file.',
    isSecret: true,
  },
  redis_use_sentinel: { type: 'boolean', becomes: ['store.redis.url'], text: '`redis+sentinel://host,host/name`.' },
  redis_sentinel_password: {
    type: 'text',
    becomes: ['store.redis.sentinelPasswordFile'],
    text: 'Secrets are in files. `--secrets DIRECTORY` writes the file.',
    isSecret: true,
  },
  redis_sentinel_master_name: {
    type: 'text',
    becomes: ['store.redis.url'],
    text: 'The name at the end of `redis+sentinel://host,host/name`.',
  },
  redis_sentinel_connection_urls: {
    type: 'list',
    becomes: ['store.redis.url'],
    text: 'The hosts of `redis+sentinel://host,host/name`.',
    isSecret: true,
  },
  redis_use_cluster: { type: 'boolean', becomes: ['store.redis.url'], text: '`redis+cluster://host,host`.' },
  redis_cluster_connection_urls: {
    type: 'list',
    becomes: ['store.redis.url'],
    text: 'The hosts of `redis+cluster://host,host`.',
    isSecret: true,
  },
  redis_ca_path: { type: 'text', becomes: ['store.redis.tls.caFile'], text: 'As it is, with a `rediss` URL.' },
  redis_insecure_skip_tls_verify: {
    type: 'boolean',
    becomes: 'dropped',
    text: 'Certificates are always verified. `store.redis.tls.caFile` names the CA, `serverName` another name.',
  },
  redis_connection_idle_timeout: {
    type: 'number',
    becomes: 'builtIn',
    text: 'A connection that Redis closes is opened again.',
  },
} as const satisfies Readonly<Record<string, OptionEntry>>;
