/**
 * The one pass over the raw header list: sorts headers into forwarded, dropped, and read by the gateway itself.
 *
 * Hop-by-hop headers, headers listed in `Connection` and owned headers are removed first; the gateway's own are written
 * later, in `upstream/request-headers.ts`. So nothing that a client lists in `Connection` can remove them
 * (GHSA-w9mr-28mw-j8hg, CVE-2026-33805).
 */

import { Denial } from '../errors.ts';
import { foldHeaderName } from '../lib/http/header-name.ts';
import { mayBeTrailer } from '../lib/http/trailer-name.ts';
import { trim } from '../lib/text/trim.ts';
import type { OwnedHeaders } from './owned-headers.ts';

/** Dispositions of a header. Small integers, because the pass below switches on them for every header. */
const FORWARD = 0;
const DROP = 1;
const HOST = 2;
const COOKIE = 3;
const AUTHORIZATION = 4;
const CONTENT_LENGTH = 5;
const TRANSFER_ENCODING = 6;
const CONNECTION = 7;
const UPGRADE = 8;
const EXPECT = 9;
const VIA = 10;
const TRACEPARENT = 11;
const REQUEST_ID = 12;
const FORWARDED_FOR = 13;
const FORWARDED_PROTO = 14;
const TRACESTATE = 15;
const OWNED = 16;
const TE = 17;
/** From here on: read by the gateway and also forwarded. */
const ORIGIN = 20;
const SEC_FETCH_SITE = 21;
const SEC_FETCH_MODE = 22;
const SEC_FETCH_DEST = 23;
const ACCEPT = 24;
const CONTENT_TYPE = 25;
const WEBSOCKET_KEY = 26;
const WEBSOCKET_VERSION = 27;
const REFERER = 28;
const USER_AGENT = 29;
const REQUESTED_WITH = 30;
const HX_REQUEST = 31;
const REQUESTED_METHOD = 32;

/** Headers that the gateway acts on, by lower-case name. A folded spelling of one (`Transfer_Encoding`) is dropped. */
const DISPOSITIONS: ReadonlyMap<string, number> = new Map([
  ['host', HOST],
  ['cookie', COOKIE],
  ['authorization', AUTHORIZATION],
  ['content-length', CONTENT_LENGTH],
  ['transfer-encoding', TRANSFER_ENCODING],
  ['connection', CONNECTION],
  ['upgrade', UPGRADE],
  ['expect', EXPECT],
  ['via', VIA],
  ['traceparent', TRACEPARENT],
  ['tracestate', TRACESTATE],
  ['x-request-id', REQUEST_ID],
  ['x-forwarded-for', FORWARDED_FOR],
  ['x-forwarded-proto', FORWARDED_PROTO],
  ['origin', ORIGIN],
  ['access-control-request-method', REQUESTED_METHOD],
  ['referer', REFERER],
  ['sec-fetch-site', SEC_FETCH_SITE],
  ['sec-fetch-mode', SEC_FETCH_MODE],
  ['sec-fetch-dest', SEC_FETCH_DEST],
  ['accept', ACCEPT],
  ['content-type', CONTENT_TYPE],
  ['user-agent', USER_AGENT],
  ['x-requested-with', REQUESTED_WITH],
  ['hx-request', HX_REQUEST],
  ['sec-websocket-key', WEBSOCKET_KEY],
  ['sec-websocket-version', WEBSOCKET_VERSION],
  ['keep-alive', DROP],
  ['proxy-connection', DROP],
  ['proxy-authenticate', DROP],
  ['proxy-authorization', DROP],
  ['te', TE],
  ['trailer', DROP],
  ['http2-settings', DROP],
]);

/** `Connection` options that name no header, or one that is dropped anyway. */
const HARMLESS_OPTIONS = new Set([
  'close',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
  'http2-settings',
]);

const DUPLICATE_HOST = new Denial('request_ambiguous', 'more than one Host header');
const DUPLICATE_AUTHORIZATION = new Denial('request_ambiguous', 'more than one Authorization header');
const DUPLICATE_LENGTH = new Denial('request_ambiguous', 'more than one Content-Length header');
const DUPLICATE_ENCODING = new Denial('request_ambiguous', 'more than one Transfer-Encoding header');
const CONNECTION_NAMES_PROTECTED = new Denial(
  'request_ambiguous',
  'Connection lists a header that frames or authenticates the request',
);
/** No honest client lists more. Each costs a microsecond, so 16 KiB of them would cost several milliseconds. */
const MAX_CONNECTION_OPTIONS = 100;
const TOO_MANY_OPTIONS = new Denial('headers_too_large', 'more than 100 options in Connection');
const BAD_CONNECTION_OPTION = new Denial('request_malformed', 'Connection option is not a token');

