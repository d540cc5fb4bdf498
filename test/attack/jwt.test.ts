/**
 * Bearer tokens as an attacker would send them, through a whole gateway. Whatever is wrong with a token, the client gets the
 * same answer; a metric says which rule it broke, and each row expects that.
 */

import { createPublicKey, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ServiceTokenProblem } from '../../src/authentication/service-token/refusal.ts';
import { TestClocks } from '../support/clocks.ts';
import { HOST, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../support/gateway.ts';
import {
  bytes,
  ecKeyPair,
  encode,
  es256,
  es256Der,
  forge,
  hs256,
  type KeyPair,
  P256_ORDER,
  PKCS1_PADDINGS,
  PSS_PADDINGS,
  ps256,
  publicJwk,
  rawRsa,
  rs256,
  rsaKeyPair,
  type Signer,
} from '../support/issuers/forger.ts';
import { type RawResponse, rawRequest } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { seriesOf } from '../support/telemetry/counted.ts';

const clocks = new TestClocks();
const nowSec = Math.floor(clocks.wallMs() / 1_000);
const ISSUER = 'https://issuer.example';
const EC = ecKeyPair();
const RSA = rsaKeyPair();
const OTHER = ecKeyPair();
const ATTACKER = ecKeyPair();

const HEADER = { alg: 'ES256', kid: 'ec', typ: 'JWT' };
const CLAIMS = { iss: ISSUER, sub: 'cart', aud: PUBLIC_ORIGIN, iat: nowSec, exp: nowSec + 300, scope: 'read write' };
const RS_HEADER = { alg: 'RS256', kid: 'rsa', typ: 'JWT' };

/** A valid token, except for what is given here; `undefined` omits a field. */
const token = (header: object = {}, claims: object = {}, signer: Signer = es256(EC)) =>
  forge({ ...HEADER, ...header }, { ...CLAIMS, ...claims }, signer);
const rsaToken = (signer: Signer, header: object = {}) => forge({ ...RS_HEADER, ...header }, CLAIMS, signer);
/** With exactly this payload. */
const tokenOf = (payload: string | Buffer) => forge(HEADER, payload, es256(EC));
const claimsText = JSON.stringify(CLAIMS);

let gateway: TestGateway;
let upstream: RecordingUpstream;
/** It sees a connection only if the gateway follows a URL in a token. */
let trap: RawUpstream;
beforeAll(async () => {
  upstream = await RecordingUpstream.start();
  trap = await RawUpstream.start(() => {});
  gateway = await startGateway({
    upstream: upstream.origin,
    clocks,
    config: {
      issuers: {
        main: {
          issuer: ISSUER,
          algorithms: ['ES256', 'RS256'],
          jwks: { keys: [publicJwk(EC, { kid: 'ec' }), publicJwk(RSA, { kid: 'rsa' })] },
        },
        other: {
          issuer: 'https://other.example',
          algorithms: ['ES256'],
          jwks: { keys: [publicJwk(OTHER, { kid: 'ec' })] },
          audience: 'elsewhere',
        },
        pss: {
          issuer: 'https://pss.example',
          algorithms: ['PS256'],
          jwks: { keys: [publicJwk(RSA, { kid: 'rsa' })] },
        },
        strict: {
          issuer: 'https://strict.example',
          algorithms: ['ES256'],
          jwks: { keys: [publicJwk(EC, { kid: 'ec' })] },
          types: ['at+jwt'],
          authorizedParties: ['cart-client'],
        },
      },
    },
    routes: [
      { id: 'api', match: { path: '/api' }, credential: { service: ['main', 'pss', 'strict'] } },
      { id: 'wide', match: { path: '/wide' }, credential: { service: ['main', 'other'] } },
      { id: 'other', match: { path: '/other' }, credential: { service: ['other'] } },
      { id: 'read', match: { path: '/read' }, credential: { service: ['main'] }, allow: { scopes: ['read'] } },
      {
        id: 'maybe',
        match: { path: '/maybe' },
        credential: { session: 'optional' },
        identityHeaders: { 'X-User': 'subject' },
      },
    ],
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
  await trap[Symbol.asyncDispose]();
});

const ask = (authorization: string, path = '/api') =>
  rawRequest(gateway.port, `GET ${path} HTTP/1.1\r\n${HOST}\r\nAuthorization: ${authorization}\r\n\r\n`);

/** What a client sees, without the request id. */
const told = ({ status, headers, body }: RawResponse) => ({
  status,
  challenge: headers.get('www-authenticate'),
  document: { ...(JSON.parse(body.toString()) as object), requestId: null },
});

const REFUSED = {
  status: 401,
  challenge: 'Bearer realm="sallyport", error="invalid_token"',
  document: {
    type: 'https://sallyport.github.io/sallyport/reference/reasons/#token_invalid',
    title: 'Invalid token',
    status: 401,
    detail: 'The presented token is not accepted here.',
    reason: 'token_invalid',
    requestId: null,
  },
};

async function refusals(): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const [labels, value] of await seriesOf(gateway.metrics, 'service_tokens_refused_total')) {
    const problem = labels['problem'] ?? '';
    counts.set(problem, (counts.get(problem) ?? 0) + value);
  }
  return counts;
}

/** Expects a token to be refused for this reason, and nothing to be sent anywhere. */
async function expectRefusal(authorization: string, problem: ServiceTokenProblem, path?: string): Promise<void> {
  upstream.reset();
  const before = await refusals();
  expect(told(await ask(authorization, path))).toEqual(REFUSED);
  const after = await refusals();
  const counted = [...after].filter(([name, count]) => count > (before.get(name) ?? 0)).map(([name]) => name);
  expect(counted).toEqual([problem]);
  expect(upstream.requests).toEqual([]);
  expect(trap.connectionCount).toBe(0);
  expect(authorization.length > 60 && gateway.log.text.includes(authorization.slice(-40))).toBe(false);
}

type Row = readonly [title: string, token: () => string, problem: ServiceTokenProblem];

test.each([
  ['ES256', () => token()],
  ['RS256', () => rsaToken(rs256(RSA))],
  ['PS256', () => forge({ ...RS_HEADER, alg: 'PS256' }, { ...CLAIMS, iss: 'https://pss.example' }, ps256(RSA))],
  ['no typ', () => token({ typ: undefined })],
  ['JWT-14: x5t and x5t#S256, as Entra and IdentityServer send them', () => token({ x5t: 'AAAA', 'x5t#S256': 'AAAA' })],
  [
    'JWT-30: times with a fraction (RFC 7519 §2)',
    () => token({}, { exp: nowSec + 60.25, iat: nowSec - 0.5, nbf: nowSec - 0.5 }),
  ],
  ['typ at+jwt', () => token({ typ: 'application/AT+JWT' })],
  ['JWT-36: an aud that lists us and others', () => token({}, { aud: ['someone', PUBLIC_ORIGIN] })],
  [
    'JWT-17: claims called __proto__ and constructor',
    () => tokenOf(claimsText.replace('{', '{"__proto__":{"admin":true},"constructor":1,')),
  ],
])('a valid token is accepted: %s', async (_title, make) => {
  expect((await ask(`Bearer ${make()}`)).status).toBe(200);
});

describe('algorithm', () => {
  const none = (alg: unknown): Row => [
    `JWT-02: alg ${JSON.stringify(alg)}`,
    () => forge(JSON.stringify({ alg, kid: 'ec' }), CLAIMS, es256(EC)),
    'algorithm',
  ];
  test.each<Row>([
    ['JWT-01: alg none with an empty signature', () => `${encode({ alg: 'none' })}.${encode(CLAIMS)}.`, 'malformed'],
    ['JWT-01: alg none with a signature', () => forge({ alg: 'none' }, CLAIMS, es256(EC)), 'algorithm'],
    ...['None', 'NONE', 'nOnE', 'none ', '', null, [], ['ES256'], {}, 1, undefined].map(none),
    ...['ES256\u0000', 'es256', ' ES256'].map((alg): Row => {
      return [`JWT-03: alg ${JSON.stringify(alg)}`, () => forge({ ...HEADER, alg }, CLAIMS, es256(EC)), 'algorithm'];
    }),
    ['JWT-04: RS256 with the kid of an EC key', () => rsaToken(rs256(RSA), { kid: 'ec' }), 'key'],
    ['JWT-04: ES256 with the kid of an RSA key', () => token({ kid: 'rsa' }), 'key'],
    ['JWT-04: PS256 where RS256 is accepted', () => rsaToken(ps256(RSA), { alg: 'PS256' }), 'algorithm'],
    ['JWT-04: a PSS signature that says RS256', () => rsaToken(ps256(RSA)), 'signature'],
    [
      'JWT-04: a PKCS #1 signature that says PS256',
      () => forge({ ...RS_HEADER, alg: 'PS256' }, { ...CLAIMS, iss: 'https://pss.example' }, rs256(RSA)),
      'signature',
    ],
  ])('%s is refused', (_title, make, problem) => expectRefusal(`Bearer ${make()}`, problem));

  const pem = (pair: KeyPair) => pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
  test.each<readonly [string, () => string | Buffer]>([
    ['JWT-05: the RSA key in PEM', () => pem(RSA)],
    ['JWT-05: the EC key in PEM', () => pem(EC)],
    ['JWT-06: the key as a JWK', () => JSON.stringify(publicJwk(RSA, { kid: 'rsa' }))],
    ['JWT-06: the key in DER', () => RSA.publicKey.export({ type: 'spki', format: 'der' })],
    ['JWT-06: PEM with a newline in front', () => `\n${pem(RSA)}`],
    ['JWT-06: PEM without its last newline', () => pem(RSA).trim()],
    ['JWT-06: PKCS #1 in PEM', () => createPublicKey(pem(RSA)).export({ type: 'pkcs1', format: 'pem' }) as string],
    ['JWT-06: an empty string', () => ''],
  ])('%s as the secret of HS256 is refused', async (_title, secret) => {
    await expectRefusal(`Bearer ${rsaToken(hs256(secret()), { alg: 'HS256' })}`, 'algorithm');
  });
});

describe('header', () => {
  const jku = () => `${trap.origin}/jwks.json`;
  const attackers = (header: object) => () => token(header, {}, es256(ATTACKER));
  const withHeader = (text: string) => () => forge(text, CLAIMS, es256(EC));
  test.each<Row>([
    ...['../../dev/null', "' OR 1=1 --", 'https://evil.example/key', '__proto__', 'constructor', ''].map(
      (kid): Row => [`JWT-10: kid ${JSON.stringify(kid)}`, () => token({ kid }), 'key'],
    ),
    ['JWT-10: a kid of 5 KB', () => token({ kid: 'k'.repeat(5_000) }), 'key'],
    ...[['ec'], 1, null, {}, true].map(
      (kid): Row => [`JWT-10: kid ${JSON.stringify(kid)}`, () => token({ kid }), 'key'],
    ),
    ['JWT-12: a jwk of the attacker', attackers({ jwk: publicJwk(ATTACKER) }), 'malformed'],
    ['JWT-13: a jku of the attacker', () => token({ jku: jku() }, {}, es256(ATTACKER)), 'malformed'],
    ['JWT-13: a jku with a valid signature', () => token({ jku: jku() }), 'malformed'],
    ['JWT-14: x5u', () => token({ x5u: jku() }), 'malformed'],
    ['JWT-14: x5c', () => token({ x5c: [randomBytes(64).toString('base64')] }), 'malformed'],
    ['JWT-14: a jku on a link-local address', () => token({ jku: 'http://169.254.169.254/latest' }), 'malformed'],
    ['JWT-15: alg twice', withHeader('{"alg":"none","alg":"ES256","kid":"ec"}'), 'malformed'],
    ['JWT-15: alg twice, once escaped', withHeader('{"\\u0061lg":"none","alg":"ES256","kid":"ec"}'), 'malformed'],
    ['JWT-18: an unknown crit', () => token({ crit: ['x'], x: 1 }), 'malformed'],
    ['JWT-18: crit []', () => token({ crit: [] }), 'malformed'],
    ['JWT-18: a crit that is a string', () => token({ crit: 'x' }), 'malformed'],
    ['JWT-18: a crit that repeats a name', () => token({ crit: ['exp', 'exp'], exp: 1 }), 'malformed'],
    ['JWT-19: b64 false', () => token({ b64: false, crit: ['b64'] }), 'malformed'],
    ['JWT-40: zip', () => token({ zip: 'DEF' }), 'malformed'],
    ['JWT-41: PBES2 with an enormous count', () => token({ alg: 'PBES2-HS256+A128KW', p2c: 2 ** 31 }), 'algorithm'],
    ['JWT-41: enc', () => token({ enc: 'A128GCM' }), 'malformed'],
  ])('%s is refused', (_title, make, problem) => expectRefusal(`Bearer ${make()}`, problem));
});

describe('format', () => {
  const good = token();
  const [header = '', payload = '', signature = ''] = good.split('.');
  const inside = (text: string) => `${header}.${payload.slice(0, 8)}${text}${payload.slice(8)}.${signature}`;
  /** Flips an unused bit of the last character. */
  const lastBits = (part: string) => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    return `${part.slice(0, -1)}${alphabet[alphabet.indexOf(part.at(-1) ?? '') ^ 1]}`;
  };
  test.each<Row>([
    ['JWT-16: sub twice', () => tokenOf(claimsText.replace('{', '{"sub":"admin",')), 'malformed'],
    ['JWT-16: exp twice', () => tokenOf(claimsText.replace('{', '{"exp":1,')), 'malformed'],
    ['JWT-16: aud twice, once escaped', () => tokenOf(claimsText.replace('{', '{"\\u0061ud":"x",')), 'malformed'],
    ['JWT-20: an empty signature', () => `${header}.${payload}.`, 'malformed'],
    ['JWT-20: five parts, like a JWE', () => `${good}.AAAA.AAAA`, 'malformed'],
    ['JWT-20: four parts', () => `${good}.AAAA`, 'malformed'],
    ['JWT-20: two parts', () => `${header}.${payload}`, 'malformed'],
    ['JWT-20: an empty payload', () => `${header}..${signature}`, 'malformed'],
    ['JWT-25: a trailing =', () => `${good}=`, 'malformed'],
    ['JWT-25: a + inside', () => inside('+'), 'malformed'],
    ['JWT-25: a / inside', () => inside('/'), 'malformed'],
    ['JWT-26: an unused bit set in the signature', () => `${header}.${payload}.${lastBits(signature)}`, 'malformed'],
    ['JWT-27: a byte order mark', () => tokenOf(`\ufeff${claimsText}`), 'malformed'],
    [
      'JWT-27: a byte that is not UTF-8',
      () => tokenOf(Buffer.from(claimsText.replace('cart', 'c\xffrt'), 'latin1')),
      'malformed',
    ],
    [
      'JWT-27: an overlong sequence',
      () => tokenOf(Buffer.from(claimsText.replace('cart', 'c\xc0\xafrt'), 'latin1')),
      'malformed',
    ],
    [
      'JWT-27: an encoded surrogate',
      () => tokenOf(Buffer.from(claimsText.replace('cart', 'c\xed\xa0\x80t'), 'latin1')),
      'malformed',
    ],
    ['JWT-39: ten thousand dots', () => '.'.repeat(10_000), 'malformed'],
    [
      'JWT-39: a payload nested two thousand deep',
      () => tokenOf(`{"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}`),
      'malformed',
    ],
    ['JWT-39: a payload that opens two thousand brackets', () => tokenOf('['.repeat(2_000)), 'malformed'],
    ['JWT-39: nine thousand characters', () => token({}, { more: 'x'.repeat(7_000) }), 'malformed'],
    ['JWT-42: a nested JWS', () => forge({ ...HEADER, cty: 'JWT' }, good, es256(EC)), 'malformed'],
    ['a payload that is a list', () => tokenOf('[]'), 'malformed'],
    ['a payload that is null', () => tokenOf('null'), 'malformed'],
  ])('%s is refused', (_title, make, problem) => expectRefusal(`Bearer ${make()}`, problem));

  test.each<readonly [string, string, ServiceTokenProblem | 400]>([
    [
      'JWT-20: the JSON serialization',
      `Bearer ${JSON.stringify({ payload, protected: header, signature })}`,
      'not_bearer',
    ],
    ['JWT-25: a space inside', `Bearer ${inside(' ')}`, 'not_bearer'],
    ['JWT-25: a tab inside', `Bearer ${inside('\t')}`, 'not_bearer'],
    ['JWT-57: two spaces', `Bearer  ${good}`, 'not_bearer'],
    ['JWT-57: a tab', `Bearer\t${good}`, 'not_bearer'],
    ['JWT-57: two tokens', `Bearer ${good} ${good}`, 'not_bearer'],
    ['JWT-57: two credentials with a comma', `Bearer ${good}, Bearer ${good}`, 'not_bearer'],
    ['JWT-57: Basic', `Basic ${good}`, 'not_bearer'],
    ['JWT-57: no scheme', good, 'not_bearer'],
    ['JWT-57: the scheme alone', 'Bearer', 'not_bearer'],
    ['JWT-57: a scheme that only starts with Bearer', `Bearers ${good}`, 'not_bearer'],
    ['JWT-57: a token in quotes', `Bearer "${good}"`, 'not_bearer'],
  ])('%s is refused', (_title, authorization, problem) => expectRefusal(authorization, problem as ServiceTokenProblem));

  test('JWT-57: the scheme is case-insensitive (RFC 9110 §11.1)', async () => {
    expect((await ask(`bearer ${good}`)).status).toBe(200);
    expect((await ask(`BEARER ${good}`)).status).toBe(200);
  });

  test('JWT-57: two Authorization headers are refused', async () => {
    const head = `GET /api HTTP/1.1\r\n${HOST}\r\nAuthorization: Bearer ${good}\r\nAuthorization: Bearer ${good}\r\n\r\n`;
    expect((await rawRequest(gateway.port, head)).status).toBe(400);
  });

  test('JWT-57: a token in the query or in a form is ignored', async () => {
    const query = await rawRequest(gateway.port, `GET /api?access_token=${good} HTTP/1.1\r\n${HOST}\r\n\r\n`);
    expect(query.status).toBe(401);
    const form = `access_token=${good}`;
    const posted = await rawRequest(
      gateway.port,
      `POST /api HTTP/1.1\r\n${HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n\r\n${form}`,
    );
    expect(posted.status).toBe(401);
  });

  test('JWT-25: a token with a line break is a bad request', async () => {
    expect((await ask(`Bearer ${inside('\n')}`)).status).toBe(400);
  });

  test('JWT-39: a token of a megabyte is refused before it is parsed', async () => {
    expect((await ask(`Bearer ${'A'.repeat(1_000_000)}`)).status).toBe(431);
  });
});

