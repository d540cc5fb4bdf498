/** Reports what is wrong between the keys of `store.redis`. */

import { lintPair } from '../../config/files/tls-pair.ts';
import { codes as configCodes } from '../../config/findings/codes.ts';
import type { ConfigSource } from '../../config/text/source.ts';
import { contradictions } from './rules.ts';
import type { RedisConfig } from './section.ts';

const PATH = ['store', 'redis'];
const PASSWORD = /^[a-z+]+:\/\/[^:@/]*:(?<password>[^@/]+)@/;

/** Applies the rules. */
export function lint(redis: RedisConfig, source: ConfigSource): void {
  for (const { code, key, message, hint } of contradictions(redis)) source.report(code, key, message, hint, 'key');
  const url = [...PATH, 'url'];
  const written = PASSWORD.exec(source.writtenAt(url)?.text ?? redis.url)?.groups?.['password'] ?? '';
  if (written !== '' && !written.includes('${')) {
    source.report(
      configCodes['config/secret-in-file'],
      url,
      'store.redis.url has the password in plain text',
      'use passwordFile, or ${REDIS_PASSWORD}',
    );
  }
  lintPair(redis.tls, [...PATH, 'tls'], source);
}
