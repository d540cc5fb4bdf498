/**
 * response: a Denial, a fault or a page in, bytes to the client out. The one place that decides how a request that was
 * not forwarded is answered: a page or a redirect for a person, a problem document for a program.
 */

import type { CorsRule } from '../cors/rule.ts';
import { Denial, type GatewayFault, PROBLEM_MEDIA_TYPE, problemDocument, REASONS, type Reason } from '../errors.ts';
import type { Exchange, UnreadAnswer } from '../exchange.ts';
import type { Clock } from '../lib/clock.ts';
import { bearerChallenge, clientChallenge, SESSION_CHALLENGE } from '../lib/http/challenge.ts';
import type { Pages, PageText } from '../pages/page.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import {
  admitsLogin,
  ENDED,
  errorPage,
  type LoginMark,
  loginPath,
  NEEDS_LOGIN,
  ownTarget,
  type PageLinks,
  previousTarget,
  stepUpPath,
  stepUpRoute,
  unreadPage,
  wantedProvider,
  withReturnTo,
} from './error-page.ts';
import { grpcOutcome, grpcStatusOf, isGrpcCall, isGrpcWebCall } from './grpc.ts';
import { acceptLanguageOf, isNavigation, isNavigationHead, isPartOfPage } from './navigation.ts';

/** What answers are made from. */
interface ResponderSettings extends PageLinks {
  /** Set-Cookie line that deletes the session cookie. */
  readonly clearCookieLine: string;
  /** Which other origins may read answers of the gateway's own endpoints; `null`: none. */
  readonly cors: CorsRule | null;
  readonly pages: Pages;
  /** What precedes the reason in the `type` of a problem document; `null`: no link. */
  readonly problemTypeBase: string | null;
  readonly wallMs: Clock;
  /** Whether gRPC calls are answered with a status of theirs; never where 200 means yes. */
  readonly answersCalls: boolean;
  /** The status that is sent in place of another. */
  readonly sentStatus: (exchange: Exchange, status: number) => number;
}

/** Reasons that make the browser's cookie useless, so that it is deleted. Never a fault. */
const DEAD_COOKIE = new Set<Reason>(['session_invalid', 'session_unknown', 'session_expired']);

/** On every answer of the gateway, unless the answer sets them itself. */
const DEFAULT_HEADERS = [
  'Cache-Control',
  'no-store',
  'X-Content-Type-Options',
  'nosniff',
  'Referrer-Policy',
  'no-referrer',
] as const;

/** A page after which a login can tell that the browser did not keep its cookie (`endpoints/login/browser-login.ts`). */
export const SAME_ORIGIN_REFERRER: readonly string[] = ['Referrer-Policy', 'same-origin'];

const HTML_MEDIA_TYPE = 'text/html; charset=utf-8';

/** Writes the answers of requests that are not forwarded. Does nothing once an exchange has been answered or is over. */
export class Responder {
  readonly #settings: ResponderSettings;

  constructor(settings: ResponderSettings) {
    this.#settings = settings;
  }

