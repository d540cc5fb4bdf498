import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, compactVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { isJwsAlgorithm, type JwsAlgorithm, signJws, verifyJws } from '../../src/jwt/jws.ts';

interface Pair {
  readonly sign: KeyObject;
  readonly verify: KeyObject;
}

const pair = ({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): Pair => ({
  sign: privateKey,
  verify: publicKey,
});
const ec = (namedCurve: string) => pair(generateKeyPairSync('ec', { namedCurve }));
const rsa = pair(generateKeyPairSync('rsa', { modulusLength: 2_048 }));
const otherRsa = pair(generateKeyPairSync('rsa', { modulusLength: 2_048 }));
const secret = (): Pair => {
  const key = createSecretKey(randomBytes(32));
  return { sign: key, verify: key };
};
const edwards = () => pair(generateKeyPairSync('ed25519'));

/** A key of each algorithm, and another one of its kind. */
const KEYS: Readonly<Record<JwsAlgorithm, readonly [Pair, Pair]>> = {
  ES256: [ec('P-256'), ec('P-256')],
  ES384: [ec('P-384'), ec('P-384')],
  ES512: [ec('P-521'), ec('P-521')],
  EdDSA: [edwards(), edwards()],
  RS256: [rsa, otherRsa],
  RS384: [rsa, otherRsa],
  RS512: [rsa, otherRsa],
  PS256: [rsa, otherRsa],
  PS384: [rsa, otherRsa],
  PS512: [rsa, otherRsa],
  HS256: [secret(), secret()],
};
const ALGORITHMS = Object.keys(KEYS) as JwsAlgorithm[];

const segment = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe.each(ALGORITHMS)('RFC 7518 §3: %s', (algorithm) => {
  const [own, other] = KEYS[algorithm];
  const header = segment({ alg: algorithm });

  test('jose verifies our signatures, and we verify those of jose', async () => {
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.string(), fc.string()), async (claims) => {
        const input = `${header}.${segment(claims)}`;
        const ours = await signJws(algorithm, own.sign, input);
        await compactVerify(`${input}.${ours.toString('base64url')}`, own.verify, { algorithms: [algorithm] });
        const theirs = await new CompactSign(Buffer.from(JSON.stringify(claims)))
          .setProtectedHeader({ alg: algorithm })
          .sign(own.sign);
        const dot = theirs.lastIndexOf('.');
        const signature = Buffer.from(theirs.slice(dot + 1), 'base64url');
        expect(verifyJws(algorithm, own.verify, theirs.slice(0, dot), signature)).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  test('JWT-22: does not verify another message or key, or an altered, cut, extended or empty signature', async () => {
    const input = `${header}.${segment({ sub: 'alice' })}`;
    const signature = await signJws(algorithm, own.sign, input);
    const verifies = (message: string, bytes: Uint8Array, key = own.verify) =>
      verifyJws(algorithm, key, message, bytes);
    expect(verifies(input, signature)).toBe(true);
    expect(verifies(`${input}x`, signature)).toBe(false);
    expect(verifies(input, signature, other.verify)).toBe(false);
    fc.assert(
      fc.property(fc.nat(signature.length * 8 - 1), (bit) => {
        const changed = Buffer.from(signature);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(verifies(input, changed)).toBe(false);
      }),
    );
    for (const bytes of [
      signature.subarray(0, -1),
      Buffer.concat([signature, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), signature]),
      Buffer.alloc(0),
      Buffer.alloc(signature.length),
      Buffer.alloc(signature.length, 0xff),
    ]) {
      expect(verifies(input, bytes)).toBe(false);
    }
  });
});

test('JWT-02: none, other spellings and members of Object.prototype are not algorithms', () => {
  for (const name of ['none', 'None', 'es256', 'ES256 ', '', 'constructor', '__proto__', 'HS1'])
    expect(isJwsAlgorithm(name)).toBe(false);
  expect(ALGORITHMS.every(isJwsAlgorithm)).toBe(true);
});
