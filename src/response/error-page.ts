/**
 * The page for a person whose request was refused or failed: what happened, and the one way to continue.
 *
 * Links lead to our own origin only: paths of screened requests, the way back that a same-origin `Referer` names, or
 * addresses of the configuration.
 */

import { REASONS, type Reason } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { type Html, html } from '../lib/text/html.ts';
import type { Page, PageText } from '../pages/page.ts';
import type { Notice, Words } from '../pages/words/words.ts';
import { loginAtProvider } from '../principal.ts';

interface LoginLinks {
  /** Path of the gateway's own endpoints. */
  readonly basePath: string;
  /** Longest path with query that the gateway accepts, which the address of the login page must not exceed either. */
  readonly maxTargetBytes: number;
}

/** What the links of error pages are made from. */
export interface PageLinks extends LoginLinks {
  /** For hosts that are not served. */
  readonly publicOrigin: string;
}

/** What a page asks its reader to do. */
interface Action {
  readonly label: string;
  readonly href: string;
  /** Said above the link, after what happened. */
  readonly advice?: string;
}

/** What the address of the login page says besides. */
export type LoginMark = 'switch' | 'ended' | 'cookie' | 'remember';

/** 401s that logging in resolves. */
export const NEEDS_LOGIN = new Set<Reason>([
  'credential_missing',
  'session_invalid',
  'session_unknown',
  'session_expired',
]);

/** Reasons of a 401 for a session that has ended. */
export const ENDED = new Set<Reason>(['session_unknown', 'session_expired']);

/** Statuses for which the same request may succeed later. */
const TEMPORARY = new Set([408, 429, 500, 502, 503, 504]);
/** Statuses about the request, and not about what is at its address. */
const ABOUT_REQUEST = new Set([400, 403, 413, 415]);

/** The page for a request that was refused or failed. */
export const errorPage =
  (reason: Reason, exchange: Exchange, links: PageLinks): PageText =>
  (words) => {
    const { label, href, advice } = mainAction(reason, exchange, links, words);
    const subject = REASONS[reason].status === 403 ? loggedIn(exchange) : null;
    const who = subject === null ? null : html`<p>${words.loggedIn.as(html`<strong>${subject}</strong>`)}</p>\n`;
    return errorText(words.reasons[reason], [who, advice === undefined ? null : html`<p>${advice}</p>\n`], {
      href,
      label,
    });
  };

/** The page for a request that could not be read, of which nothing is known. */
export const unreadPage =
  (reason: Reason): PageText =>
  ({ reasons, actions, errors }) => {
    const isTooLarge = reason === 'headers_too_large';
    const advice = isTooLarge ? html`<p>${errors.deleteCookies}</p>\n` : null;
    return errorText(reasons[reason], [advice], {
      href: '/',
      label: isTooLarge ? actions.tryAgain : actions.startPage,
    });
  };

function errorText({ title, detail }: Notice, more: readonly (Html | null)[], { href, label }: Action): Page {
  return {
    title,
    body: html`<p>${detail}</p>
${more.filter((part) => part !== null)}<p><a class="button full" href="${href}">${label}</a></p>`,
  };
}

function mainAction(reason: Reason, exchange: Exchange, links: PageLinks, words: Words): Action {
  const { publicOrigin } = links;
  const { status } = REASONS[reason];
  const { actions, errors } = words;
  const home = { label: actions.startPage, href: reason === 'host_not_served' ? `${publicOrigin}/` : '/' };
  const here = ownTarget(exchange);
  const back = previousTarget(exchange);
  if (NEEDS_LOGIN.has(reason) && admitsLogin(exchange)) return logIn(reason, exchange, links, words);
  if (reason === 'step_up_required' && admitsLogin(exchange)) return stepUp(exchange, links, words);
  if (reason === 'route_forbidden' && loggedIn(exchange) !== null) {
    return { label: actions.logInAsOther, href: loginPath(links, here, ['switch'], wantedProvider(exchange)) };
  }
  if (TEMPORARY.has(status) && here !== null) return { label: actions.tryAgain, href: here };
  if (reason === 'headers_too_large')
    return { label: actions.tryAgain, href: here ?? '/', advice: errors.deleteCookies };
  if (back === null || !(TEMPORARY.has(status) || ABOUT_REQUEST.has(status))) return home;
  return { label: actions.goBack, href: back };
}

/** Who is logged in; `null` for services and for nobody. */
const loggedIn = ({ principal }: Exchange): string | null => (principal?.kind === 'user' ? principal.subject : null);

