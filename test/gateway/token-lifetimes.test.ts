import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Config, configSchema } from '../../src/gateway/configuration/schema.ts';
import {
  longestSessionTokenMs,
  longestSignedMs,
  longestTokenMs,
} from '../../src/gateway/configuration/token-lifetimes.ts';
import { formatDuration } from '../../src/lib/text/units.ts';
import {
  CLOCK_LEEWAY_MS,
  MAX_CLOCK_SKEW_MS,
  MAX_SESSION_TOKEN_MS,
  MAX_TOKEN_LIFETIME_MS,
} from '../../src/lib/token-limits.ts';
import { testConfig } from '../support/gateway.ts';

const MINUTE_MS = 60_000;
const check = (config: Record<string, unknown>) =>
  configSchema({ baseDir: process.cwd(), fileProblem: () => null }).safeParse(testConfig({ config }));
const parse = (config: Record<string, unknown>): Config => {
  const { data, error } = check(config);
  if (data === undefined) throw error;
  return data;
};

const destination = (token: Record<string, unknown>) => ({
  outbound: {
    address: '127.0.0.1:0',
    workload: 'shop',
    destinations: [{ id: 'd', match: { host: 'd', path: '/' }, upstream: 'app', token }],
  },
});
const clients = { c: { clientSecretFile: 'x', serviceTokens: { a: {} } } };

/** Every configuration key that sets the lifetime of a token that the gateway mints. */
const LIFETIMES: readonly (readonly [
  key: string,
  ofSession: boolean,
  config: (ms: number) => Record<string, unknown>,
])[] = [
  ['upstreamToken.lifetime', true, (ms) => ({ upstreamToken: { lifetime: `${ms}ms` } })],
  ['refresh.accessToken.lifetime', true, (ms) => ({ refresh: { accessToken: { lifetime: `${ms}ms` } } })],
  ['tokenEndpoint.exchangeLifetime', true, (ms) => ({ tokenEndpoint: { clients, exchangeLifetime: `${ms}ms` } })],
  [
    'tokenEndpoint.serviceTokenLifetime',
    false,
    (ms) => ({ tokenEndpoint: { clients, serviceTokenLifetime: `${ms}ms` } }),
  ],
  ['outbound.destinations[].token.service.lifetime', false, (ms) => destination({ service: { lifetime: `${ms}ms` } })],
];

describe.each(LIFETIMES)('%s', (_key, ofSession, config) => {
  test('is accepted up to the cap and not beyond', () => {
    expect(check(config(MAX_TOKEN_LIFETIME_MS)).error?.issues).toBeUndefined();
    expect(check(config(MAX_TOKEN_LIFETIME_MS + 1)).error?.issues.map(({ message }) => message)).toEqual([
      `must be at most ${formatDuration(MAX_TOKEN_LIFETIME_MS)}`,
    ]);
  });

  test('determines how long signing keys stay published and revocations are kept', () => {
    const lifetimeMs = MAX_TOKEN_LIFETIME_MS - 7;
    const parsed = parse(config(lifetimeMs));
    expect(longestSignedMs(parsed)).toBe(lifetimeMs);
    expect(longestTokenMs(parsed)).toBeGreaterThanOrEqual(lifetimeMs + CLOCK_LEEWAY_MS);
    const forgottenAfterMs = longestSessionTokenMs(parsed) - CLOCK_LEEWAY_MS;
    expect(forgottenAfterMs >= lifetimeMs).toBe(ofSession);
    expect(longestSessionTokenMs(parsed)).toBeLessThanOrEqual(MAX_SESSION_TOKEN_MS);
  });
});

test('the configuration has no lifetimes but these, and their sections add them to the list', () => {
  const src = join(import.meta.dirname, '../../src');
  const uses = globSync('**/section.ts', { cwd: src }).map((path) => readFileSync(join(src, path), 'utf8'));
  const counts = uses.map((text) => [
    text.match(/\btokenLifetime\(/g)?.length ?? 0,
    text.includes('export const minted'),
  ]);
  expect(counts.reduce((sum, [count]) => sum + Number(count), 0)).toBe(LIFETIMES.length);
  for (const [count, hasList] of counts) expect(hasList).toBe(Number(count) > 0);
});

test('the service token for a call without a token counts, although no key sets its lifetime', () => {
  const server = { tokenUrl: 'https://as.example/token', clientId: 'c', clientSecretFile: 'x' };
  const config = (whenMissing: string) =>
    parse({ ...destination({ exchange: { ...server, whenMissing } }), upstreamToken: { lifetime: '5s' } });
  expect(longestSignedMs(config('service'))).toBe(2 * MINUTE_MS);
  expect(longestSignedMs(config('refuse'))).toBe(5_000);
});

test('a session token is accepted for at most the longest lifetime plus twice the largest clock skew', () => {
  const skew = (ms: number) =>
    check({
      issuers: { one: { issuer: 'https://one.example', jwksFile: 'x', algorithms: ['ES256'], clockSkew: `${ms}ms` } },
    });
  expect(skew(MAX_CLOCK_SKEW_MS).success).toBe(true);
  expect(skew(MAX_CLOCK_SKEW_MS + 1).success).toBe(false);
  const longest = parse({ upstreamToken: { lifetime: `${MAX_TOKEN_LIFETIME_MS}ms` } });
  expect(longestSessionTokenMs(longest)).toBe(MAX_SESSION_TOKEN_MS);
  expect(MAX_SESSION_TOKEN_MS).toBe(MAX_TOKEN_LIFETIME_MS + 2 * MAX_CLOCK_SKEW_MS);
});

describe('how long a revocation is kept', () => {
  const issuer = (maxLifetime: string) => ({
    issuers: { one: { issuer: 'https://one.example', jwksFile: 'x', algorithms: ['ES256'], maxLifetime } },
  });

  test.each([
    ['as long as an upstream token', {}, 2 * MINUTE_MS + CLOCK_LEEWAY_MS],
    [
      'as long as an access token, if that lives longer',
      { refresh: { accessToken: { lifetime: '7m' } } },
      17 * MINUTE_MS,
    ],
    ['as long as the longest accepted token', issuer('30m'), 30 * MINUTE_MS + CLOCK_LEEWAY_MS],
    ['at most an hour', issuer('48h'), 60 * MINUTE_MS + CLOCK_LEEWAY_MS],
  ])('of a session: %s', (_title, config, ms) => {
    expect(longestSessionTokenMs(parse(config))).toBe(ms);
  });

  test.each([
    ['at least an hour', {}, 60 * MINUTE_MS + CLOCK_LEEWAY_MS],
    ['as long as the longest accepted token', issuer('48h'), 48 * 60 * MINUTE_MS + CLOCK_LEEWAY_MS],
  ])('of a subject, or of a token with unknown exp: %s', (_title, config, ms) => {
    expect(longestTokenMs(parse(config))).toBe(ms);
  });
});
