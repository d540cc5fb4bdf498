/**
 * The address of a Redis, from `store.redis.url`. Parsed strictly: nothing is guessed. No message repeats any part of
 * the URL, since it may hold a password.
 */

import { ConfigFault } from '../../../errors.ts';

/** A server. */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** A parsed URL. */
export interface RedisAddress {
  /** `sentinel`: the nodes are the sentinels, which know the primary. */
  readonly topology: 'single' | 'sentinel' | 'cluster';
  readonly nodes: readonly RedisNode[];
  readonly isTls: boolean;
  readonly username: string | null;
  readonly password: string | null;
  /** Number of the database; always 0 in a Cluster. */
  readonly database: number;
  /** The name of the primary at the sentinels; `null` without sentinels. */
  readonly primaryName: string | null;
}

const URL_PATTERN =
  /^redis(?<tls>s)?(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^:@/?#]*)(?::(?<password>[^:@/?#]*))?@)?(?<hosts>[^@/?#]+)(?:\/(?<path>[^@/?#]*))?$/;
const HOST_PATTERN = /^(?:\[(?<ipv6>[0-9A-Fa-f:.]+)\]|(?<name>[A-Za-z0-9._-]+))(?::(?<port>\d{1,5}))?$/;
const PRIMARY_NAME_PATTERN = /^[A-Za-z0-9._-]{1,128}$/;

const FORMS =
  'write redis://host:6379/0, redis+sentinel://host:26379,host:26379/name or redis+cluster://host:6379,host:6379 (rediss for TLS), and characters other than letters, digits and - . _ ~ of user and password as %XX';

/**
 * Parses the URL of a Redis.
 *
 * @throws ConfigFault that names the mistake without repeating the URL
 */
export function parseRedisUrl(url: string): RedisAddress {
  const groups = URL_PATTERN.exec(url)?.groups;
  if (groups === undefined) throw mistake(`is not a Redis URL: ${FORMS}`);
  const { tls, kind, user, password, hosts = '', path = '' } = groups;
  const topology = kind === 'sentinel' || kind === 'cluster' ? kind : 'single';
  const nodes = hosts.split(',').map((host) => parseNode(host, topology === 'sentinel' ? 26_379 : 6_379));
  if (topology === 'single' && nodes.length > 1) {
    throw mistake('names several hosts: use redis+sentinel:// or redis+cluster://');
  }
  if (topology === 'cluster' && path !== '') throw mistake('names a database or a path, which a Cluster does not have');
  return {
    topology,
    nodes,
    isTls: tls !== undefined,
    username: decodePart(user),
    password: decodePart(password),
    database: topology === 'single' ? parseDatabase(path) : 0,
    primaryName: topology === 'sentinel' ? parsePrimaryName(path) : null,
  };
}

function parseNode(text: string, defaultPort: number): RedisNode {
  const groups = HOST_PATTERN.exec(text)?.groups;
  const host = groups?.['ipv6'] ?? groups?.['name'];
  if (host === undefined) throw mistake('has a host that is not host:port; IPv6 addresses are written in brackets');
  const port = Number(groups?.['port'] ?? defaultPort);
  if (port < 1 || port > 65_535) throw mistake('has a port that is not between 1 and 65535');
  return { host, port };
}

function parseDatabase(path: string): number {
  if (path === '') return 0;
  if (!/^\d{1,5}$/.test(path)) throw mistake('must end with the number of a database, such as /0, or with nothing');
  return Number(path);
}

function parsePrimaryName(path: string): string {
  if (PRIMARY_NAME_PATTERN.test(path)) return path;
  throw mistake('must end with the name of the primary at the sentinels, such as /mymaster');
}

/** A part of the userinfo. Absent and empty mean the same (`redis://:password@host`). */
function decodePart(part: string | undefined): string | null {
  if (part === undefined || part === '') return null;
  try {
    return decodeURIComponent(part);
  } catch {
    throw mistake('has a % in its user or password that is not followed by two hex digits; write % as %25');
  }
}

const mistake = (what: string): ConfigFault => new ConfigFault(`store.redis.url ${what}`);