/** The result of the pass. Fixed shape: every field is set here, none is added later. */
export class HeaderScan {
  /** Flat name, value list of the forwarded headers, spelled and ordered as received. */
  forwarded: string[] = [];
  host: string | null = null;
  cookie: string | null = null;
  authorization: string | null = null;
  contentLength: string | null = null;
  transferEncoding: string | null = null;
  connection: string | null = null;
  upgrade: string | null = null;
  expect: string | null = null;
  via: string | null = null;
  traceparent: string | null = null;
  tracestate: string | null = null;
  requestId: string | null = null;
  forwardedFor: string | null = null;
  forwardedProto: string | null = null;
  origin: string | null = null;
  /** What a CORS preflight asks for. */
  requestedMethod: string | null = null;
  referer: string | null = null;
  secFetchSite: string | null = null;
  secFetchMode: string | null = null;
  secFetchDest: string | null = null;
  accept: string | null = null;
  contentType: string | null = null;
  userAgent: string | null = null;
  /** Whether a script says that it sends the request (`X-Requested-With: XMLHttpRequest`, `HX-Request: true`). */
  isScripted = false;
  /** Whether the script is htmx, which shows what it gets inside of the page. */
  isHtmx = false;
  webSocketKey: string | null = null;
  webSocketVersion: string | null = null;
  /** Whether the client takes trailers (`TE: trailers`). */
  takesTrailers = false;
  /** The number of headers dropped because only the gateway may write them. */
  ownedHeaders = 0;
}

const joined = (present: string | null, value: string) => (present === null ? value : `${present}, ${value}`);

/** Scans header lists with one configuration's owned headers. */
export class HeaderScanner {
  readonly #owned: OwnedHeaders;
  /** Disposition by name as spelled. Bounded, because clients choose the spelling. */
  readonly #known = new Map<string, number>();

  constructor(owned: OwnedHeaders) {
    this.#owned = owned;
  }

  /**
   * Reads a raw header list.
   *
   * Refuses duplicates of headers that must be unique and checks no other values: `Host`, framing, cookies and addresses
   * have their own files.
   *
   * @param rawHeaders  flat name, value list, as in `IncomingMessage.rawHeaders`
   * @see test/attack/headers.test.ts (HDR-01 … HDR-24), test/attack/hop-by-hop.test.ts (HBH-01 … HBH-08)
   */
  scan(rawHeaders: readonly string[]): HeaderScan | Denial {
    const scan = new HeaderScan();
    const forwarded = scan.forwarded;
    for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] as string;
      const value = rawHeaders[index + 1] as string;
      const disposition = this.#known.get(name) ?? this.#classify(name);
      if (disposition === FORWARD || disposition >= ORIGIN) forwarded.push(name, value);
      if (disposition > DROP) {
        const problem = note(scan, disposition, value);
        if (problem !== null) return problem;
      }
    }
    return scan.connection === null ? scan : dropConnectionListed(scan, scan.connection);
  }

  /**
   * The fields behind a body that may be passed on: none that the gateway reads, writes or owns, and none that means something
   * in a header only.
   *
   * @param rawTrailers  flat name, value list
   * @returns the same, names in lower case
   */
  trailers(rawTrailers: readonly string[]): string[] {
    const kept: string[] = [];
    for (let index = 0; index + 1 < rawTrailers.length; index += 2) {
      const name = (rawTrailers[index] as string).toLowerCase();
      const disposition = this.#known.get(name) ?? this.#classify(name);
      if (disposition === FORWARD && mayBeTrailer(name)) kept.push(name, rawTrailers[index + 1] as string);
    }
    return kept;
  }

  #classify(name: string): number {
    const disposition = this.#dispositionOf(name);
    if (this.#known.size >= 2_048) this.#known.clear();
    if (name.length <= 64) this.#known.set(name, disposition);
    return disposition;
  }

  #dispositionOf(name: string): number {
    const special = DISPOSITIONS.get(name.toLowerCase());
    if (special !== undefined) return special;
    if (DISPOSITIONS.has(foldHeaderName(name))) return DROP;
    return this.#owned.owns(name) ? OWNED : FORWARD;
  }
}

