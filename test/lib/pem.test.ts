import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { dnsNames } from '../../src/lib/crypto/pem.ts';
import { TestAuthority } from '../support/issuers/certificates.ts';

const authority = new TestAuthority();
const namesIn = (request: Parameters<TestAuthority['issue']>[0]) =>
  dnsNames(new X509Certificate(authority.issue(request).certificate));

describe('DNS names of a certificate', () => {
  test('are in lower case, without addresses and URIs', () => {
    const names = ['Shop.example.com', '*.example.com', '127.0.0.1'];
    expect(namesIn({ names, uris: ['https://example.com/'] })).toEqual(['shop.example.com', '*.example.com']);
  });

  test.each([
    ['a comma and a second name', ['x, DNS:evil.test']],
    ['a NUL', ['evil.test\0.b.test']],
    ['a line break', ['line\nDNS:evil.test']],
    ['a quote', ['"evil.test']],
    ['a character beyond ASCII', ['um\xfclaut.test']],
  ])('TLS-05: a name with %s is omitted, its neighbours stay', (_title, odd) => {
    expect(namesIn({ names: ['a.test', ...odd, 'b.test'] })).toEqual(['a.test', 'b.test']);
  });

  test('TLS-05: a URI that contains a DNS name adds none', () => {
    expect(namesIn({ names: ['a.test'], uris: ['https://example.com/?a, DNS:evil.test'] })).toEqual(['a.test']);
  });

  test('a certificate without subject alternative names has none', () => {
    expect(namesIn({ commonName: 'nobody' })).toEqual([]);
  });
});
