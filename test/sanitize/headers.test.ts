import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Denial } from '../../src/errors.ts';
import { foldHeaderName } from '../../src/lib/http/header-name.ts';
import { HeaderScanner } from '../../src/sanitize/headers.ts';
import { OwnedHeaders } from '../../src/sanitize/owned-headers.ts';
import { BOB, head, Stage } from '../attack/harness.ts';
import { rawRequest } from '../support/raw-client.ts';

const OWNED = [
  'X-User-Id',
  'X-Forwarded-For',
  'X-Forwarded-Anything',
  'X-Original-URL',
  'Forwarded',
  'X-Request-Id',
  'Proxy-Authorization',
  'X-Envoy-Original-Path',
  'Remote-User',
  'Ssl-Client-Verify',
  'X-Internal-User',
  'Proxy',
  'X-Forwarded',
  'Client-IP',
  'CF-Connecting-IP',
  'OIDC_CLAIM_email',
  'X-Consumer-Username',
  'X-Vouch-User',
  'X-Authelia-User',
  'Impersonate-User',
  'Tailscale-User-Login',
  'X-MS-Token-AAD-Id-Token',
  'SM_USER',
  'X-Middleware-Subrequest',
];
/** Every character of a token (RFC 9110 §5.6.2) that is neither letter nor digit. */
const SEPARATORS = [..."!#$%&'*+-.^_`|~"];
const token = () => fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/).filter((name) => name !== '');

/** One of the names, spelled as an attacker might to slip it past a filter. */
const spelled = (names: readonly string[]) =>
  fc
    .record({
      name: fc.constantFrom(...names),
      prefix: fc.constantFrom('', 'HTTP_', 'http-', 'Http.', 'hTTp~'),
      separators: fc.array(fc.constantFrom(...SEPARATORS), { minLength: 8, maxLength: 8 }),
      upper: fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
    })
    .map(({ name, prefix, separators, upper }) => {
      let next = 0;
      const text = `${prefix}${name}`.replace(/[^A-Za-z0-9]/g, () => separators[next++ % separators.length] ?? '-');
      return [...text]
        .map((letter, at) => (upper[at % upper.length] ? letter.toUpperCase() : letter.toLowerCase()))
        .join('');
    });

const scanner = () => new HeaderScanner(new OwnedHeaders(['X-User-Id'], ['X-Internal-Trace']));
const forwarded = (rawHeaders: readonly string[]) => {
  const scan = scanner().scan(rawHeaders);
  if (scan instanceof Denial) throw new Error(scan.note);
  return scan.forwarded;
};

describe('owned headers', () => {
  test('no spelling of an owned name survives', () => {
    fc.assert(
      fc.property(spelled(OWNED), (name) => {
        expect(forwarded([name, 'mallory', 'X-Other', '1'])).toEqual(['X-Other', '1']);
      }),
      { numRuns: 2_000 },
    );
  });

  test('every other header keeps its order, its spelling and every byte of its value', () => {
    const free = token().filter((name) => {
      const scan = scanner().scan([name, 'x']);
      return !(scan instanceof Denial) && scan.forwarded.length > 0;
    });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(free, fc.stringMatching(/^[\x20-\x7e\x80-\xff]*$/)), { maxLength: 20 }),
        (pairs) => {
          expect(forwarded(pairs.flat())).toEqual(pairs.flat());
        },
      ),
    );
  });

  test('headers that applications define for their own pages are kept', () => {
    const own = [
      'Next-Router-State-Tree',
      'Next-Router-Prefetch',
      'Next-Action',
      'RSC',
      'X-Nextjs-Data',
      'X-Middleware-Prefetch',
    ];
    const others = [
      'HX-Request',
      'HX-Target',
      'Turbo-Frame',
      'X-CSRF-Token',
      'X-CSRFToken',
      'X-Inertia',
      'X-XSRF-TOKEN',
    ];
    for (const name of [...own, ...others, 'X-Requested-With', 'Idempotency-Key', 'X-Api-Key', 'X-Scope-OrgID'])
      expect(forwarded([name, '1'])).toEqual([name, '1']);
  });

  test('a header that the configuration passes is kept in every spelling, but not its relatives', () => {
    fc.assert(
      fc.property(spelled(['X-Internal-Trace']), (name) => {
        expect(forwarded([name, '1'])).toEqual([name, '1']);
        expect(forwarded([`${name}x`, '1'])).toEqual([]);
      }),
    );
  });

  test('the configuration cannot pass a header that only the gateway writes', () => {
    const owned = new OwnedHeaders(['X-Internal-User'], ['X-Internal-User', 'X-Forwarded-For', 'Forwarded']);
    for (const name of ['x-internal-user', 'X_Forwarded_For', 'FORWARDED']) expect(owned.owns(name)).toBe(true);
  });

  test('folding ignores case and separators, and is idempotent except for the CGI prefix', () => {
    fc.assert(
      fc.property(token(), (name) => {
        const folded = foldHeaderName(name);
        expect(folded).toMatch(/^[a-z0-9-]*$/);
        expect(foldHeaderName(name.toUpperCase())).toBe(folded);
        expect(foldHeaderName(name.replace(/[^A-Za-z0-9]/g, '_'))).toBe(folded);
        if (!folded.startsWith('http-')) expect(foldHeaderName(folded)).toBe(folded);
      }),
    );
  });

  test('the cache of spellings is bounded, and dropping it changes no result', () => {
    const owned = new OwnedHeaders(['X-User-Id'], []);
    const owns = vi.spyOn(owned, 'owns');
    const one = new HeaderScanner(owned);
    const judgements = () => {
      one.scan(['X-Spelling-0', '1']);
      return owns.mock.calls.filter(([name]) => name === 'X-Spelling-0').length;
    };
    expect([judgements(), judgements()]).toEqual([1, 1]);
    for (let at = 1; at < 2_200; at += 1) one.scan([`X-Spelling-${at}`, '1', `x_user_id`, 'mallory']);
    expect([judgements(), judgements()]).toEqual([2, 2]);
    const scan = one.scan(['X_User_Id', 'mallory', 'X-Fine', '1']);
    expect(scan instanceof Denial ? null : scan.forwarded).toEqual(['X-Fine', '1']);
  });
});

