/**
 * The kinds of credential that a route can accept are a closed list. A kind that is not on it does not compile;
 * one that gets past the compiler is refused.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Authenticator } from '../../src/authentication/authenticate.ts';
import { compileCredential, PUBLIC } from '../../src/authentication/credential.ts';
import type { CredentialKind, CredentialVerifier } from '../../src/authentication/kind.ts';
import { type CredentialRule, KINDS, NO_VERIFIERS } from '../../src/authentication/kinds.ts';
import { userPrincipal } from '../../src/authentication/session/sessions.ts';
import { acceptWorkload } from '../../src/authentication/workload/kind.ts';
import { WorkloadVerifier } from '../../src/authentication/workload/verifier.ts';
import { Denial, REASONS } from '../../src/errors.ts';
import { ANONYMOUS } from '../../src/principal.ts';
import { HeaderScan } from '../../src/sanitize/headers.ts';
import type { ScreenedRequest } from '../../src/sanitize/sanitize.ts';
import { CompiledFolder, compilePrograms } from '../support/compiler.ts';
import { asHandle } from '../support/names.ts';

const SRC = join(import.meta.dirname, '..', '..', 'src');

describe('the compiler', () => {
  const PRELUDE = `
import { Authenticator } from 'ROOT/src/authentication/authenticate.ts';
import type { CredentialKind } from 'ROOT/src/authentication/kind.ts';
import { type CredentialRule, KINDS, NO_VERIFIERS, type Verifiers } from 'ROOT/src/authentication/kinds.ts';
import { acceptWorkload } from 'ROOT/src/authentication/workload/kind.ts';
declare const verifiers: Verifiers;
declare const mystery: CredentialKind & { readonly name: 'mystery' };
const challenge = () => null;
void [Authenticator, KINDS, NO_VERIFIERS, acceptWorkload, verifiers, mystery, challenge];
`;
  const PROGRAMS = {
    'a rule of known kinds': `
      const rule: CredentialRule = { kind: 'required', accepts: [acceptWorkload(false)] };
      void [rule, new Authenticator(verifiers)];`,
    'a rule of an unknown kind': `
      const rule: CredentialRule = { kind: 'required', accepts: [{ kind: mystery, words: '', challenge }] };
      void rule;`,
    'a rule that accepts no kind': "const rule: CredentialRule = { kind: 'required', accepts: [] }; void rule;",
    'a rule that does not say whether it is public': 'const rule: CredentialRule = { accepts: [] }; void rule;',
    'an authenticator without the verifier of a kind': `
      const { session: _, ...others } = verifiers;
      void new Authenticator(others);`,
  };
  let errors: ReadonlyMap<keyof typeof PROGRAMS, readonly string[]>;
  beforeAll(() => {
    errors = compilePrograms(PRELUDE, PROGRAMS);
  });

  test('accepts a rule of known kinds, and a verifier for each of them', () => {
    expect(errors.get('a rule of known kinds')).toEqual([]);
  });

  test.for([
    ['a rule of an unknown kind', 'TS2322'],
    ['a rule that accepts no kind', 'TS2322'],
    ['a rule that does not say whether it is public', 'TS2322'],
    ['an authenticator without the verifier of a kind', 'TS2741'],
  ] as const)('refuses %s', ([name, code]) => {
    expect(errors.get(name)).toEqual([code]);
  });

  test('requires a verifier for a kind added to the list, and nothing else', () => {
    using folder = new CompiledFolder('new-kind-');
    folder.copySources();
    const list = readFileSync(join(SRC, 'authentication', 'kinds.ts'), 'utf8');
    const added = list
      .replace(/(export interface Kinds \{\n)/, '$1  readonly mystery: Mystery;\n')
      .replace(/(export const KINDS: .*\n)/, '$1  mystery: MYSTERY,\n');
    const declared = `
interface AcceptedMystery extends Accepted { readonly kind: CredentialKind<AcceptedMystery> & { readonly name: 'mystery' } }
interface Mystery { readonly accepted: AcceptedMystery; readonly principal: ServicePrincipal }
declare const MYSTERY: Mystery['accepted']['kind'];
`;
    folder.write(
      'authentication/kinds.ts',
      `import type { Accepted, CredentialKind } from './kind.ts';\n${added}${declared}`,
    );
    const errors = folder.errors();
    expect(errors.map(({ message }) => message)).toEqual([expect.stringMatching(/'mystery' is missing/)]);
    expect(errors[0]?.file).toMatch(/^gateway\//);
  });
});

/** A request, reduced to its credentials. */
const request = (presented: Partial<ScreenedRequest> = {}): ScreenedRequest =>
  ({
    headers: [],
    sessionCookie: null,
    authorization: null,
    fields: new HeaderScan(),
    ...presented,
  }) as unknown as ScreenedRequest;

const MISSING = { reason: 'credential_missing' };
/** A verifier that admits everyone. */
const lenient = (name: string): CredentialVerifier<never, never> => ({
  authenticate: () => ({ subject: name }) as never,
  watch: () => () => {},
});

const STREAM = { use: 0, credentialEnded: () => {} };

