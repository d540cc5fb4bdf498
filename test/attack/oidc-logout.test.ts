/**
 * OIDC-16 of the attack catalogue: logout tokens. Anyone who can forge one can log people out. So each row breaks one rule of
 * OpenID Connect Back-Channel Logout 1.0 and must not log anyone out.
 */

import { describe, expect, test } from 'vitest';
import type { PlainBrowser } from '../support/browsers/plain-browser.ts';
import { HOST, PUBLIC_ORIGIN } from '../support/gateway.ts';
import { ecKeyPair, encode, es256, forge, hs256, publicJwk, rs256, rsaKeyPair } from '../support/issuers/forger.ts';
import type { Claims, Misbehaviour } from '../support/providers/misbehaviour.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { OidcStage, type OidcStageOptions } from './oidc-stage.ts';

const FORM = 'Content-Type: application/x-www-form-urlencoded';
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const SESSION = { sid: 'session-1' };
const USER = { sub: 'mallory-1' };

/** Posts a body to the endpoint, as the provider would. */
function post(stage: OidcStage, body: string, lines: readonly string[] = [HOST, FORM], at = 'corporate') {
  const head = requestHead('POST', `/auth/backchannel-logout/${at}`, [...lines, `Content-Length: ${body.length}`]);
  return rawRequest(stage.gateway.port, head + body);
}

const send = (stage: OidcStage, token: string, at = 'corporate'): Promise<RawResponse> =>
  post(stage, `logout_token=${token}`, [HOST, FORM], at);

/** A stage with a user who is logged in. */
async function loggedIn(options: OidcStageOptions = {}) {
  const stage = await OidcStage.start(options);
  const browser = stage.browser();
  await stage.isLoggedIn(browser, await stage.logIn(browser));
  return { stage, browser, [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose]() };
}

const statusOf = async (browser: PlainBrowser) => (await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).status;

const lastRefusal = ({ gateway }: OidcStage) =>
  gateway.audit.records.findLast((record) => record['event'] === 'backchannel_logout_refused');

function isRefusal(answer: RawResponse, status = 400): void {
  expect(answer.status).toBe(status);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect(JSON.parse(answer.body.toString())).toEqual({
    error: 'invalid_request',
    error_description: expect.any(String),
  });
}

const claims = (claims: NonNullable<Misbehaviour['claims']>): Misbehaviour => ({ claims });
const without = (name: string) => claims((all) => ({ ...all, [name]: undefined }));
const withClaim = (name: string, value: unknown) => claims((all) => ({ ...all, [name]: value }));
const header = (more: Claims): Misbehaviour => ({ header: (all) => ({ ...all, typ: 'logout+jwt', ...more }) });
const STRANGER = rsaKeyPair();
const EC = ecKeyPair();

const ROWS: readonly (readonly [what: string, change: Misbehaviour, note: RegExp])[] = [
  [
    'alg none',
    { ...header({ alg: 'none' }), idToken: (head, body) => `${encode(head)}.${encode(body)}.` },
    /malformed/,
  ],
  ['alg none with a signature', header({ alg: 'none' }), /algorithm$/],
  [
    'HS256 with the client secret',
    { ...header({ alg: 'HS256' }), idToken: (head, body, { clientSecret }) => forge(head, body, hs256(clientSecret)) },
    /algorithm$/,
  ],
  [
    'HS256 with the public key as secret',
    {
      ...header({ alg: 'HS256' }),
      idToken: (head, body, { key }) =>
        forge(head, body, hs256(key.publicKey.export({ type: 'spki', format: 'pem' }) as string)),
    },
    /algorithm$/,
  ],
  ['the key of a stranger', { idToken: (head, body) => forge(head, body, rs256(STRANGER)) }, /signature$/],
  [
    'a key inside the token',
    {
      ...header({ jwk: publicJwk(STRANGER) }),
      idToken: (head, body) => forge(head, body, rs256(STRANGER)),
    },
    /malformed$/,
  ],
  [
    'an algorithm that the provider does not use',
    { ...header({ alg: 'ES256' }), idToken: (head, body) => forge(head, body, es256(EC)) },
    /algorithm$/,
  ],
  ['an unknown kid', header({ kid: 'another' }), /key$/],
  ['another iss', withClaim('iss', 'https://id.example.com'), /issuer$/],
  ['an iss with a trailing slash', claims((all) => ({ ...all, iss: `${all['iss'] as string}/` })), /issuer$/],
  ['no iss', without('iss'), /issuer$/],
  ['another aud', withClaim('aud', 'another'), /audience$/],
  ['no aud', without('aud'), /audience$/],
  ['an empty aud', withClaim('aud', []), /audience$/],
  ['no iat', without('iat'), /times$/],
  ['an iat in the future', claims((all, { nowSec }) => ({ ...all, iat: nowSec + 90 })), /not_yet_valid$/],
  ['no exp', without('exp'), /times$/],
  ['an exp in the past', claims((all, { nowSec }) => ({ ...all, iat: nowSec - 200, exp: nowSec - 60 })), /expired$/],
  ['a lifetime of a day', claims((all, { nowSec }) => ({ ...all, exp: nowSec + 86_400 })), /lifetime$/],
  ['no jti', without('jti'), /claims$/],
  ['an empty jti', withClaim('jti', ''), /claims$/],
  ['no events', without('events'), /events$/],
  ['other events', withClaim('events', { 'http://schemas.openid.net/event/other': {} }), /events$/],
  ['events that are a list', withClaim('events', [EVENT]), /events$/],
  ['an event that is not an object', withClaim('events', { [EVENT]: true }), /events$/],
  ['an event that is null', withClaim('events', { [EVENT]: null }), /events$/],
  ['a nonce', withClaim('nonce', 'n-0S6'), /nonce$/],
  ['a nonce that is null', withClaim('nonce', null), /nonce$/],
  ['neither sid nor sub', without('sid'), /neither sid nor sub$/],
  ['a sid that is a list', withClaim('sid', ['session-1']), /sid$/],
  ['an empty sid', claims((all) => ({ ...all, sid: '', ...USER })), /sid$/],
  ['a sub that is a list', claims((all) => ({ ...all, sub: ['mallory-1'] })), /subject$/],
  ['typ at+jwt', header({ typ: 'at+jwt' }), /type$/],
  ['typ that is a number', header({ typ: 7 }), /type$/],
  ['crit', header({ crit: ['exp'], exp: 1 }), /malformed$/],
];