/** A form must be sent again: what was typed is still there when the reader goes back. */
function logIn(reason: Reason, exchange: Exchange, links: LoginLinks, { actions, errors }: Words): Action {
  const here = ownTarget(exchange);
  const hasEnded = ENDED.has(reason);
  return {
    label: hasEnded ? actions.logInAgain : actions.logIn,
    href: loginPath(links, here ?? previousTarget(exchange), hasEnded ? ['ended'] : [], wantedProvider(exchange)),
    ...(here === null && { advice: errors.sendAgain }),
  };
}

/** The step-up of a user who is logged in: at the provider of the session, or else like any login. */
function stepUp(exchange: Exchange, links: LoginLinks, { actions, errors }: Words): Action {
  const here = ownTarget(exchange);
  const target = here ?? previousTarget(exchange);
  const route = stepUpRoute(exchange);
  return {
    label: actions.logInAgain,
    href:
      route === null
        ? loginPath(links, target, ['switch'], wantedProvider(exchange))
        : stepUpPath(links, target ?? '/', route, []),
    ...(here === null && { advice: errors.sendAgain }),
  };
}

/** The route for which the user can step up at the provider of the session; `null` where there is none. */
export function stepUpRoute({ route, principal }: Exchange): string | null {
  if (principal === null || route === null || principal.credential?.kind.isAmbient !== true) return null;
  return loginAtProvider(principal) === null ? null : route.id;
}

/** Where a step-up begins. @param route  id of the route that requires it */
export function stepUpPath(
  { basePath, maxTargetBytes }: LoginLinks,
  returnTo: string,
  route: string,
  marks: readonly LoginMark[],
): string {
  const suffix = [`&route=${route}`, ...marks.map((mark) => `&${mark}=1`)].join('');
  return withReturnTo(`${basePath}/step-up`, returnTo, maxTargetBytes - suffix.length) + suffix;
}

/** The identity provider that the route asks people to log in with; `null` leaves the choice to them. */
export const wantedProvider = ({ route }: Exchange): string | null => route?.login ?? null;

/** Whether a login is what the request lacks: not on a route for service tokens only. */
export function admitsLogin({ route, isOwnEndpoint }: Exchange): boolean {
  return route === null ? isOwnEndpoint : route.credential.accepts.some(({ kind }) => kind.comesFromLogin);
}

/**
 * The address of the login page.
 *
 * @param returnTo  where to go after it, if anywhere
 * @param marks     `switch`: for a user who is logged in; `ended`: a session has ended; `cookie`: to see whether a cookie is kept;
 *                  `remember`: to stay logged in
 * @param provider  the identity provider to log in with; `null` leaves the choice to the person
 */
export function loginPath(
  { basePath, maxTargetBytes }: LoginLinks,
  returnTo: string | null,
  marks: readonly LoginMark[],
  provider: string | null,
): string {
  const path = `${basePath}/login`;
  const suffix = [...marks.map((mark) => `&${mark}=1`), provider === null ? '' : `&provider=${provider}`].join('');
  return returnTo === null
    ? `${path}${suffix.replace('&', '?')}`
    : withReturnTo(path, returnTo, maxTargetBytes - suffix.length) + suffix;
}

/**
 * An address that says where to go after logging in. A long target is escaped no more than it has to be, and left out if the
 * address would exceed what the gateway accepts all the same.
 */
export function withReturnTo(path: string, returnTo: string, maxTargetBytes: number): string {
  const prefix = `${path}?return_to=`;
  for (const escaped of [encodeURIComponent(returnTo), returnTo.replace(/[%&+]/g, encodeURIComponent)]) {
    if (prefix.length + escaped.length <= maxTargetBytes) return `${prefix}${escaped}`;
  }
  return `${prefix}%2F`;
}

/** The page that was asked for; `null` when going there again would not be the same request, or nothing is known of it. */
export function ownTarget({ screened }: Exchange): string | null {
  if (screened === null || (screened.method !== 'GET' && screened.method !== 'HEAD')) return null;
  return `${screened.target.spelling}${screened.target.query}`;
}

/** The page that the request was sent from, if it is one of our own origin. */
export function previousTarget({ screened }: Exchange): string | null {
  const referer = screened?.fields.referer ?? null;
  if (referer === null || screened?.publicOrigin == null || !URL.canParse(referer)) return null;
  const { origin, pathname, search } = new URL(referer);
  return origin === screened.publicOrigin && !pathname.startsWith('//') ? `${pathname}${search}` : null;
}
