/**
 * response: a Denial, a fault or a page in, bytes to the client out. The one place that decides how a request that was
 * not forwarded is answered: a page or a redirect for a person, a problem document for a program.
 */

import { Denial, type GatewayFault, PROBLEM_MEDIA_TYPE, problemDocument, REASONS, type Reason } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { bearerChallenge, SESSION_CHALLENGE } from '../lib/challenge.ts';
import { html } from '../lib/html.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import { clientChallenge } from './challenges.ts';
import { isNavigation } from './navigation.ts';
import { PAGE_HEADERS, type Page, renderPage } from './page.ts';

interface ResponderSettings {
  /** Set-Cookie line that deletes the session cookie. */
  readonly clearCookieLine: string;
  /** Path of the gateway's own endpoints. */
  readonly basePath: string;
}

/** Reasons that make the browser's cookie useless, so that it is deleted. Never a fault. */
const DEAD_COOKIE = new Set<Reason>(['session_invalid', 'session_unknown', 'session_expired']);
/** 401s that logging in resolves. */
const NEEDS_LOGIN = new Set<Reason>(['credential_missing', 'session_invalid', 'session_unknown', 'session_expired']);

/** On every answer of the gateway, unless the answer sets them itself. */
const DEFAULT_HEADERS = [
  'Cache-Control',
  'no-store',
  'X-Content-Type-Options',
  'nosniff',
  'Referrer-Policy',
  'no-referrer',
] as const;

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
      exchange.reply.cut();
      return;
    }
    const headers = [...denial.headers];
    if (DEAD_COOKIE.has(denial.reason)) headers.push('Set-Cookie', this.#settings.clearCookieLine);

    if (NEEDS_LOGIN.has(denial.reason)) {
      const login = loginRedirect(exchange, this.#settings.basePath);
      if (login !== null) {
        this.redirect(exchange, 302, login, headers);
        return;
      }
    }
    if (REASONS[denial.reason].status === 401) headers.push(...challenges(exchange, denial.reason));
    if (denial.reason === 'scope_insufficient') headers.push('WWW-Authenticate', bearerChallenge('insufficient_scope'));
    this.#problem(exchange, denial.reason, headers);
  }

  /** Answers a request during which something broke; if its answer has begun, the connection is cut. */
  fault(exchange: Exchange, fault: GatewayFault): void {
    exchange.failed(fault);
    if (exchange.reply.hasBegun) {
      exchange.reply.cut();
      return;
    }
    this.#problem(exchange, fault.reason, []);
  }

  /** Sends a JSON document. */
  json(exchange: Exchange, status: number, body: string, headers: readonly string[] = []): void {
    this.#send(exchange, status, 'application/json', body, headers);
  }

  /** Sends a page. */
  page(exchange: Exchange, status: number, page: Page, headers: readonly string[] = []): void {
    this.#send(exchange, status, 'text/html; charset=utf-8', renderPage(page), [...headers, ...PAGE_HEADERS]);
  }

  /** Answers a refused request with a page that lets the person try again, instead of the general one. */
  refusalPage(exchange: Exchange, denial: Denial, page: Page, headers: readonly string[] = []): void {
    exchange.refused(denial);
    const { status } = REASONS[denial.reason];
    const all = withRetryAfter(denial.reason, [...headers, ...denial.headers]);
    if (status === 401) all.push(...challenges(exchange, denial.reason));
    this.page(exchange, status, page, all);
  }

  /** Whether a page answers a request, since a person goes there, or a document, since a program asks. */
  answersWithPage(request: ScreenedRequest): boolean {
    return isNavigation(request);
  }

  /** Answers a request that was refused or failed with JSON of the endpoint's own, challenge included. */
  failure(exchange: Exchange, why: Denial | GatewayFault, body: string, headers: readonly string[]): void {
    if (why instanceof Denial) exchange.refused(why);
    else exchange.failed(why);
    const all = why instanceof Denial ? [...headers, ...why.headers] : headers;
    this.json(exchange, REASONS[why.reason].status, body, withRetryAfter(why.reason, all));
  }

  /**
   * Sends a redirect.
   *
   * @param location  made from configuration and a checked return target; never from a header
   */
  redirect(exchange: Exchange, status: 302 | 303 | 308, location: string, headers: readonly string[] = []): void {
    this.#send(exchange, status, null, '', [...headers, 'Location', location]);
  }

  /** Sends an answer without a body. */
  empty(exchange: Exchange, status: number, headers: readonly string[] = []): void {
    this.#send(exchange, status, null, '', headers);
  }

  #problem(exchange: Exchange, reason: Reason, headers: readonly string[]): void {
    const { status } = REASONS[reason];
    const all = withRetryAfter(reason, headers);
    const { screened } = exchange;
    if (screened !== null && isNavigation(screened)) {
      this.page(exchange, status, errorPage(reason, exchange, this.#settings.basePath), all);
    } else {
      this.#send(exchange, status, PROBLEM_MEDIA_TYPE, problemDocument(reason, exchange.id), all);
    }
  }

  #send(exchange: Exchange, status: number, mediaType: string | null, body: string, headers: readonly string[]): void {
    if (exchange.isOver) return;
    const { reply, reason } = exchange;
    const bytes = Buffer.from(body);
    const all = [...headers, 'X-Request-Id', exchange.id];
    for (let index = 0; index < DEFAULT_HEADERS.length; index += 2) {
      const name = DEFAULT_HEADERS[index] as string;
      if (!headers.includes(name)) all.push(name, DEFAULT_HEADERS[index + 1] as string);
    }
    if (exchange.screened?.scheme === 'https') all.push('Strict-Transport-Security', 'max-age=31536000');
    if (mediaType !== null) all.push('Content-Type', mediaType);
    if (status !== 204) all.push('Content-Length', String(bytes.byteLength));
    if (reason !== null && 'close' in REASONS[reason]) reply.closeConnection();
    else reply.discardBody();
    reply.begin(status, all);
    reply.end(exchange.method === 'HEAD' ? undefined : bytes);
    exchange.responseBytes += bytes.byteLength;
  }
}

