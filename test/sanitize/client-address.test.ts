import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toBlockList } from '../../src/config/fields.ts';
import { clientAddress } from '../../src/sanitize/client-address.ts';

const TRUSTED = toBlockList(['10.0.0.0/8', 'fd00::/8']);
const trusted = () => fc.constantFrom('10.0.0.1', '10.255.0.9', 'fd00::1');
const foreign = () => fc.constantFrom('203.0.113.7', '6.6.6.6', '2001:db8::7', '127.0.0.1');
const junk = () =>
  fc.constantFrom(
    'unknown',
    '',
    '_hidden',
    '1.2.3',
    '1.2.3.4:',
    '[::1',
    '::1]:80',
    '[6.6.6.6]x',
    '"6.6.6.6"',
    '\xa010.0.0.1',
    '10.0.0.1 x',
  );
const entries = () => fc.array(fc.oneof(trusted(), foreign(), junk()), { maxLength: 8 });

describe('clientAddress', () => {
  test('ignores the header unless the peer is a trusted proxy', () => {
    fc.assert(
      fc.property(foreign(), fc.option(entries().map((list) => list.join(', '))), (peer, header) => {
        for (const list of [null, TRUSTED]) {
          expect(clientAddress(peer, header, list)).toEqual({ client: peer, chain: peer, viaTrustedProxy: false });
        }
      }),
    );
  });

  test('returns the nearest address that is not a trusted proxy and ignores those before it', () => {
    fc.assert(
      fc.property(
        entries(),
        foreign(),
        fc.array(trusted(), { maxLength: 3 }),
        trusted(),
        (lies, client, proxies, peer) => {
          const header = [...lies, client, ...proxies].join(', ');
          expect(clientAddress(peer, header, TRUSTED)).toEqual({
            client,
            chain: [client, ...proxies, peer].join(', '),
            viaTrustedProxy: true,
          });
        },
      ),
    );
  });

  test('strips the port that some load balancers add', () => {
    const port = () => fc.option(fc.integer({ min: 1, max: 65_535 }));
    const entry = () =>
      fc.tuple(foreign(), port(), fc.boolean()).map(([address, number, hasBrackets]) => {
        const suffix = number === null ? '' : `:${number}`;
        const isIPv6 = address.includes(':');
        const text = isIPv6 && (hasBrackets || number !== null) ? `[${address}]` : address;
        return { address, written: `${text}${suffix}` };
      });
    fc.assert(
      fc.property(entry(), entry(), trusted(), (far, near, peer) => {
        expect(clientAddress(peer, `${far.written}, ${near.written}`, TRUSTED).client).toBe(near.address);
      }),
    );
    expect(clientAddress('10.0.0.1', '203.0.113.7:4711, 10.0.0.2:80', TRUSTED)).toEqual({
      client: '203.0.113.7',
      chain: '203.0.113.7, 10.0.0.2, 10.0.0.1',
      viaTrustedProxy: true,
    });
  });

  test('stops at the first entry that is not an address', () => {
    fc.assert(
      fc.property(entries(), junk(), fc.array(trusted(), { maxLength: 3 }), trusted(), (lies, odd, proxies, peer) => {
        const { client, chain } = clientAddress(peer, [...lies, odd, ...proxies].join(','), TRUSTED);
        expect(client).toBe(proxies[0] ?? peer);
        expect(chain).toBe([...proxies, peer].join(', '));
      }),
    );
  });

  test('returns only plain addresses, whatever the header says', () => {
    fc.assert(
      fc.property(fc.string(), trusted(), (header, peer) => {
        const { client, chain } = clientAddress(peer, header, TRUSTED);
        for (const address of [client, ...chain.split(', ')]) expect(isIP(address)).not.toBe(0);
      }),
    );
  });

  test('treats an IPv4-mapped IPv6 address as IPv4', () => {
    expect(clientAddress('10.0.0.1', '::ffff:203.0.113.7', TRUSTED).client).toBe('203.0.113.7');
    expect(clientAddress('10.0.0.1', '6.6.6.6, ::ffff:10.0.0.2', TRUSTED).client).toBe('6.6.6.6');
  });
});
