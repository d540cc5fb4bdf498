/** §2.7: the session cookie is found exactly or not at all, and every other cookie passes byte for byte. */

import { describe, expect, test, vi } from 'vitest';
import { configSchema } from '../../src/gateway/configuration/schema.ts';
import { testConfig } from '../support/gateway.ts';
import { asUpgrade, type Expectation, head, playTable, type Row } from './harness.ts';

const SID = '__Host-sid={bob}';
const EVIL = 'e'.repeat(43);

const INVALID: Expectation = { status: 401, reason: 'session_invalid', connection: 'in-sync' };
const NO_SESSION: Expectation = { status: 401, reason: 'credential_missing', connection: 'in-sync' };
const TOO_LARGE: Expectation = { status: 431, reason: 'headers_too_large', connection: 'closed' };

const cookie = (id: string, value: string, what: string, expected: Expectation): Row => ({
  id,
  what: `${JSON.stringify(value.length > 70 ? `${value.slice(0, 70)}…` : value)} ${what}`,
  bytes: head('GET /x', `Cookie: ${value}`),
  expect: expected,
});
const ambiguous = (id: string, ...values: readonly string[]) =>
  values.map((value) => cookie(id, value, 'is not a session', INVALID));
const foreign = (id: string, ...values: readonly string[]) =>
  values.map((value) => cookie(id, value, 'contains no session cookie', NO_SESSION));
/** The session is bob's, and the upstream gets the rest of the Cookie header. */
const session = (id: string, value: string, rest: string | null): Row =>
  cookie(id, value, `is bob's session, and the upstream gets ${rest === null ? 'no cookie' : JSON.stringify(rest)}`, {
    status: 200,
    upstream: {
      headers: { 'x-user-id': ['bob'], ...(rest === null && { cookie: [] }) },
      ...(rest !== null && { has: [`\r\ncookie: ${rest}\r\n`] }),
    },
    connection: 'in-sync',
  });

