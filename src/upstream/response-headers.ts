/**
 * The response headers that the client gets: the upstream's, without those that concern one connection only
 * (RFC 9110 §7.6.1) and without anything that only the gateway may say.
 */

import type { Permit } from '../authorization/permit.ts';
import { isOwnCookie } from '../lib/http/cookie-name.ts';
import { listItems } from '../lib/http/field.ts';
import { foldHeaderName } from '../lib/http/header-name.ts';
import { mayBeTrailer } from '../lib/http/trailer-name.ts';
import type { ReceivedFields } from './dispatch.ts';

/** Headers about one connection only, or set by the gateway; and the length, which is written last. */
const DROPPED = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);

const CACHE_CONTROL = 'cache-control';

/**
 * Makes the response headers for the client.
 *
 * @param received    as `http1/` or `http2/` has read them
 * @param ownCookies  names of the session cookie and the like: only the gateway sets them, unless the route relays them
 *   (HDR-24)
 * @param origin      the Origin header of the request, for routes with `cors`
 * @returns flat name, value list
 */
export function clientResponseHeaders(
  received: ReceivedFields,
  permit: Permit,
  ownCookies: readonly string[],
  origin: string | null = null,
): string[] {
  const { route, principal } = permit;
  const headers: string[] = [];
  // perf: bench/load/run.ts; entries as arrays cost 0.5 µs.
  for (const name in received) {
    const value = received[name];
    if (value === undefined || DROPPED.has(name)) continue;
    if (typeof value === 'string' && name !== 'set-cookie') {
      headers.push(name, value);
      continue;
    }
    for (const line of typeof value === 'string' ? [value] : value) {
      if (name === 'set-cookie' && !route.relaysSessionCookie && setsOne(line, ownCookies)) continue;
      headers.push(name, line);
    }
  }
  const { connection } = received;
  const listed = connection === undefined ? headers : withoutListed(headers, connection);
  const ruled = route.responseHeaders === null ? listed : applyRules(listed, route.responseHeaders);
  const kept = route.cors === null ? ruled : [...withoutCors(ruled), ...route.cors.headersFor(origin)];
  if (principal.credential?.kind.isUnknownToCaches === true) keepFromOthers(kept);
  // Last, because Node decodes a Content-Disposition that follows it as UTF-8: the bytes of a value are the upstream's
  // (RFC 9110 §5.5).
  const length = received['content-length'];
  if (typeof length === 'string') kept.push('content-length', length);
  return kept;
}

/**
 * The links of 103 Early Hints for the client (RFC 8297), by the same rules as those of the final response. Nothing else of
 * an interim response is passed on.
 */
export function earlyHintLinks(
  received: ReceivedFields,
  permit: Permit,
  ownCookies: readonly string[],
): readonly string[] {
  if (received['link'] === undefined) return [];
  const headers = clientResponseHeaders(received, permit, ownCookies);
  return headers.filter((_value, index) => index % 2 === 1 && headers[index - 1] === 'link');
}

/**
 * The trailers that the client gets: the upstream's, without those that mean something in a header only, that are about one
 * connection (RFC 9110 §7.6.1), or that the route drops.
 *
 * @param received    as `http1/` or `http2/` has read them
 * @param connection  the Connection header of the answer
 */
export function clientResponseTrailers(
  received: ReceivedFields,
  connection: string | string[] | undefined,
  { route }: Permit,
): [string, string][] {
  const trailers: [string, string][] = [];
  const listed = connection === undefined ? null : listedIn(connection);
  for (const [name, value] of Object.entries(received)) {
    if (value === undefined || !mayBeTrailer(name) || listed?.has(name) === true) continue;
    if (route.responseHeaders?.dropped.has(foldHeaderName(name)) === true) continue;
    for (const line of typeof value === 'string' ? [value] : value) trailers.push([name, line]);
  }
  return trailers;
}

/**
 * Directives that settle whom an answer is for: they let a cache keep an answer to a request with Authorization for
 * others (RFC 9111 §3.5), or keep it from using the answer for others anyway.
 */
const SAYS_WHOSE = /(?:^|[\s,])(?:s-maxage[\s=]|(?:public|must-revalidate|private|no-store|no-cache)(?:[\s,]|$))/i;

/**
 * An answer for one user must not be kept for others (SES-18). The upstream saw Authorization, so a mere `max-age` in
 * its answer concerns the browser only; a shared cache in front of the gateway saw a cookie, which means nothing to it.
 * So the gateway states what the upstream could rely on. Only what reaches the cache counts, regardless of what the
 * upstream said.
 */
function keepFromOthers(headers: string[]): void {
  let last = -1;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string;
    if (name.length !== CACHE_CONTROL.length || name.toLowerCase() !== CACHE_CONTROL) continue;
    if (SAYS_WHOSE.test(headers[index + 1] as string)) return;
    last = index;
  }
  const said = headers[last + 1];
  if (last === -1) headers.push(CACHE_CONTROL, 'private');
  else headers[last + 1] = said === '' ? 'private' : `${said}, private`;
}

/** Values of Connection that list no header. */
const PLAIN_CONNECTION = /^(?:keep-alive|close)$/i;

const setsOne = (line: string, cookies: readonly string[]): boolean => cookies.some((name) => setsCookie(line, name));

/** Whether a Set-Cookie line sets this cookie, read as leniently as any browser would. */
function setsCookie(line: string, cookieName: string): boolean {
  const pair = line.split(';', 1)[0] ?? '';
  const equals = pair.indexOf('=');
  const name = (equals === -1 ? pair : pair.slice(0, equals)).trim();
  const nameless =
    name === '' &&
    pair
      .slice(equals + 1)
      .trim()
      .startsWith(cookieName.endsWith('-') ? cookieName : `${cookieName}=`);
  return isOwnCookie(name.toLowerCase(), cookieName.toLowerCase()) || nameless;
}

/** @param connection  a list where the upstream sent the header twice */
function withoutListed(headers: string[], connection: string | string[]): string[] {
  const listed = listedIn(connection);
  return listed === null ? headers : filterHeaders(headers, (name) => !listed.has(name));
}

/** Names in a Connection header; `null`: it lists no header. */
function listedIn(connection: string | string[]): ReadonlySet<string> | null {
  const options = String(connection);
  if (PLAIN_CONNECTION.test(options)) return null;
  return new Set(listItems(options));
}

/**
 * Where the gateway states which origins may read an answer, the upstream's statement is dropped: a browser would
 * accept neither of two.
 */
const withoutCors = (headers: readonly string[]): string[] =>
  filterHeaders(headers, (name) => !name.toLowerCase().startsWith('access-control-'));

function applyRules(headers: string[], rules: NonNullable<Permit['route']['responseHeaders']>): string[] {
  return [...filterHeaders(headers, (name) => !rules.dropped.has(foldHeaderName(name))), ...rules.set];
}

function filterHeaders(headers: readonly string[], keep: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string;
    if (keep(name)) kept.push(name, headers[index + 1] as string);
  }
  return kept;
}
