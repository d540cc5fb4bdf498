/**
 * Opens a session, whatever the way to log in: always under a new id (SES-01, SES-02). The session that it replaces ends, and the
 * login is counted and written to the audit stream.
 */

import type { SessionId } from '../authentication/session/session-id.ts';
import type { NewSession, Sessions } from '../authentication/session/sessions.ts';
import type { SessionHandle } from '../jwt/names.ts';
import type { Turns } from '../lib/concurrency/turns.ts';
import type { SessionRecord } from '../store/session-record.ts';
import type { AuditLog, AuditSource } from '../telemetry/audit.ts';
import { type SessionCookie, setSessionCookie } from './session-cookie.ts';

declare module '../telemetry/audit.ts' {
  interface AuditGrants {
    readonly login: {
      readonly subject: string;
      readonly handle: SessionHandle;
      /** `password`, `backend`, `oidc`, `commandLine`. */
      readonly method: string;
      /**
       * The account of the users file, the trusted backend, the identity provider, or the handle of the session in which the
       * user approved a command line.
       */
      readonly account: string;
      /** The session that this one replaced; `null` when there was none. */
      readonly replaced: SessionHandle | null;
      /** The oldest sessions of the user, which ended because there would have been more than `session.maxPerUser`. */
      readonly displaced: readonly SessionHandle[];
    };
  }
}

/** A login that has succeeded. */
interface LoginToOpen extends NewSession {
  /** Who vouched: the account of the users file, or the trusted backend. */
  readonly account: string;
  /** Handle of the browser's previous session, if any. */
  readonly replaces: SessionHandle | null;
  /** Stores what belongs to the new session, before its id leaves the gateway. When it rejects, there is no session. */
  readonly keep?: (sessionId: SessionId, handle: SessionHandle) => Promise<unknown>;
}

/** A session that was just opened. */
export interface OpenedSession {
  readonly record: SessionRecord;
  /** Set-Cookie line that hands the session id to the browser; the only place where the id is. */
  readonly setCookieLine: string;
}

/** Opens sessions for every way to log in. */
export class SessionOpener {
  readonly #sessions: Sessions;
  readonly #cookie: SessionCookie;
  readonly #audit: AuditLog;
  readonly #turns: Turns;

  /** @param turns  in which logins continue once the store has answered */
  constructor(sessions: Sessions, cookie: SessionCookie, audit: AuditLog, turns: Turns) {
    this.#sessions = sessions;
    this.#cookie = cookie;
    this.#audit = audit;
    this.#turns = turns;
  }

  /**
   * Opens a session.
   *
   * @throws DependencyFault `store_unavailable` | `store_full` | `audit_unavailable`, as a rejection; then there is no session
   */
  async open({ account, replaces, keep, ...login }: LoginToOpen, source: AuditSource): Promise<OpenedSession> {
    this.#audit.assertReady();
    const { sessionId, record, displaced } = await this.#sessions.open(login);
    const { subject, handle, method } = record;
    try {
      await keep?.(sessionId, handle);
      const replaced = replaces === null ? null : await this.#sessions.end(replaces, 'replaced');
      const ended = { replaced: replaced?.handle ?? null, displaced };
      this.#audit.grant({ event: 'login', subject, handle, method, account, ...ended }, source);
    } catch (fault) {
      await this.#sessions.end(handle, null);
      throw fault;
    }
    await this.#turns.goOn();
    return { record, setCookieLine: setSessionCookie(this.#cookie, sessionId, record) };
  }
}
