/** The archive of `sallyport doctor --bundle`: its contents, and what it never contains. */

import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tarOf } from '../../src/cli/doctor/tar.ts';
import { HOST } from '../support/gateway.ts';
import { ADMIN_TOKEN, startInstance } from '../support/instance.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { cli, temporaryDirectory, temporaryFile } from './support.ts';

const run = promisify(execFile);
/** Must never appear. */
const CANARY = 'canary-5ecret-of-at-least-32-characters';

test('LOG-01: the bundle has findings, configurations, metrics and requests, without their secrets', async () => {
  await using instance = await startInstance({
    files: { 'token.secret': CANARY, 'client.secret': CANARY, 'hs256.secret': CANARY },
    config: {
      upstreams: { app: { endpoints: ['http://127.0.0.1:9'] } },
      upstreamToken: { algorithm: 'HS256', secretFile: 'token.secret' },
      issuers: { shared: { issuer: 'https://shared.example', secretFile: 'hs256.secret' } },
      login: { trustedBackends: [{ id: 'till', clientSecretFile: 'client.secret' }] },
    },
    routes: [
      {
        id: 'keyed',
        match: { path: '/' },
        credential: 'none',
        requestHeaders: { set: { 'X-Api-Key': CANARY } },
      },
    ],
  });
  const headers = [HOST, `Cookie: __Host-sid=${CANARY}`, `Authorization: Bearer ${CANARY}`];
  await rawRequest(instance.port, requestHead('GET', `/reset/${CANARY}?token=${CANARY}`, headers));
  const directory = temporaryDirectory();
  const { code, err, out } = await cli(
    [
      ...['doctor', '--bundle', 'support.tar.gz', '-c', instance.file.path],
      ...['--admin-url', `http://127.0.0.1:${instance.adminPort}`],
      ...['--token-file', join(instance.file.directory, 'admin.token')],
    ],
    { cwd: directory },
  );
  expect([code, err]).toEqual([0, 'support.tar.gz written: look through it before you share it\n']);
  expect(statSync(join(directory, 'support.tar.gz')).mode & 0o777).toBe(0o600);
  await run('tar', ['-xzf', 'support.tar.gz'], { cwd: directory });
  const folder = join(directory, 'sallyport');
  const files = readdirSync(folder).toSorted();
  expect(files).toEqual([
    'configuration-of-the-file.json',
    'configuration-of-the-process.json',
    'doctor.json',
    'doctor.txt',
    'metrics.txt',
    'recent-requests.json',
    'status.json',
    'store.json',
    'versions.json',
  ]);
  const texts = Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
  for (const [file, text] of [...Object.entries(texts), ['standard output', out]])
    expect([file, text?.includes(CANARY), text?.includes(ADMIN_TOKEN)]).toEqual([file, false, false]);
  expect(JSON.parse(texts['recent-requests.json'] ?? '')).toEqual([
    expect.objectContaining({ route: 'keyed', status: 502, reason: 'upstream_connect_failed' }),
  ]);
  expect(texts['recent-requests.json']).not.toMatch(/"(?:client|host|path|subject)"/);
  expect(texts['metrics.txt']).toContain('sallyport_http_requests_total{route="keyed"');
  expect(texts['doctor.txt']).toContain('upstream_connect_failed');
  expect(JSON.parse(texts['configuration-of-the-process.json'] ?? '')).toMatchObject({
    hash: instance.instance.reloader.inUse.hash,
    config: { routes: [{ id: 'keyed' }] },
  });
});

test('the bundle of a gateway that is down has what is available', async () => {
  const path = temporaryFile('sallyport.yaml', 'version: 1\n');
  const directory = temporaryDirectory();
  const { code } = await cli(['doctor', '-c', path, '--bundle', 'b.tar.gz', '--admin-url', 'http://127.0.0.1:1'], {
    cwd: directory,
  });
  expect([code, existsSync(join(directory, 'b.tar.gz'))]).toEqual([1, true]);
});

test('a bundle that cannot be written is reported', async () => {
  const path = temporaryFile('sallyport.yaml', 'version: 1\n');
  const { code, err } = await cli(['doctor', '-c', path, '--bundle', '/no/such/place/b.tar.gz']);
  expect([code, err]).toEqual([1, expect.stringContaining('/no/such/place/b.tar.gz cannot be written')]);
});

describe('a tar archive', () => {
  test('is read back unchanged by tar, with files of any length', async () => {
    const directory = temporaryDirectory();
    const lengths = [0, 1, 511, 512, 513, 1_024, 100_000];
    const files = lengths.map((length) => ({ name: `folder/${length}.txt`, text: 'ü'.repeat(length) }));
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(directory, 'a.tar'), tarOf(files, Date.UTC(2027, 0, 15)));
    await run('tar', ['-xf', 'a.tar'], { cwd: directory });
    for (const { name, text } of files) expect(readFileSync(join(directory, name), 'utf8')).toBe(text);
    expect(statSync(join(directory, 'folder/1.txt')).mtimeMs).toBe(Date.UTC(2027, 0, 15));
  });

  test('consists of whole blocks and ends with two empty ones', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 4 }), (texts) => {
        const archive = tarOf(
          texts.map((text, index) => ({ name: `${index}`, text })),
          0,
        );
        expect(archive.byteLength % 512).toBe(0);
        expect(archive.subarray(-1_024).every((byte) => byte === 0)).toBe(true);
      }),
    );
  });

  test('refuses a name that is too long', () => {
    expect(() => tarOf([{ name: 'ü'.repeat(51), text: '' }], 0)).toThrow(TypeError);
  });
});