/** Stores one header that the gateway reads. Long because it is one switch, with a case for each header. */
function note(scan: HeaderScan, disposition: number, value: string): Denial | null {
  switch (disposition) {
    case HOST:
      if (scan.host !== null) return DUPLICATE_HOST;
      scan.host = value;
      break;
    case AUTHORIZATION:
      if (scan.authorization !== null) return DUPLICATE_AUTHORIZATION;
      scan.authorization = value;
      break;
    case CONTENT_LENGTH:
      if (scan.contentLength !== null) return DUPLICATE_LENGTH;
      scan.contentLength = value;
      break;
    case TRANSFER_ENCODING:
      if (scan.transferEncoding !== null) return DUPLICATE_ENCODING;
      scan.transferEncoding = value;
      break;
    case COOKIE:
      scan.cookie = scan.cookie === null ? value : `${scan.cookie}; ${value}`;
      break;
    case CONNECTION:
      scan.connection = joined(scan.connection, value);
      break;
    case UPGRADE:
      scan.upgrade = joined(scan.upgrade, value);
      break;
    case EXPECT:
      scan.expect = joined(scan.expect, value);
      break;
    case VIA:
      scan.via = joined(scan.via, value);
      break;
    case TRACEPARENT:
      scan.traceparent = joined(scan.traceparent, value);
      break;
    case TRACESTATE:
      scan.tracestate = joined(scan.tracestate, value);
      break;
    case REQUEST_ID:
      scan.requestId = joined(scan.requestId, value);
      break;
    case FORWARDED_FOR:
      scan.forwardedFor = joined(scan.forwardedFor, value);
      break;
    case FORWARDED_PROTO:
      scan.forwardedProto = joined(scan.forwardedProto, value);
      break;
    // A client may send these once: two are joined, and the result equals no accepted value (CSRF-10).
    case ORIGIN:
      scan.origin = joined(scan.origin, value);
      break;
    case REQUESTED_METHOD:
      scan.requestedMethod = joined(scan.requestedMethod, value);
      break;
    case REFERER:
      scan.referer = joined(scan.referer, value);
      break;
    case SEC_FETCH_SITE:
      scan.secFetchSite = joined(scan.secFetchSite, value);
      break;
    case SEC_FETCH_MODE:
      scan.secFetchMode = joined(scan.secFetchMode, value);
      break;
    case SEC_FETCH_DEST:
      scan.secFetchDest = joined(scan.secFetchDest, value);
      break;
    case ACCEPT:
      scan.accept = joined(scan.accept, value);
      break;
    case CONTENT_TYPE:
      scan.contentType = joined(scan.contentType, value);
      break;
    case USER_AGENT:
      scan.userAgent = value;
      break;
    // Android's WebView sends X-Requested-With with the name of its app, also when a person goes to a page.
    case REQUESTED_WITH:
      scan.isScripted ||= value.toLowerCase() === 'xmlhttprequest';
      break;
    case HX_REQUEST:
      scan.isHtmx ||= value === 'true';
      scan.isScripted ||= scan.isHtmx;
      break;
    case WEBSOCKET_KEY:
      scan.webSocketKey = joined(scan.webSocketKey, value);
      break;
    case WEBSOCKET_VERSION:
      scan.webSocketVersion = joined(scan.webSocketVersion, value);
      break;
    case TE:
      scan.takesTrailers ||= /(?:^|,)[ \t]*trailers[ \t]*(?:,|$)/i.test(value);
      break;
    case OWNED:
      scan.ownedHeaders += 1;
      break;
  }
  return null;
}

/**
 * Removes the headers that `Connection` lists (RFC 9110 §7.6.1).
 *
 * Refuses a list that names a header which frames or authenticates the request: removing it would change the request.
 */
function dropConnectionListed(scan: HeaderScan, connection: string): HeaderScan | Denial {
  if (connection === 'keep-alive' || connection === 'close') return scan;
  const listed = new Set<string>();
  const options = connection.split(',', MAX_CONNECTION_OPTIONS + 1);
  if (options.length > MAX_CONNECTION_OPTIONS) return TOO_MANY_OPTIONS;
  for (const option of options) {
    const name = trim(option).toLowerCase();
    if (name === '' || HARMLESS_OPTIONS.has(name)) continue;
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) return BAD_CONNECTION_OPTION;
    if ((DISPOSITIONS.get(name) ?? FORWARD) !== FORWARD) return CONNECTION_NAMES_PROTECTED;
    listed.add(name);
  }
  if (listed.size === 0) return scan;
  const kept: string[] = [];
  for (let index = 0; index + 1 < scan.forwarded.length; index += 2) {
    const name = scan.forwarded[index] as string;
    if (!listed.has(name.toLowerCase())) kept.push(name, scan.forwarded[index + 1] as string);
  }
  scan.forwarded = kept;
  return scan;
}
