import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createVerifier,
  type Verifier,
  type VerifierOptions,
  VerifyError,
  type VerifyReason,
} from '../../../packages/verify/src/index.ts';
import { until } from '../../support/until.ts';
import { AUDIENCE, ISSUER, makeKey, TestIssuer } from './test-issuer.ts';

let issuer: TestIssuer;
beforeAll(async () => {
  issuer = await TestIssuer.start();
});
afterAll(() => issuer[Symbol.asyncDispose]());

function verifierOf(options: Partial<VerifierOptions> = {}, from: TestIssuer = issuer): Verifier & Disposable {
  const own = { issuer: ISSUER, audience: AUDIENCE, jwksUrl: from.jwksUrl, clocks: from.clocks };
  const verifier = createVerifier({ ...own, ...options });
  return { ...verifier, [Symbol.dispose]: verifier.close };
}

async function reasonOf(outcome: Promise<unknown>): Promise<VerifyReason | 'believed'> {
  try {
    await outcome;
    return 'believed';
  } catch (error) {
    if (error instanceof VerifyError) return error.reason;
    throw error;
  }
}

const nowSec = () => Math.floor(issuer.clocks.wallMs() / 1_000);
const encode = (text: string) => Buffer.from(text).toString('base64url');

describe('a valid token', () => {
  test('gives subject, actors, session, scopes and claims', async () => {
    using verifier = verifierOf();
    const { verify } = verifier;
    const act = { sub: 'cart', act: { sub: 'web' } };
    const token = await issuer.token({ act, sid: 'handle', scope: 'orders:read orders:write', email: 'b@example.com' });
    expect(await verify(`Bearer ${token}`)).toMatchObject({
      issuer: ISSUER,
      subject: 'bob',
      audiences: [AUDIENCE],
      actor: 'cart',
      actors: ['cart', 'web'],
      actorIssuers: [[], []],
      presentedIssuers: [],
      sid: 'handle',
      scopes: new Set(['orders:read', 'orders:write']),
      expiresAtMs: (nowSec() + 120) * 1_000,
      claims: { email: 'b@example.com' },
    });
  });

  test('S2: names the issuers of its subject and actor where those are not the gateway’s own', async () => {
    using verifier = verifierOf();
    const act = { sub: 'web', act: { sub: 'cart', iss: ['https://second', 'https://ext'] } };
    expect(await verifier.verify(await issuer.token({ presented_iss: 'https://ext', act }))).toMatchObject({
      presentedIssuers: ['https://ext'],
      actors: ['web', 'cart'],
      actorIssuers: [[], ['https://second', 'https://ext']],
    });
    for (const claims of [{ presented_iss: 7 }, { presented_iss: [] }, { act: { sub: 'web', iss: '' } }]) {
      await expect(verifier.verify(await issuer.token(claims))).rejects.toMatchObject({ reason: 'claims' });
    }
  });

  test('gives null for missing act, sid and scope', async () => {
    using verifier = verifierOf();
    expect(await verifier.verify(await issuer.token())).toMatchObject({ actor: null, sid: null, scopes: new Set() });
  });

  test.each(['bearer', 'Bearer', 'BEARER'])(
    'RFC 6750 §2.1: is accepted in a header with the scheme %s',
    async (scheme) => {
      using verifier = verifierOf();
      expect(await reasonOf(verifier.verify(`${scheme} ${await issuer.token()}`))).toBe('believed');
    },
  );

  test('JWT-30: may have fractional times (RFC 7519 §2)', async () => {
    using verifier = verifierOf();
    expect(await reasonOf(verifier.verify(await issuer.token({ exp: 1_800_000_060.5 })))).toBe('believed');
  });

  test('JWT-36: names one of the service’s audiences, and may name others', async () => {
    using verifier = verifierOf({ audience: ['orders', 'orders-v2'] });
    expect(await reasonOf(verifier.verify(await issuer.token({ aud: ['cart', 'orders-v2'] })))).toBe('believed');
  });

  test.each(['RS256', 'PS256', 'EdDSA', 'ES384'])(
    'may be signed with %s only where that is configured',
    async (algorithm) => {
      const key = await makeKey('other', algorithm);
      const token = await issuer.token({}, {}, key);
      const jwks = { keys: [key.jwk] };
      using accepting = verifierOf({ jwks, algorithms: [algorithm] });
      expect(await reasonOf(accepting.verify(token))).toBe('believed');
      using other = verifierOf({ jwks, algorithms: [algorithm === 'ES384' ? 'ES512' : 'ES256'] });
      expect(await reasonOf(other.verify(token))).toBe('algorithm');
    },
  );
});

