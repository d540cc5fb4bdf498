/**
 * The request headers that the upstream gets: the client's, as `sanitize/` has left them, and then the gateway's. Nothing is
 * removed after those are written, so no client can remove them.
 */

import type { Permit } from '../authorization/permit.ts';
import type { Exchange } from '../exchange.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import { isOwnCookie } from '../lib/http/cookie-name.ts';
import { foldHeaderName } from '../lib/http/header-name.ts';
import type { JSONType } from '../lib/text/json.ts';
import { trim, trimStart } from '../lib/text/trim.ts';
import { principalValue } from '../principal.ts';
import type { HeaderRules } from '../routing/route.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import type { UpstreamConfig } from './section.ts';

/** What a route and its upstream say about the headers that the gateway adds. */
interface RequestHeaderSettings {
  readonly forwardedHeaders: UpstreamConfig['forwardedHeaders'];
  /** Header of the upstream token; `Authorization` gets it as a Bearer token. */
  readonly tokenHeader: string;
  /** Names of the gateway's own cookies. The session cookie has been removed already. */
  readonly ownCookies: readonly string[];
}

/**
 * Makes the request headers for an upstream. The first is Host, whose value is filled in when the endpoint is chosen.
 *
 * @param token  compact upstream token; `null` when the request carries none
 * @returns flat name, value list
 * @see test/attack/headers.test.ts
 */
export function upstreamRequestHeaders(
  exchange: Exchange,
  request: ScreenedRequest,
  permit: Permit,
  token: CompactToken | null,
  settings: RequestHeaderSettings,
): string[] {
  const headers = ['host', ''];
  pushKept(headers, request.headers, permit.route.requestHeaders);
  pushOtherCredentials(headers, request, permit, settings);
  pushForwarding(headers, request, settings.forwardedHeaders);
  const via = request.httpVersion === '2' ? '2 sallyport' : '1.1 sallyport';
  headers.push('via', request.fields.via === null ? via : `${request.fields.via}, ${via}`);
  headers.push('x-request-id', exchange.id);
  pushTraceContext(headers, exchange, request);
  pushWritten(headers, exchange, permit, token, settings);
  return headers;
}

/**
 * The headers that the gateway decides even where another proxy forwards the request: the cookies and the Authorization that are
 * left for the upstream, what the route sets, the identity and the token. The proxy must remove any other copy of them.
 *
 * @returns flat name, value list
 */
export function decidedRequestHeaders(
  exchange: Pick<Exchange, 'providerToken'>,
  request: ScreenedRequest,
  permit: Permit,
  token: CompactToken | null,
  settings: Pick<RequestHeaderSettings, 'tokenHeader' | 'ownCookies'>,
): string[] {
  const headers: string[] = [];
  pushOtherCredentials(headers, request, permit, settings);
  pushWritten(headers, exchange, permit, token, settings);
  return headers;
}

/** Cookies and Authorization of the client that are meant for the upstream. */
function pushOtherCredentials(
  headers: string[],
  { otherCookies, authorization }: ScreenedRequest,
  { route }: Permit,
  { ownCookies }: Pick<RequestHeaderSettings, 'ownCookies'>,
): void {
  const cookies = otherCookies === null ? '' : withoutCookies(otherCookies, ownCookies);
  if (cookies !== '') headers.push('cookie', cookies);
  if (route.passesAuthorization && authorization !== null) headers.push('authorization', authorization);
}

function pushWritten(
  headers: string[],
  { providerToken }: Pick<Exchange, 'providerToken'>,
  permit: Permit,
  token: CompactToken | null,
  { tokenHeader }: Pick<RequestHeaderSettings, 'tokenHeader'>,
): void {
  const { route } = permit;
  if (route.requestHeaders !== null) headers.push(...route.requestHeaders.set);
  pushIdentity(headers, permit);
  if (token !== null) pushToken(headers, route.tokenHeader ?? tokenHeader, token);
  if (providerToken !== null && route.providerToken !== null) pushToken(headers, route.providerToken, providerToken);
}

function pushToken(headers: string[], name: string, token: CompactToken): void {
  headers.push(name, name === 'Authorization' ? `Bearer ${token}` : token);
}