describe('signature', () => {
  const zero = Buffer.alloc(32);
  const one = Buffer.alloc(32, 0);
  one[31] = 1;
  const r = randomBytes(32).fill(0x11, 0, 1);
  const n = P256_ORDER;
  const beyond = Buffer.alloc(32, 0xff);
  const cases: readonly (readonly [string, Buffer, Buffer])[] = [
    ['r = s = 0', zero, zero],
    ['r = 0', zero, r],
    ['s = 0', r, zero],
    ['r = s = n', n, n],
    ['r = n', n, r],
    ['s = n', r, n],
    ['r = s = 1', one, one],
    ['r = 0, s = 1', zero, one],
    ['r = 1, s = 0', one, zero],
    ['r = 1, s = n', one, n],
    ['r = n, s = 0', n, zero],
    ['r beyond n', beyond, one],
    ['s beyond n', one, beyond],
  ];
  test.each(cases)('JWT-21: ES256 with %s is refused', async (_title, left, right) => {
    await expectRefusal(`Bearer ${token({}, {}, bytes(Buffer.concat([left, right])))}`, 'signature');
  });

  const changed =
    (change: (signature: Buffer) => Buffer): Signer =>
    (input) =>
      change(es256(EC)(input));
  test.each<readonly [string, Signer]>([
    ['JWT-22: a signature in ASN.1', es256Der(EC)],
    ['JWT-22: a signature of 63 bytes', changed((signature) => signature.subarray(0, 63))],
    ['JWT-22: a signature of 65 bytes', changed((signature) => Buffer.concat([signature, Buffer.from([0])]))],
    ['JWT-22: a signature with trailing zeros', changed((signature) => Buffer.concat([signature, Buffer.alloc(64)]))],
    ['JWT-22: a signature with a leading zero', changed((signature) => Buffer.concat([Buffer.from([0]), signature]))],
    [
      'JWT-22: a signature with a leading zero in each half',
      changed((s) => Buffer.concat([Buffer.from([0]), s.subarray(0, 32), Buffer.from([0]), s.subarray(32)])),
    ],
    ['JWT-22: a signature of one byte', bytes(Buffer.from([0]))],
    [
      'a signature with swapped halves',
      changed((signature) => Buffer.concat([signature.subarray(32), signature.subarray(0, 32)])),
    ],
    [
      'a signature with a flipped bit',
      changed((signature) => Buffer.from(signature.map((byte, at) => (at === 40 ? byte ^ 1 : byte)))),
    ],
    ['a signature by another key', es256(ATTACKER)],
  ])('%s is refused', (_title, signer) => expectRefusal(`Bearer ${token({}, {}, signer)}`, 'signature'));

  test.each(PKCS1_PADDINGS.slice(1))('JWT-23: RS256 with %s is refused', async (_title, pad) => {
    await expectRefusal(`Bearer ${rsaToken(rawRsa(RSA, pad))}`, 'signature');
  });

  const pssToken = (signer: Signer) =>
    forge({ ...RS_HEADER, alg: 'PS256' }, { ...CLAIMS, iss: 'https://pss.example' }, signer);
  test.each(PSS_PADDINGS.slice(1))('JWT-24: PS256 with %s is refused', async (_title, pad) => {
    await expectRefusal(`Bearer ${pssToken(rawRsa(RSA, pad))}`, 'signature');
  });

  test('JWT-23, JWT-24: the unchanged blocks are accepted', async () => {
    const [[, pkcs1] = [], [, pss] = []] = [PKCS1_PADDINGS[0], PSS_PADDINGS[0]];
    if (pkcs1 === undefined || pss === undefined) throw new Error('no padding');
    expect((await ask(`Bearer ${rsaToken(rawRsa(RSA, pkcs1))}`)).status).toBe(200);
    expect((await ask(`Bearer ${pssToken(rawRsa(RSA, pss))}`)).status).toBe(200);
  });

  test.each([
    ['one byte too short', 255],
    ['one byte too long', 257],
    ['of 3072 bits', 384],
  ])('JWT-23: an RS256 signature %s is refused', async (_title, length) =>
    expectRefusal(`Bearer ${rsaToken(bytes(Buffer.alloc(length, 1)))}`, 'signature'),
  );
});

