/** What a proxy is told to do with a permitted request: the same in every form. */

import type { Permit } from '../authorization/permit.ts';
import type { Exchange } from '../exchange.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import { foldHeaderName } from '../lib/http/header-name.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import { decidedRequestHeaders } from '../upstream/request-headers.ts';

/** What the answers are made from. */
export interface AnswerSettings {
  /** Header of the upstream token where the route names none. */
  readonly tokenHeader: string;
  /** Cookies that only the gateway sets, and that no upstream gets. */
  readonly ownCookies: readonly string[];
  /** Every header into which some route writes identity or a token. */
  readonly writtenHeaders: readonly string[];
}

/** What to do with the headers of a request. */
export interface HeaderChanges {
  /** To write: flat name, value list. Each replaces all copies from the client. */
  readonly headers: string[];
  /** Lower-case names of headers that other requests get written, and this one does not. */
  readonly missing: readonly string[];
  /** Names of all headers to remove: those, and further ones from the client that the gateway would not forward either. */
  readonly removed: readonly string[];
}

/** What a proxy writes on its own connections and about its clients, in lower case: its own copies must stay. */
const OF_PROXY = new Set([
  ...['connection', 'content-length', 'expect', 'host', 'http2-settings', 'keep-alive', 'proxy-connection'],
  ...['te', 'trailer', 'traceparent', 'tracestate', 'transfer-encoding', 'upgrade', 'via'],
  ...['x-forwarded-client-cert', 'x-forwarded-for', 'x-forwarded-proto', 'x-request-id'],
]);
/** Envoy removes those that clients send. */
const OF_ENVOY = 'x-envoy-';

/** Decides the changes for one configuration. */
export class ProxyAnswers {
  readonly #settings: AnswerSettings;
  /** In lower case. */
  readonly #namesWrittenHere: readonly string[];

  constructor(settings: AnswerSettings) {
    this.#settings = settings;
    const names = ['cookie', 'authorization', settings.tokenHeader, ...settings.writtenHeaders];
    this.#namesWrittenHere = [...new Set(names.map((name) => name.toLowerCase()))];
  }

  /** The headers to write; for proxies that cannot be told what to remove. */
  written(exchange: Exchange, request: ScreenedRequest, permit: Permit, token: CompactToken | null): string[] {
    return decidedRequestHeaders(exchange, request, permit, token, this.#settings);
  }

  /** All changes. */
  changes(exchange: Exchange, request: ScreenedRequest, permit: Permit, token: CompactToken | null): HeaderChanges {
    const headers = this.written(exchange, request, permit, token);
    const handled = new Set<string>();
    for (let index = 0; index < headers.length; index += 2) handled.add((headers[index] as string).toLowerCase());
    const missing = this.#namesWrittenHere.filter((name) => !handled.has(name));
    for (const name of missing) handled.add(name);
    const dropped = droppedNames(exchange.rawHeaders, request, permit, handled);
    return { headers, missing, removed: [...missing, ...dropped] };
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
