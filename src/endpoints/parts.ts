/** The parts of the gateway's own endpoints: one set per configuration. */

import type { SessionCookies } from '../authentication/session/session-cookies.ts';
import type { Sessions } from '../authentication/session/sessions.ts';
import type { SessionUpkeep } from '../authentication/session/verifier.ts';
import { Denial, GatewayFault } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { SessionHandle } from '../jwt/names.ts';
import type { Clock } from '../lib/clock.ts';
import type { Turns } from '../lib/concurrency/turns.ts';
import type { UserPrincipal } from '../principal.ts';
import type { Responder } from '../response/respond.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import type { AuditLog, AuditSource } from '../telemetry/audit.ts';
import { goOnPage } from './login/pages.ts';
import type { ReturnTargets } from './login/return-target.ts';
import type { LoginSeries } from './login/series.ts';
import type { SessionOpener } from './open-session.ts';
import type { Refresh } from './refresh/open-refresh.ts';

/**
 * Judges where a request that changes something comes from.
 *
 * @param sender  `page`: a page of the gateway, or of an additional origin; `program`: need not state its origin, but if it does, it
 *   must be one of these; `consent`: a page of the gateway, whatever else the configuration allows
 */
type OriginRule = (request: ScreenedRequest, sender: OriginSender) => Denial | null;
/** See {@link OriginRule}. */
export type OriginSender = 'page' | 'program' | 'consent';

/** The parts that the endpoints share. */
export interface EndpointParts {
  readonly basePath: string;
  readonly responder: Responder;
  readonly sessions: Sessions;
  readonly cookies: SessionCookies;
  /** Keeps sessions in use up to date; `null` where nothing has to be done. */
  readonly upkeep: SessionUpkeep | null;
  readonly opener: SessionOpener;
  readonly audit: AuditLog;
  readonly series: LoginSeries;
  readonly originProblem: OriginRule;
  readonly returnTargets: ReturnTargets;
  /** Set-Cookie line that deletes the session cookie. */
  readonly clearCookieLine: string;
  /** Whether browsers send the session cookie only with requests, redirects included, that begin on the gateway's site. */
  readonly isCookieStrict: boolean;
  /** Refresh tokens; `null` when there are none. */
  readonly refresh: Refresh | null;
  /** For the whole body of a request. */
  readonly bodyTimeoutMs: number;
  /** Logins take turns, so that many of them do not hold up users who are logged in. */
  readonly turns: Turns;
  readonly wallMs: Clock;
}

/**
 * Asks the identity provider of a request's session again, if that is due, as requests on routes do: for endpoints whose answer
 * depends on the session. The caller then finds out whether the session has ended.
 *
 * @throws DependencyFault `provider_unavailable` | `store_unavailable`, as a rejection
 */
export async function keepUp({ upkeep, cookies }: EndpointParts, request: ScreenedRequest): Promise<void> {
  const { sessionCookie, publicOrigin } = request;
  if (upkeep === null || typeof sessionCookie !== 'string') return;
  const user = await cookies.look(sessionCookie, publicOrigin);
  if (user instanceof Denial || upkeep.isQuiet(user)) return;
  await upkeep.look(user, await cookies.sessionIdOf(sessionCookie, publicOrigin));
}

/** The user asks to stay logged in, but `session.remember` is not configured. */
export const NOT_REMEMBERED = new Denial('body_malformed', 'asks to stay logged in, which is not offered');
const MISSING = new Denial('credential_missing', 'no session cookie');
const CONFLICT = new Denial('credential_conflict', 'session cookie and Authorization header together');

/**
 * The user whose session a request has to present.
 *
 * @param asking  `look`: does not count as use of the session
 * @returns the user, or a Denial `credential_missing` | `credential_conflict` | `session_*`
 * @throws DependencyFault `store_unavailable`, as a rejection
 */
export async function requireUser(
  parts: EndpointParts,
  exchange: Exchange,
  request: ScreenedRequest,
  asking: 'use' | 'look' = 'use',
): Promise<UserPrincipal | Denial> {
  if (request.sessionCookie !== null && request.authorization !== null) return CONFLICT;
  return (await presentUser(parts, exchange, request, asking)) ?? MISSING;
}

/** The user whose session a request presents; `null` when it presents none; a Denial `session_*`. */
export async function presentUser(
  { cookies }: EndpointParts,
  exchange: Exchange,
  { sessionCookie, publicOrigin }: ScreenedRequest,
  asking: 'use' | 'look' = 'use',
): Promise<UserPrincipal | Denial | null> {
  if (sessionCookie === null || sessionCookie instanceof Denial) return sessionCookie;
  const user = await (asking === 'use'
    ? cookies.authenticate(sessionCookie, publicOrigin)
    : cookies.look(sessionCookie, publicOrigin));
  if (!(user instanceof Denial)) exchange.principal = user;
  return user;
}

/**
 * The handle that the cookie of a request stands for; `null` when it has none, or none that could be one.
 *
 * @throws DependencyFault `store_unavailable`, as a rejection
 */
export async function presentedHandle(
  { cookies }: EndpointParts,
  { sessionCookie, publicOrigin }: ScreenedRequest,
): Promise<SessionHandle | null> {
  return typeof sessionCookie === 'string' ? cookies.handleOf(sessionCookie, publicOrigin) : null;
}

const NOT_A_PAGE = new Denial('credential_missing', 'a script or subresource, not a navigation, began a login');

/** Why a request begins no login that leaves this origin: not a person, but a script or subresource, sends it. */
export const navigationProblem = ({ fields: { secFetchMode } }: ScreenedRequest): Denial | null =>
  secFetchMode === null || secFetchMode === 'navigate' ? null : NOT_A_PAGE;

const BUSY = new Denial('overloaded', 'too many logins wait for their turn');

/**
 * Waits for the turn of a request that begins or continues a login.
 *
 * @returns `null` when it may
 * @throws GatewayFault `downstream_aborted`, as a rejection, when the client has left
 */
export async function turnToBegin(
  { turns }: EndpointParts,
  exchange: Exchange,
  { clientAddress }: ScreenedRequest,
): Promise<Denial | null> {
  if (!(await turns.begin(clientAddress))) return BUSY;
  if (exchange.isOver) throw new GatewayFault('downstream_aborted', 'client left before the login had its turn');
  return null;
}

/**
 * Takes the browser to its return target after a login that came back from another site. A redirect would count as begun on that
 * site, so browsers would not send a session cookie with SameSite=Strict: a page of the gateway then continues to it.
 *
 * @param returnTo  checked
 */
export function leadOn(
  { responder, isCookieStrict }: EndpointParts,
  exchange: Exchange,
  returnTo: string,
  headers: readonly string[],
): void {
  if (!isCookieStrict) responder.redirect(exchange, 303, returnTo, headers);
  else responder.page(exchange, 200, goOnPage(returnTo, 'loggedIn'), [...headers, 'Refresh', `0; url=${returnTo}`]);
}

/** A request as the source of an audit event. */
export const sourceOf = (exchange: Exchange, { clientAddress }: ScreenedRequest): AuditSource => ({
  requestId: exchange.id,
  client: clientAddress,
});