describe('times', () => {
  const withText = (name: string, text: string) => () =>
    tokenOf(JSON.stringify({ ...CLAIMS, [name]: 'HERE' }).replace('"HERE"', text));
  test.each<Row>([
    ['JWT-28: no exp', () => token({}, { exp: undefined }), 'times'],
    ...['"1800000300"', 'null', 'true', '[1800000300]', '{}'].map(
      (text): Row => [`JWT-29: exp ${text}`, withText('exp', text), 'times'],
    ),
    ...['1e999', '1e308', '-1', '9007199254740993', '-0.5'].map(
      (text): Row => [`JWT-30: exp ${text}`, withText('exp', text), 'times'],
    ),
    ['JWT-30: exp in milliseconds', () => token({}, { exp: (nowSec + 300) * 1_000 }), 'lifetime'],
    ['JWT-30: exp in the year 9999', () => token({}, { exp: 253_402_300_799 }), 'lifetime'],
    ['JWT-30: a lifetime of an hour and a second', () => token({}, { exp: nowSec + 3_601 }), 'lifetime'],
    ['JWT-31: nbf in the future', () => token({}, { nbf: nowSec + 31 }), 'not_yet_valid'],
    ['JWT-31: nbf -1e999', withText('nbf', '-1e999'), 'times'],
    ['JWT-31: nbf as a string', withText('nbf', '"0"'), 'times'],
    ['JWT-31: iat in the future', () => token({}, { iat: nowSec + 31 }), 'not_yet_valid'],
    ['JWT-31: iat as a string', withText('iat', `"${nowSec}"`), 'times'],
    ['JWT-31: no iat', () => token({}, { iat: undefined }), 'times'],
    ['JWT-31: exp before iat', () => token({}, { iat: nowSec + 10, exp: nowSec + 5 }), 'times'],
    ['JWT-31: exp equal to iat', () => token({}, { exp: nowSec }), 'times'],
    ['JWT-32: exp exactly the leeway ago', () => token({}, { iat: nowSec - 60, exp: nowSec - 30 }), 'expired'],
    ['JWT-32: exp long ago', () => token({}, { iat: nowSec - 600, exp: nowSec - 300 }), 'expired'],
  ])('%s is refused', (_title, make, problem) => expectRefusal(`Bearer ${make()}`, problem));

  test.each([
    ['exp a second less than the leeway ago', { iat: nowSec - 60, exp: nowSec - 29 }],
    ['nbf exactly the leeway in the future', { nbf: nowSec + 30 }],
    ['iat exactly the leeway in the future', { iat: nowSec + 30 }],
    ['a lifetime of exactly an hour', { exp: nowSec + 3_600 }],
  ])('JWT-32: %s is accepted', async (_title, claims) => {
    expect((await ask(`Bearer ${token({}, claims)}`)).status).toBe(200);
  });
});