const ROWS: readonly Row[] = [
  ...ambiguous(
    'COK-01',
    `${SID}; __Host-sid=${EVIL}`,
    `__Host-sid=${EVIL}; ${SID}`,
    `${SID}; ${SID}`,
    `${SID};${SID};`,
  ),
  ...ambiguous(
    'COK-02',
    `__Host-sid =${EVIL}; ${SID}`,
    `${SID}; __Host-sid\t=${EVIL}`,
    `__Host-sid =${EVIL}`,
    `${SID}; __Host-sid`,
  ),
  session('COK-03', `__host-sid=${EVIL}; ${SID}`, `__host-sid=${EVIL}`),
  session('COK-03', `${SID}; __HOST-SID=${EVIL}`, `__HOST-SID=${EVIL}`),
  ...foreign('COK-03', '__host-sid={bob}', '__Host-SID={bob}', '__Host-sid2={bob}', 'x__Host-sid={bob}'),
  ...foreign('COK-04', '\xa0__Host-sid={bob}', '\x85__Host-sid={bob}', '\xe2\x80\x80__Host-sid={bob}'),
  session('COK-04', `\xa0__Host-sid=${EVIL}; ${SID}`, `\xa0__Host-sid=${EVIL}`),
  session('COK-04', `${SID}; \xe2\x80\x80__Host-sid=${EVIL}`, `\xe2\x80\x80__Host-sid=${EVIL}`),
  session('COK-05', `=__Host-sid=${EVIL}; ${SID}`, null),
  session('COK-05', `=${EVIL}; ${SID}; =`, `=${EVIL}; =`),
  ...foreign('COK-05', '=__Host-sid={bob}', '= __Host-sid={bob}', '=={bob}'),
  session('COK-06', `$Version=1; ${SID}; $Path=/`, '$Version=1; $Path=/'),
  ...ambiguous('COK-06', `$Version="1"; ${SID}; $Path="/"; __Host-sid=${EVIL}; $Domain="x"`),
  session('COK-07', `x="; ${SID}; y="`, 'x="; y="'),
  ...ambiguous('COK-08', '__Host-sid="{bob}"', "__Host-sid='{bob}'"),
  ...ambiguous('COK-09', '__Host-sid=%61{bob}', '__Host-sid={bob}%00'),
  ...foreign('COK-10', 'a=b,__Host-sid={bob}', 'a=b, __Host-sid={bob}', 'a=b&__Host-sid={bob}'),
  session('COK-10', `a=b,__Host-sid=${EVIL}; ${SID}`, `a=b,__Host-sid=${EVIL}`),
  {
    id: 'COK-11',
    what: 'two Cookie headers are one list: the session is found, the rest is forwarded',
    bytes: head('GET /x', 'Cookie: a=1; b=2', `Cookie: ${SID}; c=3`),
    expect: {
      status: 200,
      upstream: { headers: { cookie: ['a=1; b=2; c=3'] }, lacks: ['__Host-sid'] },
      connection: 'in-sync',
    },
  },
  {
    id: 'COK-11',
    what: 'a session cookie in each of two Cookie headers is not a session',
    bytes: head('GET /x', `Cookie: ${SID}`, `cookie: __Host-sid=${EVIL}`),
    expect: INVALID,
  },
  {
    id: 'COK-11',
    what: 'a look-alike of Cookie is dropped',
    bytes: head('GET /public/x', `HTTP_COOKIE: ${SID}`, 'C_ookie: x'),
    expect: { status: 200, upstream: { lacks: ['__Host-sid'] }, connection: 'in-sync' },
  },
  ...ambiguous(
    'COK-12',
    '__Host-sid=',
    '__Host-sid=short',
    `__Host-sid=${'a'.repeat(42)}`,
    `__Host-sid=${'a'.repeat(44)}`,
    `__Host-sid=${'a'.repeat(42)}=`,
    `__Host-sid=${'a'.repeat(42)} `,
    `__Host-sid=${'a'.repeat(42)}\xe9`,
    `__Host-sid=${'a'.repeat(21)} ${'a'.repeat(21)}`,
    `__Host-sid= ${'a'.repeat(43)}`,
    `__Host-sid=${'a'.repeat(42)}+`,
    `__Host-sid=${'a'.repeat(42)}/`,
  ),
  {
    id: 'COK-12',
    what: 'a control character in a cookie is refused',
    bytes: head('GET /x', `Cookie: __Host-sid=${'a'.repeat(20)}\x01${'a'.repeat(22)}`),
    expect: { status: 400, connection: 'closed' },
  },
  cookie('COK-13', `a=${'b'.repeat(8_192)}`, 'is too large', TOO_LARGE),
  cookie('COK-13', `${SID}; a=${'b'.repeat(8_192)}`, 'is too large', TOO_LARGE),
  cookie('COK-13', Array.from({ length: 500 }, (_, at) => `c${at}=1`).join('; '), 'are too many', TOO_LARGE),
  cookie('COK-13', ';'.repeat(500), 'are too many', TOO_LARGE),
  {
    id: 'COK-13',
    what: 'cookies on 96 lines are too many',
    bytes: head('GET /x', ...Array.from({ length: 96 }, () => 'Cookie: a=1; b=2')),
    expect: TOO_LARGE,
  },
  ...ambiguous(
    'COK-14',
    '__Host-sid=__proto__',
    '__Host-sid=constructor',
    '__Host-sid=../../etc/passwd',
    '__Host-sid=*',
    '__Host-sid={hash}tag',
    '__Host-sid=%0d%0aDEL%20x',
    `__Host-sid=sallyport:s:${'a'.repeat(31)}`,
  ),
  session('COK-17', SID, null),
  session('COK-17', `a=1; ${SID}`, 'a=1'),
  session('COK-17', `${SID}; a=1`, 'a=1'),
  session('COK-17', `a=1;${SID};b="x y, z" ;\tc`, 'a=1;b="x y, z" ;\tc'),
  session('COK-17', `a=1; ${SID}; =; b==; c; a=1`, 'a=1; =; b==; c; a=1'),
  {
    id: 'COK-17',
    what: 'the session cookie does not reach the upstream of a public route',
    bytes: head('GET /public/x', `Cookie: a=1; ${SID}; b=2`),
    expect: {
      status: 200,
      upstream: { headers: { cookie: ['a=1; b=2'] }, lacks: ['__Host-sid'] },
      connection: 'in-sync',
    },
  },
  {
    id: 'COK-17',
    what: 'a session cookie that is sent twice does not reach the upstream of a public route',
    bytes: head('GET /public/x', `Cookie: ${SID}; ${SID}; __Host-sid =x; b=2`),
    expect: {
      status: 200,
      upstream: { headers: { cookie: ['b=2'] }, lacks: ['__Host-sid'] },
      connection: 'in-sync',
    },
  },
  {
    id: 'COK-20',
    what: 'a session id in the query or in another header is ignored',
    bytes: head('GET /x?sid={bob}&__Host-sid={bob}', 'X-Session: {bob}', 'X-Session-Id: __Host-sid={bob}'),
    expect: NO_SESSION,
  },
  {
    id: 'COK-20',
    what: 'a session id in Authorization opens no session',
    bytes: head('GET /x', 'Authorization: Bearer {bob}'),
    expect: { status: 401, reason: 'credential_missing', connection: 'in-sync' },
  },
  {
    id: 'COK-20',
    what: 'a session id in Authorization beside the session cookie is refused',
    bytes: head('GET /x', `Cookie: ${SID}`, 'Authorization: Bearer {bob}'),
    expect: { status: 400, reason: 'credential_conflict', connection: 'in-sync' },
  },
  {
    id: 'COK-20',
    what: 'a session id as a WebSocket subprotocol is ignored',
    bytes: asUpgrade(head('GET /x', 'Sec-WebSocket-Protocol: sid, {bob}')),
    expect: { ...NO_SESSION, connection: 'closed' },
  },
];

