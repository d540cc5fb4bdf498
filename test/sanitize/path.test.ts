import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Denial } from '../../src/errors.ts';
import { type CanonicalPath, canonicalPath } from '../../src/sanitize/path.ts';
import { Stage, targetOf } from '../attack/harness.ts';
import { cpuMs } from '../support/cpu.ts';
import { HOST } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';

const PIECES = [
  'a',
  'Z',
  '0',
  '-',
  '_',
  '~',
  '.',
  '..',
  '/',
  '//',
  ';',
  '%',
  '%2',
  '%2f',
  '%2F',
  '%2e',
  '%2E',
  '%5c',
  '%25',
  '%41',
];
const MORE_PIECES = [
  '%7e',
  '%00',
  '%20',
  '%c3%a9',
  '%C3%A9',
  '%c0%af',
  '%ef%bc%8f',
  '\\',
  '#',
  ' ',
  '\x7f',
  '\xe9',
  ':',
  '@',
  '!',
  '*',
  '%3b',
  '%3A',
  '%40',
  '%2a',
  '{',
  '|',
  '[',
  '%5b',
  '%7B',
  '%7c',
];

/** Paths made of dangerous pieces. */
const paths = () =>
  fc.array(fc.constantFrom(...PIECES, ...MORE_PIECES), { maxLength: 10 }).map((pieces) => `/${pieces.join('')}`);

/** What the path means to a reader that decodes its escapes once, byte by byte. */
function meaning(path: string): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const accepted = (path: string): CanonicalPath | null => {
  const result = canonicalPath(path);
  return result instanceof Denial ? null : result;
};

/** Runs a property over the accepted paths, and requires that there are some. */
function forAccepted(property: (path: string, canonical: CanonicalPath) => void): void {
  let count = 0;
  fc.assert(
    fc.property(paths(), (path) => {
      const canonical = accepted(path);
      if (canonical === null) return;
      count += 1;
      property(path, canonical);
    }),
    { numRuns: 5_000 },
  );
  expect(count).toBeGreaterThan(200);
}

