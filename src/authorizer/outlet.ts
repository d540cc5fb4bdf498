/**
 * The last step of the authorizer's pipeline: in place of a forward, 200 with what the proxy has to write into the request
 * before it forwards it, and what it has to remove. No other answer of the authorizer is 2xx.
 */

import type { Permit } from '../authorization/permit.ts';
import type { Exchange } from '../exchange.ts';
import type { CompactToken } from '../lib/bearer.ts';
import { foldHeaderName } from '../lib/header-name.ts';
import type { Responder } from '../response/respond.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import type { Outlet } from '../upstream/forward.ts';
import { decidedRequestHeaders } from '../upstream/request-headers.ts';
import { type Form, formOf } from './form.ts';

/** What the answers are made from. */
interface AnswerSettings {
  /** Header of the upstream token where the route names none. */
  readonly tokenHeader: string;
  /** Cookies that only the gateway sets, and that no upstream gets. */
  readonly ownCookies: readonly string[];
  /** Every header into which some route writes identity or a token. */
  readonly writtenHeaders: readonly string[];
}

/**
 * Names the headers to remove, separated by commas. Envoy acts on its own; the script for HAProxy on ours. Other proxies
 * act on neither, and remove what their configuration says.
 */
const REMOVE_HEADER: Readonly<Partial<Record<Form, string>>> = {
  'ext-authz': 'x-envoy-auth-headers-to-remove',
  'forward-auth': 'X-Sallyport-Remove',
};

/** The names of those headers. */
export const REMOVE_HEADERS: readonly string[] = Object.values(REMOVE_HEADER);

/** What a proxy writes on its own connections and about its clients, in lower case: its own copies must stay. */
const OF_PROXY = new Set([
  ...['connection', 'content-length', 'expect', 'host', 'http2-settings', 'keep-alive', 'proxy-connection'],
  ...['te', 'trailer', 'traceparent', 'tracestate', 'transfer-encoding', 'upgrade', 'via'],
  ...['x-forwarded-client-cert', 'x-forwarded-for', 'x-forwarded-proto', 'x-request-id'],
]);
/** Envoy removes those that clients send. */
const OF_ENVOY = 'x-envoy-';

/** Tells proxies what to forward. */
export class AnswerOutlet implements Outlet {
  /** The authorizer carries no tunnels: a proxy that has been told to let a WebSocket pass keeps it. */
  readonly tunnels: Outlet['tunnels'] = new Set();
  readonly #settings: AnswerSettings;
  readonly #responder: Responder;

  constructor(settings: AnswerSettings, responder: Responder) {
    this.#settings = settings;
    this.#responder = responder;
  }

  /** Answers a permitted request. */
  forward(
    exchange: Exchange,
    request: ScreenedRequest,
    permit: Permit,
    _target: string,
    token: CompactToken | null,
  ): void {
    if (exchange.isOver) return;
    if (formOf(exchange.target) === 'refusal') {
      // It was refused a moment ago, and the client would get this answer, token and all.
      const { spelling, query } = request.target;
      this.#responder.redirect(exchange, 307, `${spelling}${query}`);
      return;
    }
    const { reply } = exchange;
    const answer = this.prepare(exchange, request, permit, token);
    reply.discardBody();
    reply.begin(200, ['Content-Length', '0', 'Cache-Control', 'no-store', 'X-Request-Id', exchange.id, ...answer]);
    reply.end();
  }

  /**
   * What the proxy is told: headers to write, each of which replaces all copies from the client, and the names of others
   * to remove.
   *
   * @returns flat name, value list
   */
  prepare(exchange: Exchange, request: ScreenedRequest, permit: Permit, token: CompactToken | null): string[] {
    const form = formOf(exchange.target);
    const headers = decidedRequestHeaders(request, permit, token, this.#settings);
    const removeHeader = form === null ? undefined : REMOVE_HEADER[form];
    if (removeHeader === undefined) return headers;
    const written = new Set<string>();
    for (let index = 0; index < headers.length; index += 2) written.add((headers[index] as string).toLowerCase());
    const missing = this.#namesWrittenHere().filter((name) => !written.has(name));
    // Envoy replaces only headers that the answer has, the Gateway API knows no removal, and old versions of Caddy write the name
    // of a variable in place of one that is missing: an empty header is safe in all.
    for (const name of missing) {
      headers.push(name, '');
      written.add(name);
    }
    const names = [...missing, ...droppedNames(exchange.rawHeaders, request, permit, written)];
    if (names.length > 0) headers.push(removeHeader, names.join(','));
    return headers;
  }

  /** In lower case. */
  #namesWrittenHere(): readonly string[] {
    const { tokenHeader, writtenHeaders } = this.#settings;
    const names = ['cookie', 'authorization', tokenHeader, ...writtenHeaders];
    return [...new Set(names.map((name) => name.toLowerCase()))];
  }
}

/** Names of headers in the question that the gateway would not forward either, as they are spelled. */
function droppedNames(
  rawHeaders: readonly string[],
  { headers: kept }: ScreenedRequest,
  { route }: Permit,
  handled: ReadonlySet<string>,
): string[] {
  const forwarded = new Set<string>();
  for (let index = 0; index < kept.length; index += 2) forwarded.add((kept[index] as string).toLowerCase());
  const names = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] as string).toLowerCase();
    if (handled.has(name) || OF_PROXY.has(name) || name.startsWith(OF_ENVOY)) continue;
    const isDropped = route.requestHeaders?.dropped.has(foldHeaderName(name)) === true;
    if (isDropped || !forwarded.has(name)) names.add(name);
  }
  return [...names];
}
