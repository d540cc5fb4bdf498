/**
 * Screening a request head (src/sanitize/): an ordinary one, and 16 KiB of the most expensive content. No request before
 * authentication may cost much more than its bytes: compare the last column with the first row.
 */

import { OwnedHeaders } from '../../src/sanitize/owned-headers.ts';
import { Sanitizer } from '../../src/sanitize/sanitize.ts';
import { compare } from './compare.ts';

const sanitizer = new Sanitizer({
  owned: new OwnedHeaders(['X-User-Id', 'Authorization'], []),
  cookieName: '__Host-sid',
  trustedProxies: null,
  traceParents: 'all',
  publicOrigins: new Map([['shop.example.com', 'https://shop.example.com']]),
  maxTargetBytes: 8_192,
  cookieLimits: { maxCookieBytes: 8_192, maxCookieCount: 100 },
});

/** What the listener leaves of 16 KiB for one value. */
const LONGEST = 15_000;

const request = (headers: readonly string[], target = '/orders/42') => ({
  method: 'GET',
  target,
  httpVersion: '1.1',
  rawHeaders: ['Host', 'shop.example.com', ...headers],
  isUpgrade: false,
  peer: { address: '203.0.113.7', secure: true, serverName: 'shop.example.com', clientCertificate: null },
});

const session = `__Host-sid=${'A'.repeat(43)}`;
const heads: readonly (readonly [string, ReturnType<typeof request>])[] = [
  [
    'a browser',
    request([
      ...['User-Agent', `Mozilla/5.0 ${'x'.repeat(90)}`, 'Accept', 'text/html,application/xhtml+xml'],
      ...['Accept-Encoding', 'gzip, deflate, br', 'Accept-Language', 'en-GB,en;q=0.9', 'Cookie', session],
      ...['Sec-Fetch-Site', 'same-origin', 'Sec-Fetch-Mode', 'cors', 'Sec-Fetch-Dest', 'empty'],
    ]),
  ],
  ['blanks in Connection', request(['Connection', `a${' '.repeat(LONGEST)}b`])],
  ['100 options in Connection', request(['Connection', Array.from({ length: 100 }, (_, at) => `x${at}`).join(',')])],
  ['tabs in Cookie', request(['Cookie', `__Host-sid${'\t'.repeat(8_000)}x=1`])],
  ['100 lookalike cookies', request(['Cookie', `${'__Host-sid \t=1;'.repeat(99)}a=1`])],
  ['100 headers', request(Array.from({ length: 99 }, (_, at) => [`X-Header-${at}`, 'x'.repeat(140)]).flat())],
  ['escapes in the path', request([], `/${'%41'.repeat(2_700)}`)],
  ['segments in the path', request([], '/a'.repeat(4_000))],
];

compare(
  import.meta.url,
  'screen a request head',
  heads.map(([name, head]) => ({ name, once: () => sanitizer.screen(head) })),
);
