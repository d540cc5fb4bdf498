/** Which language a reader gets. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { languageFor } from '../../src/pages/words/languages.ts';

describe('RFC 9110 §12.5.4: choosing the language', () => {
  test.each([
    ['no header', null, 'en'],
    ['an empty header', '', 'en'],
    ['one language', 'de', 'de'],
    ['a region', 'de-AT', 'de'],
    ['a region in another letter case', 'DE-at', 'de'],
    ['a script and a region', 'de-Latn-CH', 'de'],
    ['the higher weight', 'en;q=0.5, de;q=0.8', 'de'],
    ['the first of two equal weights', 'de, en', 'de'],
    ['the same in reverse order', 'en, de', 'en'],
    ['a known language after unknown ones', 'fr-CH, fr;q=0.9, de;q=0.7, *;q=0.5', 'de'],
    ['the header of a real browser', 'de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7', 'de'],
    ['any language: the first on offer', '*', 'en'],
    ['any language but English', 'en;q=0, *', 'de'],
    ['any language, English with a low weight', '*, en;q=0.1', 'de'],
    ['a refused language', 'de;q=0', 'en'],
    ['a language refused with three digits', 'de;q=0.000, en;q=0.001', 'en'],
    ['no language on offer', 'fr, it;q=0.9', 'en'],
    ['spaces around the weight', 'en ; q=0.2 ,\tde ; q=0.3', 'de'],
    ['an invalid weight', 'de;q=high, en;q=0.1', 'en'],
    ['a weight above 1', 'en, de;q=1.9', 'en'],
    ['a range that only starts like a tag', 'deu, den', 'en'],
    ['names of object properties', 'constructor, __proto__', 'en'],
  ])('%s: %s → %s', (_what, header, expected) => {
    expect(languageFor(header, ['en', 'de'])).toBe(expected);
  });

  test('falls back to the first on offer, and always picks a single one', () => {
    expect(languageFor('fr', ['de', 'en'])).toBe('de');
    expect(languageFor('en', ['de'])).toBe('de');
    expect(languageFor('*', ['de', 'en'])).toBe('de');
  });

  test('is deterministic, and always picks one on offer', () => {
    const header = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom('de', 'en', '*', ';q=0', ';q=1', ',', '-', ' ')).map((it) => it.join('')),
    );
    fc.assert(
      fc.property(header, (text) => {
        const language = languageFor(text, ['en', 'de']);
        expect(['en', 'de']).toContain(language);
        expect(languageFor(text, ['en', 'de'])).toBe(language);
      }),
    );
  });

  test('reads no more than the first 32 ranges', () => {
    expect(languageFor(`${'fr,'.repeat(32)}de`, ['en', 'de'])).toBe('en');
    expect(languageFor('de;'.repeat(100_000), ['en', 'de'])).toBe('en');
  });
});
