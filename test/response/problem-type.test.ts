/** Where the `type` of problem documents points, on every listener, and what is there. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { addressOf, SITE_ORIGIN } from '../../site/pages.ts';
import { problemDocument, REASONS } from '../../src/errors.ts';
import { problemTypeBase, REASONS_PAGE } from '../../src/response/section.ts';
import { HOST, parseTestConfig, startGateway } from '../support/gateway.ts';
import { startInstance } from '../support/instance.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';

const MIRROR = 'https://docs.example.com/why?reason=';
const typeOf = ({ body }: { readonly body: Buffer | string }) => (JSON.parse(String(body)) as { type: string }).type;

/** Bytes → the reason: refused by the pipeline, by the parser, and for a method that never becomes an exchange. */
const REFUSED: readonly (readonly [bytes: string, reason: string])[] = [
  [requestHead('GET', '/', [HOST]), 'credential_missing'],
  [requestHead('GET', '//', [HOST]), 'request_ambiguous'],
  ['GET / HTTP/1.1\r\nHost: a\r\nBad Header: 1\r\n\r\n', 'request_malformed'],
  [requestHead('CONNECT', 'a:1', [HOST]), 'method_not_allowed'],
];

describe('RFC 9457 §3.1.1: type', () => {
  test.each([
    ['points to the documentation by default', {}, (reason: string) => `${REASONS_PAGE}${reason}`],
    ['points to the page of the operator', { problemTypeBase: MIRROR }, (reason: string) => `${MIRROR}${reason}`],
    ['is about:blank if so configured', { problemTypeBase: 'about:blank' }, () => 'about:blank'],
  ])('%s', async (_title, config, typeFor) => {
    await using gateway = await startGateway({ config });
    for (const [bytes, reason] of REFUSED) {
      const answer = await rawRequest(gateway.port, bytes);
      expect([bytes, JSON.parse(String(answer.body))]).toMatchObject([bytes, { reason, type: typeFor(reason) }]);
    }
  });

  test('changes with a reload, even for requests that the parser refuses', async () => {
    await using gateway = await startGateway();
    await gateway.apply(parseTestConfig({ config: { problemTypeBase: MIRROR } }));
    for (const [bytes, reason] of REFUSED) {
      expect(typeOf(await rawRequest(gateway.port, bytes))).toBe(`${MIRROR}${reason}`);
    }
  });

  test('is the same on the admin listener', async () => {
    await using instance = await startInstance({ config: { problemTypeBase: MIRROR } });
    const { port } = instance.instance.addresses['admin']!;
    expect(typeOf(await rawRequest(port, requestHead('GET', '/nothing', ['Host: localhost'])))).toBe(
      `${MIRROR}route_not_found`,
    );
    expect(typeOf(await rawRequest(port, 'GET / HTTP/1.1\r\nBad Header: 1\r\n\r\n'))).toBe(
      `${MIRROR}request_malformed`,
    );
  });

  test('consists of the base and the reason only', () => {
    const document = JSON.parse(problemDocument('route_forbidden', 'an-id', MIRROR)) as { type: string };
    expect(document.type).toBe(`${MIRROR}route_forbidden`);
  });
});

describe('the page that it points to by default', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/reference/reasons.md'), 'utf8');

  test('is the one that the site publishes', () => {
    expect(REASONS_PAGE).toBe(`${SITE_ORIGIN}${addressOf('docs/README.md', 'reference/reasons.md')}#`);
  });

  test('has a heading for each reason, whose anchor is the reason', () => {
    const headings = [...page.matchAll(/^### `(\w+)`$/gm)].map(([, reason]) => reason);
    expect(headings.toSorted()).toEqual(Object.keys(REASONS).toSorted());
    // The anchor of such a heading is its text in lower case.
    expect(Object.keys(REASONS).filter((reason) => !/^[a-z_]+$/.test(reason))).toEqual([]);
  });
});

test.each([
  'javascript:alert(1)//',
  'https://user:password@docs.example.com/',
  'https://docs.example.com/a b',
  'https://docs.example.com/\r\nX: y',
  '/reasons#',
  'https://',
  'about:blank#',
  '',
])('%j is not a valid base', (text) => expect(problemTypeBase().safeParse(text).success).toBe(false));