type Members = Readonly<Record<string, unknown>>;

const REFUSED: readonly (readonly [title: string, reason: VerifyReason, claims: Members, header?: Members])[] = [
  ['JWT-54: a token for another service', 'audience', { aud: 'cart' }],
  ['JWT-36: aud missing', 'audience', { aud: undefined }],
  ['JWT-36: aud []', 'audience', { aud: [] }],
  ['JWT-36: aud nested', 'audience', { aud: [[AUDIENCE]] }],
  ['JWT-36: aud an object', 'audience', { aud: { 0: AUDIENCE } }],
  ['JWT-35: another issuer', 'issuer', { iss: 'https://other.example.com' }],
  ['JWT-35: the issuer with a slash', 'issuer', { iss: `${ISSUER}/` }],
  ['JWT-35: the issuer in a list', 'issuer', { iss: [ISSUER] }],
  ['JWT-35: no issuer', 'issuer', { iss: undefined }],
  ['JWT-28: no exp', 'times', { exp: undefined }],
  ['JWT-29: exp a string', 'times', { exp: '1900000000' }],
  ['JWT-30: exp 1e308', 'times', { exp: 1e308 }],
  ['JWT-30: exp in milliseconds', 'lifetime', { exp: 1_800_000_060_000 }],
  ['no iat', 'times', { iat: undefined }],
  ['JWT-31: iat a string', 'times', { iat: '1' }],
  ['JWT-31: exp before iat', 'times', { exp: 1_799_999_999 }],
  ['JWT-31: iat in the future', 'not_yet_valid', { iat: 1_800_000_031, exp: 1_800_000_100 }],
  ['JWT-31: nbf in the future', 'not_yet_valid', { nbf: 1_800_000_031 }],
  ['JWT-31: nbf negative', 'times', { nbf: -1 }],
  ['a lifetime above the maximum', 'lifetime', { exp: 1_800_003_601 }],
  ['an expired token', 'expired', { iat: 1_799_999_000, exp: 1_799_999_970 }],
  ['no sub', 'subject', { sub: undefined }],
  ['an empty sub', 'subject', { sub: '' }],
  ['RFC 8693 §4.1: act is not an object', 'claims', { act: 'cart' }],
  ['RFC 8693 §4.1: act without sub', 'claims', { act: { iss: ISSUER } }],
  ['RFC 8693 §4.1: a nested act without sub', 'claims', { act: { sub: 'cart', act: {} } }],
  ['JWT-52: scope in a list', 'claims', { scope: ['orders:read'] }],
  ['JWT-33: typ logout+jwt', 'type', {}, { typ: 'logout+jwt' }],
  ['JWT-33: typ dpop+jwt', 'type', {}, { typ: 'dpop+jwt' }],
  ['JWT-10: a kid that is not in the set', 'key', {}, { kid: '../../dev/null' }],
  ['JWT-10: kid __proto__', 'key', {}, { kid: '__proto__' }],
  ['JWT-10: kid a number', 'key', {}, { kid: 7 }],
  ['JWT-12: a key in the header', 'malformed', {}, { jwk: { kty: 'EC' } }],
  ['JWT-13: jku', 'malformed', {}, { jku: 'http://127.0.0.1:1/' }],
  ['JWT-14: x5u', 'malformed', {}, { x5u: 'http://127.0.0.1:1/' }],
];

