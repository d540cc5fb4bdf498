/** The session, its cookie and its store. */

import { formatDuration } from '../../../lib/text/units.ts';
import type { ConfigDraft } from './draft.ts';
import type { Origin, Report } from './report.ts';
import type { SecretStore } from './secrets.ts';
import type { Settings } from './settings.ts';

interface SessionParts {
  readonly settings: Settings;
  readonly draft: ConfigDraft;
  readonly report: Report;
  readonly secrets: SecretStore;
}

const WEEK_MS = 7 * 86_400_000;

/** Writes `session` and `store`. */
export function writeSession(parts: SessionParts): void {
  const { settings, draft, report } = parts;
  const sameSite = settings.text('cookie_samesite')?.toLowerCase();
  if (sameSite === 'strict' || sameSite === 'lax' || sameSite === 'none')
    draft.set(['session', 'cookie', 'sameSite'], sameSite, settings.get('cookie_samesite'));
  writeLifetimes(parts);
  if (settings.text('session_store_type') === 'redis') writeRedis(parts);
  else {
    draft.set(['store', 'memory'], {}, settings.get('session_store_type') ?? 'sessions are lost when the process ends');
    report.todo('Set `store.redis` if there are several replicas: sessions are in the store here, not in the cookie.');
  }
}

/** The cookie of oauth2-proxy outlives the browser, unless `cookie_expire` is 0. */
function writeLifetimes({ settings, draft, report }: SessionParts): void {
  const expire = settings.get('cookie_expire');
  const writtenMs = settings.durationMs('cookie_expire');
  const from = expire ?? 'cookie_expire, by default';
  const goesWithBrowser = writtenMs !== null && writtenMs < 1_000;
  const lifetime = formatDuration(writtenMs === null || goesWithBrowser ? WEEK_MS : writtenMs);
  const at = goesWithBrowser ? ['session'] : ['session', 'remember'];
  if (!goesWithBrowser) draft.set([...at, 'always'], true, 'the cookie outlives the browser');
  draft.set([...at, 'idleTimeout'], lifetime, from, 'oauth2-proxy ends no idle session; 30m is safer');
  draft.set([...at, 'absoluteTimeout'], lifetime, from);
  if (goesWithBrowser && expire !== null) report.different(expire, 'A session always ends: after a week here.');
}

function writeRedis(parts: SessionParts): void {
  const { settings, draft } = parts;
  draft.carry(settings.get('session_store_type'));
  const { url, origins, user, password } = addressOf(parts);
  draft.set(['store', 'redis', 'url'], url, ...origins);
  const username = settings.text('redis_username') ?? user;
  if (username !== null) draft.set(['store', 'redis', 'username'], username, settings.get('redis_username'));
  writeSecret(parts, 'passwordFile', 'redis-password', settings.get('redis_password') ?? password);
  writeSecret(parts, 'sentinelPasswordFile', 'redis-sentinel-password', settings.get('redis_sentinel_password'));
  const ca = settings.text('redis_ca_path');
  if (ca !== null && url.startsWith('rediss'))
    draft.set(['store', 'redis', 'tls', 'caFile'], ca, settings.get('redis_ca_path'));
}

function writeSecret(
  { draft, secrets }: SessionParts,
  key: string,
  file: string,
  found: (Origin & { readonly value: unknown }) | null,
): void {
  if (found !== null) draft.set(['store', 'redis', key], secrets.file(file, String(found.value), found), found);
}

interface Address {
  readonly url: string;
  readonly origins: readonly (Origin | null)[];
  /** In the URL; `null` without. */
  readonly user: string | null;
  readonly password: (Origin & { readonly value: string }) | null;
}

/** One URL for the gateway, whatever the number of URLs that oauth2-proxy has, without a password. */
function addressOf({ settings, report }: SessionParts): Address {
  const isSentinel = settings.holds('redis_use_sentinel');
  const isCluster = settings.holds('redis_use_cluster');
  const key = isSentinel ? 'redis_sentinel_connection_urls' : isCluster ? 'redis_cluster_connection_urls' : null;
  const one = settings.text('redis_connection_url');
  const origin = key === null ? settings.get('redis_connection_url') : settings.get(key);
  const urls = (key === null ? (one === null ? [] : [one]) : settings.list(key))
    .map((text) => URL.parse(text))
    .filter((url) => url !== null);
  const [first] = urls;
  if (first === undefined || origin === null) {
    report.todo('Set `store.redis.url`: no address of Redis was found.');
    return { url: 'redis://127.0.0.1:6379', origins: [origin], user: null, password: null };
  }
  const hosts = urls.map(({ host }) => host).join(',');
  const scheme = first.protocol === 'rediss:' ? 'rediss' : 'redis';
  const name = settings.text('redis_sentinel_master_name') ?? 'mymaster';
  const database = /^\/\d+$/.test(first.pathname) ? first.pathname : '';
  const url = isSentinel
    ? `${scheme}+sentinel://${hosts}/${name}`
    : isCluster
      ? `${scheme}+cluster://${hosts}`
      : `${scheme}://${hosts}${database}`;
  const flags = isSentinel
    ? [settings.get('redis_use_sentinel'), settings.get('redis_sentinel_master_name')]
    : isCluster
      ? [settings.get('redis_use_cluster')]
      : [];
  const password = first.password === '' ? null : { ...origin, value: decodeURIComponent(first.password) };
  return {
    url,
    origins: [origin, ...flags],
    user: first.username === '' ? null : decodeURIComponent(first.username),
    password,
  };
}