/** The headers, with the usual `Retry-After` of the reason where its producer gives none. */
function withRetryAfter(reason: Reason, headers: readonly string[]): string[] {
  const { retryAfterSec } = { retryAfterSec: undefined, ...REASONS[reason] };
  if (retryAfterSec === undefined || headers.includes('Retry-After')) return [...headers];
  return [...headers, 'Retry-After', String(retryAfterSec)];
}

/** Where to log in, for a person who goes to a page; `null` when a 401 is the answer. */
function loginRedirect(exchange: Exchange, basePath: string): string | null {
  const { screened, route } = exchange;
  if (screened === null || screened.publicOrigin === null || screened.method !== 'GET' || screened.isWebSocket)
    return null;
  // Without a route: an endpoint of ours that is about the session, or nothing that logging in would help with.
  const mode = route?.onUnauthenticated ?? (exchange.isOwnEndpoint ? 'auto' : 'challenge');
  if (mode === 'challenge') return null;
  if (route !== null && !route.credential.accepts.some(({ kind }) => kind.comesFromLogin)) return null;
  if (mode === 'auto' && !isNavigation(screened)) return null;
  const returnTo = encodeURIComponent(`${screened.target.path}${screened.target.query}`);
  return `${screened.publicOrigin}${basePath}/login?return_to=${returnTo}`;
}

/** Where somebody who is logged in can log in as somebody else, and come back. */
function switchUserPath({ screened }: Exchange, basePath: string): string {
  const login = `${basePath}/login?switch=1`;
  // What a form has sent cannot be gone back to.
  if (screened === null || screened.method !== 'GET') return login;
  return `${login}&return_to=${encodeURIComponent(`${screened.target.path}${screened.target.query}`)}`;
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

function errorPage(reason: Reason, exchange: Exchange, basePath: string): Page {
  const { title, detail } = REASONS[reason];
  const switchUser = reason === 'route_forbidden' ? switchUserPath(exchange, basePath) : null;
  return {
    title,
    body: html`<p>${detail}</p>
${switchUser === null ? null : html`<ul class="links"><li><a href="${switchUser}">Log in as somebody else</a></li></ul>`}
<p class="small">Request id: <code>${exchange.id}</code></p>`,
  };
}
