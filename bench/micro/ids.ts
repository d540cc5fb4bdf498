/** Request ids: `randomUUID` against pieces of a block (src/lib/crypto/random-hex.ts). */

import { randomBytes, randomUUID } from 'node:crypto';
import { randomHex } from '../../src/lib/crypto/random-hex.ts';
import { compare } from './compare.ts';

compare(import.meta.url, 'an id of 32 hexadecimal digits', [
  { name: 'randomUUID()', once: () => randomUUID() },
  { name: "randomBytes(16).toString('hex')", once: () => randomBytes(16).toString('hex') },
  { name: 'randomHex(32)', once: () => randomHex(32) },
]);
