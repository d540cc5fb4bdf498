/** Rules about `store.redis`. */

import { codes as configCodes } from '../../config/codes.ts';
import { defineCodes, error } from '../../config/problem.ts';
import type { ConfigSource } from '../../config/source.ts';
import { lintPair } from '../../config/tls-pair.ts';
import type { RedisConfig } from './section.ts';

/** Codes of the findings about `store.redis`. */
export const codes = defineCodes({
  'store/credentials-twice': error('The user or the password of Redis is given in the URL and again beside it.'),
  'store/tls-unused': error(
    '`store.redis.tls` with a URL that is not `rediss…`: the connection would not be encrypted.',
  ),
});

const REDIS_CREDENTIALS = /^[a-z+]+:\/\/(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@/;

/** Applies the rules. */
export function lint(redis: RedisConfig, source: ConfigSource): void {
  const path = ['store', 'redis', 'url'];
  const { user = '', password = '' } = REDIS_CREDENTIALS.exec(redis.url)?.groups ?? {};
  if (password !== '' && redis.passwordFile !== undefined) {
    source.report(
      codes['store/credentials-twice'],
      ['store', 'redis', 'passwordFile'],
      'store.redis has a password in url and a passwordFile',
      null,
      'key',
    );
  }
  if (user !== '' && redis.username !== undefined) {
    source.report(
      codes['store/credentials-twice'],
      ['store', 'redis', 'username'],
      'store.redis has a user in url and a username',
      null,
      'key',
    );
  }
  if (redis.tls !== undefined && !redis.url.startsWith('rediss')) {
    source.report(
      codes['store/tls-unused'],
      ['store', 'redis', 'tls'],
      'store.redis.tls has no effect: url does not begin with rediss',
      'write rediss://…',
      'key',
    );
  }
  const written = REDIS_CREDENTIALS.exec(source.writtenAt(path)?.text ?? redis.url)?.groups?.['password'] ?? '';
  if (written !== '' && !written.includes('${')) {
    source.report(
      configCodes['config/secret-in-file'],
      path,
      'store.redis.url has the password in plain text',
      'use passwordFile, or ${REDIS_PASSWORD}',
    );
  }
  lintPair(redis.tls, ['store', 'redis', 'tls'], source);
}
