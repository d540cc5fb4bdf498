import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HOST } from '../../support/gateway.ts';
import { TestAuthority } from '../../support/issuers/certificates.ts';
import { ecKeyPair, es256, hs256, ps256, publicJwk, rsaKeyPair } from '../../support/issuers/forger.ts';
import { answering, KeyServer } from '../../support/issuers/key-server.ts';
import { rawRequest } from '../../support/raw-client.ts';
import { Files, ISSUER, IssuerStage, KEY, tokenBy } from './stage.ts';

const JWKS = { keys: [publicJwk(KEY, { kid: 'one' })] };
const COMMON = { issuer: ISSUER, algorithms: ['ES256'] };
const pem = KEY.publicKey.export({ type: 'spki', format: 'pem' }) as string;

describe('keys come from', () => {
  test('the configuration itself', async () => {
    await using stage = await IssuerStage.start({ a: { ...COMMON, jwks: JWKS } });
    expect(await stage.status(tokenBy())).toBe(200);
  });

  test('a JWK Set in a file', async () => {
    using files = new Files();
    await using stage = await IssuerStage.start({
      a: { ...COMMON, jwksFile: files.write('jwks.json', JSON.stringify(JWKS)) },
    });
    expect(await stage.status(tokenBy())).toBe(200);
  });

  test('a URL', async () => {
    await using server = await KeyServer.start(answering(JWKS));
    await using stage = await IssuerStage.start({ a: { ...COMMON, jwksUrl: `${server.origin}/keys` } });
    expect(await stage.status(tokenBy())).toBe(200);
  });

  test('a URL behind a private CA', async () => {
    using files = new Files();
    const authority = new TestAuthority();
    const { certificate, key } = authority.issue({ names: ['127.0.0.1'] });
    const server = createServer({ cert: certificate, key }, answering(JWKS));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const jwksUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    const caFile = files.write('ca.pem', authority.certificate);
    await using trusting = await IssuerStage.start({ a: { ...COMMON, jwksUrl, fetch: { caFile } } });
    expect(await trusting.status(tokenBy())).toBe(200);
    await using distrusting = await IssuerStage.start({ a: { ...COMMON, jwksUrl } });
    expect(await distrusting.status(tokenBy())).toBe(503);
  });

  test('a PEM file with a public key or certificate, whatever kid the token has', async () => {
    using files = new Files();
    await using stage = await IssuerStage.start({ a: { ...COMMON, publicKeyFile: files.write('key.pem', pem) } });
    expect(await stage.status(tokenBy(es256(KEY), { kid: 'whatever' }))).toBe(200);
    expect(await stage.status(tokenBy(es256(KEY), { kid: undefined }))).toBe(200);
    expect(await stage.status(tokenBy(es256(ecKeyPair())))).toBe(401);
    const { certificate } = new TestAuthority().issue({ names: ['issuer.example'] });
    await using other = await IssuerStage.start({
      a: { ...COMMON, publicKeyFile: files.write('cert.pem', certificate) },
    });
    expect(await other.status(tokenBy())).toBe(401);
  });

  test('a shared secret, without its trailing newline', async () => {
    using files = new Files();
    const secret = 's'.repeat(32);
    await using stage = await IssuerStage.start({
      a: { issuer: ISSUER, secretFile: files.write('secret', `${secret}\n`) },
    });
    expect(await stage.status(tokenBy(hs256(secret), { alg: 'HS256' }))).toBe(200);
    expect(await stage.status(tokenBy(hs256(`${secret}\n`), { alg: 'HS256' }))).toBe(401);
    expect(await stage.status(tokenBy(hs256(secret), { alg: 'HS384' }))).toBe(401);
    expect(await stage.status(tokenBy(es256(KEY)))).toBe(401);
  });
});

describe('JWT-11: a token without a kid', () => {
  test('is verified by the only key for its algorithm, and refused if there are several', async () => {
    const rsa = rsaKeyPair();
    const one = { keys: [...JWKS.keys, publicJwk(rsa, { kid: 'rsa' })] };
    const several = { keys: [...JWKS.keys, publicJwk(ecKeyPair(), { kid: 'two' })] };
    const token = tokenBy(es256(KEY), { kid: undefined });
    await using single = await IssuerStage.start({ a: { issuer: ISSUER, algorithms: ['ES256', 'RS256'], jwks: one } });
    expect(await single.status(token)).toBe(200);
    await using ambiguous = await IssuerStage.start({ a: { ...COMMON, jwks: several } });
    expect(await ambiguous.status(token)).toBe(401);
  });
});

