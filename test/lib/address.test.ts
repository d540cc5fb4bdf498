import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clientNetwork, isLoopbackHost } from '../../src/lib/address.ts';

describe('the network of a client', () => {
  test.each([
    ['203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0'],
  ])('at %s is %s', (address, network) => {
    expect(clientNetwork(address)).toBe(network);
  });

  test('of 48 bits is three groups of an IPv6 address, or the whole IPv4 address', () => {
    expect(clientNetwork('2001:0db8::9', 48)).toBe('2001:db8:0');
    expect(clientNetwork('203.0.113.7', 48)).toBe('203.0.113.7');
  });

  test('is the same for two IPv6 addresses exactly if their first 64 bits match', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const address = fc.array(
      fc.constantFrom(0, 1, 0xffff).chain((n) => fc.oneof(fc.constant(n), group)),
      {
        minLength: 8,
        maxLength: 8,
      },
    );
    const written = (groups: readonly number[]) => {
      const text = groups.map((value) => value.toString(16)).join(':');
      return new URL(`http://[${text}]/`).hostname.slice(1, -1);
    };
    fc.assert(
      fc.property(address, address, fc.boolean(), (one, other, isSameNetwork) => {
        const second = isSameNetwork ? [...one.slice(0, 4), ...other.slice(4)] : other;
        const areSame = one.slice(0, 4).join() === second.slice(0, 4).join();
        expect(clientNetwork(written(one)) === clientNetwork(written(second))).toBe(areSame);
      }),
    );
  });
});

describe('a host', () => {
  test.each([
    ['localhost', true],
    ['LOCALHOST', true],
    ['RFC 6761 §6.3: localhost.', true],
    ['RFC 6761 §6.3: shop.localhost', true],
    ['RFC 6761 §6.3: a.b.localhost.', true],
    ['127.0.0.1', true],
    ['127.255.0.9', true],
    ['::1', true],
    ['[::1]', true],
    ['', false],
    ['notlocalhost', false],
    ['localhost.example.com', false],
    ['127.0.0.1.example.com', false],
    ['127.example.com', false],
    ['128.0.0.1', false],
    ['0.0.0.0', false],
    ['[::]', false],
    ['[::2]', false],
  ])('%s: loopback is %s', (title, isLoopback) => {
    expect(isLoopbackHost(title.replace(/^RFC .*: /, ''))).toBe(isLoopback);
  });
});
