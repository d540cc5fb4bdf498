/** The session, its cookie and its store. */

import { formatDuration } from '../../../lib/text/units.ts';
import type { ImportOutput } from './draft.ts';
import type { Origin } from './report.ts';
import type { Settings } from './settings.ts';

interface SessionParts extends ImportOutput {
  readonly settings: Settings;
}

const WEEK_MS = 7 * 86_400_000;

/** Writes `session` and `store`. */
export function writeSession(parts: SessionParts): void {
  const { settings, draft, report } = parts;
  const written = settings.get('cookie_samesite');
  const sameSite = written?.value.toLowerCase() ?? '';
  if (['strict', 'lax', 'none'].includes(sameSite)) draft.set(['session', 'cookie', 'sameSite'], sameSite, written);
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
  const writtenMs = expire?.value ?? null;
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
  const written = settings.get('redis_username');
  const username = written?.value ?? user;
  if (username !== null) draft.set(['store', 'redis', 'username'], username, written);
  writeSecret(parts, 'passwordFile', 'redis-password', settings.get('redis_password') ?? password);
  writeSecret(parts, 'sentinelPasswordFile', 'redis-sentinel-password', settings.get('redis_sentinel_password'));
  const ca = settings.get('redis_ca_path');
  if (ca !== null && url.startsWith('rediss')) draft.set(['store', 'redis', 'tls', 'caFile'], ca.value, ca);
}

function writeSecret(
  { draft, secrets }: SessionParts,
  key: string,
  file: string,
  found: (Origin & { readonly value: string }) | null,
): void {
  if (found !== null) draft.set(['store', 'redis', key], secrets.file(file, found.value, found), found);
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
  const kind = settings.holds('redis_use_sentinel')
    ? 'sentinel'
    : settings.holds('redis_use_cluster')
      ? 'cluster'
      : 'single';
  const origin = settings.get(kind === 'single' ? 'redis_connection_url' : `redis_${kind}_connection_urls`);
  const urls = [origin?.value ?? []]
    .flat()
    .map((text) => URL.parse(text))
    .filter((url) => url !== null);
  const [first] = urls;
  if (first === undefined || origin === null) {
    report.todo('Set `store.redis.url`: no address of Redis was found.');
    return { url: 'redis://127.0.0.1:6379', origins: [origin], user: null, password: null };
  }
  const hosts = urls.map(({ host }) => host).join(',');
  const scheme = first.protocol === 'rediss:' ? 'rediss' : 'redis';
  const { url, flags } = {
    sentinel: {
      url: `${scheme}+sentinel://${hosts}/${settings.text('redis_sentinel_master_name') ?? 'mymaster'}`,
      flags: [settings.get('redis_use_sentinel'), settings.get('redis_sentinel_master_name')],
    },
    cluster: { url: `${scheme}+cluster://${hosts}`, flags: [settings.get('redis_use_cluster')] },
    single: { url: `${scheme}://${hosts}${/^\/\d+$/.test(first.pathname) ? first.pathname : ''}`, flags: [] },
  }[kind];
  return {
    url,
    origins: [origin, ...flags],
    user: first.username === '' ? null : decodeURIComponent(first.username),
    password: first.password === '' ? null : { ...origin, value: decodeURIComponent(first.password) },
  };
}