describe('a token is refused', () => {
  test.each(REFUSED.map(([title, reason, claims, header = {}]) => ({ title, reason, claims, header })))(
    '$title → $reason',
    async ({ reason, claims, header }) => {
      using verifier = verifierOf();
      expect(await reasonOf(verifier.verify(await issuer.token(claims, header)))).toBe(reason);
    },
  );

  test.each(['none', 'None', 'es256', 'ES256\0', 'HS256', '', null, ['ES256'], undefined])(
    'JWT-01 … JWT-05: alg %j',
    async (alg) => {
      using verifier = verifierOf();
      const [, payload] = (await issuer.token()).split('.');
      const token = `${encode(JSON.stringify({ alg, kid: 'k1', typ: 'JWT' }))}.${payload}.${encode('x'.repeat(64))}`;
      expect(await reasonOf(verifier.verify(token))).toBe('algorithm');
    },
  );

  test('JWT-04: if its key is for another algorithm', async () => {
    const key = await makeKey('k1', 'ES384');
    using verifier = verifierOf({ algorithms: ['ES256', 'ES384'] });
    expect(await reasonOf(verifier.verify(await issuer.token({}, {}, key)))).toBe('key');
  });

  test('JWT-38: signed with another issuer’s key of the same kid', async () => {
    using verifier = verifierOf();
    expect(await reasonOf(verifier.verify(await issuer.token({}, {}, await makeKey('k1'))))).toBe('signature');
  });

  test('JWT-16: with duplicate claims, correctly signed', async () => {
    using verifier = verifierOf();
    const { CompactSign } = await import('jose');
    const text = `{"iss":"${ISSUER}","aud":"${AUDIENCE}","sub":"eve","sub":"bob","iat":${nowSec()},"exp":${nowSec() + 60}}`;
    const token = await new CompactSign(Buffer.from(text))
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(issuer.key.privateKey);
    expect(await reasonOf(verifier.verify(token))).toBe('malformed');
  });

  test.each([
    ['JWT-57: Basic', 'not_bearer', (token: string) => `Basic ${token}`],
    ['JWT-57: two spaces', 'not_bearer', (token: string) => `Bearer  ${token}`],
    ['JWT-57: two tokens', 'not_bearer', (token: string) => `Bearer ${token} ${token}`],
    ['JWT-57: two joined headers', 'not_bearer', (token: string) => `Bearer ${token}, Bearer ${token}`],
    ['a scheme without a token', 'not_bearer', () => 'Bearer '],
    ['a scheme alone', 'malformed', () => 'Bearer'],
    ['JWT-57: a tab', 'malformed', (token: string) => `Bearer\t${token}`],
    ['JWT-25: padding', 'malformed', (token: string) => `${token}=`],
    ['JWT-20: a fourth part', 'malformed', (token: string) => `${token}.x`],
    ['JWT-20: no signature', 'malformed', (token: string) => token.slice(0, token.lastIndexOf('.') + 1)],
    ['JWT-39: a token of a megabyte', 'malformed', (token: string) => token + 'A'.repeat(1_048_576)],
    ['JWT-39: ten thousand dots', 'malformed', () => '.'.repeat(10_000)],
  ] as const)('%s → %s', async (_title, reason, change) => {
    using verifier = verifierOf();
    expect(await reasonOf(verifier.verify(change(await issuer.token())))).toBe(reason);
  });

  test.each([undefined, ''])('no header (%j) → missing', async (nothing) => {
    using verifier = verifierOf();
    expect(await reasonOf(verifier.verify(nothing))).toBe('missing');
  });

  test('with any single character changed', async () => {
    using verifier = verifierOf();
    const token = await issuer.token();
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.constantFrom(...'Aaz09-_.=+ \0'), async (at, character) => {
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        fc.pre(changed !== token);
        expect(await reasonOf(verifier.verify(changed))).not.toBe('believed');
      }),
      { numRuns: 300 },
    );
  });

  test('with a VerifyError, whatever is presented', async () => {
    using verifier = verifierOf();
    const part = fc.oneof(fc.base64String().map(encode), fc.json().map(encode), fc.string());
    const written = fc.oneof(
      fc.string(),
      fc.tuple(part, part, part).map((parts) => parts.join('.')),
    );
    await fc.assert(
      fc.asyncProperty(written, async (text) => {
        expect(await reasonOf(verifier.verify(text))).not.toBe('believed');
      }),
      { numRuns: 300 },
    );
  });

  test('JWT-32: from exp plus the leeway, and not a millisecond earlier', async () => {
    await using own = await TestIssuer.start();
    using verifier = verifierOf({ clockSkewMs: 5_000 }, own);
    const token = await own.token();
    own.clocks.advance(120_000 + 5_000 - 1);
    expect(await reasonOf(verifier.verify(token))).toBe('believed');
    own.clocks.advance(1);
    expect(await reasonOf(verifier.verify(token))).toBe('expired');
  });

  test('with an error that contains no part of the token', async () => {
    using verifier = verifierOf();
    const token = await issuer.token({ aud: 'cart-of-somebody', sub: 'bob-the-secret' });
    const error: unknown = await verifier.verify(token).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(VerifyError);
    const written = JSON.stringify([error, (error as Error).stack]);
    for (const secret of ['somebody', 'secret', ...token.split('.')]) expect(written).not.toContain(secret);
  });
});

