import { Command, Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { RedisServer } from '../../support/redis.ts';
import { openStore } from '../../support/redis-store.ts';
import { leftByYoungCollections } from '../../support/young-generation.ts';
import { newRecord } from '../contract.ts';

/** Refers to every command that is sent, without keeping it, as a mock would. */
function watchCommands() {
  const commands: WeakRef<object>[] = [];
  const { sendCommand } = Redis.prototype;
  Redis.prototype.sendCommand = function (command, ...rest) {
    commands.push(new WeakRef(command));
    return sendCommand.call(this, command, ...rest);
  };
  const unwatch = () => {
    Redis.prototype.sendCommand = sendCommand;
  };
  return { commands, [Symbol.dispose]: unwatch };
}

test('of a command that is answered, nothing is left for later collections', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  using watched = watchCommands();
  const { handle } = newRecord();
  for (let count = 0; count < 30; count += 1) await store.sessions.read(handle);
  expect(watched.commands.length).toBeGreaterThanOrEqual(30);
  // The connection may still hold the last one.
  expect(await leftByYoungCollections(watched.commands)).toBeLessThan(10);
});

test.each([
  ['set', ['key', 5], ['key', '5']],
  ['hset', ['key', new Map([['field', 'value']])], ['key', 'field', 'value']],
  ['mset', [{ key: 'value' }], ['key', 'value']],
] as const)('%s: the words of a command are as the library makes them', async (name, given, words) => {
  await using redis = await RedisServer.start();
  await using _changed = await openStore(redis.url);
  const command = new Command(name, [...given] as never, { replyEncoding: 'utf8' });
  expect(command.args).toEqual(words);
  command.resolve(Buffer.from('OK'));
  await expect(command.promise).resolves.toBe('OK');
  expect(command).toMatchObject({ isResolved: true, isSettled: true });
});

test('a command that Redis refuses rejects, and so does one whose connection is lost', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  await redis.cli('SET', 'text', 'x');
  const client = new Redis(redis.port, '127.0.0.1', { retryStrategy: () => null });
  await expect(client.call('HGET', 'text', 'field')).rejects.toThrow('WRONGTYPE');
  const lost = client.call('BLPOP', 'nothing', 0);
  client.disconnect();
  await expect(lost).rejects.toThrow('Connection is closed');
  expect(store.isAvailable()).toBe(true);
});
