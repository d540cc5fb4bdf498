/** Nothing is forwarded and nothing is minted without a permit: the compiler sees to it, so the compiler is asked. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');

const PRELUDE = `
import { Permit } from '${ROOT}/src/authorization/permit.ts';
import type { Exchange } from '${ROOT}/src/exchange.ts';
import type { Principal } from '${ROOT}/src/principal.ts';
import type { Route } from '${ROOT}/src/routing/route.ts';
import type { ScreenedRequest } from '${ROOT}/src/sanitize/sanitize.ts';
import type { UpstreamTokens } from '${ROOT}/src/token/upstream-token.ts';
import type { Forwarder } from '${ROOT}/src/upstream/forward.ts';
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
  'a permit': 'forwarder.forward(exchange, request, permit, "/", null); void tokens.forPermit(permit);',
  'an object literal of its shape': 'forwarder.forward(exchange, request, { principal, route }, "/", null);',
  'a copy of a permit': 'forwarder.forward(exchange, request, { ...permit }, "/", null);',
  'an object of a class of the same shape':
    'class Mine { readonly principal = principal; readonly route = route; protected readonly granted = true as const; }\nforwarder.forward(exchange, request, new Mine(), "/", null);',
  'a denial or a permit that was not told apart':
    'declare const either: Permit | null;\nforwarder.forward(exchange, request, either, "/", null);',
  'the principal and the route': 'forwarder.forward(exchange, request, principal, "/", null);',
  'a token minted without one': 'void tokens.forPermit({ principal, route });',
  'a permit that is made by hand': 'void new Permit(principal, route);',
};
type Case = keyof typeof PROGRAMS;

describe('the compiler', () => {
  let directory: string;
  let errors: Map<string, string[]>;

  beforeAll(() => {
    // Inside the project, so that its packages are found.
    mkdirSync(join(ROOT, 'node_modules', '.cache'), { recursive: true });
    directory = mkdtempSync(join(ROOT, 'node_modules', '.cache', 'permit-'));
    const names = Object.keys(PROGRAMS);
    for (const [at, name] of names.entries()) {
      writeFileSync(join(directory, `case-${at}.ts`), `${PRELUDE}${PROGRAMS[name as Case]}\nexport {};\n`);
    }
    // Nothing is emitted, so absolute imports of sources need no rewriting.
    const compilerOptions = { rewriteRelativeImportExtensions: false, noUnusedLocals: false };
    const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'], exclude: [] };
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
    errors = new Map(names.map((name) => [name, []]));
    for (const line of compile(directory).split('\n')) {
      const found = /case-(\d+)\.ts\(\d+,\d+\): error (TS\d+)/.exec(line);
      if (found !== null) errors.get(names[Number(found[1])] ?? '')?.push(found[2] ?? '');
    }
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

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

/** What the type checker of the project says. */
function compile(project: string): string {
  try {
    return execFileSync(
      process.execPath,
      [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '--noEmit', '-p', project],
      {
        encoding: 'utf8',
      },
    );
  } catch (failed) {
    return String((failed as { stdout: unknown }).stdout);
  }
}