describe('keys', () => {
  test('are fetched in advance, and once for many concurrent tokens', async () => {
    await using own = await TestIssuer.start();
    using verifier = verifierOf({}, own);
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => own.token({ sub: `user-${index}` })));
    const verified = await Promise.all(tokens.map((token) => verifier.verify(token)));
    expect(verified.map(({ subject }) => subject)).toEqual(tokens.map((_, index) => `user-${index}`));
    expect(own.requests).toBe(1);
  });

  test('JWT-48: are found at once when new; JWT-45: unknown kids cause one fetch per cool-down', async () => {
    await using own = await TestIssuer.start();
    using verifier = verifierOf({ coolDownMs: 10_000 }, own);
    await verifier.verify(await own.token());
    own.clocks.advance(10_000);
    const next = await makeKey('k2');
    own.published = [own.key.jwk, next.jwk];
    expect(await reasonOf(verifier.verify(await own.token({}, {}, next)))).toBe('believed');
    expect(own.requests).toBe(2);
    const stray = await own.token({}, { kid: 'nobody' });
    for (let count = 0; count < 50; count += 1) expect(await reasonOf(verifier.verify(stray))).toBe('key');
    expect(own.requests).toBe(2);
  });

  test.each([
    ['from another issuer', { iss: 'https://other.example.com' }],
    ['for another audience', { aud: 'cart' }],
    ['that has expired', { iat: 1_799_990_000, exp: 1_799_990_100 }],
  ])('are not fetched for a token %s, whatever its kid', async (_title, claims) => {
    await using own = await TestIssuer.start();
    using verifier = verifierOf({ coolDownMs: 0 }, own);
    await verifier.verify(await own.token());
    expect(await reasonOf(verifier.verify(await own.token(claims, { kid: 'other' })))).not.toBe('key');
    expect(own.requests).toBe(1);
  });

  test('JWT-50: verify nothing once withdrawn, not even tokens verified earlier', async () => {
    await using own = await TestIssuer.start();
    using verifier = verifierOf({ coolDownMs: 1_000 }, own);
    const token = await own.token();
    expect(await reasonOf(verifier.verify(token))).toBe('believed');
    const next = await makeKey('k2');
    own.published = [next.jwk];
    own.clocks.advance(1_000);
    expect(await reasonOf(verifier.verify(await own.token({}, {}, next)))).toBe('believed');
    expect(await reasonOf(verifier.verify(token))).toBe('key');
  });

  test('that are unavailable give 503, not 401, and are fetched as soon as possible', async () => {
    await using own = await TestIssuer.start();
    own.status = 500;
    const fetched: string[] = [];
    using verifier = verifierOf(
      { coolDownMs: 1_000, onKeysFetched: (result, why) => fetched.push(`${result} ${why}`) },
      own,
    );
    const error: unknown = await verifier.verify(await own.token()).catch((thrown) => thrown);
    expect(error).toMatchObject({ reason: 'keys_unavailable', status: 503 });
    own.status = 200;
    own.clocks.advance(1_000);
    expect(await reasonOf(verifier.verify(await own.token()))).toBe('believed');
    expect(fetched).toEqual(['failed status 500', 'refreshed null']);
  });

  test('of an issuer that recovers are fetched before a token needs them', async () => {
    await using own = await TestIssuer.start();
    own.status = 500;
    const fetched: string[] = [];
    using _verifier = verifierOf({ onKeysFetched: (result) => fetched.push(result) }, own);
    await until(() => fetched.length > 0, 'the first fetch has failed');
    own.status = 200;
    await until(() => fetched.at(-1) === 'refreshed', 'the keys were fetched');
  });

  test('stay in use for maxStaleMs while fetches fail', async () => {
    await using own = await TestIssuer.start();
    using verifier = verifierOf({ maxStaleMs: 60_000, coolDownMs: 1_000 }, own);
    await verifier.verify(await own.token());
    own.status = 500;
    own.clocks.advance(59_000);
    expect(await reasonOf(verifier.verify(await own.token()))).toBe('believed');
    own.clocks.advance(2_000);
    expect(await reasonOf(verifier.verify(await own.token()))).toBe('keys_unavailable');
  });

  test('JWT-46: stay in use when an answer is not a key set', async () => {
    await using own = await TestIssuer.start();
    using verifier = verifierOf({ coolDownMs: 1_000 }, own);
    await verifier.verify(await own.token());
    own.published = [];
    own.clocks.advance(1_000);
    expect(await reasonOf(verifier.verify(await own.token({}, { kid: 'k9' })))).toBe('key');
    await until(() => own.requests === 2, 'the empty set was fetched');
    expect(await reasonOf(verifier.verify(await own.token()))).toBe('believed');
  });

  test('given inline need no server; without a usable key, no token is accepted', async () => {
    using given = verifierOf({ jwks: { keys: [issuer.key.jwk] } });
    expect(await reasonOf(given.verify(await issuer.token()))).toBe('believed');
    const secret = { kty: 'oct', k: encode('x'.repeat(32)), kid: 'k1', alg: 'ES256' };
    for (const jwks of [{ keys: [] }, { keys: [secret] }, {}]) {
      using without = verifierOf({ jwks });
      expect(await reasonOf(without.verify(await issuer.token()))).toBe('keys_unavailable');
    }
  });
});

