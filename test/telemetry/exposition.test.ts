/**
 * Every series of a fully configured gateway before its first request: names, help, types, labels, buckets.
 * `UPDATE_GOLDEN=1` updates the file; read the diff before you commit it: dashboards and alerts depend on it.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hashPassword } from '../../src/endpoints/login/password/hash.ts';
import { collectNodeMetrics } from '../../src/telemetry/node-metrics.ts';
import { LogSeries } from '../../src/telemetry/series.ts';
import { startInstance } from '../support/instance.ts';
import { TestAuthority } from '../support/issuers/certificates.ts';

const GOLDEN = join(import.meta.dirname, 'exposition.txt');
/** Metrics of Node and the operating system, from prom-client. */
const OF_NODE = /(?<!sallyport_)\b(?:process_|nodejs_)/;

/** The exposition without values, sorted; of a histogram only its `_count` and one line with its bounds. */
function described(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '' && !OF_NODE.test(line));
  const bounds = new Map<string, Set<string>>();
  const said = lines.flatMap((line) => {
    const [, name = '', le] = /^(\w+)_bucket\{.*\ble="([^"]+)"/.exec(line) ?? [];
    if (le !== undefined) bounds.set(name, (bounds.get(name) ?? new Set()).add(le));
    if (le !== undefined || /^\w+_sum[{ ]/.test(line)) return [];
    if (line.startsWith('#')) return [line];
    return [line.replace(/ \S+$/, '').replace(/\b(hash|node)="[^"]+"/, '$1="…"')];
  });
  return [...said, ...[...bounds].map(([name, values]) => `# BOUNDS ${name} ${[...values].join(' ')}`)]
    .toSorted()
    .map((line) => `${line}\n`)
    .join('');
}

test('every series exists from the start, with unchanged name, help and labels', async () => {
  const pair = new TestAuthority().issue({ names: ['shop.example.com'] });
  await using instance = await startInstance({
    files: {
      'tls.crt': pair.certificate,
      'tls.key': pair.key,
      'users.yaml': `users:\n  - name: alice\n    passwordHash: ${await hashPassword('correct')}\n`,
      'backend.secret': 'a secret of thirty-two characters or more',
      'service.token': 'not read before the first call',
    },
    routes: [
      { id: 'app', match: { path: '/' }, credential: 'session' },
      { id: 'jobs', match: { path: '/jobs' }, credential: { service: ['cluster'] }, upstream: 'jobs' },
    ],
    config: {
      listeners: {
        public: {
          address: '127.0.0.1:0',
          tls: { certificates: [{ certFile: 'tls.crt', keyFile: 'tls.key' }] },
        },
        redirect: { address: '127.0.0.1:0' },
        admin: { address: '127.0.0.1:0' },
      },
      login: {
        password: { usersFile: 'users.yaml' },
        trustedBackends: [{ id: 'app-login', clientSecretFile: 'backend.secret' }],
      },
      refresh: {},
      issuers: {
        // Nothing listens there.
        cluster: { issuer: 'https://issuer.example.com', jwksUrl: 'https://127.0.0.1:9/jwks', algorithms: ['ES256'] },
      },
      tokenEndpoint: {
        clients: { reports: { service: { issuer: 'cluster', subjects: ['reports'] }, serviceTokens: { jobs: {} } } },
      },
      outbound: {
        address: '127.0.0.1:0',
        workload: 'cart',
        destinations: [{ id: 'to-jobs', match: { host: 'jobs.internal' }, upstream: 'jobs', token: { service: {} } }],
      },
      upstreams: { app: { endpoints: ['http://127.0.0.1:9'] }, jobs: { endpoints: ['http://127.0.0.1:9'] } },
    },
  });
  collectNodeMetrics(instance.metrics);
  new LogSeries(instance.metrics);
  const actual = described(await (await instance.admin('/metrics')).text());
  if (process.env['UPDATE_GOLDEN'] !== undefined) writeFileSync(GOLDEN, actual);
  else expect(actual).toBe(readFileSync(GOLDEN, 'utf8'));
});
