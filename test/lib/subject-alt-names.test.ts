import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { subjectAltNames } from '../../src/lib/subject-alt-names.ts';
import { TestAuthority } from '../support/certificates.ts';

const authority = new TestAuthority();
const der = (request: Parameters<TestAuthority['issue']>[0]) =>
  new X509Certificate(authority.issue(request).certificate).raw;

describe('subject alternative names', () => {
  test('are told apart by their kind and given as they are written', () => {
    const names = ['Shop.example.com', '*.example.com', '127.0.0.1'];
    const uris = ['spiffe://example.com/a', 'https://example.com/?a,b=DNS:c'];
    expect(subjectAltNames(der({ names, uris }))).toEqual({ dns: ['Shop.example.com', '*.example.com'], uris });
  });

  test('TLS-05: a name with a control character or beyond ASCII is left out, its neighbours stay', () => {
    const names = ['a.test', 'evil.test\0.b.test', 'line\nbreak.test', 'um\xfclaut.test', 'b.test'];
    expect(subjectAltNames(der({ names })).dns).toEqual(['a.test', 'b.test']);
  });

  test('are found in an extension of more than 127 and more than 255 bytes', () => {
    for (const count of [8, 30]) {
      const names = Array.from({ length: count }, (_, index) => `name-${index}.example.com`);
      expect(subjectAltNames(der({ names })).dns).toEqual(names);
    }
  });

  test('a certificate without them has none', () => {
    expect(subjectAltNames(der({ commonName: 'nobody' }))).toEqual({ dns: [], uris: [] });
  });

  test('bytes that are no certificate, and certificates with changed or missing bytes, never make it throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void subjectAltNames(Buffer.from(bytes))));
    const good = der({ names: ['a.test', 'b.test'], uris: ['spiffe://c.test/d'] });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, end) => {
        const bad = Buffer.from(good);
        bad[at] = byte;
        subjectAltNames(bad.subarray(0, end));
      }),
    );
  });
});