describe('JWT-08: a token that is signed with an algorithm other than its key’s', () => {
  test('is refused', async () => {
    const rsa = rsaKeyPair();
    const jwks = { keys: [publicJwk(rsa, { kid: 'one', alg: 'RS256' })] };
    await using stage = await IssuerStage.start({ a: { issuer: ISSUER, algorithms: ['RS256', 'PS256'], jwks } });
    expect(await stage.status(tokenBy(ps256(rsa), { alg: 'PS256' }))).toBe(401);
  });
});

describe('does not start, and says why, with', () => {
  const refuse = (config: object) => IssuerStage.start({ a: { ...COMMON, ...config } });
  const privateKey = KEY.privateKey.export({ format: 'jwk' });
  const privatePem = KEY.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const weak = rsaKeyPair(1_024);
  test.each<readonly [string, (files: Files) => object, RegExp]>([
    [
      'JWT-07: a symmetric key in a JWK Set',
      () => ({ jwks: { keys: [...JWKS.keys, { kty: 'oct', k: 'AAAA' }] } }),
      /issuers\.a\.jwks has a symmetric key/,
    ],
    ['JWT-43: a private key in a JWK Set', () => ({ jwks: { keys: [privateKey] } }), /has a private key/],
    [
      'JWT-43: a weak key in a file',
      (files) => ({
        algorithms: ['RS256'],
        jwksFile: files.write('weak.json', JSON.stringify({ keys: [publicJwk(weak)] })),
      }),
      /weak\.json has an RSA key under 2048 bits/,
    ],
    [
      'JWT-43: a weak key in PEM',
      (files) => ({
        algorithms: ['RS256'],
        publicKeyFile: files.write('weak.pem', weak.publicKey.export({ type: 'spki', format: 'pem' })),
      }),
      /under 2048 bits/,
    ],
    [
      'a private key in PEM',
      (files) => ({ publicKeyFile: files.write('private.pem', privatePem) }),
      /private\.pem has a private key/,
    ],
    [
      'a file that is not PEM',
      (files) => ({ publicKeyFile: files.write('x.pem', 'x') }),
      /is not a public key or certificate/,
    ],
    ['a file that is not JSON', (files) => ({ jwksFile: files.write('x.json', 'x') }), /x\.json is not JSON/],
    [
      'a file that is not a JWK Set',
      (files) => ({ jwksFile: files.write('x.json', '[]') }),
      /x\.json is not a JWK Set/,
    ],
    ['no key for the algorithms', () => ({ algorithms: ['RS256'], jwks: JWKS }), /has no key for RS256/],
    [
      'two keys with one kid',
      () => ({ jwks: { keys: [...JWKS.keys, publicJwk(ecKeyPair(), { kid: 'one' })] } }),
      /two keys with one kid/,
    ],
    [
      'a secret of 31 bytes',
      (files) => ({ algorithms: undefined, secretFile: files.write('s', `${'s'.repeat(31)}\n`) }),
      /has 31 bytes; HS256 needs at least 32/,
    ],
    [
      'JWT-05: a public key as the secret',
      (files) => ({ algorithms: undefined, secretFile: files.write('s', pem) }),
      /not a secret/,
    ],
    [
      'JWT-06: a JWK as the secret',
      (files) => ({ algorithms: undefined, secretFile: files.write('s', JSON.stringify(JWKS.keys[0])) }),
      /not a secret/,
    ],
    [
      'a CA file that does not exist',
      () => ({ jwksUrl: 'https://127.0.0.1:1/', fetch: { caFile: '/nonexistent' } }),
      /\/nonexistent cannot be read/,
    ],
  ])('%s', async (_title, config, why) => {
    using files = new Files();
    await expect(refuse(config(files))).rejects.toThrow(why);
  });
});

