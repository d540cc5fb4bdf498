import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Denial } from '../../src/errors.ts';
import { canonicalHost } from '../../src/sanitize/host.ts';

const label = () =>
  fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,6}[a-z0-9])?$/).filter((text) => !text.startsWith('xn--'));
const name = () => fc.array(label(), { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
const port = () => fc.option(fc.integer({ min: 1, max: 65_535 }));
const withPort = (host: string, number: number | null) => (number === null ? host : `${host}:${number}`);

describe('canonicalHost', () => {
  test('ignores case and a trailing dot, and keeps the port in the authority', () => {
    fc.assert(
      fc.property(name(), port(), fc.boolean(), fc.boolean(), (host, number, isUpper, hasDot) => {
        const spelled = `${isUpper ? host.toUpperCase() : host}${hasDot ? '.' : ''}`;
        expect(canonicalHost(withPort(spelled, number))).toEqual({ name: host, authority: withPort(host, number) });
      }),
    );
  });

  test('RFC 3986 §6.2.3: an empty port is the default one', () => {
    for (const host of ['shop.example.com', '[::1]'])
      expect(canonicalHost(`${host}:`)).toEqual({ name: host, authority: host });
  });

  test('is idempotent, and the URL parser reads its result the same way', () => {
    const pieces = fc.constantFrom(
      'a',
      'B',
      '0',
      '.',
      '-',
      '_',
      ':',
      '80',
      '0x1',
      '@',
      '/',
      '[',
      ']',
      '::1',
      'xn--',
      '%41',
      ' ',
      '\xe9',
      '#',
    );
    let count = 0;
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 6 }), (parts) => {
        const host = canonicalHost(parts.join(''));
        if (host instanceof Denial) return;
        count += 1;
        expect(canonicalHost(host.authority)).toEqual(host);
        expect(host.name).toMatch(/^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])$/);
        const url = `http://${host.authority}/`;
        // The URL parser reads some numbers as an IPv4 address, or refuses them as one; here they are names.
        if (URL.canParse(url) && !/^(?:\d+\.){3}\d+$/.test(new URL(url).hostname) && !host.name.startsWith('[')) {
          expect(new URL(url).hostname).toBe(host.name);
        }
      }),
      { numRuns: 5_000 },
    );
    expect(count).toBeGreaterThan(200);
  });

  test('RFC 5952 §4: gives an IPv6 address one canonical form', () => {
    for (const [form, canonical] of [
      ['[0:0:0:0:0:0:0:1]', '[::1]'],
      ['[2001:0DB8::0:0001]', '[2001:db8::1]'],
      ['[::ffff:192.0.2.1]', '[::ffff:c000:201]'],
    ] as const) {
      expect(canonicalHost(`${form}:8080`)).toEqual({ name: canonical, authority: `${canonical}:8080` });
    }
  });

  test('accepts an IPv6 address in brackets, and nothing else in brackets', () => {
    fc.assert(
      fc.property(fc.ipV6(), port(), (address, number) => {
        fc.pre(!address.includes('%'));
        const written = new URL(`http://[${address}]/`).hostname;
        expect(canonicalHost(withPort(`[${address}]`, number))).toMatchObject({ name: written });
      }),
    );
    for (const bad of ['[]', '[x]', '[1.2.3.4]', '[::1', '::1]', '[::1].', '[::1%eth0]']) {
      expect(canonicalHost(bad)).toBeInstanceOf(Denial);
    }
  });

  test('limits a name to 253 characters and a label to 63', () => {
    expect(canonicalHost(`${'a'.repeat(63)}.com`)).not.toBeInstanceOf(Denial);
    expect(canonicalHost(`${'a'.repeat(64)}.com`)).toBeInstanceOf(Denial);
    expect(canonicalHost(`${'a.'.repeat(126)}a`)).not.toBeInstanceOf(Denial);
    expect(canonicalHost(`${'a.'.repeat(127)}a`)).toBeInstanceOf(Denial);
  });

  test.for(['xn--shp-sna.example.com', 'a.xn--n3h.com', 'xn--80ak6aa92e.com'])('accepts Punycode: %s', (host) => {
    expect(canonicalHost(host)).toMatchObject({ name: host });
  });
});
