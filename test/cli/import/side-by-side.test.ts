/** Runs the nginx of `docs/how-to/move-from-oauth2-proxy.md`: it sends only paths that have moved to the gateway. */

import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HOST, startGateway } from '../../support/gateway.ts';
import { freePort } from '../../support/ports.ts';
import { findProgram } from '../../support/programs.ts';
import { rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { until } from '../../support/until.ts';
import { temporaryDirectory } from '../support.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/how-to/move-from-oauth2-proxy.md'), 'utf8');
const SERVER = /^```nginx\n([\s\S]*?)^```$/m.exec(PAGE)?.[1] ?? '';
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

test('only moved paths go to the gateway, which believes the address of the client', async () => {
  // In place of oauth2-proxy, whose handling of the requests does not matter here.
  await using old = await RecordingUpstream.start();
  await using service = await RecordingUpstream.start();
  const listeners = {
    public: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
    admin: { address: '127.0.0.1:0' },
  };
  await using gateway = await startGateway({ upstream: service.origin, config: { listeners } });
  const port = await freePort();
  const directory = temporaryDirectory();
  const addresses = [
    ['http://127.0.0.1:4180', old.origin],
    ['http://127.0.0.1:8080', `http://127.0.0.1:${gateway.port}`],
    ['server {', `server {\n  listen 127.0.0.1:${port};`],
  ] as const;
  const server = addresses.reduce((text, [from, to]) => text.replaceAll(from, to), SERVER);
  const temporary = TEMPORARY.map((kind) => `${kind}_temp_path ${kind};`).join(' ');
  writeFileSync(join(directory, 'nginx.conf'), `events {}\nhttp { access_log off; ${temporary}\n${server}}\n`);
  const child = spawn(
    findProgram(['nginx']) ?? 'nginx',
    [
      '-p',
      directory,
      '-c',
      'nginx.conf',
      '-e',
      'stderr',
      '-g',
      `daemon off; master_process off; pid ${directory}/pid;`,
    ],
    { stdio: 'ignore' },
  );
  onTestFinished(() => void child.kill());
  const get = (path: string, ...lines: string[]) => rawRequest(port, requestHead('GET', path, [HOST, ...lines]));
  await until(
    () =>
      get('/').then(
        () => true,
        () => false,
      ),
    'nginx answers',
  );

  for (const path of ['/oauth2/callback?code=x', '/orders', '/']) {
    expect((await get(path)).status).toBe(200);
    expect(old.last.head).toContain(`GET ${path} HTTP`);
    expect(old.last.values('host')).toEqual(['shop.example.com']);
  }
  expect(service.requests).toHaveLength(0);

  const anonymous = await get(
    '/reports/1',
    'Accept: text/html',
    'Sec-Fetch-Mode: navigate',
    'Sec-Fetch-Dest: document',
  );
  expect([anonymous.status, anonymous.headers.get('location')]).toEqual([
    302,
    'https://shop.example.com/auth/login?return_to=%2Freports%2F1',
  ]);
  expect((await get('/auth/session')).status).toBe(401);
  const cookie = await gateway.cookie();
  expect((await get('/reports/1', cookie, 'X-Forwarded-For: 192.0.2.7')).status).toBe(200);
  // The addresses that the client sent, that nginx saw, and that the gateway saw.
  expect(service.last.values('x-forwarded-for')).toEqual(['192.0.2.7, 127.0.0.1, 127.0.0.1']);
});