describe('OpenID Connect Discovery', () => {
  const start =
    (metadata: (origin: string) => unknown, more: object = {}) =>
    async () => {
      const server = await KeyServer.start((request, response) => {
        if (request.url === '/keys') answering(JWKS)(request, response);
        else answering(metadata(server.origin))(request, response);
      });
      const discovery = `${server.origin}/.well-known/openid-configuration`;
      return { server, stage: await IssuerStage.start({ a: { ...COMMON, discovery, ...more } }) };
    };

  test('§4: fetches keys from where the metadata says', async () => {
    const { server, stage } = await start((origin) => ({ issuer: ISSUER, jwks_uri: `${origin}/keys` }))();
    await using _server = server;
    await using _stage = stage;
    expect(await stage.status(tokenBy())).toBe(200);
    expect(server.requestCount).toBe(2);
  });

  test.each<readonly [string, (origin: string) => unknown]>([
    ['of another issuer (§4.3)', (origin) => ({ issuer: `${ISSUER}/`, jwks_uri: `${origin}/keys` })],
    ['without an issuer (§4.3)', (origin) => ({ jwks_uri: `${origin}/keys` })],
    ['without jwks_uri', () => ({ issuer: ISSUER })],
    ['whose jwks_uri is a file', () => ({ issuer: ISSUER, jwks_uri: 'file:///etc/passwd' })],
    ['whose jwks_uri is plain http elsewhere', () => ({ issuer: ISSUER, jwks_uri: 'http://169.254.169.254/keys' })],
    ['that is not an object', () => null],
  ])('rejects metadata %s and fetches no keys', async (_title, metadata) => {
    const { server, stage } = await start(metadata)();
    await using _server = server;
    await using _stage = stage;
    expect(await stage.status(tokenBy())).toBe(503);
    expect(stage.gateway.log.text).toMatch(/"problem":"metadata /);
  });
});

describe('the gateway’s own tokens', () => {
  /** The token that an upstream gets for a user with a session. */
  async function mint(stage: IssuerStage): Promise<string> {
    const { gateway } = stage.gateway;
    const [api] = gateway.config.routes;
    if (api === undefined) throw new Error('no route');
    const web = { ...api, id: 'web', match: { ...api.match, path: ['/web'] }, credential: 'session' as const };
    await stage.gateway.apply({ ...gateway.config, routes: [api, web] });
    const head = `GET /web HTTP/1.1\r\n${HOST}\r\n${await stage.gateway.cookie('bob')}\r\n\r\n`;
    expect((await rawRequest(stage.gateway.port, head)).status).toBe(200);
    return stage.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '';
  }

  test.each(['ES256', 'EdDSA', 'RS256', 'PS256'])(
    'are verified with the keys that sign them, without a fetch: %s',
    async (algorithm) => {
      await using stage = await IssuerStage.start(
        { ours: { own: {}, audience: 'app' } },
        { upstreamToken: { algorithm } },
      );
      const minted = await mint(stage);
      expect(await stage.status(minted)).toBe(200);
      expect(stage.upstream.last.values('x-caller')).toEqual(['bob']);

      const [header = '', payload = '', signature = ''] = minted.split('.');
      const claims = Buffer.from(payload, 'base64url').toString().replace('bob', 'ann');
      expect(await stage.status(`${header}.${Buffer.from(claims).toString('base64url')}.${signature}`)).toBe(401);
      expect(await stage.refused('signature')).toBe(1);
    },
  );

  test('are verified with a shared secret, too', async () => {
    using files = new Files();
    const secretFile = files.write('secret', 's'.repeat(32));
    await using stage = await IssuerStage.start(
      { ours: { own: {}, audience: 'app' } },
      { upstreamToken: { algorithm: 'HS256', secretFile } },
    );
    expect(await stage.status(await mint(stage))).toBe(200);
  });

  test('JWT-54: are refused if minted for another upstream', async () => {
    await using stage = await IssuerStage.start({ ours: { own: {}, audience: 'cart' } });
    expect(await stage.status(await mint(stage))).toBe(401);
    expect(await stage.refused('audience')).toBe(1);
  });
});

describe('issuers with the same iss', () => {
  const other = ecKeyPair();
  test('are distinguished by their keys, as with two clusters', async () => {
    const issuers = {
      a: { ...COMMON, jwks: JWKS },
      b: { ...COMMON, jwks: { keys: [publicJwk(other, { kid: 'one' })] } },
    };
    await using stage = await IssuerStage.start(issuers);
    expect([await stage.status(tokenBy()), await stage.status(tokenBy(es256(other)))]).toEqual([200, 200]);
    expect(await stage.status(tokenBy(es256(ecKeyPair())))).toBe(401);
    expect(await stage.refused('signature')).toBe(1);
  });

  test('answer 503 to a possibly good token while the keys of one are unavailable', async () => {
    await using server = await KeyServer.start((_request, response) => void response.writeHead(500).end());
    await using stage = await IssuerStage.start({
      a: { ...COMMON, jwksUrl: server.origin },
      b: { ...COMMON, jwks: JWKS },
    });
    expect(await stage.status(tokenBy())).toBe(200);
    expect(await stage.status(tokenBy(es256(other)))).toBe(503);
  });
});

test('a reload reads key files again', async () => {
  using files = new Files();
  const next = ecKeyPair();
  const jwksFile = files.write('jwks.json', JSON.stringify(JWKS));
  await using stage = await IssuerStage.start({ a: { ...COMMON, jwksFile } });
  expect(await stage.status(tokenBy())).toBe(200);
  files.write('jwks.json', JSON.stringify({ keys: [publicJwk(next, { kid: 'one' })] }));
  const { gateway } = stage.gateway;
  await stage.gateway.apply(gateway.config);
  expect(await stage.status(tokenBy())).toBe(401);
  expect(await stage.status(tokenBy(es256(next)))).toBe(200);
});
