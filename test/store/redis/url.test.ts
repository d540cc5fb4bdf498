import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigFault } from '../../../src/errors.ts';
import { RedisSettings } from '../../../src/store/redis/connection/settings.ts';
import { parseRedisUrl } from '../../../src/store/redis/connection/url.ts';
import { redisConfig } from '../../support/redis-store.ts';

const SINGLE = {
  topology: 'single',
  nodes: [{ host: 'redis', port: 6379 }],
  isTls: false,
  username: null,
  password: null,
  database: 0,
  primaryName: null,
};

describe('the URL of a Redis', () => {
  test.each([
    ['redis://redis', SINGLE],
    ['redis://redis/', SINGLE],
    ['redis://redis:6379/0', SINGLE],
    ['rediss://redis:6380', { ...SINGLE, isTls: true, nodes: [{ host: 'redis', port: 6380 }] }],
    ['redis://redis/15', { ...SINGLE, database: 15 }],
    ['redis://127.0.0.1', { ...SINGLE, nodes: [{ host: '127.0.0.1', port: 6379 }] }],
    ['redis://[::1]:7000/2', { ...SINGLE, nodes: [{ host: '::1', port: 7000 }], database: 2 }],
    ['redis://:secret@redis', { ...SINGLE, password: 'secret' }],
    ['redis://gate@redis', { ...SINGLE, username: 'gate' }],
    ['redis://gate:p%40s%3As%2F%25@redis', { ...SINGLE, username: 'gate', password: 'p@s:s/%' }],
    [
      'redis+sentinel://gate:secret@a:26379,b,c:1/mymaster',
      {
        ...SINGLE,
        topology: 'sentinel',
        username: 'gate',
        password: 'secret',
        nodes: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 26379 },
          { host: 'c', port: 1 },
        ],
        primaryName: 'mymaster',
      },
    ],
    [
      'rediss+cluster://a,[fe80::1]:7001/',
      {
        ...SINGLE,
        topology: 'cluster',
        isTls: true,
        nodes: [
          { host: 'a', port: 6379 },
          { host: 'fe80::1', port: 7001 },
        ],
      },
    ],
  ])('%s is accepted', (url, address) => {
    expect(parseRedisUrl(url)).toEqual(address);
  });

  test.each([
    ['http://redis', /is not a Redis URL/],
    ['redis:redis', /is not a Redis URL/],
    ['redis://', /is not a Redis URL/],
    ['redis+sentinels://a/b', /is not a Redis URL/],
    ['redis://redis?db=1', /is not a Redis URL/],
    ['redis://redis#1', /is not a Redis URL/],
    ['redis://redis/0/1', /is not a Redis URL/],
    ['redis://p@ss@redis', /is not a Redis URL.*as %XX/],
    ['redis://:p/w@redis', /is not a Redis URL.*as %XX/],
    ['redis://gate:a:b@redis', /is not a Redis URL.*as %XX/],
    [' redis://redis', /is not a Redis URL/],
    ['redis://redis\n', /is not a Redis URL|host/],
    ['redis://redis:', /host:port/],
    ['redis://redis:x', /host:port/],
    ['redis://redis:0', /port that is not between/],
    ['redis://redis:65536', /port that is not between/],
    ['redis://::1', /brackets/],
    ['redis://a b', /host:port/],
    ['redis://a,b', /names several hosts: use redis\+sentinel/],
    ['redis://a,', /host:port/],
    ['redis://redis/x', /number of a database/],
    ['redis://redis/-1', /number of a database/],
    ['redis+sentinel://a', /name of the primary at the sentinels/],
    ['redis+sentinel://a/my master', /name of the primary at the sentinels/],
    ['redis+cluster://a/0', /which a Cluster does not have/],
    ['redis://:100%@redis', /write % as %25/],
    ['redis://:%zz@redis', /write % as %25/],
  ])('%s is rejected', (url, message) => {
    expect(() => parseRedisUrl(url)).toThrow(ConfigFault);
    expect(() => parseRedisUrl(url)).toThrow(message);
    expect(() => parseRedisUrl(url)).toThrow(/^store\.redis\.url /);
  });

  test('any user, password, hosts and database survive writing and parsing', () => {
    const part = fc.option(
      fc.string({ minLength: 1, unit: 'binary' }).filter((text) => text.isWellFormed()),
      { nil: null },
    );
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((ip) => ({ ip })),
    );
    const node = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) });
    const address = fc.record({
      isTls: fc.boolean(),
      topology: fc.constantFrom('single', 'sentinel', 'cluster'),
      nodes: fc.array(node, { minLength: 1, maxLength: 5 }),
      username: part,
      password: part,
      database: fc.integer({ min: 0, max: 99_999 }),
    });
    const encode = (text: string) =>
      encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
    fc.assert(
      fc.property(address, ({ isTls, topology, nodes: all, username, password, database }) => {
        const nodes = topology === 'single' ? all.slice(0, 1) : all;
        const plain = nodes.map(({ host, port }) => ({ host: typeof host === 'string' ? host : host.ip, port }));
        const hosts = nodes
          .map(({ host, port }) => `${typeof host === 'string' ? host : `[${host.ip}]`}:${port}`)
          .join(',');
        const login = `${encode(username ?? '')}${password === null ? '' : `:${encode(password)}`}`;
        const at = username === null && password === null ? '' : `${login}@`;
        const path = { single: `/${database}`, sentinel: '/mymaster', cluster: '' }[topology];
        const kind = topology === 'single' ? '' : `+${topology}`;
        expect(parseRedisUrl(`redis${isTls ? 's' : ''}${kind}://${at}${hosts}${path}`)).toEqual({
          topology,
          nodes: plain,
          isTls,
          username,
          password,
          database: topology === 'single' ? database : 0,
          primaryName: topology === 'sentinel' ? 'mymaster' : null,
        });
      }),
    );
  });

  test('any text is accepted or rejected, and no message repeats a password', () => {
    const canary = 'canary5ecret';
    const noise = fc.string({ unit: fc.constantFrom(...'redis+sentinelcluster://@:,[]%/?# 019.-_') });
    fc.assert(
      fc.property(noise, noise, (before, after) => {
        for (const url of [`${before}${canary}${after}`, `redis://${before}:${canary}@${after}`]) {
          try {
            parseRedisUrl(url);
          } catch (fault) {
            expect(fault).toBeInstanceOf(ConfigFault);
            expect((fault as ConfigFault).message).not.toContain(canary);
          }
        }
      }),
    );
  });
});

