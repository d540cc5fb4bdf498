/** Which language a reader gets. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { languageFor } from '../../src/pages/words/languages.ts';

describe('RFC 9110 §12.5.4: the language', () => {
  test.each([
    ['of nobody who says one', null, 'en'],
    ['of an empty header', '', 'en'],
    ['that is named alone', 'de', 'de'],
    ['of a region', 'de-AT', 'de'],
    ['of a region in another case', 'DE-at', 'de'],
    ['of a script and a region', 'de-Latn-CH', 'de'],
    ['that weighs more', 'en;q=0.5, de;q=0.8', 'de'],
    ['that is named first, of two that weigh the same', 'de, en', 'de'],
    ['that is named first, the other way round', 'en, de', 'en'],
    ['that is known, behind ones that are not', 'fr-CH, fr;q=0.9, de;q=0.7, *;q=0.5', 'de'],
    ['of a browser as it is', 'de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7', 'de'],
    ['of anything: the first on offer', '*', 'en'],
    ['of anything, and that one least', 'en;q=0, *', 'de'],
    ['of anything but that one', '*, en;q=0.1', 'de'],
    ['that is refused', 'de;q=0', 'en'],
    ['that is refused with three digits', 'de;q=0.000, en;q=0.001', 'en'],
    ['of nothing that is on offer', 'fr, it;q=0.9', 'en'],
    ['with spaces around the weight', 'en ; q=0.2 ,\tde ; q=0.3', 'de'],
    ['in which a weight cannot be read', 'de;q=high, en;q=0.1', 'en'],
    ['in which a weight is above 1', 'en, de;q=1.9', 'en'],
    ['of a range that only begins like it', 'deu, den', 'en'],
    ['of a name that every object has', 'constructor, __proto__', 'en'],
  ])('%s: %s → %s', (_what, header, expected) => {
    expect(languageFor(header, ['en', 'de'])).toBe(expected);
  });

  test('nobody accepts is the first on offer; one alone is always the one', () => {
    expect(languageFor('fr', ['de', 'en'])).toBe('de');
    expect(languageFor('en', ['de'])).toBe('de');
    expect(languageFor('*', ['de', 'en'])).toBe('de');
  });

  test('is one on offer whatever is sent, and always the same', () => {
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

  test('costs no more than its first 32 ranges', () => {
    expect(languageFor(`${'fr,'.repeat(32)}de`, ['en', 'de'])).toBe('en');
    expect(languageFor('de;'.repeat(100_000), ['en', 'de'])).toBe('en');
  });
});
