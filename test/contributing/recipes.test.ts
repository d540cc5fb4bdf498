/**
 * Follows the recipes of docs/contributing/recipes.md: adds features to a copy of the sources with exactly the edits that
 * the page lists, then compiles and runs the copy.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST, PUBLIC_ORIGIN } from '../support/gateway.ts';
import { GatewayProcess } from '../support/process.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { until } from '../support/until.ts';
import { type Example, TrialTree } from './example.ts';
import { GREETING } from './feature.ts';
import { GREETING_LISTENER } from './listener.ts';
import { GUEST_LOGIN } from './login-way.ts';
import { QUERY_LIMIT } from './route-limit.ts';
import { TRIAL_STORE } from './store.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const PAGE = read('docs/contributing/recipes.md');

/** The examples by the name of their file, which the page names. */
const EXAMPLES: Readonly<Record<string, Example>> = {
  feature: GREETING,
  'login-way': GUEST_LOGIN,
  listener: GREETING_LISTENER,
  store: TRIAL_STORE,
  'route-limit': QUERY_LIMIT,
};

let tree: TrialTree;
beforeAll(() => {
  tree = new TrialTree();
  for (const example of Object.values(EXAMPLES)) tree.apply(example);
});
afterAll(() => tree[Symbol.dispose]());

/** Validates the minimal configuration with these lines in place of its sections of the same name. */
function validate(lines: string): string {
  const file = tree.path('sallyport.yaml');
  const names = [...lines.matchAll(/^(\w+):/gm)].map(([, name = '']) => name);
  const sections = `${read('config/minimal.yaml')}\nstore: { memory: {} }\n`.split(/^(?=\w+:)/m);
  const others = sections.filter((text) => !names.some((name) => text.startsWith(`${name}:`)));
  const at = others.findIndex((text) => text.startsWith('version:'));
  writeFileSync(file, others.toSpliced(at + 1, 0, `${lines}\n`).join(''));
  return tree.sallyport('validate', '--no-files', file);
}

test('the examples compile together', () => {
  expect(tree.compile()).toBe('');
});

describe('a section with a key, a finding, a metric and a command', () => {
  test('the key is accepted, validated, and suggested when misspelt', () => {
    expect(validate('greeting: { text: Hello }')).toContain('no problems');
    expect(validate('greeting: { text: "" }')).toContain('greeting.text must not be empty');
    expect(validate('greeting: { txet: Hello }')).toContain('did you mean "text"?');
  });

  test('the finding is reported with its code at its place, and can be accepted', () => {
    expect(validate('greeting: { text: HELLO }')).toMatch(
      /:5:\d+ +warning +greeting\.text is in capitals +\[greeting\/shouting\]/,
    );
    expect(validate('greeting: { text: HELLO }\nacceptWarnings: [greeting/shouting]')).toContain('no problems');
  });

  test('the metric exists from the start, with every label value', () => {
    const script = `
      const { MetricRegistry } = await import('${pathToFileURL(tree.path('src/telemetry/registry.ts'))}');
      const { gatewaySeries } = await import('${pathToFileURL(tree.path('src/gateway/series.ts'))}');
      const registry = new MetricRegistry();
      gatewaySeries(registry);
      console.log(await registry.prometheus.metrics());`;
    const text = tree.node('--input-type=module', '--eval', script);
    expect(text).toContain('sallyport_greetings_total{tone="friendly"} 0');
    expect(text).toContain('sallyport_greetings_total{tone="shouting"} 0');
  });

  test('the command runs, has help, and is listed', () => {
    expect(tree.sallyport('greet', 'alice', '--loud')).toBe('WELCOME, ALICE\n');
    expect(tree.sallyport('greet', '--help')).toContain('Usage: sallyport greet NAME [OPTIONS]');
    expect(tree.sallyport('--help')).toContain('greet ');
  });
});