describe('Connection', () => {
  test('removes exactly the headers that it lists', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('X-A', 'x-b', 'X_C', '__proto__', 'constructor'), fc.string())),
        fc.array(
          fc.constantFrom('x-a', 'X-B', 'x_c', '__PROTO__', 'close', 'keep-alive', '', ' ', 'x-z', 'te', 'upgrade'),
        ),
        (pairs, options) => {
          const listed = new Set(options.map((option) => option.trim().toLowerCase()));
          const kept = pairs.filter(([name]) => !listed.has(name.toLowerCase()));
          expect(forwarded([...pairs.flat(), 'Connection', options.join(',')])).toEqual(kept.flat());
        },
      ),
    );
  });

  test.each([
    'Host',
    'Authorization',
    'Cookie',
    'Content-Length',
    'Transfer-Encoding',
    'Connection',
    'Proxy-Authorization',
    'Origin',
    'Sec-Fetch-Site',
    'X-Forwarded-For',
  ])('cannot list %s, which the gateway acts on', (name) => {
    expect(scanner().scan(['X-A', '1', 'Connection', `x-a, ${name}`])).toMatchObject({ reason: 'request_ambiguous' });
  });

  test('is refused if it lists anything but names', () => {
    fc.assert(
      fc.property(
        fc.array(token(), { maxLength: 3 }),
        fc.stringMatching(/^[\x21-\x7e\x80-\xff]{1,5}$/),
        (options, odd) => {
          fc.pre(!/^[!#$%&'*+.^_`|~0-9A-Za-z,-]*$/.test(odd));
          expect(scanner().scan(['Connection', [...options, odd].join(', ')])).toBeInstanceOf(Denial);
        },
      ),
    );
  });

  describe('through the whole gateway', () => {
    let stage: Stage;
    beforeAll(async () => {
      stage = await Stage.start();
    });
    afterAll(() => stage[Symbol.asyncDispose]());

    test('cannot remove a header that the gateway writes', async () => {
      const ours = [
        'X-User-Id',
        'X-User-Email',
        'X-Forwarded-Anything',
        'X-Real-IP',
        'close',
        'x_user_id',
        'HTTP_X_USER_ID',
        '',
      ];
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom(...ours), { minLength: 1 }),
          fc.array(spelled(OWNED)),
          async (options, names) => {
            stage.upstream.reset();
            const lines = [`Connection: ${options.join(', ')}`, ...names.map((name) => `${name}: mallory`)];
            const answer = await rawRequest(stage.gateway.port, stage.fill(head('GET /x', BOB, ...lines)));
            expect(answer.status).toBe(200);
            const { last, text } = stage.upstream;
            expect(text).not.toContain('mallory');
            for (const [name, value] of [
              ['x-user-id', 'bob'],
              ['x-user-email', 'bob@example.com'],
              ['x-forwarded-for', '127.0.0.1'],
              ['x-forwarded-host', 'shop.example.com'],
              ['x-forwarded-proto', 'https'],
              ['via', '1.1 sallyport'],
            ] as const) {
              expect(last.values(name)).toEqual([value]);
            }
            for (const name of ['authorization', 'x-request-id']) expect(last.values(name)).toHaveLength(1);
          },
        ),
        { numRuns: 300 },
      );
    });
  });
});