describe('canonicalPath', () => {
  test('is idempotent', () => {
    forAccepted((_, canonical) => {
      expect(canonicalPath(canonical.path)).toEqual({ ...canonical, spelling: canonical.path });
    });
  });

  test('decodes once: its result means the same as its input', () => {
    forAccepted((path, canonical) => expect(meaning(canonical.path)).toBe(meaning(path)));
  });

  test('RFC 3986 §2.2: the spelling for the upstream has the same canonical path and is stable', () => {
    forAccepted((_, { path, spelling, hasEncodedSlash, hasSemicolon }) => {
      expect(accepted(spelling)).toEqual({ path, spelling, hasEncodedSlash, hasSemicolon });
      expect(spelling.split('/').length).toBe(path.split('/').length);
    });
  });

  test('gives one path for all spellings with the same meaning and separators', () => {
    const separators = (path: string) =>
      path
        .replace(/%2f/gi, '\u0001')
        .replace(/%(?!25)/gi, '')
        .split('/').length;
    forAccepted((path, canonical) => {
      // Escapes every character that can be, in lower-case hex: the worst spelling of the same path.
      const worst = path.replace(/%[0-9a-f]{2}|[A-Za-z0-9_~:@!*;-]/gi, (piece) =>
        piece.startsWith('%') ? piece.toLowerCase() : `%${piece.charCodeAt(0).toString(16)}`,
      );
      expect(separators(worst)).toBe(separators(path));
      expect(accepted(worst)?.path).toBe(canonical.path);
    });
  });

  test('PTH-13: two targets that decode to the same path are equal, or one is refused', () => {
    let count = 0;
    // Each character literal, or escaped in upper or lower case; a slash always literal, a percent sign never.
    const spell = (text: string, ways: readonly number[]) =>
      [...text]
        .map((character, at) => {
          const hex = character.charCodeAt(0).toString(16).padStart(2, '0');
          return character === '/'
            ? character
            : ([character === '%' ? '%25' : character, `%${hex}`, `%${hex.toUpperCase()}`][ways[at] ?? 0] ?? '');
        })
        .join('');
    const ways = () => fc.array(fc.nat({ max: 2 }), { maxLength: 12 });
    const decoded = fc.stringMatching(/^\/[\x20-\x7e]{1,10}$/);
    fc.assert(
      fc.property(decoded, ways(), ways(), (text, one, other) => {
        const [first, second] = [accepted(spell(text, one)), accepted(spell(text, other))];
        if (first === null || second === null) return;
        count += 1;
        expect({ ...first, spelling: '' }).toEqual({ ...second, spelling: '' });
      }),
      { numRuns: 20_000 },
    );
    expect(count).toBeGreaterThan(200);
  });

  test('yields no empty or dot segment, even after decoding %2F or cutting at ";"', () => {
    forAccepted((_, { path }) => {
      const segments = path.slice(1).split(/\/|%2F/);
      for (const [at, segment] of segments.entries()) {
        const [name = ''] = segment.split(';');
        expect(name).not.toMatch(/^\.{1,2}$/);
        if (at < segments.length - 1 || segment.includes(';')) expect(name).not.toBe('');
      }
    });
  });

  test('yields characters of RFC 3986 §3.3 and upper-case escapes, none of a control or backslash', () => {
    forAccepted((_, { path }) => {
      expect(path).toMatch(/^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*$/);
      for (const [, hex = ''] of path.matchAll(/%(..)/g)) {
        const byte = Number.parseInt(hex, 16);
        expect(byte >= 0x20 && byte !== 0x7f && byte !== 0x5c).toBe(true);
        expect(String.fromCharCode(byte)).not.toMatch(/[A-Za-z0-9._~!$&'()*+,;=:@-]/);
      }
    });
  });

  test('reports an encoded slash or a semicolon', () => {
    forAccepted((_, { path, hasEncodedSlash, hasSemicolon }) => {
      expect([hasEncodedSlash, hasSemicolon]).toEqual([path.includes('%2F'), path.includes(';')]);
    });
  });

  test('gives the same result on the fast and the thorough way', () => {
    // A leading segment with ";" forces the thorough way.
    fc.assert(
      fc.property(fc.stringMatching(/^(?:\/[A-Za-z0-9._~!$&'()*+,=:@|^{"-]{1,6}){0,4}\/?$/), (path) => {
        if (!path.startsWith('/')) return;
        const quick = accepted(path);
        const thorough = accepted(`/x;${path}`);
        expect(quick?.path).toBe(thorough?.path.slice('/x;'.length));
      }),
    );
  });

  test('does not slow down on long paths', () => {
    const long = `/${'a/'.repeat(100_000)}%`;
    const tookMs = cpuMs(() => expect(canonicalPath(long)).toBeInstanceOf(Denial));
    // Generous: quadratic would take minutes.
    expect(tookMs).toBeLessThan(5_000);
  });
});

describe('the whole gateway', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start({
      routes: [
        { id: 'all', match: { path: '/' }, credential: 'none', pathExceptions: ['encodedSlash', 'semicolon'] },
        { id: 'a', match: { path: '/a' }, credential: 'session' },
      ],
    });
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test('sends the upstream a spelling of the routed path, whatever the client sends', async () => {
    await fc.assert(
      fc.asyncProperty(paths(), async (path) => {
        stage.upstream.reset();
        const answer = await rawRequest(stage.gateway.port, requestHead('GET', path, [HOST]));
        // Spaces before the version are not part of the target.
        const canonical = accepted(path.trimEnd());
        const isProtected = canonical !== null && /^\/a(?:\/|$)/.test(canonical.path);
        // An upstream may read it as a path of the protected route, which accepts no such paths.
        const mayBeProtected = canonical !== null && !isProtected && /^\/a(?:;|%2F)/.test(canonical.path);
        if (canonical === null || isProtected || mayBeProtected) {
          expect(answer.status).toBe(isProtected && !/;|%2F/.test(canonical.path) ? 401 : 400);
          expect(stage.upstream.requests).toHaveLength(0);
        } else {
          expect(answer.status).toBe(200);
          expect(stage.upstream.requests.map(targetOf)).toEqual([canonical.spelling]);
          expect(accepted(canonical.spelling)?.path).toBe(canonical.path);
        }
      }),
      { numRuns: 500, examples: [['/a%3b'], ['/a;x=1/b'], ['/a%2Fb'], ['/a/b;c'], ['/b;c']] },
    );
  });
});
