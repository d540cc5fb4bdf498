import { expect, test } from 'vitest';
import { keysThatNeedRestart } from '../../src/config/restart.ts';
import type { LoadedConfig } from '../../src/gateway/configuration/load.ts';
import { load, MINIMAL } from './support.ts';

function loadedFrom(text: string): LoadedConfig {
  const { loaded } = load(text);
  if (loaded === null) throw new Error('not valid');
  return loaded;
}
const minimal = loadedFrom(MINIMAL);
const changes = (before: LoadedConfig, after: LoadedConfig) =>
  keysThatNeedRestart(before.restartKeys, before.config, after.config);

test.each([
  [
    'a new route needs no restart',
    `${MINIMAL}  - { id: b, match: { path: /b }, credential: none, upstream: app }\n`,
    [],
  ],
  ['a changed timeout of sessions needs none', `${MINIMAL}session: { idleTimeout: 10m }\n`, []],
  ['another address needs one', MINIMAL.replace('8080', '8081'), ['listeners.public.address']],
  [
    'a redirect listener that is new is named as a whole',
    MINIMAL.replace('8080 }', '8080 }, redirect: { address: 127.0.0.1:80 }'),
    ['listeners.redirect'],
  ],
  [
    'several are named in the order of the reference',
    `${MINIMAL.replace('8080', '8080, limits: { maxConnections: 5 }, timeouts: { headers: 5s }')}workers: 2\nstore: { redis: { url: redis://redis } }\nupstreamToken: { keys: { directory: /keys } }\n`,
    [
      'workers',
      'listeners.public.limits.maxConnections',
      'listeners.public.timeouts.headers',
      'store.redis',
      'upstreamToken.keys',
    ],
  ],
])('%s', (_title, after, expected) => {
  expect(changes(minimal, loadedFrom(after))).toEqual(expected);
});

test('a section that disappears is named like one that appears', () => {
  const redis = loadedFrom(
    `${MINIMAL}store: { redis: { url: redis://redis } }\nupstreamToken: { keys: { directory: /keys } }\n`,
  );
  expect(changes(redis, minimal)).toContain('store.redis');
});
