/** Nothing is forwarded and nothing is minted without a permit: the compiler sees to it, so the compiler is asked. */

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
  'an object literal of its shape': 'forwarder.forward(exchange, request, { principal, route }, "/", null, tokens);',
  'a copy of a permit': 'forwarder.forward(exchange, request, { ...permit }, "/", null, tokens);',
  'an object of a class of the same shape':
    'class Mine { readonly principal = principal; readonly route = route; protected readonly granted = true as const; }\nforwarder.forward(exchange, request, new Mine(), "/", null, tokens);',
  'a denial or a permit that was not told apart':
    'declare const either: Permit | null;\nforwarder.forward(exchange, request, either, "/", null, tokens);',
  'the principal and the route': 'forwarder.forward(exchange, request, principal, "/", null, tokens);',
  'a token minted without one': 'void tokens.forPermit({ principal, route });',
  'a permit that is made by hand': 'void new Permit(principal, route);',
};
type Case = keyof typeof PROGRAMS;

describe('the compiler', () => {
  let errors: ReadonlyMap<Case, readonly string[]>;
  beforeAll(() => {
    errors = compilePrograms(PRELUDE, PROGRAMS);
  });

  test('lets a permit be forwarded and minted for', () => {
    expect(errors.get('a permit')).toEqual([]);
  });

  test.for([
    ['an object literal of its shape', 'TS2741'],
    ['a copy of a permit', 'TS2741'],
    ['an object of a class of the same shape', 'TS2345'],
    ['a denial or a permit that was not told apart', 'TS2345'],
    ['the principal and the route', 'TS2345'],
    ['a token minted without one', 'TS2741'],
    ['a permit that is made by hand', 'TS2673'],
  ] as const)('refuses %s', ([name, code]) => {
    expect(errors.get(name)).toEqual([code]);
  });
});
