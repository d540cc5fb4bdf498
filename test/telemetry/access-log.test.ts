/** What the access log and the audit stream say about requests, and whether the reference page agrees. */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { REASONS } from '../../src/errors.ts';
import { HOST, startGateway } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/reference/logs.md'), 'utf8');
const NAVIGATION = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'];
const PATHS = { '401': [], 'a redirect to login': NAVIGATION } as const;

describe('A4: with log.access: all, every request has a line at level info', () => {
  test.each(Object.entries(PATHS))('%s', async (_title, headers) => {
    await using gateway = await startGateway({ config: { log: { level: 'info', access: 'all' } } });
    const { status } = await rawRequest(gateway.port, requestHead('GET', '/cart?code=secret', [HOST, ...headers]));
    await until(() => gateway.log.records.some(({ msg }) => msg === 'request'), 'it is logged');
    expect(gateway.log.records.filter(({ msg }) => msg === 'request')).toMatchObject([
      { level: 'info', status, method: 'GET', path: '/cart', reason: 'credential_missing', route: 'app' },
    ]);
  });

  test('no reason has a lower level', () => {
    for (const { logLevel } of Object.values(REASONS)) expect(['info', 'warn', 'error']).toContain(logLevel);
  });
});

test('A4: a denial names the denied request, without its query', async () => {
  await using gateway = await startGateway();
  await rawRequest(gateway.port, requestHead('GET', '/cart?code=secret', [HOST]));
  await until(() => gateway.audit.records.length > 0, 'it is audited');
  expect(gateway.audit.records).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      stream: 'audit',
      event: 'denied',
      route: 'app',
      method: 'GET',
      host: 'shop.example.com',
      path: '/cart',
      reason: 'credential_missing',
      note: expect.any(String),
      subject: null,
      subjectIssuer: null,
      id: expect.any(String),
      client: '127.0.0.1',
      msg: 'denied',
    },
  ]);
});

test('A7: automatic requests of browsers leave no denial, unless the caller was authenticated', async () => {
  await using gateway = await startGateway({
    routes: [{ id: 'app', match: { path: '/' }, credential: 'session', allow: { roles: ['admin'] } }],
  });
  const ask = async (path: string, ...headers: readonly string[]) =>
    (await rawRequest(gateway.port, requestHead('GET', path, [HOST, ...headers]))).status;
  expect(await ask('/favicon.ico')).toBe(401);
  expect(await ask('/robots.txt', `Cookie: __Host-sid=${'A'.repeat(43)}`)).toBe(401);
  expect(await ask('/robots.txt/x')).toBe(401);
  expect(await ask('/favicon.ico', await gateway.cookie())).toBe(403);
  const lines = () => gateway.audit.records.map(({ path, reason }) => [path, reason]);
  await until(() => lines().length === 2, 'the others are audited');
  expect(lines()).toEqual([
    ['/robots.txt/x', 'credential_missing'],
    ['/favicon.ico', 'route_forbidden'],
  ]);
});

/** The interfaces that declare events, with their members. */
const DECLARED_EVENTS = /^( *)(?:export )?interface Audit(?:Events|Grants) \{[\s\S]*?\n\1\}$/gm;

describe('the reference page on logs', () => {
  test('lists exactly the events of the audit stream', () => {
    const sources = globSync('src/**/*.ts', { cwd: ROOT }).map((path) => readFileSync(join(ROOT, path), 'utf8'));
    const declared = sources.flatMap((source) => [...source.matchAll(DECLARED_EVENTS)].map(([members]) => members));
    expect(declared.length).toBeGreaterThan(10);
    const events = declared.flatMap((members) =>
      [...members.matchAll(/readonly (\w+): \{/g)].map(([, event]) => event),
    );
    const [, table = ''] = PAGE.split('## The audit stream');
    const rows = [...table.matchAll(/^\| `(\w+)` \| .* \| .* \|$/gm)].map(([, event]) => event);
    expect(rows.toSorted()).toEqual(events.toSorted());
  });

  test('lists every field of the access log', async () => {
    const source = readFileSync(join(ROOT, 'src/telemetry/access.ts'), 'utf8');
    const line = source.slice(source.indexOf('  #line('), source.indexOf('  #time('));
    const fields = [...line.matchAll(/"(\w+)":/g)].map(([, field]) => field ?? '');
    expect(fields).toContain('durationMs');
    for (const field of fields) expect(PAGE).toContain(`\`${field}\``);
  });
});
