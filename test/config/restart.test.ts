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
  ['a changed session timeout needs no restart', `${MINIMAL}session: { idleTimeout: 10m }\n`, []],
  ['a changed address needs a restart', MINIMAL.replace('8080', '8081'), ['listeners.public.address']],
  [
    'a new redirect listener is named as a whole',
    MINIMAL.replace('8080 }', '8080 }, redirect: { address: 127.0.0.1:80 }'),
    ['listeners.redirect'],
  ],
  [
    'several keys are named in the order of the reference',
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

test('a removed section is named like a new one', () => {
  const redis = loadedFrom(
    `${MINIMAL}store: { redis: { url: redis://redis } }\nupstreamToken: { keys: { directory: /keys } }\n`,
  );
  expect(changes(redis, minimal)).toContain('store.redis');
});
