/**
 * Creates tokens that no library would create: header and claims from any text, signatures from any bytes. RSA
 * signatures are calculated from the padded block itself, so that a test can use any padding that it needs.
 */

import {
  constants,
  createHash,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  privateEncrypt,
  randomBytes,
  sign,
} from 'node:crypto';
import type { JWK } from 'jose';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export const ecKeyPair = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const ed25519KeyPair = (): KeyPair => generateKeyPairSync('ed25519');
export const rsaKeyPair = (modulusLength = 2_048): KeyPair => generateKeyPairSync('rsa', { modulusLength });

/** The public part of a pair, as a JWK. */
export const publicJwk = ({ publicKey }: KeyPair, more: object = {}): JWK => ({
  ...(publicKey.export({ format: 'jwk' }) as JWK),
  ...more,
});

/** Signs the input of a JWS. */
export type Signer = (input: Buffer) => Buffer;

/** A header or claims: a value, or the exact text. */
type Written = object | string | Buffer;

export const encode = (written: Written): string =>
  (Buffer.isBuffer(written)
    ? written
    : Buffer.from(typeof written === 'string' ? written : JSON.stringify(written))
  ).toString('base64url');

/** A compact JWS. */
export function forge(header: Written, payload: Written, signer: Signer): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signer(Buffer.from(input)).toString('base64url')}`;
}

export const es256 =
  ({ privateKey }: KeyPair): Signer =>
  (input) =>
    sign('sha256', input, { key: privateKey, dsaEncoding: 'ieee-p1363' });
/** The same signature in ASN.1, which JWS does not allow (RFC 7518 §3.4). */
export const es256Der =
  ({ privateKey }: KeyPair): Signer =>
  (input) =>
    sign('sha256', input, privateKey);
export const rs256 =
  ({ privateKey }: KeyPair): Signer =>
  (input) =>
    sign('sha256', input, privateKey);
export const ps256 =
  ({ privateKey }: KeyPair): Signer =>
  (input) =>
    sign('sha256', input, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
export const hs256 =
  (secret: string | Buffer): Signer =>
  (input) =>
    createHmac('sha256', secret).update(input).digest();
/** Always the same bytes. */
export const bytes =
  (signature: Buffer): Signer =>
  () =>
    signature;

/** Signs the padded block that a function builds from the hash; a verifier recovers exactly that block. */
export const rawRsa =
  ({ privateKey }: KeyPair, pad: (hash: Buffer) => Buffer): Signer =>
  (input) =>
    privateEncrypt(
      { key: privateKey, padding: constants.RSA_NO_PADDING },
      pad(createHash('sha256').update(input).digest()),
    );

const BLOCK = 256;
/** DigestInfo of SHA-256 (RFC 8017 §9.2, note 1). */
const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');
const SHA1_INFO = Buffer.from('3021300906052b0e03021a05000414', 'hex');
/** The same without the NULL parameter, which some verifiers accept, too. */
const SHA256_INFO_WITHOUT_NULL = Buffer.from('302f300b0609608648016503040201', 'hex');

/** `00 01 FF … FF 00` and the rest. */
function block(rest: Buffer, padding = Buffer.alloc(BLOCK - 3 - rest.length, 0xff), type = 0x01): Buffer {
  const whole = Buffer.concat([Buffer.from([0x00, type]), padding, Buffer.from([0x00]), rest]);
  return Buffer.concat([whole, Buffer.alloc(Math.max(0, BLOCK - whole.length))]).subarray(0, BLOCK);
}

/** Paddings for PKCS #1 v1.5; only the first is correct. */
export const PKCS1_PADDINGS: readonly (readonly [title: string, pad: (hash: Buffer) => Buffer])[] = [
  ['correct', (hash) => block(Buffer.concat([SHA256_INFO, hash]))],
  ['block type 0', (hash) => block(Buffer.concat([SHA256_INFO, hash]), undefined, 0x00)],
  ['block type 2', (hash) => block(Buffer.concat([SHA256_INFO, hash]), undefined, 0x02)],
  ['short padding, then garbage', (hash) => block(Buffer.concat([SHA256_INFO, hash]), Buffer.alloc(8, 0xff))],
  ['no padding', (hash) => block(Buffer.concat([SHA256_INFO, hash]), Buffer.alloc(0))],
  ['a zero in the padding', (hash) => withByte(block(Buffer.concat([SHA256_INFO, hash])), 20, 0x00)],
  ['a byte of the padding changed', (hash) => withByte(block(Buffer.concat([SHA256_INFO, hash])), 20, 0xfe)],
  ['no zero after the padding', (hash) => withByte(block(Buffer.concat([SHA256_INFO, hash])), BLOCK - 52, 0xff)],
  ['no DigestInfo', (hash) => block(hash)],
  ['DigestInfo of SHA-1', (hash) => block(Buffer.concat([SHA1_INFO, hash.subarray(0, 20)]))],
  ['DigestInfo of SHA-1 before 32 bytes', (hash) => block(Buffer.concat([SHA1_INFO, hash]))],
  [
    'DigestInfo without NULL',
    (hash) => block(Buffer.concat([SHA256_INFO_WITHOUT_NULL, Buffer.from([0x04, 0x20]), hash])),
  ],
  ['a byte of the DigestInfo changed', (hash) => withByte(block(Buffer.concat([SHA256_INFO, hash])), BLOCK - 45, 0x99)],
  [
    'length of the hash in long form',
    (hash) => block(Buffer.concat([SHA256_INFO.subarray(0, -1), Buffer.from([0x81, 0x20]), hash])),
  ],
  ['the hash cut by a byte', (hash) => block(Buffer.concat([SHA256_INFO, hash.subarray(0, 31)]))],
  ['a byte after the hash', (hash) => block(Buffer.concat([SHA256_INFO, hash, Buffer.from([0])]))],
  ['another hash', (hash) => block(Buffer.concat([SHA256_INFO, withByte(hash, 31, (hash[31] ?? 0) ^ 1)]))],
  ['only zeros', () => Buffer.alloc(BLOCK)],
  ['one', () => withByte(Buffer.alloc(BLOCK), BLOCK - 1, 1)],
];

function withByte(source: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(source);
  copy[at] = value;
  return copy;
}

interface PssForm {
  readonly saltLength?: number;
  readonly trailer?: number;
  readonly separator?: number;
  /** A byte in the zeros before the separator. */
  readonly garbage?: number;
  readonly maskHash?: string;
  /** The bytes before the hash in M′; eight zeros. */
  readonly prefix?: Buffer;
  readonly hashOf?: (hash: Buffer) => Buffer;
  /** Changes the finished block. */
  readonly after?: (block: Buffer) => Buffer;
}

/** EMSA-PSS (RFC 8017 §9.1.1) with SHA-256, with every part adjustable. */
const pss =
  ({
    saltLength = 32,
    trailer = 0xbc,
    separator = 0x01,
    garbage = 0x00,
    maskHash = 'sha256',
    prefix = Buffer.alloc(8),
    hashOf = (hash) => hash,
    after = (padded) => padded,
  }: PssForm) =>
  (hash: Buffer): Buffer => {
    const salt = randomBytes(saltLength);
    const inner = createHash('sha256')
      .update(Buffer.concat([prefix, hashOf(hash), salt]))
      .digest();
    const data = Buffer.alloc(BLOCK - 33);
    data[10] = garbage;
    data[data.length - saltLength - 1] = separator;
    salt.copy(data, data.length - saltLength);
    const mask = mgf1(inner, data.length, maskHash);
    for (let at = 0; at < data.length; at += 1) data[at] = (data[at] ?? 0) ^ (mask[at] ?? 0);
    data[0] = (data[0] ?? 0) & 0x7f;
    return after(Buffer.concat([data, inner, Buffer.from([trailer])]));
  };

function mgf1(seed: Buffer, length: number, hash: string): Buffer {
  const parts: Buffer[] = [];
  for (let count = 0; Buffer.concat(parts).length < length; count += 1) {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(count);
    parts.push(
      createHash(hash)
        .update(Buffer.concat([seed, counter]))
        .digest(),
    );
  }
  return Buffer.concat(parts).subarray(0, length);
}

/** Paddings for PSS; only the first is correct: RFC 7518 §3.5 requires a salt as long as the hash. */
export const PSS_PADDINGS: readonly (readonly [title: string, pad: (hash: Buffer) => Buffer])[] = [
  ['correct', pss({})],
  ['no salt', pss({ saltLength: 0 })],
  ['a salt of 20 bytes', pss({ saltLength: 20 })],
  ['a salt of 31 bytes', pss({ saltLength: 31 })],
  ['a salt of 33 bytes', pss({ saltLength: 33 })],
  ['the longest salt', pss({ saltLength: 222 })],
  ['another trailer', pss({ trailer: 0xcc })],
  ['another separator', pss({ separator: 0x02 })],
  ['garbage before the separator', pss({ garbage: 0x01 })],
  ['a mask of SHA-1', pss({ maskHash: 'sha1' })],
  ['a mask of SHA-512', pss({ maskHash: 'sha512' })],
  ['a prefix that is not zero', pss({ prefix: Buffer.alloc(8, 1) })],
  ['no prefix', pss({ prefix: Buffer.alloc(0) })],
  ['another hash', pss({ hashOf: (hash) => withByte(hash, 0, (hash[0] ?? 0) ^ 1) })],
  [
    'a byte of the hash changed afterwards',
    pss({ after: (padded) => withByte(padded, BLOCK - 5, (padded[BLOCK - 5] ?? 0) ^ 0x42) }),
  ],
  ['a byte of the masked part changed', pss({ after: (padded) => withByte(padded, 5, (padded[5] ?? 0) ^ 0x42) })],
];

/** Order of P-256 (SEC 2 §2.4.2). */
export const P256_ORDER = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
