/** Every described request, in every form, is read as the public listener would read it, or refused. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describedRequest } from '../../src/authorizer/description.ts';
import { FORM_PATHS, FORMS, formOf, statusFor } from '../../src/authorizer/form.ts';
import { DescribedSanitizer } from '../../src/authorizer/sanitizer.ts';
import { toBlockList } from '../../src/config/fields.ts';
import { Denial } from '../../src/errors.ts';
import { OwnedHeaders } from '../../src/sanitize/owned-headers.ts';
import { type RawRequest, type SanitizeRules, Sanitizer } from '../../src/sanitize/sanitize.ts';

const RULES: SanitizeRules = {
  owned: new OwnedHeaders(['Authorization'], []),
  cookieName: '__Host-sid',
  trustedProxies: toBlockList(['10.0.0.1']),
  publicOrigins: new Map([['shop.example.com', 'https://shop.example.com']]),
  traceParents: 'all',
  maxTargetBytes: 8_192,
  cookieLimits: { maxCookieBytes: 8_192, maxCookieCount: 100 },
};
const sanitizer = new Sanitizer(RULES);
const authorizer = new DescribedSanitizer(sanitizer, RULES.trustedProxies);

const PEER = { address: '10.0.0.1', secure: false, serverName: null };
const raw = (method: string, target: string, rawHeaders: readonly string[]): RawRequest => ({
  method,
  target,
  httpVersion: '1.1',
  rawHeaders,
  isUpgrade: false,
  peer: PEER,
});

/** The question about a request in each form. */
function questionsAbout(method: string, host: string, target: string, headers: readonly string[]): RawRequest[] {
  const url = ['X-Original-Method', method, 'X-Original-URL', `https://${host}${target}`];
  const forwarded = ['X-Forwarded-Method', method, 'X-Forwarded-Host', host, 'X-Forwarded-Uri', target];
  return [
    raw('GET', '/forward-auth', ['Host', 'a', ...forwarded, ...headers]),
    raw('GET', '/auth-request', ['Host', 'a', ...url, ...headers]),
    raw('GET', '/auth-request/refusal', ['Host', 'a', ...url, ...headers]),
    raw(method, `/ext-authz${target}`, ['Host', host, ...headers]),
  ];
}

const piece = fc.constantFrom(
  ...[
    '/',
    'a',
    'admin',
    '..',
    '.',
    '%2e',
    '%2F',
    '%5c',
    '%00',
    '%61',
    '%7E',
    '%C3%A9',
    '%',
    ';',
    '?',
    '#',
    '\\',
    '//',
    '@',
    ' ',
  ],
  ...['\u00e9', '\u0000', '&', '=', ':', '[', '%25', '%252e', 'http://', '*'],
);
const anyTarget = fc.array(piece, { maxLength: 8 }).map((parts) => `/${parts.join('')}`);
const anyHost = fc.constantFrom(
  'shop.example.com',
  'SHOP.example.com',
  'shop.example.com.',
  'shop.example.com:443',
  'a b',
  'x@y',
  '',
);
const anyMethod = fc.constantFrom('GET', 'POST', 'DELETE', 'get', '', 'TRACE');

describe('a described request', () => {
  test('is read as if received directly, or refused', () => {
    fc.assert(
      fc.property(anyMethod, anyHost, anyTarget, (method, host, target) => {
        const received = sanitizer.screen(raw(method, target, ['Host', host]));
        for (const question of questionsAbout(method, host, target, [])) {
          const read = authorizer.screen(question);
          if (read instanceof Denial) continue;
          expect(received).not.toBeInstanceOf(Denial);
          if (received instanceof Denial) return;
          const { path, spelling, query } = received.target;
          expect(read).toMatchObject({ method, host: received.host, target: { path, spelling, query } });
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('is refused if two describing headers differ, in any position', () => {
    const names = [
      'X-Forwarded-Method',
      'X-Forwarded-Host',
      'X-Forwarded-Uri',
      'X-Original-Method',
      'X-Original-URL',
      'Host',
    ];
    const anyLine = fc.tuple(
      fc.constantFrom(...names),
      fc.constantFrom('GET', 'POST', 'shop.example.com', '/b', 'https://shop.example.com/b'),
    );
    fc.assert(
      fc.property(fc.array(anyLine, { minLength: 1, maxLength: 4 }), fc.nat(3), fc.nat(20), (lines, index, at) => {
        const question = questionsAbout('GET', 'shop.example.com', '/a', [])[index] as RawRequest;
        const form = formOf(question.target);
        const place = (at % (question.rawHeaders.length / 2 + 1)) * 2;
        const rawHeaders = question.rawHeaders.toSpliced(place, 0, ...lines.flat());
        const read = form === null ? null : describedRequest(form, { ...question, rawHeaders });
        if (read === null || read instanceof Denial) return;
        expect(read).toMatchObject({ method: 'GET', host: 'shop.example.com', target: '/a' });
      }),
      { numRuns: 2_000 },
    );
  });

  test('keeps the client’s own headers, and drops those that describe it', () => {
    const headers = ['Cookie', 'a=1', 'Accept', '*/*', 'X-Forwarded-For', '203.0.113.7'];
    for (const question of questionsAbout('GET', 'shop.example.com', '/a', headers)) {
      const read = authorizer.screen(question);
      expect(read).toMatchObject({ clientAddress: '203.0.113.7', otherCookies: 'a=1', headers: ['Accept', '*/*'] });
    }
  });
});

describe('forms', () => {
  test('are named by their path, byte for byte', () => {
    for (const form of FORMS) expect(formOf(form === 'ext-authz' ? '/ext-authz/x' : FORM_PATHS[form])).toBe(form);
    expect(formOf('/forward-auth?a=/ext-authz/')).toBe('forward-auth');
    for (const target of ['', '/', '/ext-authz', '/ext-authzz/', '/forward-auth/', '/forward-auth/?a', '/%65xt-authz/'])
      expect(formOf(target)).toBeNull();
  });

  test('never turn a refusal into 2xx; auth-request keeps 5xx and maps the rest to 401 or 403', () => {
    fc.assert(
      fc.property(fc.constantFrom(...FORMS), fc.integer({ min: 300, max: 599 }), (form, status) => {
        const sent = statusFor(form, status);
        expect(sent).toBeGreaterThanOrEqual(300);
        if (form === 'auth-request')
          expect(sent === 401 || sent === 403 || (sent === status && sent >= 500)).toBe(true);
        else expect(sent).toBe(status);
      }),
    );
  });
});