/** Variants of a valid id that a lenient decoder would accept. */
const VARIANTS: readonly (readonly [string, (id: string) => string])[] = [
  ['cut by one character', (id) => id.slice(0, -1)],
  ['with one character more', (id) => `${id}A`],
  ['padded', (id) => `${id}=`],
  [
    'in the other case',
    (id) => id.replace(/[a-z]/gi, (letter) => (letter < 'a' ? letter.toLowerCase() : letter.toUpperCase())),
  ],
  ['with other trailing bits', (id) => `${id.slice(0, -1)}${nextWithSameBits(id.at(-1) ?? '')}`],
  ['in the other base64 alphabet', (id) => `${id.slice(0, -2)}+/`],
  ['doubled', (id) => `${id}${id}`],
];

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** 43 characters have 258 bits: the last two are unused. */
const nextWithSameBits = (last: string) => ALPHABET[ALPHABET.indexOf(last) ^ 1] ?? '';

describe('cookies', () => {
  const stage = playTable(ROWS);

  test.for(VARIANTS)('COK-15: a session id %s is not a session', async ([, vary]) => {
    const id = stage().fill('{bob}');
    expect(vary(id)).not.toBe(id);
    await stage().play({
      id: 'COK-15',
      what: '',
      bytes: head('GET /x', `Cookie: __Host-sid=${vary(id)}`),
      expect: { status: 401, connection: 'in-sync' },
    });
  });

  test('COK-12, COK-13, COK-14: malformed and oversized cookies are refused before the store is asked', async () => {
    const reads = vi.spyOn(stage().gateway.gateway.store.sessions, 'read');
    for (const row of ROWS.filter(({ id }) => ['COK-12', 'COK-13', 'COK-14'].includes(id))) await stage().play(row);
    expect(reads).not.toHaveBeenCalled();
  });

  test.for([
    { name: 'sid' },
    { name: '__Secure-sid' },
    { name: '__host-sid' },
    { name: '__Host-' },
    { name: '__Host-s d' },
    { name: '__Host-sid', secure: false },
    { name: '__Host-sid', domain: 'example.com' },
    { name: '__Host-sid', path: '/app' },
    { name: '__Host-sid', httpOnly: false },
  ])('COK-19: the configuration refuses a session cookie like %j', (cookie) => {
    const schema = configSchema({ baseDir: '/', fileProblem: () => null });
    const result = schema.safeParse(testConfig({ config: { session: { cookie } } }));
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues.map((issue) => issue.path))).toContain('["session","cookie"');
  });

  test('COK-18: the cookie of an unknown session is deleted with the attributes that it was set with', async () => {
    await stage().play({
      id: 'COK-18',
      what: '',
      bytes: head('GET /x', `Cookie: __Host-sid=${EVIL}`),
      expect: {
        status: 401,
        connection: 'in-sync',
        also: ({ headers }) => {
          expect(headers.get('set-cookie')).toMatch(/^__Host-sid=; /);
          const attributes = headers.get('set-cookie')?.split('; ').slice(1).toSorted();
          expect(attributes).toEqual(['HttpOnly', 'Max-Age=0', 'Path=/', 'SameSite=Lax', 'Secure']);
        },
      },
    });
  });
});
