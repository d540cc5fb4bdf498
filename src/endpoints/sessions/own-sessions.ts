/**
 * sessions: `{base}/session`, `{base}/sessions` and logout. A user sees and ends their own sessions here; other users'
 * sessions belong to the admin API.
 */

import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import { toTimestamp } from '../../lib/text/timestamp.ts';
import type { UserPrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { SessionRecord } from '../../store/session-record.ts';
import { type EndpointParts, keepUp, requireUser, sourceOf } from '../parts.ts';
import { sessionDocument } from '../session-document.ts';
import type { Logout } from './logout.ts';
import { sessionsPage } from './pages.ts';

declare module '../../telemetry/audit.ts' {
  interface AuditEvents {
    readonly session_revoked: {
      readonly by: 'user' | 'operator';
      readonly subject: string;
      readonly handle: SessionHandle;
    };
  }
}

const NOT_THEIRS = new Denial('route_not_found', 'the user has no such session');

/** The endpoints for a user's own sessions. */
export class OwnSessions {
  readonly #parts: EndpointParts;
  readonly #logout: Logout;
  readonly #providers: ReadonlyMap<string, string>;

  /** @param providers  the labels of the identity providers, by name */
  constructor(parts: EndpointParts, logout: Logout, providers: ReadonlyMap<string, string>) {
    this.#parts = parts;
    this.#logout = logout;
    this.#providers = providers;
  }

  /** Says who the user of the request is, and how long the session lasts. `?prolong=no` does not count as use of it. */
  async whoAmI(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const isUse = new URLSearchParams(request.target.query).get('prolong') !== 'no';
    if (isUse) await keepUp(this.#parts, request);
    const user = await requireUser(this.#parts, exchange, request, isUse ? 'use' : 'look');
    if (user instanceof Denial) return user;
    this.#parts.responder.json(exchange, 200, sessionDocument(user.session, this.#parts.sessions));
    return null;
  }

  /** Lists the user's sessions. */
  async list(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const user = await requireUser(this.#parts, exchange, request);
    if (user instanceof Denial) return user;
    const { responder, sessions, basePath } = this.#parts;
    const records = await sessions.list(user.subject);
    const current = user.session.handle;
    if (responder.answersWithPage(request)) {
      responder.page(exchange, 200, sessionsPage(basePath, records, current, this.#providers));
    } else {
      const items = records.map((record) => listItem(record, current));
      responder.json(exchange, 200, JSON.stringify({ sessions: items }));
    }
    return null;
  }

  /** Ends one session of the user: the one that the path names. Ending the present one is logging out. */
  async endOne(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const user = await this.#requireUserHere(exchange, request);
    if (user instanceof Denial) return user;
    const { path } = request.target;
    const handle = path.slice(path.lastIndexOf('/') + 1);
    if (handle === user.session.handle) return this.#logout.one(exchange, request);
    const records = await this.#parts.sessions.list(user.subject);
    const record = records.find((candidate) => candidate.handle === handle);
    if (record === undefined) return NOT_THEIRS;
    await this.#end(record.handle, user, exchange, request);
    return this.#answer(exchange, request);
  }

  /** Ends every session of the user but the present one. */
  async endOthers(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const user = await this.#requireUserHere(exchange, request);
    if (user instanceof Denial) return user;
    const records = await this.#parts.sessions.list(user.subject);
    const others = records.filter(({ handle }) => handle !== user.session.handle);
    for (const { handle } of others) await this.#end(handle, user, exchange, request);
    return this.#answer(exchange, request);
  }

  /** The user, if the request comes from one of the gateway's pages. */
  async #requireUserHere(exchange: Exchange, request: ScreenedRequest): Promise<UserPrincipal | Denial> {
    return this.#parts.originProblem(request, 'page') ?? requireUser(this.#parts, exchange, request);
  }

  async #end(
    handle: SessionHandle,
    { subject }: UserPrincipal,
    exchange: Exchange,
    request: ScreenedRequest,
  ): Promise<void> {
    const { sessions, audit } = this.#parts;
    if ((await sessions.end(handle, 'user')) === null) return;
    audit.write({ event: 'session_revoked', by: 'user', subject, handle }, sourceOf(exchange, request));
  }

  #answer(exchange: Exchange, request: ScreenedRequest): null {
    const { responder, basePath } = this.#parts;
    if (responder.answersWithPage(request)) responder.redirect(exchange, 303, `${basePath}/sessions`);
    else responder.empty(exchange, 204);
    return null;
  }
}

const listItem = (record: SessionRecord, current: string) => ({
  handle: record.handle,
  device: record.device,
  method: record.method,
  createdAt: toTimestamp(record.createdAtMs),
  lastSeenAt: toTimestamp(record.lastSeenAtMs),
  expiresAt: toTimestamp(record.expiresAtMs),
  current: record.handle === current,
});
