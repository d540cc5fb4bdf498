import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Denial } from '../../src/errors.ts';
import { captures, parsePattern } from '../../src/routing/pattern.ts';
import { compileRewrite } from '../../src/routing/rewrite.ts';
import { RouteTable } from '../../src/routing/table.ts';
import { canonicalPath } from '../../src/sanitize/path.ts';

/** Canonical paths, with segments that are dangerous when a path is cut or joined. */
const canonicalPaths = () =>
  fc
    .array(
      fc.constantFrom('a', 'api', 'apis', 'b.c', '...', '.a', ';x', 'x;y', 'a%2Fb', '%252e', ':p', '*', 'http:', '@'),
      { maxLength: 5 },
    )
    .map((segments) => canonicalPath(`/${segments.join('/')}`))
    .filter((path) => !(path instanceof Denial))
    .map((path) => (path instanceof Denial ? '' : path.path));

const isCanonical = (path: string) => {
  const again = canonicalPath(path);
  return !(again instanceof Denial) && again.path === path;
};

describe('rewrite', () => {
  const rewrite = (config: Parameters<typeof compileRewrite>[0], path: string, pattern = '/') =>
    compileRewrite(config)?.(path, parsePattern('h', pattern, false));

  test.for([
    [{ stripPrefix: '/api' }, '/api/x', '/x'],
    [{ stripPrefix: '/api' }, '/api', '/'],
    [{ stripPrefix: '/api' }, '/api/', '/'],
    [{ stripPrefix: '/api/v1' }, '/api/v1/x/', '/x/'],
    [{ stripPrefix: '/' }, '/x', '/x'],
    [{ addPrefix: '/v2' }, '/x', '/v2/x'],
    [{ addPrefix: '/v2' }, '/', '/v2/'],
    [{ addPrefix: '/' }, '/x', '/x'],
    [{ stripPrefix: '/api', addPrefix: '/v2' }, '/api/x', '/v2/x'],
  ] as const)('PTH-22: %j turns %s into %s', ([config, path, rewritten]) => {
    expect(rewrite(config as never, path)).toBe(rewritten);
  });

  test.for([
    ['/t/:tenant/*', '/:tenant/:tenant/*', '/t/acme/a/b', '/acme/acme/a/b'],
    ['/t/:tenant', '/x/:tenant', '/t/acme/below', '/x/acme'],
    ['/t', '/fixed', '/t/anything', '/fixed'],
    ['/t', '/x/*', '/t/a/b/', '/x/a/b/'],
    ['/t', '/x/*', '/t', '/x/'],
    ['/t/:a/:b', '/:b/:a', '/t/1/2', '/2/1'],
  ] as const)('PTH-22: a route %s with path %s turns %s into %s', ([pattern, path, from, to]) => {
    expect(rewrite({ path } as never, from, pattern)).toBe(to);
  });

  test('PTH-22: every result is canonical, or refused', () => {
    const configs = fc.constantFrom(
      { stripPrefix: '/api' },
      { addPrefix: '/v2' },
      { stripPrefix: '/api', addPrefix: '/v2/x' },
      { path: '/fixed' },
      { path: '/x/*' },
      { path: '/:p/y/*' },
      { path: '/*' },
    );
    let count = 0;
    fc.assert(
      fc.property(
        canonicalPaths(),
        configs,
        fc.constantFrom('/api', '/api/:p', '/:p', '/'),
        (path, config, pattern) => {
          const table = new RouteTable([
            {
              pattern: parsePattern('h', pattern, false),
              route: { id: 'r', methods: new Set(['GET']), hasOwnMethods: false, leavesOtherMethods: false },
            },
          ]);
          const strips = 'stripPrefix' in config;
          // The configuration ensures that the pattern matches and that a stripped prefix is present.
          fc.pre(!(table.match('h', path, 'GET') instanceof Denial) && (!strips || /^\/api(?:\/|$)/.test(path)));
          fc.pre(!('path' in config && config.path.includes(':p')) || pattern.includes(':p'));
          const rewritten = compileRewrite(config as never)?.(path, parsePattern('h', pattern, false));
          if (typeof rewritten !== 'string') return;
          count += 1;
          expect(isCanonical(rewritten)).toBe(true);
        },
      ),
      { numRuns: 3_000 },
    );
    expect(count).toBeGreaterThan(200);
  });

  test('PTH-22: a result that is not canonical is refused', () => {
    for (const path of ['/api/../x', '/api//x', '/api/.']) {
      expect(rewrite({ stripPrefix: '/api' } as never, path)).toMatchObject({ reason: 'request_ambiguous' });
    }
  });
});

test('the captures of a pattern, put back into it, give the path', () => {
  const segments = fc.array(fc.constantFrom('a', 'b', ':p', ':q'), { maxLength: 4 });
  fc.assert(
    fc.property(segments, fc.array(fc.constantFrom('x', 'y%2Fz', 'a;b'), { maxLength: 3 }), (pattern, below) => {
      const filled = pattern.map((segment) => (segment.startsWith(':') ? 'value' : segment));
      const path = `/${[...filled, ...below].join('/')}`;
      const found = captures(parsePattern('h', `/${pattern.join('/')}`, false), path);
      const back = pattern.map((segment) => (segment.startsWith(':') ? found.get(segment.slice(1)) : segment));
      expect(`/${[...back, ...(found.get('*') === '' ? [] : [found.get('*')])].join('/')}`).toBe(path);
    }),
  );
});
