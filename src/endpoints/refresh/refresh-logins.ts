/**
 * A family of refresh tokens begins with a login that asks for it, and ends with its session. A native app, which has no session
 * cookie, logs out with one of its tokens.
 */

import { type Sessions, userPrincipal } from '../../authentication/session/sessions.ts';
import { Denial } from '../../errors.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { Clock } from '../../lib/clock.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { RefreshClient } from '../../store/refresh-family.ts';
import type { RefreshFamilies } from '../../store/store.ts';
import type { AuditLog, AuditSource } from '../../telemetry/audit.ts';
import { isFromBrowser } from '../endpoints.ts';
import type { OpenedSession } from '../open-session.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { RefreshCookie } from './refresh-cookie.ts';
import { newRefreshToken, parseRefreshToken, type RefreshToken } from './refresh-token.ts';
import type { RefreshSeries } from './series.ts';

declare module '../../telemetry/audit.ts' {
  interface AuditGrants {
    readonly refresh_begun: {
      readonly subject: string;
      readonly handle: SessionHandle;
      /** Names the family without being a token of it. */
      readonly family: string;
      /** `browser`, `native`. */
      readonly kind: string;
    };
  }
}

const NOT_OFFERED = new Denial('token_request_invalid', 'refresh tokens are not offered to that kind of client');
const TO_BROWSER = new Denial('origin_forbidden', 'a browser does not get a refresh token in the body');

/** What a refresh token adds to, or replaces in, the answer to a login. */
interface BegunRefresh {
  /** Set-Cookie lines, as a flat name, value list: of the session too, unless the client is a native app. */
  readonly headers: readonly string[];
  /** JSON for a native app (RFC 6749 §5.1); `null` for a browser, which has cookies. */
  readonly document: string | null;
}

/** Anything with the refresh tokens of a configuration; `null` when it has none. */
interface WithRefresh {
  readonly refresh: { readonly logins: RefreshLogins } | null;
}

/**
 * What a login should begin, for a configuration that may have no refresh tokens at all.
 *
 * @see RefreshLogins.wanted
 */
export function wantedRefresh(
  { refresh }: WithRefresh,
  asked: RefreshClient | null,
  request: ScreenedRequest,
): RefreshClient | null | Denial {
  if (refresh !== null) return refresh.logins.wanted(asked, request);
  return asked === null ? null : NOT_OFFERED;
}

/**
 * Begins what was wanted.
 *
 * @param client  `null` for the session cookie and nothing else
 * @see RefreshLogins.begin
 */
export async function beginRefresh(
  { refresh }: WithRefresh,
  client: RefreshClient | null,
  opened: OpenedSession,
  source: AuditSource,
): Promise<BegunRefresh> {
  if (client !== null && refresh !== null) return refresh.logins.begin(client, opened, source);
  return { headers: ['Set-Cookie', opened.setCookieLine], document: null };
}

interface RefreshLoginParts {
  readonly clients: readonly RefreshClient[];
  readonly everyLogin: boolean;
  readonly cookie: RefreshCookie;
  readonly families: RefreshFamilies;
  readonly sessions: Sessions;
  readonly accessTokens: AccessTokens;
  readonly audit: AuditLog;
  readonly series: RefreshSeries;
  readonly wallMs: Clock;
}

/** Begins and ends refresh families with logins and logouts. */
export class RefreshLogins {
  readonly #parts: RefreshLoginParts;

  constructor(parts: RefreshLoginParts) {
    this.#parts = parts;
  }

  /**
   * What a login should begin.
   *
   * @param asked  what it asks for; `null` for nothing
   * @returns the kind of client, `null` for no refresh token, or a Denial `token_request_invalid` | `origin_forbidden`
   */
  wanted(asked: RefreshClient | null, request: ScreenedRequest): RefreshClient | null | Denial {
    const { clients, everyLogin } = this.#parts;
    const client = asked ?? (everyLogin && clients.includes('browser') ? 'browser' : null);
    if (client === null) return null;
    if (!clients.includes(client)) return NOT_OFFERED;
    // An injected script could send elsewhere what a script of the page can read.
    return client === 'native' && isFromBrowser(request) ? TO_BROWSER : client;
  }

  /**
   * Begins a family for a session that was just opened. If that fails, the session ends: its id was not sent to anyone.
   *
   * @throws DependencyFault `store_unavailable` | `store_full` | `signing_key_unavailable` | `audit_unavailable`, as a
   *   rejection
   */
  async begin(client: RefreshClient, opened: OpenedSession, source: AuditSource): Promise<BegunRefresh> {
    try {
      return await this.beginAnother(client, opened, source);
    } catch (fault) {
      this.#parts.sessions.end(opened.record.handle, null).catch(() => {});
      throw fault;
    }
  }

  /**
   * Begins a family for a session that is in use: it may have others, on other origins. If that fails, the session stays.
   *
   * @param opened  with the line that sets its cookie on the origin of the request
   * @throws as {@link begin}
   */
  async beginAnother(client: RefreshClient, opened: OpenedSession, source: AuditSource): Promise<BegunRefresh> {
    const { audit, series } = this.#parts;
    const token = newRefreshToken();
    const begun = await this.#begin(client, opened, token);
    series.familiesBegun.inc({ client });
    const { subject, handle } = opened.record;
    audit.grant({ event: 'refresh_begun', subject, handle, family: token.familyHandle, kind: client }, source);
    return begun;
  }

  /**
   * The session of the family that a token belongs to, for a logout. Any token of the family will do: a client that has one
   * could end the session by using it again, too.
   *
   * @param text  as presented, untrusted
   * @returns its handle; `null` when there is no such family, so that there is nothing to end
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async sessionOf(text: string): Promise<SessionHandle | null> {
    const token = parseRefreshToken(text);
    const reading = token === null ? null : await this.#parts.families.read(token.familyHandle);
    return reading?.family.session ?? null;
  }

  async #begin(
    client: RefreshClient,
    { record, setCookieLine }: OpenedSession,
    token: RefreshToken,
  ): Promise<BegunRefresh> {
    const { families, accessTokens, cookie, wallMs } = this.#parts;
    const family = { handle: token.familyHandle, session: record.handle, client, current: token.digest };
    await families.begin(family, Math.max(1, record.expiresAtMs - wallMs()));
    if (client === 'browser') {
      return {
        headers: ['Set-Cookie', setCookieLine, 'Set-Cookie', cookie.setLine(token.text, record)],
        document: null,
      };
    }
    const document = await accessTokens.issue(userPrincipal(record), accessTokens.allScopes);
    return { headers: [], document: JSON.stringify({ ...document, refresh_token: token.text }) };
  }
}
