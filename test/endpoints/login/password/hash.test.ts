import { describe, expect, test } from 'vitest';
import { hashPassword, readPasswordHash, verifyPasswordSync } from '../../../../src/endpoints/login/password/hash.ts';
import { CHEAP } from '../fixture.ts';

const SALT = 'c2FsdHNhbHRzYWx0c2FsdA';
const TAG = 'A'.repeat(43);
const phc = (parameters: string, salt = SALT, tag = TAG) => `$argon2id$v=19$${parameters}$${salt}$${tag}`;

function read(text: string) {
  const stored = readPasswordHash(text);
  if (stored === null) throw new Error('not a hash');
  return stored;
}

describe('a new hash', () => {
  test('is Argon2id with 64 MiB, 3 passes, 1 lane and its own salt', async () => {
    const [first, second] = await Promise.all([hashPassword('x'), hashPassword('x')]);
    expect(first).toMatch(/^\$argon2id\$v=19\$m=65536,t=3,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(first).not.toBe(second);
  });

  test('matches its password and no other', async () => {
    const stored = read(await hashPassword('correct', CHEAP));
    expect(verifyPasswordSync('correct', stored)).toBe(true);
    expect(verifyPasswordSync('Correct', stored)).toBe(false);
    expect(verifyPasswordSync('', stored)).toBe(false);
  });

  test('RFC 8265 §4.2: matches its password in another normalization form', async () => {
    const stored = read(await hashPassword('caf\u00e9', CHEAP));
    expect(verifyPasswordSync('cafe\u0301', stored)).toBe(true);
  });
});

test('a hash from the reference implementation is verified', () => {
  // From the test vectors of P-H-C/phc-winner-argon2 (src/test.c, version 0x13).
  const stored = read('$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc');
  expect(verifyPasswordSync('password', stored)).toBe(true);
  expect(verifyPasswordSync('passwore', stored)).toBe(false);
});

describe('a stored hash', () => {
  test('sets its own cost within bounds', () => {
    expect(readPasswordHash(phc('m=7168,t=1,p=1'))).toMatchObject({ memoryKib: 7_168, passes: 1, lanes: 1 });
    expect(readPasswordHash(phc('m=262144,t=16,p=16'))).toMatchObject({ memoryKib: 262_144, passes: 16, lanes: 16 });
  });

  test.each([
    ['less memory than is safe', phc('m=7167,t=1,p=1')],
    ['excessive memory', phc('m=262145,t=1,p=1')],
    ['no passes', phc('m=65536,t=0,p=1')],
    ['too many passes', phc('m=65536,t=17,p=1')],
    ['no lanes', phc('m=65536,t=3,p=0')],
    ['too many lanes', phc('m=65536,t=3,p=17')],
    ['a short salt', phc('m=65536,t=3,p=1', 'c2FsdA')],
    ['a short hash', phc('m=65536,t=3,p=1', SALT, 'AAAA')],
    ['another variant', phc('m=65536,t=3,p=1').replace('argon2id', 'argon2i')],
    ['another version', phc('m=65536,t=3,p=1').replace('v=19', 'v=16')],
    ['parameters in another order', phc('t=3,m=65536,p=1')],
    ['padding', phc('m=65536,t=3,p=1', SALT, `${TAG}=`)],
    ['trailing text', `${phc('m=65536,t=3,p=1')}\n`],
    ['a password in plain text', 'hunter2'],
    ['no text at all', ''],
  ])('with %s is refused', (_what, text) => {
    expect(readPasswordHash(text)).toBeNull();
  });
});
