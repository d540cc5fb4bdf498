/** The gateway refuses at start a Redis that lacks a command: a rehearsal runs every command that it uses. */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ReplyError } from 'ioredis';
import { expect, test } from 'vitest';
import { describe as inWords, isRefusal } from '../../../src/store/redis/connection/faults.ts';
import { RedisServer } from '../../support/redis.ts';
import { openStore } from '../../support/redis-store.ts';

const SOURCE = join(import.meta.dirname, '../../../src/store/redis');
const source = globSync('**/*.ts', { cwd: SOURCE })
  .map((file) => readFileSync(join(SOURCE, file), 'utf8'))
  .join('\n');
/** Commands in scripts, and commands that are sent. */
const COMMANDS = [
  ...new Set(
    [...source.matchAll(/redis\.p?call\('([A-Z]+)'|words(?: =|:) \['([A-Z]+)'|\.call\('([A-Z]+)'/g)].map(
      ([, inScript, sent, called]) => inScript ?? sent ?? called ?? '',
    ),
  ),
].toSorted();

test('finds the commands in the source', () => {
  expect(COMMANDS).toEqual(
    expect.arrayContaining(['EVAL', 'GET', 'HMGET', 'PEXPIRE', 'PUBLISH', 'SETRANGE', 'ZRANGE']),
  );
});

/** Without subscriptions, which the client library sends, and SENTINEL, which goes to other servers. */
const OF_REDIS = [...COMMANDS.filter((command) => command !== 'SENTINEL'), 'SUBSCRIBE'];

test.each(OF_REDIS)('R11: without %s the start fails and names the minimum version', async (command) => {
  await using redis = await RedisServer.start({ config: { 'rename-command': `${command} ""` } });
  const opened = openStore(redis.url).then((store) => store[Symbol.asyncDispose]());
  await expect(opened).rejects.toThrow(
    /^store\.redis: Redis does not know a command that the gateway needs(?: \([A-Z]+\))?: use Redis 6\.2 or later, or Valkey/,
  );
});

test.each([
  'ERR syntax error',
  'ERR Unknown Redis command called from script script: f_5a, on @user_script:1.',
  "ERR unknown command 'EVAL', with args beginning with: 'canary'",
])('R11: the answer of an older Redis is a refusal, reported without arguments: %s', (message) => {
  const error = new ReplyError(message);
  expect(isRefusal(error)).toBe(true);
  expect(inWords(error)).toContain('use Redis 6.2 or later');
  expect(inWords(error)).not.toContain('canary');
});
