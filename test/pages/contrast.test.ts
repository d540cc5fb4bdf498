/** Contrast as WCAG 2.2 defines it, and colours that have enough of it. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contrastOf, nearestReadable, readableOn } from '../../src/pages/contrast.ts';
import { CARDS } from '../../src/pages/style.ts';

const colour = fc.integer({ min: 0, max: 0xffffff }).map((it) => `#${it.toString(16).padStart(6, '0')}`);

test.each([
  ['#000', '#fff', 21],
  ['#ffffff', '#fff', 1],
  // Figures of the WebAIM contrast checker.
  ['#777777', '#ffffff', 4.48],
  ['#767676', '#FFFFFF', 4.54],
  ['#ff0000', '#ffffff', 3.99],
  ['#0000ff', '#ffffff', 8.59],
])('WCAG 2.2: %s on %s is %d:1', (front, back, ratio) => {
  expect(contrastOf(front, back)).toBeCloseTo(ratio, 1);
  expect(contrastOf(back, front)).toBe(contrastOf(front, back));
});

test('black or white is readable on every colour', () => {
  fc.assert(fc.property(colour, (it) => contrastOf(readableOn(it), it) >= 4.5));
});

test('the nearest readable colour is readable, and is the colour itself if that is readable', () => {
  fc.assert(
    fc.property(colour, fc.constantFrom(CARDS.light, CARDS.dark), (it, card) => {
      const near = nearestReadable(it, card, 4.5);
      expect(contrastOf(near, card)).toBeGreaterThanOrEqual(4.5);
      if (contrastOf(it, card) >= 4.5) expect(near).toBe(it);
    }),
  );
});
