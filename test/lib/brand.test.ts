/** Types keep confusable strings apart, so these tests run the compiler. */

import { beforeAll, describe, expect, test } from 'vitest';
import { compilePrograms } from '../support/compiler.ts';

const PRELUDE = `
import type { Sessions } from 'ROOT/src/authentication/session/sessions.ts';
import { type SessionId, sessionHandle } from 'ROOT/src/authentication/session/session-id.ts';
import type { Jti, Sid } from 'ROOT/src/jwt/names.ts';
import type { CompactJws } from 'ROOT/src/jwt/compact.ts';
import type { CompactToken } from 'ROOT/src/lib/http/bearer.ts';
import type { SessionHandle } from 'ROOT/src/jwt/names.ts';
import type { Store } from 'ROOT/src/store/store.ts';
import 'ROOT/src/endpoints/sessions/logout.ts';
import 'ROOT/src/endpoints/token/token-endpoint.ts';
import type { AuditLog } from 'ROOT/src/telemetry/audit.ts';
import type { Logger } from 'ROOT/src/telemetry/log.ts';
import type { TokenSource } from 'ROOT/src/token/token-source.ts';
import type { TokenIssuer, MintRequest } from 'ROOT/src/token/token-issuer.ts';
declare const audit: AuditLog;
declare const handle: SessionHandle;
declare const id: SessionId;
declare const jti: Jti;
declare const jws: CompactJws;
declare const log: Logger;
declare const request: MintRequest;
declare const sessions: Sessions;
declare const sid: Sid;
declare const source: { readonly requestId: null; readonly client: null };
declare const store: Store;
declare const text: string;
declare const token: CompactToken;
declare const tokens: TokenIssuer;
const issued = { event: 'token_issued', clientId: 'a', subject: 'b', audience: 'c', scopes: [], jti } as const;
void [audit, handle, id, issued, jti, jws, log, request, sessionHandle, sessions, sid, source, store, text, token, tokens];
`;

/** One program that compiles, and one for each misuse. */
const PROGRAMS = {
  'every string in its place': `
    void store.sessions.read(sessionHandle(id));
    void sessions.end(handle, 'logout');
    void tokens.issue({ ...request, sid: handle });
    audit.write({ event: 'logout', subject: text, handle }, source);
    audit.write(issued, source);
    log.info({ handle, jti, text, list: [text, 1, null] }, 'words');`,
  'a session id where the store expects a handle': 'void store.sessions.read(id);',
  'plain text where the store expects a handle': 'void store.sessions.read(text);',
  'ending a session by its id': "void sessions.end(id, 'logout');",
  'a handle made from a handle': 'void sessionHandle(handle);',
  'a handle made from plain text': 'void sessionHandle(text);',
  'a foreign sid as a session handle': 'void sessions.live(sid);',
  'a session id as the sid of a token': 'void tokens.issue({ ...request, sid: id });',
  'a jti as the sid of a token': 'void tokens.issue({ ...request, sid: jti });',
  'a session id as a handle in the audit log': "audit.write({ event: 'logout', subject: text, handle: id }, source);",
  'a session id as a subject in the audit log': "audit.write({ event: 'logout', subject: id, handle }, source);",
  'a token as a jti in the audit log': 'audit.write({ ...issued, jti: token }, source);',
  'a token among scopes in the audit log': 'audit.write({ ...issued, scopes: [token] }, source);',
  'a session id in the log': "log.info({ session: id }, 'words');",
  'a session id in a list in the log': "log.warn({ sessions: [id] }, 'words');",
  'a session id in an object in the log': "log.error({ session: { id } }, 'words');",
  'a token in the log': "log.debug({ token }, 'words');",
  'a signed token in the log': "log.debug({ jws }, 'words');",
  'a token as a log message': 'log.info(token);',
};
type Case = keyof typeof PROGRAMS;

describe('the compiler', () => {
  let errors: ReadonlyMap<Case, readonly string[]>;
  beforeAll(() => {
    errors = compilePrograms(PRELUDE, PROGRAMS);
  });

  test('accepts every string in its place', () => {
    expect(errors.get('every string in its place')).toEqual([]);
  });

  test.for((Object.keys(PROGRAMS) as Case[]).filter((name) => name !== 'every string in its place'))(
    'refuses %s',
    (name) => {
      expect(errors.get(name)).toEqual([expect.stringMatching(/^TS(?:2322|2345|2769)$/)]);
    },
  );
});