describe('a way to log in, a listener, a store and a limit per route', () => {
  let gateway: GatewayProcess;
  beforeAll(async () => {
    gateway = await GatewayProcess.start({
      main: tree.main,
      config: {
        store: { trial: { maxSessions: 1 } },
        login: { guest: { role: 'visitor' } },
        listeners: { greeting: { address: '127.0.0.1:0', text: 'Good day' } },
        acceptWarnings: ['store/trial-small'],
      },
      routes: [{ id: 'app', match: { path: '/' }, credential: 'session', queryLimit: '8B' }],
    });
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  const logIn = (...lines: string[]) =>
    rawRequest(
      gateway.port,
      `${requestHead('POST', '/auth/login/guest', [HOST, 'Content-Type: application/x-www-form-urlencoded', 'Content-Length: 17', ...lines])}return_to=%2Fcart`,
    );

  test('the login page offers the guest login, whose session is audited and counted under its name', async () => {
    const page = await rawRequest(gateway.port, requestHead('GET', '/auth/login', [HOST]));
    expect(page.body.toString()).toContain('Continue as a guest');
    const answer = await logIn(`Origin: ${PUBLIC_ORIGIN}`);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/cart']);
    const [cookie = ''] = (answer.headers.get('set-cookie') ?? '').split(';');
    const session = await rawRequest(gateway.port, requestHead('GET', '/auth/session', [HOST, `Cookie: ${cookie}`]));
    expect(JSON.parse(session.body.toString())).toMatchObject({ subject: expect.stringMatching(/^guest-/) });
    await until(
      () => gateway.records.some(({ event, method }) => event === 'login' && method === 'guest'),
      'the audit record is written',
    );
    const metrics = await rawRequest(gateway.adminPort, requestHead('GET', '/metrics', ['Host: 127.0.0.1']));
    expect(metrics.body.toString()).toContain('sallyport_sessions_opened_total{method="guest"} 1\n');
    // The store of the example accepts only one session.
    expect((await logIn(`Origin: ${PUBLIC_ORIGIN}`)).status).toBe(503);
  });

  test('CSRF-02: a page of another origin cannot log in a guest', async () => {
    expect((await logIn('Origin: https://evil.test')).status).toBe(403);
  });

  test('the guest login counts as a way to log in for the findings about missing ones', () => {
    expect(validate('login: {}')).toContain('[login/no-way-in]');
    expect(validate('login: { guest: {} }')).toContain('no problems');
    expect(validate('login: {}\nrefresh: {}')).toContain('[refresh/no-login]');
    expect(validate('login: { guest: {} }\nrefresh: {}')).not.toContain('[refresh/no-login]');
  });

  test('the listener answers on the logged address, which no other listener may have', async () => {
    const { greeting } = gateway.records.find((record) => 'greeting' in record) ?? {};
    const { port } = new URL(String(greeting));
    const answer = await rawRequest(Number(port), requestHead('GET', '/anything', [HOST]));
    expect([answer.status, answer.body.toString()]).toEqual([200, '{"text":"Good day"}']);
    const twice = 'listeners: { public: { address: 127.0.0.1:80 }, greeting: { address: 127.0.0.1:80 } }';
    expect(validate(twice)).toContain('listeners.greeting has the address of listeners.public');
  });

  test('the limit applies to its route', async () => {
    const status = async (query: string) =>
      (await rawRequest(gateway.port, requestHead('GET', `/x?${query}`, [HOST]))).status;
    expect([await status('1234567'), await status('12345678')]).toEqual([401, 414]);
  });

  test('the store is used, its finding is reported, and a second store is refused', () => {
    expect(gateway.records).toContainEqual(expect.objectContaining({ store: 'trial' }));
    expect(validate('store: { trial: { maxSessions: 1 } }')).toContain('[store/trial-small]');
    expect(validate('store: { trial: {}, memory: {} }')).toContain('[store/both]');
  });
});

test('the page names every edited file and every example', () => {
  const edited = Object.values(EXAMPLES).flatMap(({ edits }) => Object.keys(edits));
  expect(edited.filter((file) => !PAGE.includes(`\`${file}\``))).toEqual([]);
  expect(Object.keys(EXAMPLES).filter((name) => !PAGE.includes(`\`test/contributing/${name}.ts\``))).toEqual([]);
});

test.for([
  ['a store', 'store'],
  ['a way to log in', 'login-way'],
  ['a listener kind', 'listener'],
  ['a limit per route', 'route-limit'],
] as const)('the table of ADR 13 has the number of files edited for %s', ([row, name]) => {
  const count = Object.keys(EXAMPLES[name]?.edits ?? {}).length;
  expect(read('docs/adr/0013-one-folder-per-feature.md')).toMatch(`| ${row} | `);
  const cells = read('docs/adr/0013-one-folder-per-feature.md')
    .split('\n')
    .find((line) => line.startsWith(`| ${row} | `));
  expect(cells?.split(' | ')[2]).toBe(String(count));
});
