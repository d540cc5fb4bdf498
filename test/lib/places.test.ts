import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Places } from '../../src/lib/concurrency/places.ts';

test('S4: a client is an IPv4 address or the /64 of an IPv6 address', () => {
  const places = new Places();
  places.ofClient('192.0.2.1').enter();
  places.ofClient('2001:db8:0:1::7').enter();
  expect(places.ofClient('192.0.2.1').hasRoom(1)).toBe(false);
  expect(places.ofClient('192.0.2.2').hasRoom(1)).toBe(true);
  expect(places.ofClient('2001:db8:0:1:ffff::1').hasRoom(1)).toBe(false);
  expect(places.ofClient('2001:db8:0:2::7').hasRoom(1)).toBe(true);
});

test('S4: a /48 has four times the room of one of its networks', () => {
  const places = new Places();
  for (let network = 0; network < 4; network += 1) places.ofClient(`2001:db8:0:${network}::1`).enter();
  expect(places.ofClient('2001:db8:0:5::1').hasRoom(1)).toBe(false);
  expect(places.ofClient('2001:db8:1:5::1').hasRoom(1)).toBe(true);
  places.ofClient('2001:db8:0:3::1').leave();
  expect(places.ofClient('2001:db8:0:5::1').hasRoom(1)).toBe(true);
});

test('S4: keys that come and go do not accumulate', () => {
  const places = new Places();
  for (let host = 0; host < 100_000; host += 1) {
    const place = places.ofClient(`2001:db8:${(host >> 8).toString(16)}:${(host & 255).toString(16)}::1`);
    place.enter();
    place.leave();
  }
  expect(places.size).toBeLessThan(5_000);
});

test('S4: counts stay exact while unused keys are dropped', () => {
  const step = fc.record({ network: fc.nat(20), leaves: fc.boolean(), strangers: fc.nat(600) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const places = new Places();
      const entered: { network: number; place: ReturnType<Places['of']> }[] = [];
      let stranger = 0;
      for (const { network, leaves, strangers } of steps) {
        if (leaves) entered.shift()?.place.leave();
        else {
          const place = places.ofClient(`2001:db8:0:${network.toString(16)}::1`);
          place.enter();
          entered.push({ network, place });
        }
        for (let count = 0; count < strangers; count += 1) places.of(`stranger ${stranger++}`);
        for (const { network: other } of entered) {
          const expected = entered.filter((it) => it.network === other).length;
          expect(places.ofClient(`2001:db8:0:${other.toString(16)}::1`).count).toBe(expected);
        }
        expect(places.of('2001:db8:0/48').count).toBe(entered.length);
      }
    }),
    { numRuns: 50 },
  );
});

test('S4: a /48 is counted even if its first network arrives during a sweep', () => {
  for (let before = 1_015; before < 1_030; before += 1) {
    const places = new Places();
    for (let stranger = 0; stranger < before; stranger += 1) places.of(`stranger ${stranger}`);
    for (let network = 0; network < 4; network += 1) places.ofClient(`2001:db8:0:${network}::1`).enter();
    expect(places.ofClient('2001:db8:0:5::1').hasRoom(1)).toBe(false);
  }
});
