/**
 * Two gateways that change the sessions of one user at the same time, step by step: each step of one is held until the
 * other has finished its part. The steps are real commands to a real Redis.
 */

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SessionHandle } from '../../../src/jwt/names.ts';
import { RecentEnds } from '../../../src/store/networked/recent-ends.ts';
import type { Commands, RedisCommand } from '../../../src/store/redis/connection/commands.ts';
import { Keys } from '../../../src/store/redis/data/keys.ts';
import { RedisSessions } from '../../../src/store/redis/data/sessions.ts';
import { SessionNews } from '../../../src/store/session-news.ts';
import { RedisServer } from '../../support/redis.ts';
import { newRecord } from '../contract.ts';

const TTL_MS = 60_000;
const keys = new Keys('sallyport:');

let server: RedisServer;
let client: Redis;

beforeAll(async () => {
  server = await RedisServer.start();
  client = new Redis({ port: server.port, protocol: 2 });
});

afterAll(async () => {
  client.disconnect();
  await server[Symbol.asyncDispose]();
});

/** Called before a command is sent; may throw instead. */
type Before = (word: string) => Promise<void> | void;

/**
 * The sessions of one gateway; `before` is called with the name of each command: `MARK`, `INDEX`, `UPDATE` or `END` for
 * scripts.
 */
function gateway(before: Before = () => {}, wallMs: () => number = Date.now): RedisSessions {
  const commands = {
    async send({ words, isBinary }: RedisCommand): Promise<unknown> {
      await before(nameOf(words));
      const [name, ...values] = words.map((word) => (typeof word === 'number' ? String(word) : word));
      return isBinary === true ? client.callBuffer(name as string, ...values) : client.call(name as string, ...values);
    },
  };
  return new RedisSessions(
    commands as unknown as Commands,
    keys,
    new RecentEnds(() => performance.now()),
    new SessionNews(),
    async () => {},
    wallMs,
    { aheadMs: () => 0 },
  );
}

function nameOf(words: RedisCommand['words']): string {
  if (words[0] !== 'EVAL') return String(words[0]);
  const lua = String(words[1]);
  if (lua.includes("'XX'")) return 'MARK';
  if (lua.includes("'NX'")) return 'INDEX';
  if (lua.includes('KEEPTTL')) return 'UPDATE';
  return lua.includes('PUBLISH') ? 'END' : 'FIND';
}

const isLive = async (sessions: RedisSessions, handle: SessionHandle) => (await sessions.read(handle)) !== null;
const isListed = async (sessions: RedisSessions, subject: string, handle: string) =>
  (await sessions.list(subject)).some((record) => record.handle === handle);

describe('a login while its user logs out everywhere', () => {
  test.each(['SET', 'ZSCORE'])('the logout comes just before %s: the session ends with the others', async (step) => {
    const record = newRecord();
    const other = gateway();
    const one = gateway(async (word) => {
      if (word === step) await other.endAll(record.subject);
    });
    await one.create(record, TTL_MS);
    // Checked first, since a gateway that knows of the end would end the session again when asked for it.
    expect(await client.exists(keys.session(record.handle))).toBe(0);
    expect(await isLive(other, record.handle)).toBe(false);
  });

  test('the logout has marked but not yet removed the entry: the session ends with the others', async () => {
    const record = newRecord();
    let finish: (() => Promise<void>) | null = null;
    const isMarked = Promise.withResolvers<void>();
    const isOpened = Promise.withResolvers<void>();
    const one = gateway(async (word) => {
      if (word !== 'SET' || finish !== null) return;
      const ending = other.endAll(record.subject);
      finish = async () => void (await ending);
      await isMarked.promise;
    });
    const other = gateway(async (word) => {
      if (word !== 'ZREM') return;
      isMarked.resolve();
      await isOpened.promise;
    });
    const creating = one.create(record, TTL_MS).finally(() => isOpened.resolve());
    await creating;
    await (finish as unknown as () => Promise<void>)();
    expect(await client.exists(keys.session(record.handle))).toBe(0);
  });

  test('the login begins after the logout: the session lives and is in the index', async () => {
    const record = newRecord();
    const sessions = gateway();
    await sessions.endAll(record.subject);
    await sessions.create(record, TTL_MS);
    expect(await isLive(sessions, record.handle)).toBe(true);
    expect(await isListed(sessions, record.subject, record.handle)).toBe(true);
  });
});

