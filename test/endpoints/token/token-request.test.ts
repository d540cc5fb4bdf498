import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { presentedCredential } from '../../../src/authentication/client/presented-credential.ts';
import { parseForm } from '../../../src/endpoints/body.ts';
import { actingFor } from '../../../src/endpoints/token/actor-chain.ts';
import { OAUTH_ERRORS } from '../../../src/endpoints/token/oauth-errors.ts';
import { chooseScopes } from '../../../src/endpoints/token/policy.ts';
import { presentParameters, readScopes, readTokenRequest } from '../../../src/endpoints/token/token-request.ts';
import { Denial } from '../../../src/errors.ts';
import type { Actor } from '../../../src/principal.ts';
import { ACCESS_TOKEN, AS_ORDERS, basic, EXCHANGE, errorOf, FORM, JWT_BEARER, jsonOf, TokenStage } from './fixture.ts';

const OWN = { grant_type: 'client_credentials' };

describe('POST /auth/token', () => {
  test.each([
    ['no grant_type', 'scope=a', 'invalid_request'],
    ['an empty grant_type', 'grant_type=', 'invalid_request'],
    ['an empty body', '', 'invalid_request'],
    ['another grant', 'grant_type=password', 'unsupported_grant_type'],
    ['a grant in other case', 'grant_type=Client_credentials', 'unsupported_grant_type'],
    ['the refresh grant', 'grant_type=refresh_token&refresh_token=x', 'unsupported_grant_type'],
    ['a parameter twice', 'grant_type=client_credentials&scope=a&scope=a', 'invalid_request'],
    ['a parameter twice, once empty', 'grant_type=client_credentials&scope=stock:read&scope=', 'invalid_request'],
    ['a parameter twice in another spelling', 'grant_type=client_credentials&%73cope=a&scope=a', 'invalid_request'],
    [
      'two audiences (which RFC 8693 §2.1 would allow)',
      'grant_type=client_credentials&audience=a&audience=b',
      'invalid_request',
    ],
    ['a broken escape', 'grant_type=client_credentials&scope=%zz', 'invalid_request'],
    ['bytes that are not UTF-8', 'grant_type=client_credentials&scope=%ff', 'invalid_request'],
    ['JSON', '{"grant_type":"client_credentials"}', 'invalid_request'],
    ['an exchange without a subject token', `grant_type=${EXCHANGE}&audience=stock`, 'invalid_request'],
    ['an exchange without the type of its subject token', `grant_type=${EXCHANGE}&subject_token=x`, 'invalid_request'],
    [
      'an exchange of an ID token',
      `grant_type=${EXCHANGE}&subject_token=x&subject_token_type=urn:ietf:params:oauth:token-type:id_token`,
      'invalid_request',
    ],
    [
      'an exchange of a refresh token',
      `grant_type=${EXCHANGE}&subject_token=x&subject_token_type=urn:ietf:params:oauth:token-type:refresh_token`,
      'invalid_request',
    ],
    [
      'an exchange for a refresh token',
      `grant_type=${EXCHANGE}&subject_token=x&subject_token_type=urn:ietf:params:oauth:token-type:jwt&requested_token_type=urn:ietf:params:oauth:token-type:refresh_token`,
      'invalid_request',
    ],
    [
      'an exchange with an actor token',
      `grant_type=${EXCHANGE}&subject_token=x&subject_token_type=urn:ietf:params:oauth:token-type:jwt&actor_token=x`,
      'invalid_request',
    ],
  ])('RFC 6749 §5.2: %s gets %s', async (_title, body, error) => {
    await using stage = await TokenStage.start();
    const response = await stage.token(body, AS_ORDERS);
    expect(errorOf(response)).toEqual([400, error]);
    expect(jsonOf(response)['error_description']).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  test('RFC 6749 §3.2: empty and unknown parameters are ignored', async () => {
    await using stage = await TokenStage.start();
    const body = 'grant_type=client_credentials&scope=&audience=&client_id=&resource=&foo=bar&';
    expect((await stage.token(body, AS_ORDERS)).status).toBe(200);
  });

  test.each([
    ['no Content-Type', []],
    ['JSON', ['Content-Type: application/json']],
    ['multipart', ['Content-Type: multipart/form-data; boundary=x']],
    ['plain text', ['Content-Type: text/plain']],
    ['another charset', ['Content-Type: application/x-www-form-urlencoded; charset=utf-16']],
  ])('%s gets invalid_request', async (_title, headers) => {
    await using stage = await TokenStage.start();
    const response = await stage.send('POST', '/auth/token', [AS_ORDERS, ...headers], 'grant_type=client_credentials');
    expect(errorOf(response)).toEqual([400, 'invalid_request']);
  });

  test('parameters in the URL are refused, since URLs are logged', async () => {
    await using stage = await TokenStage.start();
    const response = await stage.send(
      'POST',
      '/auth/token?scope=stock:read',
      [FORM, AS_ORDERS],
      'grant_type=client_credentials',
    );
    expect(errorOf(response)).toEqual([400, 'invalid_request']);
  });

  test.each(['Origin: https://shop.example.com', 'Sec-Fetch-Site: same-origin'])(
    'a browser request with %s is refused',
    async (header) => {
      await using stage = await TokenStage.start();
      expect(errorOf(await stage.token(OWN, AS_ORDERS, header))).toEqual([400, 'invalid_request']);
    },
  );

  test('another method gets 405', async () => {
    await using stage = await TokenStage.start();
    const response = await stage.send('GET', '/auth/token', [AS_ORDERS]);
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('a body over 32 KiB gets 413 as an OAuth error', async () => {
    await using stage = await TokenStage.start();
    const response = await stage.token({ ...OWN, junk: 'x'.repeat(33_000) }, AS_ORDERS);
    expect(errorOf(response)).toEqual([413, 'invalid_request']);
  });

  test('answers 404 without the section tokenEndpoint', async () => {
    await using stage = await TokenStage.start({ config: { tokenEndpoint: undefined } });
    expect((await stage.token(OWN, AS_ORDERS)).status).toBe(404);
  });
});

test('any input gets a token or an OAuth error, never a fault', async () => {
  await using stage = await TokenStage.start({
    tokenEndpoint: {
      limits: { requestsPerSecond: 100_000, burst: 100_000 },
      throttle: { freeAttemptsPerClient: 100_000 },
    },
  });
  const presented = await stage.userToken();
  const assertion = await stage.assertion();
  const value = fc.oneof(
    fc.constantFrom('client_credentials', EXCHANGE, ACCESS_TOKEN, JWT_BEARER, presented, assertion, 'stock', 'orders'),
    fc.string({ unit: 'binary', maxLength: 12 }),
  );
  const name = fc.constantFrom(
    ...['grant_type', 'subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope', 'client_id'],
    ...['client_assertion', 'client_assertion_type', 'client_secret', 'resource', 'actor_token', '__proto__'],
  );
  const form = fc.array(fc.tuple(name, value), { maxLength: 6 }).map((pairs) => new URLSearchParams(pairs).toString());
  const body = fc.oneof({ weight: 3, arbitrary: form }, { weight: 1, arbitrary: fc.string({ unit: 'binary' }) });
  const credential = fc.constantFrom(
    [AS_ORDERS],
    [],
    [`Authorization: Bearer ${presented}`],
    ['Authorization: Basic x'],
  );
  await fc.assert(
    fc.asyncProperty(body, credential, async (text, headers) => {
      const response = await stage.token(text, ...headers);
      expect([200, 400, 401]).toContain(response.status);
      if (response.status === 200) return;
      expect(OAUTH_ERRORS.slice(0, -2)).toContain(jsonOf(response)['error']);
      expect(response.headers.has('www-authenticate')).toBe(response.status === 401);
    }),
    { numRuns: 400 },
  );
  expect(stage.gateway.log.text).not.toContain(presented);
});

describe('parsing', () => {
  const text = fc.string({ unit: 'binary', maxLength: 20 });

  test('RFC 6749 §3.3: accepts only scope names separated by single spaces', () => {
    expect(readScopes('stock:read a a')).toEqual(new Set(['stock:read', 'a']));
    for (const malformed of ['', ' ', ' a', 'a ', 'a  b', 'a\tb', '"a"', 'a\\b', 'ä'])
      expect([malformed, readScopes(malformed)]).toEqual([malformed, null]);
  });

  test('round-trips any well-formed form', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name }), (pairs) => {
        const wellFormed = pairs.filter(([name, value]) => name.isWellFormed() && value.isWellFormed());
        const unique = wellFormed.filter(([name]) => name !== '');
        const form = parseForm(new URLSearchParams(unique).toString());
        expect(form).toEqual(new Map(unique));
      }),
      { numRuns: 500 },
    );
  });

  test('gives a form without duplicate names and then a request, or refuses the input', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'grant_type',
        'scope',
        'audience',
        '=',
        '&',
        '%',
        '%00',
        '+',
        'client_credentials',
        EXCHANGE,
        '%3D',
      ),
      text,
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const body = pieces.join('');
        const form = parseForm(body);
        if (form instanceof Denial) return;
        // Nothing has passed that a lenient parser would see twice.
        const names = [...new URLSearchParams(body).keys()];
        expect(new Set(names).size).toBe(names.length);
        const present = presentParameters(form);
        expect([...present.values()].includes('')).toBe(false);
        const request = readTokenRequest(present);
        if (!(request instanceof Denial)) expect(['token_exchange', 'client_credentials']).toContain(request.grant);
      }),
      { numRuns: 2_000 },
    );
  });

  test('RFC 6749 §2.3.1: round-trips any id and secret in Basic', () => {
    fc.assert(
      fc.property(text, text, (clientId, secret) => {
        fc.pre(clientId.isWellFormed() && secret.isWellFormed());
        const header = basic(clientId, secret).replace('Authorization: ', '');
        const method = 'client_secret_basic';
        expect(presentedCredential(header, new Map())).toEqual({ method, clientId, secret });
        // Another spelling of the same bytes is refused.
        const padded = /^(.*)(.)(==?)$/.exec(header);
        if (padded === null) return;
        const [, head = '', last = '', padding = ''] = padded;
        const next = `${head}${String.fromCharCode(last.charCodeAt(0) + 1)}${padding}`;
        expect(presentedCredential(next, new Map())).toBeInstanceOf(Denial);
      }),
      { numRuns: 500 },
    );
  });

  test('JWT-52: never gives more scopes than can be granted', () => {
    const scopes = fc.array(fc.constantFrom('a', 'b', 'ab', 'a:b', 'A', '')).map((names) => new Set(names));
    fc.assert(
      fc.property(fc.option(scopes), scopes, (asked, grantable) => {
        const chosen = chooseScopes(asked, grantable);
        const isTooMuch = asked !== null && [...asked].some((scope) => !grantable.has(scope));
        expect(chosen instanceof Denial).toBe(isTooMuch);
        if (!(chosen instanceof Denial)) expect(chosen).toEqual(asked ?? grantable);
      }),
    );
  });

  test('RFC 8693 §4.1, S2: adds one actor at the head of a chain and keeps subjects, issuers and the maximum depth', () => {
    const { act: chain } = fc.letrec((tie) => ({
      act: fc.record(
        { sub: fc.string({ minLength: 1 }), iss: fc.string(), act: fc.option(tie('act'), { nil: undefined }) },
        { requiredKeys: ['sub'] },
      ),
    }));
    const subjects = (act: unknown): string[] =>
      typeof act === 'object' && act !== null && 'sub' in act
        ? [act.sub as string, ...subjects('act' in act ? act.act : undefined)]
        : [];
    const issuers = (act: Actor | undefined): (string | undefined)[] =>
      act === undefined ? [] : [[act.iss].flat()[0], ...issuers(act.act)];
    const tokenIssuers = fc.constantFrom('ours', 'ext');
    fc.assert(
      fc.property(chain!, tokenIssuers, fc.integer({ min: 1, max: 6 }), (act, tokenIssuer, maxDepth) => {
        const acting = actingFor({ act }, 'me', { tokenIssuer, ours: 'ours', maxDepth });
        const expected = ['me', ...subjects(act)];
        if (acting instanceof Denial) {
          expect(expected.length).toBeGreaterThan(maxDepth);
          return;
        }
        expect([subjects(acting), expected.length <= maxDepth]).toEqual([expected, true]);
        // Every actor that another issuer names is attributed to that issuer.
        const [me, ...earlier] = issuers(acting);
        expect(me).toBe(undefined);
        if (tokenIssuer === 'ext') for (const issuer of earlier) expect(issuer).toBe('ext');
      }),
    );
  });
});
