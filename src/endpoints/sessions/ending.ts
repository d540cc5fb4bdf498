/**
 * `{base}/session/ending`: when the session ends, for people, with a way to stay. Applications lead here shortly before the
 * end; the page needs no script, so it can be reached by a link, by a redirect, or by `Refresh` on a page of theirs.
 *
 * Looking does not prolong the session, however often the page refreshes. Only its button does.
 */

import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { type EndpointParts, requireUser } from '../parts.ts';
import { sessionDocument } from '../session-document.ts';
import { endingPage } from './pages.ts';

/** The page looks again this often, and when the session has ended. */
const REFRESH_SEC = 60;

/** The endpoints. */
export class SessionEnding {
  readonly #parts: EndpointParts;

  constructor(parts: EndpointParts) {
    this.#parts = parts;
  }

  /** Says when the session ends. When it has ended, leads to the login, and from there to where the person came from. */
  async show(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { responder, sessions, basePath, returnTargets, wallMs } = this.#parts;
    const user = await requireUser(this.#parts, exchange, request, 'look');
    const isForPerson = responder.answersWithPage(request);
    const { query } = request.target;
    const returnTo = returnTargets.fromQuery(query);
    if (user instanceof Denial) return this.#ended(exchange, request, user, returnTo);
    const record = user.session;
    if (!isForPerson) {
      responder.json(exchange, 200, sessionDocument(record, sessions));
      return null;
    }
    const endsAtMs = sessions.endsAtMs(record);
    const remainingMs = endsAtMs - wallMs();
    const refreshes = new URLSearchParams(query).get('refresh') !== 'no';
    // A second later, so that it has ended then.
    const refreshSec = Math.min(REFRESH_SEC, Math.max(0, Math.ceil(remainingMs / 1_000)) + 1);
    const page = endingPage(basePath, {
      endsAtMs,
      remainingMs,
      isFinal: endsAtMs === record.expiresAtMs,
      returnTo,
      loginPath: responder.loginPath(returnTo, ['switch']),
      refreshes,
    });
    responder.page(exchange, 200, page, refreshes ? ['Refresh', String(refreshSec)] : []);
    return null;
  }

  /** Prolongs the session, as any other use of it does, and leads back; to the login if it has ended. */
  async stay(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { responder, sessions, originProblem, returnTargets } = this.#parts;
    const foreign = originProblem(request, 'page');
    if (foreign !== null) return foreign;
    const returnTo = returnTargets.fromQuery(request.target.query);
    const user = await requireUser(this.#parts, exchange, request, 'look');
    // Written down before the answer, so that other replicas see the use at once.
    const renewed = user instanceof Denial ? user : await sessions.renew(user.session.handle);
    if (renewed instanceof Denial) return this.#ended(exchange, request, renewed, returnTo);
    responder.redirect(exchange, 303, returnTo);
    return null;
  }

  /** Leads to the login, and from there to where the person came from: the general answer would lead back here. */
  #ended(exchange: Exchange, request: ScreenedRequest, why: Denial, returnTo: string): Denial | null {
    const { responder, clearCookieLine } = this.#parts;
    if (why.reason === 'credential_conflict' || !responder.answersWithPage(request)) return why;
    exchange.refused(why);
    const hadCookie = request.sessionCookie !== null;
    const login = responder.loginPath(returnTo, hadCookie ? ['ended'] : []);
    responder.redirect(exchange, 303, login, hadCookie ? ['Set-Cookie', clearCookieLine] : []);
    return null;
  }
}