describe('claims', () => {
  const strict = (header: object, claims: object = {}) =>
    token({ typ: 'at+jwt', ...header }, { iss: 'https://strict.example', azp: 'cart-client', ...claims });
  test.each<Row>([
    ...['dpop+jwt', 'logout+jwt', 'JOSE', 'jwt+x', 'application/logout+jwt', 1, null, ['JWT']].map(
      (typ): Row => [`JWT-33: typ ${JSON.stringify(typ)}`, () => token({ typ }), 'type'],
    ),
    ['JWT-33: no typ where at+jwt is required', () => strict({ typ: undefined }), 'type'],
    [
      'JWT-34: an ID token where an access token is required',
      () => strict({ typ: 'JWT' }, { nonce: 'n', at_hash: 'h' }),
      'type',
    ],
    [
      'JWT-34: an ID token whose audience is its client',
      () => token({}, { aud: 'cart-client', nonce: 'n' }),
      'audience',
    ],
    ...[`${ISSUER}/`, ISSUER.toUpperCase(), 'https://issuer.example/tenant', [ISSUER], undefined, null, ''].map(
      (iss): Row => [`JWT-35: iss ${JSON.stringify(iss)}`, () => token({}, { iss }), 'issuer'],
    ),
    [
      'JWT-35: an issuer that another route accepts',
      () => token({}, { iss: 'https://other.example' }, es256(OTHER)),
      'issuer',
    ],
    ...[
      undefined,
      [],
      [[PUBLIC_ORIGIN]],
      { 0: PUBLIC_ORIGIN },
      'https://other.example',
      [PUBLIC_ORIGIN, 1],
      `${PUBLIC_ORIGIN}/`,
      null,
    ].map((aud): Row => [`JWT-36: aud ${JSON.stringify(aud)}`, () => token({}, { aud }), 'audience']),
    ['JWT-37: azp of another client', () => strict({}, { azp: 'other' }), 'party'],
    ['JWT-37: neither azp nor client_id', () => strict({}, { azp: undefined }), 'party'],
    ['JWT-37: client_id of another client next to azp', () => strict({}, { client_id: 'other' }), 'party'],
    ...[undefined, '', 1, null, ['cart'], 's'.repeat(2_049)].map(
      (sub): Row => [`sub ${JSON.stringify(sub)?.slice(0, 20)}`, () => token({}, { sub }), 'subject'],
    ),
  ])('%s is refused', (_title, make, problem) => expectRefusal(`Bearer ${make()}`, problem));

  test('JWT-37: the listed client is accepted, by azp or by client_id', async () => {
    expect((await ask(`Bearer ${strict({})}`)).status).toBe(200);
    expect((await ask(`Bearer ${strict({}, { azp: undefined, client_id: 'cart-client' })}`)).status).toBe(200);
  });

  test('JWT-38: a key of one issuer does not sign for another, regardless of kid', async () => {
    await expectRefusal(`Bearer ${token({}, {}, es256(OTHER))}`, 'signature', '/wide');
    const forOther = { iss: 'https://other.example', aud: 'elsewhere' };
    await expectRefusal(`Bearer ${token({}, forOther, es256(EC))}`, 'signature', '/wide');
    expect((await ask(`Bearer ${token({}, forOther, es256(OTHER))}`, '/wide')).status).toBe(200);
  });
});

