/** Where `store.redis` contradicts itself: checked by `validate`, and again when the store is opened. */

import { type Code, defineCodes, error, type KeyPath } from '../../config/findings/problem.ts';
import { parseRedisUrl } from './connection/url.ts';
import type { RedisConfig } from './section.ts';

/** Codes of the findings about `store.redis`. */
export const codes = defineCodes({
  'store/credentials-twice': error('The user or the password of Redis is set both in the URL and in a key of its own.'),
  'store/password-missing': error('A Redis user without a password: Redis has no login without one.'),
  'store/sentinel-unused': error('`store.redis.sentinelPasswordFile` with a URL that is not `redis+sentinel…`.'),
  'store/tls-unused': error(
    '`store.redis.tls` with a URL that is not `rediss…`: the connection would not be encrypted.',
  ),
});

interface Contradiction {
  readonly code: Code;
  /** The key that it is reported at. */
  readonly key: KeyPath;
  readonly message: string;
  readonly hint: string | null;
}

/**
 * Lists what the keys of the section say against each other. Does not check whether its files can be used, or whether
 * `certFile` and `keyFile` come together, which every TLS section has in common.
 *
 * @throws ConfigFault when the URL is not one
 */
export function contradictions({
  url,
  username,
  passwordFile,
  sentinelPasswordFile,
  tls,
}: RedisConfig): Contradiction[] {
  const address = parseRedisUrl(url);
  const found: Contradiction[] = [];
  const report = (code: Code, key: string, message: string, hint: string | null = null) =>
    found.push({ code, key: ['store', 'redis', key], message, hint });
  if (address.password !== null && passwordFile !== undefined) {
    const message = 'store.redis has a password in url and a passwordFile';
    report(codes['store/credentials-twice'], 'passwordFile', message, 'leave one out');
  }
  if (address.username !== null && username !== undefined) {
    const message = 'store.redis has a user in url and a username';
    report(codes['store/credentials-twice'], 'username', message, 'leave one out');
  }
  const hasUser = address.username !== null || username !== undefined;
  if (hasUser && address.password === null && passwordFile === undefined) {
    const message = 'store.redis has a user but no password';
    report(codes['store/password-missing'], username === undefined ? 'url' : 'username', message, 'set passwordFile');
  }
  if (sentinelPasswordFile !== undefined && address.topology !== 'sentinel') {
    const message = 'store.redis.sentinelPasswordFile has no effect: url does not begin with redis+sentinel';
    report(codes['store/sentinel-unused'], 'sentinelPasswordFile', message, 'remove it');
  }
  if (tls !== undefined && !address.isTls) {
    const message = 'store.redis.tls has no effect: url does not begin with rediss';
    report(codes['store/tls-unused'], 'tls', message, 'write rediss://…');
  }
  return found;
}
