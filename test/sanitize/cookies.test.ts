import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Denial } from '../../src/errors.ts';
import { type ScreenedCookies, screenCookies } from '../../src/sanitize/cookies.ts';

const NAME = '__Host-sid';
const LIMITS = { maxCookieBytes: 8_192, maxCookieCount: 100 };

const screen = (header: string): ScreenedCookies => {
  const screened = screenCookies(header, NAME, LIMITS);
  if (screened instanceof Denial) throw new Error(screened.note);
  return screened;
};

/** A pair that nobody could take for the session cookie. */
const otherPair = () =>
  fc
    .oneof(
      fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,8}=[\x21-\x3a\x3c-\x7e\x80-\xff ]{0,12}$/),
      fc.constantFrom(
        'a',
        '=',
        'a=',
        '$Version=1',
        `${NAME}x=1`,
        `x${NAME}=1`,
        '__host-sid=1',
        `a="${NAME}=1"`,
        `\xa0${NAME}=1`,
      ),
    )
    .filter(
      (pair) => !pair.trimStart().startsWith(`=${NAME}`) && !new RegExp(`^[ \\t]*${NAME}[ \\t]*(?:=|$)`).test(pair),
    );
const sessionValue = () => fc.stringMatching(/^[\x21-\x3a\x3c-\x7e]{0,43}$/);
const separator = () => fc.constantFrom('; ', ';', ';\t', ';  ');

describe('screenCookies', () => {
  test('forwards every other cookie byte for byte and in order', () => {
    fc.assert(
      fc.property(
        fc.array(otherPair()),
        fc.nat(),
        sessionValue(),
        fc.array(separator(), { minLength: 20, maxLength: 20 }),
        (pairs, at, value, separators) => {
          const position = at % (pairs.length + 1);
          const all = pairs.toSpliced(position, 0, `${NAME}=${value}`);
          const header = all.map((pair, index) => (index === 0 ? pair : `${separators[index % 20]}${pair}`)).join('');
          const { session, rest } = screen(header);
          expect(session).toBe(value);
          expect(
            (rest ?? '')
              .split(';')
              .map((pair) => pair.replace(/^[ \t]+/, ''))
              .filter((pair) => pair !== ''),
          ).toEqual(pairs.map((pair) => pair.replace(/^[ \t]+/, '')).filter((pair) => pair !== ''));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('leaves a header without the session cookie unchanged', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\x20-\x7e\x80-\xff]{1,80}$/), (header) => {
        fc.pre(!header.includes(NAME));
        expect(screen(header)).toEqual({ session: null, rest: header });
      }),
    );
  });

  test('forwards nothing that a strict or lenient parser reads as the session cookie', () => {
    const pieces = fc.constantFrom(NAME, '=', ';', ' ', '\t', '"', ',', 'value', '__host-sid', '$', '\xa0', 'a=b');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const { rest } = screen(parts.join(''));
        for (const pair of (rest ?? '').split(';')) {
          const [name = ''] = pair.split('=');
          expect(name.replace(/[ \t]/g, '')).not.toBe(NAME);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test('refuses an ambiguous session cookie as a credential', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(`${NAME}=a`, `${NAME} =a`, NAME, `${NAME}\t=`),
        fc.array(otherPair(), { maxLength: 3 }),
        (second, others) => {
          const header = [`${NAME}=a`, ...others, second].join('; ');
          expect(screen(header).session).toMatchObject({ reason: 'session_invalid' });
        },
      ),
    );
  });

  test('accepts cookies up to both limits, and refuses more bytes or more cookies', () => {
    const small = { maxCookieBytes: 20, maxCookieCount: 3 };
    expect(screenCookies('a=1; b=2; c=3', NAME, small)).toEqual({ session: null, rest: 'a=1; b=2; c=3' });
    expect(screenCookies('a=1;b=2;c=3;d=4', NAME, small)).toMatchObject({ reason: 'headers_too_large' });
    expect(screenCookies(`a=${'1'.repeat(18)}`, NAME, small)).toMatchObject({ reason: 'headers_too_large' });
  });
});