describe('routes', () => {
  test('JWT-49: a token accepted on one route is refused on one that does not accept its issuer', async () => {
    const good = token({}, { sub: 'JWT-49' });
    expect((await ask(`Bearer ${good}`)).status).toBe(200);
    await expectRefusal(`Bearer ${good}`, 'issuer', '/other');
    expect((await ask(`Bearer ${good}`)).status).toBe(200);
  });

  test('JWT-49: a token accepted on one route gains no scope on another', async () => {
    const good = token({}, { sub: 'JWT-49', scope: 'write' });
    expect((await ask(`Bearer ${good}`)).status).toBe(200);
    const { status, headers } = await ask(`Bearer ${good}`, '/read');
    expect(status).toBe(403);
    expect(headers.get('www-authenticate')).toContain('error="insufficient_scope"');
  });

  test('JWT-51: where a session is optional, a bearer token authenticates nobody and its claims go nowhere', async () => {
    for (const presented of [token(), token({}, {}, es256(ATTACKER)), 'rubbish']) {
      upstream.reset();
      expect((await ask(`Bearer ${presented}`, '/maybe')).status).toBe(200);
      expect(upstream.last.values('x-user')).toEqual([]);
      expect(upstream.last.values('authorization')).toEqual([]);
      expect(upstream.text).not.toContain('cart');
    }
  });

  test.each([
    ['a scope with a suffix', 'readwrite'],
    ['a scope with a prefix', 'unread'],
    ['another letter case', 'Read'],
    ['a list', ['read']],
    ['a list as text', '["read"]'],
    ['a comma-separated list', 'read,write'],
    ['a list separated by no-break spaces', 'write\u00a0read'],
    ['a list separated by tabs', 'write\tread'],
    ['an empty string', ''],
  ])('JWT-52: %s does not grant the scope', async (_title, scope) => {
    expect((await ask(`Bearer ${token({}, { scope })}`, '/read')).status).toBe(403);
  });

  test('JWT-52: the scope is found among several', async () => {
    expect((await ask(`Bearer ${token()}`, '/read')).status).toBe(200);
  });

  test('JWT-53: JSON and header syntax in a subject stays data in the upstream token', async () => {
    upstream.reset();
    const subject = 'a","admin":true,"x":"\r\nX-Admin: 1';
    expect((await ask(`Bearer ${token({}, { sub: subject })}`)).status).toBe(200);
    const [, payload = ''] = (upstream.last.values('authorization')[0] ?? '').split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    expect(claims['sub']).toBe(subject);
    expect(claims['admin']).toBeUndefined();
    expect(upstream.last.values('x-admin')).toEqual([]);
    expect(upstream.problems).toEqual([]);
  });
});
