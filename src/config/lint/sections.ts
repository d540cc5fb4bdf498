/**
 * Rules between the keys outside of routes: origins, cookie, listeners, store, processes, tokens, login.
 */

import { isLoopbackHost } from '../../lib/address.ts';
import type { ListenAddress } from '../fields.ts';
import type { KeyPath } from '../problem.ts';
import { type Draft, entryPath, type LintContext } from './draft.ts';

/** @see PROBLEM_CODES for what each finding means */
export function lintSections(context: LintContext): void {
  lintOrigins(context);
  lintCookie(context);
  lintListeners(context);
  lintStore(context);
  lintWorkers(context);
  lintUpstreamToken(context);
  lintLogin(context);
  lintUpstreams(context);
}

function lintOrigins(context: LintContext): void {
  const { draft, source } = context;
  const hosts = new Map<string, KeyPath>();
  for (const [index, origin] of (draft.publicOrigin ?? []).entries()) {
    const path = entryPath(context, ['publicOrigin'], index);
    const { hostname } = new URL(origin);
    const earlier = hosts.get(hostname);
    if (earlier === undefined) hosts.set(hostname, path);
    else
      source.report(
        'origin/duplicate-host',
        path,
        `publicOrigin has the host ${hostname} already, on line ${source.lineOf(earlier)}`,
      );
  }
}

function lintCookie({ draft, source }: LintContext): void {
  const { session, csrf } = draft;
  if (session === undefined) return;
  const { sameSite } = session.cookie;
  if (sameSite === 'none' && csrf !== undefined && csrf.additionalOrigins.length === 0) {
    source.report(
      'cookie/same-site-none',
      ['session', 'cookie', 'sameSite'],
      'session.cookie.sameSite none sends the session along from any page, and no other origin is expected to call',
      'use lax, or list the origins in csrf.additionalOrigins',
    );
  }
  if (session.idleTimeout > session.absoluteTimeout) {
    source.report(
      'session/timeouts',
      ['session', 'idleTimeout'],
      'session.idleTimeout is longer than session.absoluteTimeout',
    );
  }
}

function lintListeners({ draft, source }: LintContext): void {
  const { listeners, publicOrigin } = draft;
  if (listeners === undefined) return;
  const seen: { readonly name: string; readonly address: ListenAddress }[] = [];
  const named = [
    ...(['public', 'redirect', 'admin'] as const).map((name) => ({ path: ['listeners', name], at: listeners[name] })),
    { path: ['outbound'], at: draft.outbound },
  ];
  for (const { path, at } of named) {
    if (at === undefined) continue;
    const { address } = at;
    const name = path.join('.');
    const other = seen.find((earlier) => collide(earlier.address, address));
    if (other !== undefined) {
      source.report('listeners/same-address', [...path, 'address'], `${name} has the address of ${other.name}`);
    }
    seen.push({ name, address });
  }

  for (const [index, cidr] of listeners.public.trustedProxies.entries()) {
    if (!coversTooMuch(cidr)) continue;
    source.report(
      'listeners/trusts-everyone',
      ['listeners', 'public', 'trustedProxies', index],
      `listeners.public.trustedProxies has ${cidr}: every client in it can name its own address`,
      'list the addresses of your proxies',
    );
  }
  const { admin } = listeners;
  if (admin.tokenFile === undefined && !isLoopbackHost(admin.address.host)) {
    source.report(
      'admin/no-token',
      ['listeners', 'admin', 'address'],
      'listeners.admin can be reached from elsewhere and has no tokenFile: its API answers 403 to everybody',
      'set listeners.admin.tokenFile',
    );
  }
  const isBehindTls = listeners.public.tls === undefined && publicOrigin?.some((origin) => origin.startsWith('https:'));
  if (draft.login?.password !== undefined && isBehindTls === true && listeners.public.trustedProxies.length === 0) {
    source.report(
      'login/proxy-unknown',
      ['listeners', 'public'],
      'TLS ends in front of this listener, but trustedProxies is empty: password attempts of all clients count for the address of the proxy',
      'list the addresses of the proxy in listeners.public.trustedProxies',
      'key',
    );
  }
}

/** Whether the second of two listeners could not be opened. Port 0 is any free port. */
function collide(a: ListenAddress, b: ListenAddress): boolean {
  const isAny = ({ host }: ListenAddress) => host === '0.0.0.0' || host === '::';
  return a.port === b.port && a.port !== 0 && (a.host === b.host || isAny(a) || isAny(b));
}

