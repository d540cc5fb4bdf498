/** Nothing is forwarded or minted without a permit. The compiler enforces that, so the tests compile programs. */

import { beforeAll, describe, expect, test } from 'vitest';
import { compilePrograms } from '../support/compiler.ts';

const PRELUDE = `
import { Permit } from 'ROOT/src/authorization/permit.ts';
import type { Exchange } from 'ROOT/src/exchange.ts';
import type { Principal } from 'ROOT/src/principal.ts';
import type { Route } from 'ROOT/src/routing/route.ts';
import type { ScreenedRequest } from 'ROOT/src/sanitize/sanitize.ts';
import type { UpstreamTokens } from 'ROOT/src/token/upstream-token.ts';
import type { Forwarder } from 'ROOT/src/upstream/forward.ts';
declare const forwarder: Forwarder;
declare const tokens: UpstreamTokens;
declare const exchange: Exchange;
declare const request: ScreenedRequest;
declare const principal: Principal;
declare const route: Route;
declare const permit: Permit;
void [forwarder, tokens, exchange, request, principal, route, permit, Permit];
`;

const PROGRAMS = {
  'a permit': 'forwarder.forward(exchange, request, permit, "/", null, tokens); void tokens.forPermit(permit);',
  'an object literal of the same shape':
    'forwarder.forward(exchange, request, { principal, route }, "/", null, tokens);',
  'a copy of a permit': 'forwarder.forward(exchange, request, { ...permit }, "/", null, tokens);',
  'an instance of a class of the same shape':
    'class Mine { readonly principal = principal; readonly route = route; protected readonly granted = true as const; }\nforwarder.forward(exchange, request, new Mine(), "/", null, tokens);',
  'a permit that may be null':
    'declare const either: Permit | null;\nforwarder.forward(exchange, request, either, "/", null, tokens);',
  'a principal in place of a permit': 'forwarder.forward(exchange, request, principal, "/", null, tokens);',
  'minting a token without a permit': 'void tokens.forPermit({ principal, route });',
  'a permit made by hand': 'void new Permit(principal, route);',
};
type Case = keyof typeof PROGRAMS;

describe('the compiler', () => {
  let errors: ReadonlyMap<Case, readonly string[]>;
  beforeAll(() => {
    errors = compilePrograms(PRELUDE, PROGRAMS);
  });

  test('accepts a permit for forwarding and minting', () => {
    expect(errors.get('a permit')).toEqual([]);
  });

  test.for([
    ['an object literal of the same shape', 'TS2741'],
    ['a copy of a permit', 'TS2741'],
    ['an instance of a class of the same shape', 'TS2345'],
    ['a permit that may be null', 'TS2345'],
    ['a principal in place of a permit', 'TS2345'],
    ['minting a token without a permit', 'TS2741'],
    ['a permit made by hand', 'TS2673'],
  ] as const)('refuses %s', ([name, code]) => {
    expect(errors.get(name)).toEqual([code]);
  });
});