describe('a login during a logout at its provider', () => {
  const login = () => ({
    provider: 'a',
    subject: 'b',
    sid: `sid ${Math.random()}`,
    authTimeMs: null,
    acr: null,
    amr: [],
  });

  test.each(
    ['INDEX', 'SET', 'ZSCORE']
      .flatMap((step) => ['sid', 'subject', 'other subject'].map((by) => [step, by] as const))
      // A session that is in no index yet cannot be ended by its user.
      .filter(([step, by]) => step !== 'INDEX' || by === 'sid'),
  )('the logout comes just before %s, by %s: the session ends', async (step, by) => {
    const said = login();
    const record = newRecord({ login: said, subject: by === 'other subject' ? `x ${said.sid}` : 'a|b' });
    const other = gateway();
    let isDone = false;
    const one = gateway(async (word) => {
      if (word !== step || isDone) return;
      isDone = true;
      await other.endByProvider('a', by === 'sid' ? { sid: said.sid } : { subject: 'b' });
    });
    await one.create(record, TTL_MS);
    expect(isDone).toBe(true);
    // Checked first, since a gateway that knows of the end would end the session again when asked for it.
    expect(await client.exists(keys.session(record.handle))).toBe(0);
    expect(await isLive(other, record.handle)).toBe(false);
  });

  test('the logout comes just before an update to its `sid`: the session ends', async () => {
    const said = login();
    const record = newRecord({ login: null });
    const other = gateway();
    const one = gateway(async (word) => {
      if (word === 'UPDATE') await other.endByProvider('a', { sid: said.sid });
    });
    await one.create(record, TTL_MS);
    expect(await one.update(record.handle, { user: {}, login: said }, 1)).toEqual({ outcome: 'ended' });
    expect(await isLive(other, record.handle)).toBe(false);
  });

  test('the gateway that handles the logout dies half-way: a repeated logout ends the session', async () => {
    const said = login();
    const record = newRecord({ login: said });
    const sessions = gateway();
    await sessions.create(record, TTL_MS);
    const failing = gateway((word) => {
      if (word === 'END') throw new Error('the process ended here');
    });
    await expect(failing.endByProvider('a', { sid: said.sid })).rejects.toThrow();
    expect(await isLive(sessions, record.handle)).toBe(true);
    expect(await sessions.endByProvider('a', { sid: said.sid })).toEqual([record.handle]);
    expect(await isLive(sessions, record.handle)).toBe(false);
  });
});

test('an update that keeps the names of a session does not write its index', async () => {
  const login = { provider: 'a', subject: 'b', sid: 'c', authTimeMs: null, acr: null, amr: [] };
  const record = newRecord({ login, subject: 'a|b' });
  const words: string[] = [];
  const sessions = gateway((word) => void words.push(word));
  await sessions.create(record, TTL_MS);
  words.length = 0;
  expect(await sessions.update(record.handle, { user: { roles: ['x'] }, login }, 1)).toMatchObject({
    outcome: 'updated',
  });
  expect(words).toEqual(['GETRANGE', 'UPDATE']);
});

describe('a login that fails half-way', () => {
  test('leaves no usable session', async () => {
    const record = newRecord();
    const isEnded = Promise.withResolvers<void>();
    const failing = gateway((word) => {
      if (word === 'ZSCORE') throw new Error('the connection broke');
      if (word === 'ZREM') isEnded.resolve();
    });
    await expect(failing.create(record, TTL_MS)).rejects.toThrow('the connection broke');
    await isEnded.promise;
    expect(await client.exists(keys.session(record.handle))).toBe(0);
  });
});

test('a session that ended here does not slide, even if a promoted server still has it', async () => {
  const record = newRecord();
  const sessions = gateway();
  await sessions.create(record, TTL_MS);
  const written = await client.get(keys.session(record.handle));
  await sessions.end(record.handle);
  await client.set(keys.session(record.handle), written ?? '', 'PX', TTL_MS);
  expect(await sessions.touch(record.handle, Date.now(), 10 * TTL_MS)).toBe(false);
  expect(await client.pttl(keys.session(record.handle))).toBeLessThanOrEqual(TTL_MS);
  expect(await isLive(sessions, record.handle)).toBe(false);
});