  /** Answers a refused request; if its answer has begun, the connection is cut. */
  denial(exchange: Exchange, denial: Denial): void {
    exchange.refused(denial);
    if (exchange.reply.hasBegun) {
      this.#breakOff(exchange, denial.reason);
      return;
    }
    const headers = [...denial.headers];
    // The answer to an image leaves the cookie alone, so that the next page can tell the person that the session has ended.
    const isNoticed = exchange.screened === null || !isPartOfPage(exchange.screened);
    if (DEAD_COOKIE.has(denial.reason) && isNoticed) headers.push('Set-Cookie', this.#settings.clearCookieLine);

    if (NEEDS_LOGIN.has(denial.reason)) {
      const login = loginRedirect(exchange, denial.reason, this.#settings);
      if (login !== null) {
        this.redirect(exchange, 302, login, [...headers, ...SAME_ORIGIN_REFERRER]);
        return;
      }
      headers.push(...pageLoginRedirect(exchange, denial.reason, this.#settings));
    }
    if (denial.reason === 'step_up_required') {
      const stepUp = stepUpRedirect(exchange, this.#settings);
      if (stepUp !== null) {
        this.redirect(exchange, 302, stepUp);
        return;
      }
      headers.push(...pageStepUpRedirect(exchange, this.#settings));
    }
    const hasChallenge = denial.headers.includes('WWW-Authenticate');
    if (REASONS[denial.reason].status === 401 && !hasChallenge) headers.push(...challenges(exchange, denial.reason));
    if (denial.reason === 'scope_insufficient') headers.push('WWW-Authenticate', bearerChallenge('insufficient_scope'));
    this.#problem(exchange, denial.reason, headers);
  }

  /** Answers a request during which something broke; if its answer has begun, the connection is cut. */
  fault(exchange: Exchange, fault: GatewayFault): void {
    exchange.failed(fault);
    if (exchange.reply.hasBegun) {
      this.#breakOff(exchange, fault.reason);
      return;
    }
    this.#problem(exchange, fault.reason, []);
  }

  /** Answers a request that was refused, or during which something broke. */
  unserved(exchange: Exchange, why: Denial | GatewayFault): void {
    if (why instanceof Denial) this.denial(exchange, why);
    else this.fault(exchange, why);
  }

  /** Sends a JSON document. */
  json(exchange: Exchange, status: number, body: string, headers: readonly string[] = []): void {
    this.#send(exchange, status, 'application/json', body, headers);
  }

  /** Sends a page, in a language that its reader accepts. */
  page(exchange: Exchange, status: number, page: PageText, headers: readonly string[] = []): void {
    const { pages, wallMs } = this.#settings;
    const stamp = { requestId: exchange.id, atMs: wallMs() };
    const written = pages.write(page, acceptLanguageOf(exchange.rawHeaders), stamp);
    this.#send(exchange, status, HTML_MEDIA_TYPE, written.text, [...headers, ...written.headers]);
  }

  /** Answers a request that was refused or failed with a page that lets the person try again, instead of the general one. */
  failurePage(exchange: Exchange, why: Denial | GatewayFault, page: PageText): void {
    const { status } = REASONS[why.reason];
    const all = withRetryAfter(why.reason, recordedHeaders(exchange, why));
    if (status === 401) all.push(...challenges(exchange, why.reason));
    this.page(exchange, status, page, all);
  }

  /**
   * The answer to a request that could not be read and so never became an exchange: a page for a person, a problem document
   * for a program.
   *
   * @param requestId  under which the log knows it
   */
  unread(reason: Reason, requestId: string, isFromPerson: boolean): UnreadAnswer {
    const { pages, problemTypeBase, wallMs } = this.#settings;
    if (!isFromPerson) {
      return { mediaType: PROBLEM_MEDIA_TYPE, body: problemDocument(reason, requestId, problemTypeBase), headers: [] };
    }
    const { text, headers } = pages.write(unreadPage(reason), null, { requestId, atMs: wallMs() });
    return { mediaType: HTML_MEDIA_TYPE, body: text, headers };
  }

  /** The address of the login page, as {@link loginPath} makes it. */
  loginPath(returnTo: string, marks: readonly LoginMark[], provider: string | null = null): string {
    return loginPath(this.#settings, returnTo, marks, provider);
  }

  /** Where a step-up begins, as {@link stepUpPath} makes it. */
  stepUpPath(returnTo: string, route: string, marks: readonly LoginMark[]): string {
    return stepUpPath(this.#settings, returnTo, route, marks);
  }

  /** The address of a login page of the operator's own. */
  ownLoginPath(page: string, returnTo: string): string {
    return withReturnTo(page, returnTo, this.#settings.maxTargetBytes);
  }

  /** Whether a page answers a request, since a person goes there, or a document, since a program asks. */
  answersWithPage(request: ScreenedRequest): boolean {
    return isNavigation(request);
  }

  /** Answers a request that was refused or failed with JSON of the endpoint's own, challenge included. */
  failure(exchange: Exchange, why: Denial | GatewayFault, body: string, headers: readonly string[]): void {
    const all = withRetryAfter(why.reason, [...headers, ...recordedHeaders(exchange, why)]);
    this.json(exchange, REASONS[why.reason].status, body, all);
  }

  /**
   * Sends a redirect.
   *
   * @param location  made from configuration and a checked return target; never from a header
   */
  redirect(exchange: Exchange, status: 302 | 303 | 307 | 308, location: string, headers: readonly string[] = []): void {
    this.#send(exchange, status, null, '', [...headers, 'Location', location]);
  }

  /** Answers a CORS preflight for a method that is served at its address, or says why not. */
  preflight(exchange: Exchange, method: string): Denial | null {
    const headers = this.#corsOf(exchange)?.preflightHeaders(exchange.screened?.fields.origin ?? null, method);
    if (headers instanceof Denial) return headers;
    this.empty(exchange, 204, headers);
    return null;
  }

  /** Sends an answer without a body. */
  empty(exchange: Exchange, status: number, headers: readonly string[] = []): void {
    this.#send(exchange, status, null, '', headers);
  }

  /** Ends an answer that cannot be completed: so that its client notices, and of a gRPC call with a status that says why. */
  #breakOff(exchange: Exchange, reason: Reason): void {
    const { reply } = exchange;
    if (!exchange.endsWithGrpcStatus) {
      reply.cut();
      return;
    }
    exchange.grpcStatus = grpcStatusOf(reason);
    reply.addTrailers(grpcOutcome(reason));
    reply.end();
  }

  #problem(exchange: Exchange, reason: Reason, headers: readonly string[]): void {
    const { status } = REASONS[reason];
    const all = withRetryAfter(reason, headers);
    if (this.#settings.answersCalls && isGrpcCall(exchange)) {
      exchange.grpcStatus = grpcStatusOf(reason);
      this.#send(exchange, 200, 'application/grpc', null, [...all, ...grpcOutcome(reason).flat()]);
      return;
    }
    if (this.#settings.answersCalls && isGrpcWebCall(exchange)) all.push(...grpcOutcome(reason).flat());
    const { screened, rawHeaders } = exchange;
    if (screened === null ? isNavigationHead(rawHeaders) : isNavigation(screened)) {
      this.page(exchange, status, errorPage(reason, exchange, this.#settings), all);
    } else {
      const body = problemDocument(reason, exchange.id, this.#settings.problemTypeBase);
      this.#send(exchange, status, PROBLEM_MEDIA_TYPE, body, all);
    }
  }

  #corsOf({ route, isOwnEndpoint }: Exchange): CorsRule | null {
    return isOwnEndpoint ? this.#settings.cors : (route?.cors ?? null);
  }

  /** @param body  `null` for an answer that consists of its headers, and has no length */
  #send(
    exchange: Exchange,
    status: number,
    mediaType: string | null,
    body: string | null,
    headers: readonly string[],
  ): void {
    if (exchange.isOver) return;
    const { reply, reason } = exchange;
    const bytes = Buffer.from(body ?? '');
    const all = [...headers, 'X-Request-Id', exchange.id];
    for (let index = 0; index < DEFAULT_HEADERS.length; index += 2) {
      const name = DEFAULT_HEADERS[index] as string;
      if (!headers.includes(name)) all.push(name, DEFAULT_HEADERS[index + 1] as string);
    }
    const cors = this.#corsOf(exchange);
    if (cors !== null && !headers.includes('Access-Control-Allow-Origin'))
      all.push(...cors.headersFor(exchange.screened?.fields.origin ?? null));
    if (exchange.screened?.scheme === 'https') all.push('Strict-Transport-Security', 'max-age=31536000');
    if (mediaType !== null) all.push('Content-Type', mediaType);
    if (status !== 204 && body !== null) all.push('Content-Length', String(bytes.byteLength));
    if (reason !== null && REASONS[reason].close === true) reply.closeConnection();
    else reply.discardBody();
    reply.begin(this.#settings.sentStatus(exchange, status), all);
    reply.end(exchange.method === 'HEAD' || body === null ? undefined : bytes);
    exchange.responseBytes += bytes.byteLength;
  }
}

/** The headers, with the usual `Retry-After` of the reason where its producer gives none. */
function withRetryAfter(reason: Reason, headers: readonly string[]): string[] {
  const { retryAfterSec } = REASONS[reason];
  if (retryAfterSec === undefined || headers.includes('Retry-After')) return [...headers];
  return [...headers, 'Retry-After', String(retryAfterSec)];
}

/** Records why an exchange was refused or failed; the headers that its producer asks for. */
function recordedHeaders(exchange: Exchange, why: Denial | GatewayFault): readonly string[] {
  if (!(why instanceof Denial)) {
    exchange.failed(why);
    return [];
  }
  exchange.refused(why);
  return why.headers;
}

/** Where to log in, for a person who goes to a page; `null` when a 401 is the answer. */
function loginRedirect(exchange: Exchange, reason: Reason, links: PageLinks): string | null {
  const { screened, route } = exchange;
  if (screened === null || screened.publicOrigin === null || screened.method !== 'GET' || screened.isWebSocket)
    return null;
  // Without a route: an endpoint of the gateway for the session, or something that a login would not change.
  const mode = route?.onUnauthenticated ?? (exchange.isOwnEndpoint ? 'auto' : 'challenge');
  if (mode === 'challenge') return null;
  if (!admitsLogin(exchange) || (mode === 'auto' && !isNavigation(screened))) return null;
  const path = loginPath(links, ownTarget(exchange), ENDED.has(reason) ? ['ended'] : [], wantedProvider(exchange));
  return `${screened.publicOrigin}${path}`;
}

/**
 * Where to step up, for a person who goes to a page; `null` when a 401 is the answer, which a page explains to people.
 */
function stepUpRedirect(exchange: Exchange, links: PageLinks): string | null {
  const { screened, route } = exchange;
  if (screened === null || screened.publicOrigin === null || screened.method !== 'GET') return null;
  if (route?.onUnauthenticated === 'challenge' || !isNavigation(screened)) return null;
  const id = stepUpRoute(exchange);
  return id === null ? null : `${screened.publicOrigin}${stepUpPath(links, ownTarget(exchange) ?? '/', id, [])}`;
}

/**
 * What makes htmx leave the page for the login, and come back to it; nothing for other clients, which have no such header.
 * Without it, the problem document would be shown in a part of the page.
 */
function pageLoginRedirect(exchange: Exchange, reason: Reason, links: PageLinks): readonly string[] {
  const { screened, route } = exchange;
  if (screened?.fields.isHtmx !== true || screened.publicOrigin === null) return [];
  if (!admitsLogin(exchange) || route?.onUnauthenticated === 'challenge') return [];
  const marks: readonly LoginMark[] = ENDED.has(reason) ? ['ended'] : [];
  return ['HX-Redirect', loginPath(links, previousTarget(exchange), marks, wantedProvider(exchange))];
}

/** The same for a step-up. */
function pageStepUpRedirect(exchange: Exchange, links: PageLinks): readonly string[] {
  const { screened, route } = exchange;
  if (screened?.fields.isHtmx !== true || screened.publicOrigin === null) return [];
  const id = route?.onUnauthenticated === 'challenge' ? null : stepUpRoute(exchange);
  return id === null ? [] : ['HX-Redirect', stepUpPath(links, previousTarget(exchange) ?? '/', id, [])];
}

/** The challenges of a 401 (RFC 9110 §11.6.1): on a route those of the credentials that it accepts. */
function challenges({ route, screened }: Exchange, reason: Reason): string[] {
  if (reason === 'client_unauthorized') return ['WWW-Authenticate', clientChallenge(screened?.authorization ?? null)];
  const values =
    route === null
      ? [reason === 'token_invalid' ? bearerChallenge('invalid_token') : SESSION_CHALLENGE]
      : route.credential.accepts.map((accepted) => accepted.challenge(reason));
  return values.flatMap((value) => (value === null ? [] : ['WWW-Authenticate', value]));
}
