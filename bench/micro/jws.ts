/** Signatures of tokens: jose, by WebCrypto, against OpenSSL directly (src/jwt/jws.ts). ES256. */

import { generateKeyPairSync } from 'node:crypto';
import { CompactSign, compactVerify } from 'jose';
import { signJws, verifyJws } from '../../src/jwt/jws.ts';
import { compare } from './compare.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const header = { alg: 'ES256', kid: 'k', typ: 'JWT' };
const payload = JSON.stringify({ iss: 'https://shop.example.com', sub: 'alice', aud: 'orders', sid: 'x'.repeat(43) });
const input = [JSON.stringify(header), payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
const signature = (await signJws('ES256', privateKey, input)).toString('base64url');
const token = `${input}.${signature}`;

compare(import.meta.url, 'sign', [
  { name: 'jose', once: () => new CompactSign(Buffer.from(payload)).setProtectedHeader(header).sign(privateKey) },
  { name: 'signJws', once: () => `${input}.${(signJws('ES256', privateKey, input) as Buffer).toString('base64url')}` },
]);

compare(import.meta.url, 'verify', [
  { name: 'jose', once: () => compactVerify(token, publicKey, { algorithms: ['ES256'] }) },
  {
    name: 'verifyJws',
    once: () =>
      verifyJws(
        'ES256',
        publicKey,
        token.slice(0, token.lastIndexOf('.')),
        Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url'),
      ),
  },
]);
