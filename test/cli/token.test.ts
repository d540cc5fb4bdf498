import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestClocks } from '../support/clocks.ts';
import { cli, temporaryFile } from './support.ts';

const clocks = new TestClocks();
const nowSec = Math.floor(clocks.wallMs() / 1_000);
let jwks: string;
let token: string;
let expired: string;
beforeAll(async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] });
  const sign = (iatSec: number) =>
    new SignJWT({ iss: 'https://shop.example.com', aud: 'orders', sub: 'bob', iat: iatSec, exp: iatSec + 120 })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'JWT' })
      .sign(privateKey);
  [token, expired] = await Promise.all([sign(nowSec), sign(nowSec - 600)]);
});
const RULES = ['--issuer', 'https://shop.example.com', '--audience', 'orders'];

test('inspect shows header, claims and times, and says that nothing is verified', async () => {
  const { code, out } = await cli(['token', 'inspect'], { stdin: `Bearer ${token}\n`, clocks });
  expect(code).toBe(0);
  expect(out).toMatch(/^not verified/);
  expect(out).toContain('"sub": "bob"');
  expect(out).toContain(', in 2m\n');
  expect(out).not.toContain(token.split('.')[2]);
});

test('inspect also accepts the token as an argument, and writes JSON', async () => {
  const { out } = await cli(['token', 'inspect', token, '--json'], { clocks });
  expect(JSON.parse(out)).toMatchObject({ verified: false, header: { alg: 'ES256' }, payload: { sub: 'bob' } });
});

test('without a token on standard input, inspect says so', async () => {
  const { code, err } = await cli(['token', 'inspect'], { stdin: '\n' });
  expect([code, err]).toEqual([1, 'standard input is empty: give a token there, or as TOKEN\n']);
});

test('text that is not a JWT is reported in one clear line, without repeating it', async () => {
  const { code, err } = await cli(['token', 'inspect'], { stdin: 'canary.canary.canary' });
  expect(code).toBe(1);
  expect(err).toMatch(/^not a JWT in the strict compact form/);
  expect(err).not.toContain('canary');
});

describe('verify', () => {
  const verify = (stdin: string, ...argv: string[]) =>
    cli(['token', 'verify', '--jwks', temporaryFile('jwks.json', jwks), ...RULES, ...argv], { stdin, clocks });

  test('accepts a valid token', async () => {
    const { code, out } = await verify(token);
    expect(code).toBe(0);
    expect(out).toMatch(/^verified\n/);
  });

  test.each([
    ['another issuer', ['--issuer', 'https://evil.example']],
    ['another audience', ['--audience', 'cart']],
    ['another type', ['--type', 'at+jwt']],
    ['a shorter lifetime', ['--max-lifetime', '1m']],
  ])('refuses the token for %s', async (_title, argv) => {
    const rules = ['--issuer', '--audience'].flatMap((name, index) =>
      argv[0] === name ? [] : RULES.slice(index * 2, index * 2 + 2),
    );
    const { code, out, err } = await cli(
      ['token', 'verify', '--jwks', temporaryFile('jwks.json', jwks), ...rules, ...argv],
      { stdin: token, clocks },
    );
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^not verified: /);
  });

  test('refuses an expired token, and one with another signature', async () => {
    expect((await verify(expired)).code).toBe(1);
    const [header, payload] = token.split('.');
    expect((await verify(`${header}.${payload}.${expired.split('.')[2]}`)).code).toBe(1);
  });

  test('gives the reason with --json', async () => {
    const { code, out } = await verify(expired, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toEqual({ verified: false, problem: 'token has expired' });
  });

  test('names a key set without a key for the algorithm', async () => {
    const { code, err } = await verify(token, '--algorithm', 'RS256');
    expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/jwks\.json has no key for RS256\n$/) });
  });

  test('refuses a key set with a private key', async () => {
    const path = temporaryFile('jwks.json', JSON.stringify({ keys: [{ kty: 'EC', d: 'x' }] }));
    const { code, err } = await cli(['token', 'verify', '--jwks', path, ...RULES], { stdin: token });
    expect({ code, err }).toEqual({ code: 1, err: `${path} has a private key\n` });
  });

  test('fetches keys over http from this machine only', async () => {
    const server = createServer((_request, response) => response.end(jwks));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { code } = await cli(['token', 'verify', '--jwks', `http://127.0.0.1:${port}/jwks.json`, ...RULES], {
      stdin: token,
      clocks,
    });
    expect(code).toBe(0);
    const { err } = await cli(['token', 'verify', '--jwks', 'http://keys.example.com/jwks.json', ...RULES], {
      stdin: token,
    });
    expect(err).toBe(
      'http://keys.example.com/jwks.json: keys are fetched over https only, or over http from this machine\n',
    );
  });

  test('does not follow a redirect', async () => {
    const server = createServer((_request, response) =>
      response.writeHead(302, { location: 'http://169.254.169.254/' }).end(),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
    expect((await cli(['token', 'verify', '--jwks', url, ...RULES], { stdin: token })).err).toBe(
      `${url}: a redirect (302), which is not followed\n`,
    );
  });
});

describe('A7: verify --config', () => {
  const config = (issuers: string) => `version: 1
publicOrigin: https://gateway.example.com
listeners: { public: { address: 127.0.0.1:8080 } }
issuers:
${issuers}
upstreams: { app: { endpoints: [http://127.0.0.1:3000] } }
routes: [{ id: app, match: { path: / }, credential: { service: [shop] }, upstream: app }]
acceptWarnings: [config/unused, store/memory]
`;
  const shop = (more = '') =>
    config(
      `  shop: { issuer: https://shop.example.com, jwksFile: ${temporaryFile('k.json', jwks)}, algorithms: [ES256], audience: orders${more} }`,
    );
  const verify = (text: string, ...argv: string[]) =>
    cli(['token', 'verify', '--config', temporaryFile('sallyport.yaml', text), ...argv], { stdin: token, clocks });

  test('uses the issuers of the configuration, their keys and rules, and names the issuer', async () => {
    const { code, out, err } = await verify(shop());
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^verified, a token of shop\n/);
    expect(JSON.parse((await verify(shop(), '--json')).out)).toMatchObject({ verified: true, issuer: 'shop' });
  });

  test.each([
    ['a shorter lifetime', ', maxLifetime: 1m', 'lifetime is longer than is accepted'],
    ['another party', ', authorizedParties: [web]', 'azp or client_id is not one that is accepted'],
  ])('refuses the token for %s with the reason', async (_title, more, problem) => {
    const { code, out, err } = await verify(shop(more));
    expect({ code, out, err }).toEqual({ code: 1, out: '', err: `not verified: ${problem}\n` });
  });

  test('fetches remote keys, and says when it cannot', async () => {
    let answers = true;
    const server = createServer((_request, response) => (answers ? response.end(jwks) : response.destroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`;
    const text = config(
      `  shop: { issuer: https://shop.example.com, jwksUrl: "${jwksUrl}", algorithms: [ES256], audience: orders }`,
    );
    expect((await verify(text)).code).toBe(0);
    answers = false;
    expect(await verify(text)).toEqual({ code: 1, out: '', err: 'the keys of the issuer are unavailable\n' });
  });

  test('excludes rules on the command line, and without either the error says what is missing', async () => {
    expect((await verify(shop(), '--issuer', 'https://x.example')).err).toContain('--issuer does not go with --config');
    const { code, err } = await cli(['token', 'verify'], { stdin: token });
    expect([code, err.includes('--jwks is missing; or give --config instead')]).toEqual([2, true]);
  });
});