describe('an invalid rule', () => {
  const mystery: CredentialKind = { ...KINDS.workload, name: 'mystery' as never };
  const unknown = { kind: mystery, words: 'a mystery', challenge: () => null };
  const authenticator = new Authenticator({
    ...NO_VERIFIERS,
    session: lenient('a session'),
    service: lenient('a token'),
  });

  test.for<[name: string, rule: unknown]>([
    ['an unknown kind', { kind: 'required', accepts: [unknown] }],
    ['an optional unknown kind', { kind: 'optional', accepts: [unknown] }],
    ['a known kind without a verifier on this listener', { kind: 'required', accepts: [acceptWorkload(false)] }],
    ['an optional kind without a verifier', { kind: 'optional', accepts: [acceptWorkload(false)] }],
    ['no kind', { kind: 'required', accepts: [] }],
    ['a word other than required, optional and public', { kind: 'none', accepts: [] }],
    ['no word', { accepts: [] }],
  ])('is refused: %s', ([, rule]) => {
    for (const presented of [{}, { sessionCookie: 'cookie' }, { authorization: 'Bearer token' }]) {
      expect(authenticator.authenticate(request(presented), rule as CredentialRule)).toMatchObject(MISSING);
    }
  });

  test('throws when it is compiled, rather than being public', () => {
    for (const written of [[], '', 'mystery', { mystery: ['robot'] }, ['session', { mystery: ['robot'] }], null])
      expect(() => compileCredential(written as never)).toThrow(TypeError);
  });
});

describe('a rule', () => {
  const authenticator = new Authenticator({
    ...NO_VERIFIERS,
    session: lenient('a session'),
    service: lenient('a token'),
  });
  const service = compileCredential({ service: ['a'] });
  const optional = compileCredential({ session: 'optional' });

  test('admits anonymous requests only if public, or optional and without a credential', () => {
    expect(authenticator.authenticate(request(), PUBLIC)).toBe(ANONYMOUS);
    expect(authenticator.authenticate(request({ sessionCookie: 'x', authorization: 'y' }), PUBLIC)).toBe(ANONYMOUS);
    expect(authenticator.authenticate(request(), optional)).toBe(ANONYMOUS);
    for (const rule of [service, compileCredential('session'), compileCredential(['session', { service: ['a'] }])])
      expect(authenticator.authenticate(request(), rule)).toMatchObject(MISSING);
  });

  test('refuses two credentials with 400, whichever it accepts, unless public', () => {
    expect(REASONS.credential_conflict.status).toBe(400);
    for (const rule of [
      service,
      optional,
      compileCredential('session'),
      compileCredential(['session', { service: ['a'] }]),
    ])
      expect(
        authenticator.authenticate(request({ sessionCookie: 'x', authorization: 'Bearer y' }), rule),
      ).toMatchObject({ reason: 'credential_conflict' });
  });

  test('counts an ambiguous session cookie as a presented credential', () => {
    const denial = new Denial('session_invalid', 'sent twice');
    expect(authenticator.authenticate(request({ sessionCookie: denial, authorization: 'y' }), service)).toMatchObject({
      reason: 'credential_conflict',
    });
  });

  test('asks only the verifiers of kinds that it accepts', () => {
    expect(authenticator.authenticate(request({ sessionCookie: 'x' }), service)).toMatchObject(MISSING);
    expect(authenticator.authenticate(request({ authorization: 'y' }), service)).toMatchObject({ subject: 'a token' });
    expect(authenticator.authenticate(request({ authorization: 'y' }), optional)).toBe(ANONYMOUS);
    expect(authenticator.authenticate(request({ sessionCookie: 'x' }), optional)).toMatchObject({
      subject: 'a session',
    });
  });

  test('asks the new verifier once one is replaced', () => {
    const other = authenticator.with({ service: lenient('someone else’s token') });
    expect(other.authenticate(request({ authorization: 'y' }), service)).toMatchObject({
      subject: 'someone else’s token',
    });
    expect(other.authenticate(request({ sessionCookie: 'x' }), optional)).toMatchObject({ subject: 'a session' });
  });

  test('accepts the listed kinds in their order', () => {
    const written = compileCredential(['session', { service: ['a', 'b'] }]);
    expect(written.accepts.map(({ kind, words }) => [kind.name, words])).toEqual([
      ['session', 'session'],
      ['service', 'a token of a or b'],
    ]);
  });
});

test('every kind has the name it is listed under, and a close reason that fits a WebSocket frame', () => {
  for (const [name, kind] of Object.entries(KINDS)) {
    expect(kind.name).toBe(name);
    expect(Buffer.byteLength(kind.ending?.closeReason ?? '')).toBeLessThanOrEqual(123);
  }
});

describe('a stream', () => {
  const user = userPrincipal({
    handle: asHandle('handle'),
    subject: 'alice',
    user: {},
    method: 'password',
    version: 1,
    createdAtMs: 0,
    expiresAtMs: 1,
    lastSeenAtMs: 0,
    device: '',
    remembered: false,
    login: null,
  });

  test('is watched by its credential’s verifier, and counted by kind when the credential ends', () => {
    const counted: string[] = [];
    let end = () => {};
    const session = {
      ...lenient('a session'),
      watch: (_principal: unknown, onEnd: () => void) => {
        end = onEnd;
        return () => {};
      },
    };
    const authenticator = new Authenticator({ ...NO_VERIFIERS, session }, (label) => counted.push(label));
    const endings: unknown[] = [];
    authenticator.watch(user, { use: 0, credentialEnded: (ending) => endings.push(ending) });
    expect(endings).toEqual([]);
    end();
    expect(endings).toEqual([KINDS.session.ending]);
    expect(counted).toEqual(['session']);
  });

  test('is a fault for a principal that this listener cannot have authenticated', () => {
    expect(() => new Authenticator(NO_VERIFIERS).watch(user, STREAM)).toThrow('not a principal of this listener');
  });

  test('needs no verifier to watch the workload', () => {
    const workload = new WorkloadVerifier('cart').authenticate(request(), acceptWorkload(false));
    if (workload instanceof Denial) throw new TypeError(workload.note);
    expect(new Authenticator(NO_VERIFIERS).watch(workload, STREAM)).toBeTypeOf('function');
  });
});
