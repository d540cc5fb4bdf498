import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { isRocaModulus } from '../../src/jwt/roca.ts';
import { readKeySet } from '../../src/jwt/verification-keys.ts';

const RULES = { algorithms: ['ES256', 'RS256', 'PS256', 'EdDSA'], use: 'sig' } as const;
const SVID = { algorithms: ['ES256', 'RS256'], use: 'jwt-svid' } as const;

const jwkOf = (key: KeyObject, more: object = {}): JWK => ({ ...(key.export({ format: 'jwk' }) as JWK), ...more });
const ec = (more: object = {}) => jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey, more);
const rsa = (modulusLength = 2_048, more: object = {}) =>
  jwkOf(generateKeyPairSync('rsa', { modulusLength }).publicKey, more);
const base64url = (value: bigint) => {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
};
const sound = ec({ kid: 'sound' });
const read = (...keys: unknown[]) => readKeySet({ keys }, RULES);

/** A modulus with the fingerprint of the faulty generator, which shows without knowing its factors. */
function rocaModulus(): bigint {
  const product = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
  ].reduce((sum, prime) => sum * BigInt(prime), 1n);
  return ((1n << 2_047n) / product) * product + product + (65_537n ** 77n % product);
}

describe('a JWK Set', () => {
  test('of sound keys is read completely, each key for the algorithms of its type', async () => {
    const okp = await exportJWK((await generateKeyPair('EdDSA', { extractable: true })).publicKey);
    const { keys, refused } = await read(sound, rsa(2_048, { kid: 'rsa' }), { ...okp, kid: 'okp' });
    expect(refused).toEqual([]);
    expect(keys.map(({ kid, byAlgorithm }) => [kid, [...byAlgorithm.keys()]])).toEqual([
      ['sound', ['ES256']],
      ['rsa', ['RS256', 'PS256']],
      ['okp', ['EdDSA']],
    ]);
  });

  test('JWT-09: uses a key for the algorithm that it names, or else for the pinned ones only', async () => {
    const { keys } = await read(rsa(2_048, { kid: 'a', alg: 'PS256' }), rsa(2_048, { kid: 'b' }));
    expect(keys.map(({ byAlgorithm }) => [...byAlgorithm.keys()])).toEqual([['PS256'], ['RS256', 'PS256']]);
  });

  test.each([
    [
      'JWT-07: a symmetric key',
      () => ({ kty: 'oct', k: Buffer.alloc(32, 1).toString('base64url'), kid: 'x' }),
      /symmetric/,
    ],
    ['JWT-07: a symmetric key with another type', () => ec({ k: 'AAAA', kid: 'x' }), /symmetric/],
    ['JWT-46: a private key', () => jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey), /private/],
    ['JWT-46: an RSA key with further primes', () => rsa(2_048, { oth: [] }), /private/],
    ['JWT-43: RSA with 1024 bits', () => rsa(1_024), /under 2048/],
    ['JWT-43: RSA with 2047 bits', () => rsa(2_047), /under 2048/],
    [
      'JWT-43: RSA with 512 bits and as many leading zeros as make it 2048',
      () => {
        const n = Buffer.from(rsa(512).n ?? '', 'base64url');
        return rsa(2_048, { n: Buffer.concat([Buffer.alloc(256 - n.length), n]).toString('base64url') });
      },
      /under 2048/,
    ],
    ['JWT-43: RSA with exponent 1', () => rsa(2_048, { e: 'AQ' }), /exponent/],
    ['JWT-43: RSA with exponent 1 and leading zeros', () => rsa(2_048, { e: 'AAAB' }), /exponent/],
    ['JWT-43: RSA with an even exponent', () => rsa(2_048, { e: 'BA' }), /exponent/],
    ['JWT-43: RSA with a modulus of 32768 bits', () => rsa(2_048, { n: 'w'.repeat(5_462) }), /over 16384/],
    ['JWT-43: RSA of the ROCA generator', () => rsa(2_048, { n: base64url(rocaModulus()) }), /ROCA/],
    ['JWT-43: a point that is not on the curve', () => ec({ y: sound.y }), /imported/],
    [
      'JWT-43: the point at infinity',
      () => ec({ x: Buffer.alloc(32).toString('base64url'), y: Buffer.alloc(32).toString('base64url') }),
      /imported/,
    ],
    ['JWT-10: a kid of 8 KB', () => ec({ kid: 'k'.repeat(8_192) }), /kid/],
    ['JWT-10: a kid that is a list', () => ec({ kid: ['k'] }), /kid/],
    ['an entry that is text', () => 'key', /not an object/],
    ['a key without a type', () => ({ kid: 'x' }), /without a type/],
  ])('skips and reports %s', async (_title, entry, why) => {
    const { keys, refused } = await read(sound, entry());
    expect(keys.map(({ kid }) => kid)).toEqual(['sound']);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(why);
  });

  test('skips keys for another use without a report', async () => {
    const { keys, refused } = await read(
      sound,
      ec({ use: 'enc', kid: 'a' }),
      ec({ key_ops: ['sign'], kid: 'b' }),
      jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey, { kid: 'c' }),
    );
    expect(keys.map(({ kid }) => kid)).toEqual(['sound']);
    expect(refused).toEqual([]);
  });

  test('JWT-46: with two different keys of one kid is refused as a whole', async () => {
    await expect(read(sound, ec({ kid: 'sound' }))).rejects.toThrow('two keys with one kid');
  });

  test('with the same key twice, or one kid for keys of two types, is read', async () => {
    const { keys } = await read(sound, sound, rsa(2_048, { kid: 'sound' }));
    expect(keys.map(({ byAlgorithm }) => [...byAlgorithm.keys()])).toEqual([['ES256'], ['RS256', 'PS256']]);
  });

  test.each([[null], [[]], ['keys'], [{}], [{ keys: {} }], [{ keys: null }]])('is not %j', async (document) => {
    await expect(readKeySet(document, RULES)).rejects.toThrow('not a JWK Set');
  });

  test('of more than 100 keys is refused unread', async () => {
    await expect(readKeySet({ keys: Array.from({ length: 101 }, () => null) }, RULES)).rejects.toThrow('more than 100');
  });

  test('ignores what a key says about itself in x5c and x5u', async () => {
    const { keys } = await read({ ...sound, x5u: 'https://evil.example', x5c: ['AAAA'] });
    expect(keys).toHaveLength(1);
  });
});

test('SPIFFE JWT-SVID §4: only keys of a bundle with the use jwt-svid and a kid verify tokens', async () => {
  const { keys, refused } = await readKeySet(
    {
      spiffe_sequence: 1,
      keys: [
        ec({ kid: 'a', use: 'jwt-svid' }),
        ec({ kid: 'b', use: 'x509-svid' }),
        ec({ kid: 'c' }),
        ec({ use: 'jwt-svid' }),
      ],
    },
    SVID,
  );
  expect(keys.map(({ kid }) => kid)).toEqual(['a']);
  expect(refused).toEqual([]);
});

test('JWT-43: keys made by OpenSSL do not have the fingerprint of the ROCA generator', () => {
  expect(isRocaModulus(rocaModulus())).toBe(true);
  for (let index = 0; index < 5; index += 1) {
    const { n = '' } = rsa(1_024);
    expect(isRocaModulus(BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`))).toBe(false);
  }
});