describe('OIDC-16: an invalid logout token logs nobody out', () => {
  test('OIDC-16: whichever rule it breaks', async () => {
    await using it = await loggedIn();
    const { stage, browser } = it;
    for (const [what, change, note] of ROWS) {
      const answer = await send(stage, stage.provider.logoutToken(SESSION, change));
      isRefusal(answer);
      expect(lastRefusal(stage), what).toMatchObject({
        provider: 'corporate',
        reason: 'logout_token_refused',
        note: expect.stringMatching(note),
      });
      expect(await statusOf(browser), what).toBe(200);
    }
    const counted = 'sallyport_provider_backchannel_logouts_total{provider="corporate",outcome="refused"}';
    expect(await stage.gateway.metrics.text()).toContain(`${counted} ${ROWS.length}`);
  });

  test('OIDC-16: an ID token is not accepted as a logout token', async () => {
    await using it = await loggedIn();
    const { stage, browser } = it;
    const { provider } = stage;
    const body = { iss: provider.issuer, aud: provider.clientId, iat: provider.nowSec, exp: provider.nowSec + 300 };
    isRefusal(await send(stage, provider.idToken({ ...body, ...SESSION, ...USER, jti: 'i', nonce: 'n' })));
    expect(lastRefusal(stage)?.['note']).toBe('logout token: events');
    expect(await statusOf(browser)).toBe(200);
  });

  test('OIDC-16: a token of one provider is refused by another with other keys', async () => {
    await using other = await OidcStage.start();
    await using it = await loggedIn();
    isRefusal(await send(it.stage, other.provider.logoutToken(SESSION)));
    expect(await statusOf(it.browser)).toBe(200);
  });

  test('OIDC-16: a token that was used before does not end a later session', async () => {
    await using it = await loggedIn();
    const { stage, browser } = it;
    const token = stage.provider.logoutToken(USER);
    expect((await send(stage, token)).status).toBe(200);
    expect(await statusOf(browser)).toBe(401);
    const next = stage.browser();
    stage.provider.user = { ...stage.provider.user, sid: 'session-2' };
    await stage.logIn(next);
    expect(await statusOf(next)).toBe(200);
    for (const answer of await Promise.all([send(stage, token), send(stage, token)])) isRefusal(answer);
    expect(lastRefusal(stage)?.['note']).toBe('logout token: jti was used before');
    expect(await statusOf(next)).toBe(200);
  });
});

describe('OIDC-16: an invalid logout request logs nobody out', () => {
  test.each([
    ['no token', 400, '', [HOST, FORM]],
    ['a token twice', 400, 'logout_token=TOKEN&logout_token=TOKEN', [HOST, FORM]],
    ['a token in JSON', 415, '{"logout_token":"TOKEN"}', [HOST, 'Content-Type: application/json']],
    ['no Content-Type', 415, 'logout_token=TOKEN', [HOST]],
    ['a token sent as bearer', 400, '', [HOST, FORM, 'Authorization: Bearer TOKEN']],
    ['more than 32 KiB', 413, `logout_token=TOKEN&more=${'x'.repeat(33_000)}`, [HOST, FORM]],
    ['a token of 9 KB', 400, `logout_token=TOKEN${'A'.repeat(9_000)}`, [HOST, FORM]],
  ] as const)('OIDC-16: %s', async (_what, status, body, lines) => {
    await using it = await loggedIn();
    const { stage, browser } = it;
    const token = stage.provider.logoutToken(SESSION);
    const filled = (text: string) => text.replaceAll('TOKEN', token);
    isRefusal(await post(stage, filled(body), lines.map(filled)), status);
    expect(await statusOf(browser)).toBe(200);
  });

  test('OIDC-16: a GET or an unknown provider', async () => {
    await using it = await loggedIn();
    const { stage, browser } = it;
    const token = stage.provider.logoutToken(SESSION);
    const path = `/auth/backchannel-logout/corporate?logout_token=${token}`;
    expect((await rawRequest(stage.gateway.port, requestHead('GET', path, [HOST]))).status).toBe(405);
    expect((await send(stage, token, 'another')).status).toBe(404);
    expect(await statusOf(browser)).toBe(200);
  });
});
