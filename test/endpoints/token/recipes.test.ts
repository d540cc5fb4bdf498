/**
 * Runs what docs/how-to/exchange-tokens.md shows, unchanged: the configuration, the commands and the script.
 */

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeJwt, exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { startGateway, type TestGateway } from '../../support/gateway.ts';
import { TokenAuthority } from '../../support/issuers/token-authority.ts';
import { rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../../..');
const PAGE = readFileSync(join(ROOT, 'docs/how-to/exchange-tokens.md'), 'utf8');
const SECRET = 'f'.repeat(64);

function recipe(name: string): string {
  const [, text] = new RegExp(`^\`\`\`[a-z]+ recipe=${name}\\n(.*?)^\`\`\`$`, 'ms').exec(PAGE) ?? [];
  if (text === undefined) throw new Error(`the page has no recipe ${name}`);
  return text;
}

let directory: string;
let upstream: RecordingUpstream;
let cluster: TokenAuthority;
let gateway: TestGateway;
let env: Record<string, string>;

/** The configuration of the page, with the files of the test in place of those that it names. */
function configuration(): Record<string, unknown> {
  const files: Record<string, string> = {
    '/run/secrets/orders': join(directory, 'orders'),
    '/etc/sallyport/stock.jwks.json': join(directory, 'stock.jwks.json'),
    '/var/lib/sallyport/keys': directory,
  };
  const text = Object.entries(files).reduce((page, [path, file]) => page.replace(path, file), recipe('config'));
  const { upstreamToken, ...config } = parse(text) as { upstreamToken: { claims: object } };
  return { ...config, upstreamToken: { claims: upstreamToken.claims }, issuers: { cluster: cluster.config } };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sallyport-recipes-'));
  upstream = await RecordingUpstream.start();
  cluster = await TokenAuthority.create();
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const put = (name: string, text: string) => writeFileSync(join(directory, name), text);
  put('orders', `${SECRET}\n`);
  put('stock.pem', await exportPKCS8(privateKey));
  put('stock.jwks.json', JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'stock-1' }] }));
  put('token', await cluster.token({ sub: 'system:serviceaccount:shop:reports' }));
  put('package.json', '{ "type": "module" }');
  put('assertion.js', recipe('assertion'));
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  gateway = await startGateway({
    upstream: upstream.origin,
    routes: [{ id: 'orders', match: { path: '/orders' }, credential: 'session', audience: 'orders' }],
    config: configuration(),
  });
  const cookie = await gateway.cookie();
  await rawRequest(gateway.port, requestHead('GET', '/orders', ['Host: shop.example.com', cookie]));
  env = {
    PATH: process.env['PATH'] ?? '',
    TOKEN_URL: `http://127.0.0.1:${gateway.port}/auth/token`,
    ISSUER: 'https://shop.example.com',
    ORDERS_SECRET: SECRET,
    SUBJECT_TOKEN: upstream.last.values('authorization')[0]?.slice('Bearer '.length) ?? '',
    KEY_FILE: join(directory, 'stock.pem'),
    TOKEN_FILE: join(directory, 'token'),
  };
});

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  cluster[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

async function shell(name: string, more: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const { stdout } = await run('sh', ['-c', recipe(name)], { env: { ...env, ...more } });
  return JSON.parse(stdout) as Record<string, unknown>;
}
const claimsOf = (answer: Record<string, unknown>) => decodeJwt(String(answer['access_token']));

describe('docs/how-to/exchange-tokens.md', () => {
  test('exchanges a user’s token with curl and gets the answer shown', async () => {
    const answer = await shell('exchange');
    const shown = JSON.parse(recipe('exchanged')) as Record<string, unknown>;
    expect(Object.keys(answer)).toEqual(Object.keys(shown));
    const { access_token: _token, expires_in: _expires, ...rest } = shown;
    expect(answer).toMatchObject(rest);
    expect(claimsOf(answer)).toMatchObject({ sub: 'bob', aud: 'stock', act: { sub: 'orders' }, roles: ['customer'] });
  });

  test('gets a service its own token', async () => {
    expect(claimsOf(await shell('client-credentials'))).toMatchObject({ sub: 'orders', aud: 'stock' });
  });

  test('signs an assertion with Node and exchanges an exchanged token again', async () => {
    const { stdout } = await run(process.execPath, ['assertion.js'], { cwd: directory, env });
    const subject = String((await shell('exchange'))['access_token']);
    const answer = await shell('private-key-jwt', { ASSERTION: stdout.trim(), SUBJECT_TOKEN: subject });
    expect(claimsOf(answer)).toMatchObject({ aud: 'billing', act: { sub: 'stock', act: { sub: 'orders' } } });
  });

  test('accepts the service token of a Pod', async () => {
    expect(claimsOf(await shell('service-token'))).toMatchObject({ sub: 'reports', aud: 'billing' });
  });
});