/** More than the largest private network there is: 10.0.0.0/8, fc00::/7. */
function coversTooMuch(cidr: string): boolean {
  const [address = '', bits] = cidr.split('/');
  return bits !== undefined && Number(bits) < (address.includes(':') ? 7 : 8);
}

const REDIS_CREDENTIALS = /^[a-z+]+:\/\/(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@/;

function lintStore({ draft, source }: LintContext): void {
  const { store, listeners, revocation } = draft;
  if (store === undefined) return;
  const { memory, redis } = store;
  if (memory !== undefined && redis !== undefined) {
    source.report('store/both', ['store', 'memory'], 'store has both memory and redis', 'keep one of them', 'key');
  }
  if (redis === undefined) {
    if (revocation?.outageGrace !== undefined) {
      source.report(
        'revocation/memory',
        ['revocation', 'outageGrace'],
        'revocation.outageGrace has no effect without store.redis: this gateway hears of no revocations but its own',
        'set store.redis, or remove it',
        'key',
      );
    }
    const isPublic = listeners !== undefined && !isLoopbackHost(listeners.public.address.host);
    if (memory === undefined && isPublic) {
      source.report(
        'store/memory',
        ['store'],
        'sessions are kept in this process: lost when it ends, unknown to other replicas',
        'set store.redis, or write store: { memory: {} } if that is meant',
        'key',
      );
    }
    return;
  }
  const path = ['store', 'redis', 'url'];
  const { user = '', password = '' } = REDIS_CREDENTIALS.exec(redis.url)?.groups ?? {};
  if (password !== '' && redis.passwordFile !== undefined) {
    source.report(
      'store/credentials-twice',
      ['store', 'redis', 'passwordFile'],
      'store.redis has a password in url and a passwordFile',
      null,
      'key',
    );
  }
  if (user !== '' && redis.username !== undefined) {
    source.report(
      'store/credentials-twice',
      ['store', 'redis', 'username'],
      'store.redis has a user in url and a username',
      null,
      'key',
    );
  }
  if (redis.tls !== undefined && !redis.url.startsWith('rediss')) {
    source.report(
      'store/tls-unused',
      ['store', 'redis', 'tls'],
      'store.redis.tls has no effect: url does not begin with rediss',
      'write rediss://…',
      'key',
    );
  }
  const written = REDIS_CREDENTIALS.exec(source.writtenAt(path)?.text ?? redis.url)?.groups?.['password'] ?? '';
  if (written !== '' && !written.includes('${')) {
    source.report(
      'config/secret-in-file',
      path,
      'store.redis.url has the password in plain text',
      'use passwordFile, or ${REDIS_PASSWORD}',
    );
  }
  lintPair(redis.tls, ['store', 'redis', 'tls'], source);
}

/** `auto` is one process with the embedded store, whatever the machine has. */
function lintWorkers({ draft, source }: LintContext): void {
  const { workers, store, upstreamToken } = draft;
  const hasRedis = store?.redis !== undefined;
  const areSeveral = workers === 'auto' ? hasRedis : workers !== undefined && workers > 1;
  if (!areSeveral) return;
  if (store !== undefined && !hasRedis) {
    source.report(
      'workers/store',
      ['workers'],
      'workers needs store.redis when there is more than one',
      'set store.redis, or workers: 1',
    );
  }
  if (upstreamToken !== undefined && upstreamToken.keys === undefined && upstreamToken.algorithm !== 'HS256') {
    source.report(
      'workers/signing-key',
      ['workers'],
      'workers needs upstreamToken.keys when there is more than one',
      'set upstreamToken.keys.directory',
    );
  }
}

const LONG_LIFETIME_MS = 5 * 60_000;

/** Whether tokens are made for those who call or are called: a sidecar that passes tokens on makes none. */
const signsForOthers = ({ routes, tokenEndpoint, refresh }: Draft): boolean =>
  tokenEndpoint !== undefined ||
  refresh !== undefined ||
  routes.some((route) => route !== undefined && route.credential !== 'none' && route.upstreamToken === 'minted');

function lintUpstreamToken({ draft, source }: LintContext): void {
  const token = draft.upstreamToken;
  if (token === undefined) return;
  const path = (...keys: string[]) => ['upstreamToken', ...keys];
  if (token.algorithm === 'HS256' && token.secretFile === undefined) {
    source.report(
      'token/secret-file',
      path('algorithm'),
      'upstreamToken.algorithm HS256 needs upstreamToken.secretFile',
    );
  }
  if (token.algorithm !== 'HS256' && token.secretFile !== undefined) {
    source.report(
      'token/secret-file',
      path('secretFile'),
      `upstreamToken.secretFile has no use with ${token.algorithm}`,
      'remove it, or set algorithm: HS256',
      'key',
    );
  }
  if (token.lifetime > LONG_LIFETIME_MS) {
    source.report(
      'token/lifetime',
      path('lifetime'),
      'upstreamToken.lifetime is over 5 minutes: not every verifier hears of revocations',
      'tokens are minted when they are needed; 2m is enough',
    );
  }
  if (token.keys === undefined) {
    if (
      draft.store?.redis !== undefined &&
      draft.workers === 1 &&
      token.algorithm !== 'HS256' &&
      signsForOthers(draft)
    ) {
      source.report(
        'token/memory-key',
        path(),
        'each replica makes its own signing key, which the JWKS of the others does not have',
        'set upstreamToken.keys.directory to a directory that the replicas share',
      );
    }
    return;
  }
  const { rotateEvery, publishBefore } = token.keys;
  if (token.algorithm === 'HS256') {
    source.report(
      'token/keys',
      path('keys'),
      'upstreamToken.keys has no use with HS256, whose only key is secretFile',
      null,
      'key',
    );
    return;
  }
  if (publishBefore < token.jwksMaxAge) {
    source.report(
      'token/publish-before',
      path('keys', 'publishBefore'),
      'upstreamToken.keys.publishBefore is shorter than upstreamToken.jwksMaxAge: a verifier may meet a key that it has not seen',
    );
  }
  if (rotateEvery !== undefined && rotateEvery <= publishBefore) {
    source.report(
      'token/rotate-every',
      path('keys', 'rotateEvery'),
      'upstreamToken.keys.rotateEvery is not longer than publishBefore',
    );
  }
}

function lintLogin({ draft, source }: LintContext): void {
  const { login, routes } = draft;
  if (login === undefined || login.password !== undefined || login.trustedBackends.length > 0) return;
  const index = routes.findIndex((route) => route !== undefined && takesSession(route.credential));
  if (index === -1) return;
  source.report(
    'login/no-way-in',
    ['routes', index, 'credential'],
    'routes take a session, but nothing opens one',
    'set login.password, or login.trustedBackends',
  );
}

const takesSession = (credential: unknown) =>
  credential === 'session' ||
  Array.isArray(credential) ||
  (typeof credential === 'object' && credential !== null && 'session' in credential);

/** RFC 3927, RFC 4291 §2.5.6, as URLs write them. */
const LINK_LOCAL = /^169\.254\.|^\[fe[89ab][0-9a-f]:/;

function lintUpstreams({ draft, source }: LintContext): void {
  for (const [name, upstream] of draft.upstreams) {
    if (upstream === undefined) continue;
    for (const [index, endpoint] of upstream.endpoints.entries()) {
      const { protocol, hostname } = new URL(endpoint);
      if (LINK_LOCAL.test(hostname)) {
        source.report(
          'upstreams/link-local',
          ['upstreams', name, 'endpoints', index],
          `upstream ${JSON.stringify(name)} is on the link-local address ${hostname}`,
        );
      }
      if (protocol === 'https:' || upstream.insecureHttp || isLoopbackHost(hostname)) continue;
      source.report(
        'upstreams/plain-http',
        ['upstreams', name, 'endpoints', index],
        `upstream ${JSON.stringify(name)} is reached by plain http on ${hostname}: tokens can be read on the way`,
        'use https, or write insecureHttp: true if something else encrypts it',
      );
    }
    lintPair(upstream.tls, ['upstreams', name, 'tls'], source);
  }
}

/** A client certificate and its key come together. */
function lintPair(
  tls: { readonly certFile?: string | undefined; readonly keyFile?: string | undefined } | undefined,
  path: KeyPath,
  source: LintContext['source'],
): void {
  if (tls === undefined || (tls.certFile === undefined) === (tls.keyFile === undefined)) return;
  const [present, missing] = tls.certFile === undefined ? ['keyFile', 'certFile'] : ['certFile', 'keyFile'];
  source.report('tls/pair', [...path, present], `${present} needs ${missing} beside it`, null, 'key');
}