/** A Cookie header without the named cookies; the same text when it has none of them. */
function withoutCookies(header: string, names: readonly string[]): string {
  for (const name of names) {
    if (header.includes(name))
      return trimStart(
        header
          .split(';')
          .filter((pair) => !isOneOf(pair, names))
          .join(';'),
      );
  }
  return header;
}

function isOneOf(pair: string, names: readonly string[]): boolean {
  const name = trim(pair.split('=', 1)[0] ?? '');
  if (name !== '') return names.some((own) => isOwnCookie(name, own));
  // Some parsers write a nameless cookie as its bare value, which the next parser reads as a named one (COK-05).
  const value = trimStart(pair, ' \t=');
  return names.some((own) => value.startsWith(own));
}

/** Those of the client's headers or trailers that a route lets pass; a flat name, value list like what it is given. */
export function keptHeaders(received: readonly string[], rules: HeaderRules | null): string[] {
  const kept: string[] = [];
  pushKept(kept, received, rules);
  return kept;
}

function pushKept(headers: string[], received: readonly string[], rules: HeaderRules | null): void {
  for (let index = 0; index + 1 < received.length; index += 2) {
    const name = received[index] as string;
    if (rules === null || !rules.dropped.has(foldHeaderName(name))) headers.push(name, received[index + 1] as string);
  }
}

/** Who the client is. The host is quoted as the client sent it; it has been matched against the routes by now. */
function pushForwarding(headers: string[], request: ScreenedRequest, form: UpstreamConfig['forwardedHeaders']): void {
  if (form === 'none') return;
  if (form !== 'forwarded') {
    headers.push('x-forwarded-for', request.forwardedFor);
    headers.push('x-forwarded-host', request.hostHeader);
    headers.push('x-forwarded-proto', request.scheme);
  }
  if (form !== 'x-forwarded') {
    const hops = request.forwardedFor.split(', ').map((address) => `for=${forwardedNode(address)}`);
    const first = `${hops[0]};host="${request.hostHeader}";proto=${request.scheme}`;
    headers.push('forwarded', [first, ...hops.slice(1)].join(', '));
  }
}

/** RFC 7239 §6: an IPv6 address is in brackets and quoted. */
const forwardedNode = (address: string) => (address.includes(':') ? `"[${address}]"` : address);

/**
 * The context of the gateway's span if the request is recorded; otherwise a trusted one, unchanged. Never a new one: a trace id
 * without an exported span would make every parent-based sampler behind the gateway record nothing. `tracestate` means nothing
 * without the `traceparent` that it came with.
 */
function pushTraceContext(headers: string[], { trace }: Pick<Exchange, 'trace'>, request: ScreenedRequest): void {
  const parent = trace === null ? request.traceparent : trace.upstreamParent();
  if (parent === null) return;
  headers.push('traceparent', parent);
  const { tracestate } = request.fields;
  if (request.traceparent !== null && tracestate !== null) headers.push('tracestate', tracestate);
}

/** Plain identity headers. A source without a value writes nothing; the client's copy is removed anyway (HDR-07). */
function pushIdentity(headers: string[], { principal, route }: Permit): void {
  const { identityHeaders } = route;
  for (let index = 0; index + 1 < identityHeaders.length; index += 2) {
    const value = principalValue(principal, identityHeaders[index + 1] as string);
    if (value === undefined || value === null) continue;
    headers.push(identityHeaders[index] as string, identityHeaderValue(value));
  }
}

/**
 * An attribute as a header value: the items of a list joined with `,`, each percent-encoded where it is not printable
 * ASCII, and where it holds `%`, `,` or a space at an end. So no attribute can split a header or add an item to a list
 * (UPS-01), and `decodeURIComponent` of each item gives it back.
 */
export function identityHeaderValue(value: JSONType): string {
  return Array.isArray(value) ? value.map(encodeItem).join(',') : encodeItem(value);
}

function encodeItem(value: JSONType): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  const withoutEnds = trim(text, ' ');
  const before = withoutEnds === '' ? text.length : text.indexOf(withoutEnds);
  const after = text.length - before - withoutEnds.length;
  const encoded = withoutEnds.replace(/[^\x20-\x24\x26-\x2b\x2d-\x7e]+/gu, (run) =>
    [...Buffer.from(run)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
  return `${'%20'.repeat(before)}${encoded}${'%20'.repeat(after)}`;
}