describe('store.redis', () => {
  test.each([
    [{ url: 'redis://:a@redis', passwordFile: '/x' }, /has a password in url and a passwordFile/],
    [{ url: 'redis://a:x@redis', username: 'b' }, /has a user in url and a username/],
    [{ url: 'redis://a@redis' }, /has a user but no password/],
    [{ url: 'redis://redis', username: 'a' }, /has a user but no password/],
    [{ url: 'redis://redis', sentinelPasswordFile: '/x' }, /url does not begin with redis\+sentinel/],
    [{ url: 'redis://redis', tls: {} }, /tls has no effect/],
  ])('%j contradicts itself', (config, message) => {
    expect(() => new RedisSettings(redisConfig(config.url, config))).toThrow(ConfigFault);
    expect(() => new RedisSettings(redisConfig(config.url, config))).toThrow(message);
  });

  test.each([
    [
      { passwordFile: '/nowhere/password' },
      /^store\.redis\.passwordFile: \/nowhere\/password cannot be read \(ENOENT\)$/,
    ],
    [{ passwordFile: '/dev/null' }, /^store\.redis\.passwordFile: \/dev\/null is empty$/],
    [{ passwordFile: '/' }, /^store\.redis\.passwordFile: \/ cannot be read \(EISDIR\)$/],
  ])('%j cannot be used', async (config, message) => {
    await expect(new RedisSettings(redisConfig('redis://redis', config)).readSecrets()).rejects.toThrow(message);
  });

  test.each([
    ['redis://:secret@redis:7000/3', 'redis (redis:7000)'],
    ['redis+sentinel://:secret@a,b,c/shop', 'redis sentinel (3 sentinels, primary shop)'],
    ['redis+cluster://:secret@a,b', 'redis cluster (2 nodes)'],
    ['redis+cluster://:secret@a', 'redis cluster (1 node)'],
    ['redis+sentinel://:secret@a/shop', 'redis sentinel (1 sentinel, primary shop)'],
  ])('%s is described without its password', (url, description) => {
    expect(new RedisSettings(redisConfig(url)).description).toBe(description);
  });
});