describe('isRevoked', () => {
  test('gets the claims of each otherwise valid token, and refuses it by returning true', async () => {
    const asked: unknown[] = [];
    using verifier = verifierOf({
      isRevoked: async (claims) => {
        asked.push(claims['sid']);
        return asked.length > 1;
      },
    });
    const token = await issuer.token({ sid: 'handle' });
    await reasonOf(verifier.verify(await issuer.token({ sid: 'handle', aud: 'cart' })));
    expect(await reasonOf(verifier.verify(token))).toBe('believed');
    expect(await reasonOf(verifier.verify(token))).toBe('revoked');
    expect(asked).toEqual(['handle', 'handle']);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('no answer');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no answer'))],
  ])('that %s gives 503 and never accepts', async (_title, isRevoked) => {
    using verifier = verifierOf({ isRevoked });
    const error: unknown = await verifier.verify(await issuer.token()).catch((thrown) => thrown);
    expect(error).toMatchObject({ reason: 'revocation_unavailable', status: 503 });
  });
});

test.each([
  ['no issuer', { issuer: '' }, 'issuer'],
  ['no audience', { audience: [] }, 'audience'],
  ['an empty audience', { audience: [''] }, 'audience'],
  ['a symmetric algorithm', { algorithms: ['HS256'] }, 'algorithms'],
  ['no algorithm', { algorithms: [] }, 'algorithms'],
  ['keys over plain http from another host', { jwksUrl: 'http://sallyport:8080/jwks.json' }, 'insecureHttp'],
  ['an issuer that is not a URL, without a URL for its keys', { issuer: 'shop', jwksUrl: undefined }, 'jwksUrl'],
])('%s: createVerifier refuses it and names the option', (_title, options, name) => {
  expect(() => verifierOf(options as Partial<VerifierOptions>)).toThrow(name);
});

test('plain http is allowed where requested', () => {
  verifierOf({ jwksUrl: 'http://sallyport.invalid:8080/jwks.json', insecureHttp: true }).close();
});
