import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readHs256Secret, readSecret, readTokenFile } from '../../src/config/files/secret-file.ts';
import { ConfigFault } from '../../src/errors.ts';
import { temporaryDirectory } from '../cli/support.ts';

function file(content: string | Uint8Array): string {
  const path = join(temporaryDirectory(), 'secret');
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

describe('a secret', () => {
  test.each([
    ['is read as it is', 'hunter2', 'hunter2'],
    ['loses a newline at its end', 'hunter2\n', 'hunter2'],
    ['loses a Windows line end at its end', 'hunter2\r\n', 'hunter2'],
    ['keeps the first of two newlines at its end', 'hunter2\n\n', 'hunter2\n'],
    ['keeps spaces', ' hunter 2 \n', ' hunter 2 '],
    ['may contain characters beyond ASCII', 'schlüssel\n', 'schlüssel'],
    ['keeps a byte order mark', '\ufeffhunter2', '\ufeffhunter2'],
  ])('%s', async (_title, content, expected) => {
    expect(await readSecret(file(content))).toBe(expected);
  });

  test.each([
    ['empty', '', /secret is empty$/],
    ['only a newline', '\n', /secret is empty$/],
    ['not UTF-8', new Uint8Array([0x66, 0xff]), /secret is not UTF-8 text$/],
    ['too short', 'hunter2\n', /secret has a secret of fewer than 8 characters$/],
  ])('that is %s is refused, and the message does not show it', async (_title, content, message) => {
    const fault = await readSecret(file(content), 8).catch((thrown: unknown) => thrown);
    expect(fault).toBeInstanceOf(ConfigFault);
    expect((fault as ConfigFault).message).toMatch(message);
    expect((fault as ConfigFault).message).not.toContain('hunter2');
  });

  test('in a missing file is refused with the name of the file', async () => {
    await expect(readSecret('/nowhere/secret')).rejects.toThrow('/nowhere/secret cannot be read');
  });
});

describe('an HS256 secret', () => {
  test('may contain any bytes, and loses one newline at its end', async () => {
    const bytes = new Uint8Array(33).fill(0xff);
    bytes[32] = 0x0a;
    expect(await readHs256Secret(file(bytes))).toEqual(Buffer.alloc(32, 0xff));
  });

  test.each([
    ['CFG-16: of fewer than 32 bytes', `${'x'.repeat(31)}\n`, /has 31 bytes; HS256 needs at least 32/],
    ['JWT-05: that is a key in PEM', `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(64)}\n`, /is a key of another kind/],
    ['JWT-06: that is a JWK', `{"kty":"RSA","n":"${'A'.repeat(64)}"}`, /is a key of another kind/],
  ])('%s is refused', async (_title, content, message) => {
    await expect(readHs256Secret(file(content))).rejects.toThrow(message);
  });
});

test('a token is read without the white space around it', async () => {
  expect(await readTokenFile(file(' a.b.c \n\n'))).toBe('a.b.c');
});
