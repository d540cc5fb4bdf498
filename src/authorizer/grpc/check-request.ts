/**
 * Translates Envoy's question over gRPC (`envoy.service.auth.v3.CheckRequest`) into one in the form `ext-authz`: the same method,
 * target and header list that Envoy would send over HTTP. So the pipeline applies the same rules to both, and this file does the
 * work of an HTTP parser: it refuses messages that could not be an HTTP request, and contradictory ones.
 */

import { isIP } from 'node:net';
import { Denial } from '../../errors.ts';
import { isFieldValue, isToken } from '../../lib/http/field.ts';
import { isMethod } from '../../lib/http/method.ts';
import { trim } from '../../lib/text/trim.ts';
import { FORM_PATHS } from '../form.ts';

/** `envoy.config.core.v3.HeaderValue`, decoded; what is not set is missing. */
interface HeaderValue {
  readonly key?: string;
  readonly value?: string;
  readonly rawValue?: Uint8Array;
}

/** `envoy.service.auth.v3.AttributeContext.HttpRequest`, as far as it is read. */
interface HttpAttributes {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly scheme?: string;
  readonly query?: string;
  readonly fragment?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly headerMap?: { readonly headers?: readonly HeaderValue[] } | null;
}

/** `envoy.service.auth.v3.CheckRequest`, as far as it is read. */
export interface CheckRequest {
  readonly attributes?: {
    readonly source?: {
      readonly address?: { readonly socketAddress?: { readonly address?: string } | null } | null;
    } | null;
    readonly request?: { readonly http?: HttpAttributes | null } | null;
  } | null;
}

/** The question, as an HTTP parser would have read it. */
export interface CheckQuestion {
  readonly method: string;
  /** Behind the prefix of the form. */
  readonly url: string;
  readonly httpVersion: string;
  /** Flat name, value list, the first of which is Host. */
  readonly rawHeaders: readonly string[];
  readonly isUpgrade: boolean;
}

/** Limits on the headers of a described request: those of the public listener. */
export interface HeaderLimits {
  readonly maxHeaderBytes: number;
  readonly maxHeaderCount: number;
}

const NO_REQUEST = new Denial('request_malformed', 'the question has no attributes.request.http');
const INCOMPLETE = new Denial('request_malformed', 'the question lacks method, host or path');
const BAD_METHOD = new Denial('request_malformed', 'described method is not a method');
const NOT_ORIGIN_FORM = new Denial('request_malformed', 'described target is not origin-form');
const BAD_CHARACTER = new Denial(
  'request_malformed',
  'described host or target has a character that a request line cannot have',
);
const BAD_NAME = new Denial('request_malformed', 'name of a described header is not a token');
const BAD_VALUE = new Denial('request_malformed', 'value of a described header has a control character');
const UNKNOWN_PSEUDO_HEADER = new Denial('request_malformed', 'unknown pseudo-header in the question');
const TWICE = new Denial('request_ambiguous', 'the question has both headers and header_map');
const TWO_VALUES = new Denial('request_ambiguous', 'a described header has both value and raw_value');
const CONFLICT = new Denial('request_ambiguous', 'a header of the question and its attributes differ');
const QUERY_CONFLICT = new Denial('request_ambiguous', 'query or fragment of the question differs from its path');
const TOO_LARGE = new Denial('headers_too_large', 'described headers over limits.maxHeaderBytes or maxHeaderCount');

const VISIBLE = /^[\x21-\x7e]+$/;

/** Cost of each line besides name and value, as in an HTTP message: colon, space, end of line. */
const LINE_BYTES = 4;

/**
 * Reads a question.
 *
 * Does not check the meaning of method, host, path and headers: the pipeline does.
 *
 * @returns the question, or a Denial `request_malformed` | `request_ambiguous` | `headers_too_large`
 * @see https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/auth/v3/attribute_context.proto
 */
export function questionOf({ attributes }: CheckRequest, limits: HeaderLimits): CheckQuestion | Denial {
  const http = attributes?.request?.http;
  if (http === undefined || http === null) return NO_REQUEST;
  const { method = '', path = '', host = '' } = http;
  if (method === '' || host === '' || path === '') return INCOMPLETE;
  // They are logged unchanged, like those from an HTTP parser.
  if (!isMethod(method)) return BAD_METHOD;
  if (!path.startsWith('/')) return NOT_ORIGIN_FORM;
  if (!VISIBLE.test(path) || !VISIBLE.test(host)) return BAD_CHARACTER;
  if (!agreesWithPath(http, path)) return QUERY_CONFLICT;
  const headers = new DescribedHeaders(http, limits);
  const problem = headers.read();
  if (problem !== null) return problem;
  // What Envoy knows of its client and does not say in headers: it is behind no other proxy, and does not write them itself.
  const client = attributes?.source?.address?.socketAddress?.address ?? '';
  if (!headers.hasForwardedFor && isIP(client) !== 0) headers.list.push('x-forwarded-for', client);
  const { scheme } = http;
  if (!headers.hasForwardedProto && (scheme === 'http' || scheme === 'https'))
    headers.list.push('x-forwarded-proto', scheme);
  return {
    method,
    url: `${FORM_PATHS['ext-authz']}${path}`,
    // The framing of the described request is Envoy's business: it forwards in whatever version it likes.
    httpVersion: '1.1',
    rawHeaders: headers.list,
    isUpgrade: headers.isUpgrade,
  };
}

/** Envoy always leaves both empty; other senders may repeat the query. */
const agreesWithPath = ({ query = '', fragment = '' }: HttpAttributes, path: string) =>
  fragment === '' && (query === '' || path.slice(path.indexOf('?') + 1) === query);

/** The header list of one question, as it is read. */
class DescribedHeaders {
  readonly list: string[];
  hasForwardedFor = false;
  hasForwardedProto = false;
  readonly #http: HttpAttributes;
  readonly #limits: HeaderLimits;
  #bytes = 0;
  #count = 0;
  #hasUpgradeOption = false;
  #namesWebSocket = false;

  constructor(http: HttpAttributes, limits: HeaderLimits) {
    this.list = ['host', http.host ?? ''];
    this.#http = http;
    this.#limits = limits;
  }

  /** Whether the client asks for a WebSocket over HTTP/1.1, as it does also where Envoy has taken it from HTTP/2. */
  get isUpgrade(): boolean {
    return this.#hasUpgradeOption && this.#namesWebSocket;
  }

  read(): Denial | null {
    const { headers = {}, headerMap } = this.#http;
    const raw = headerMap?.headers ?? [];
    const names = Object.keys(headers);
    if (raw.length > 0 && names.length > 0) return TWICE;
    for (const name of names) {
      const problem = this.#add(name, headers[name] as string);
      if (problem !== null) return problem;
    }
    for (const { key = '', value = '', rawValue } of raw) {
      const isRaw = rawValue !== undefined && rawValue.length > 0;
      if (isRaw && value !== '') return TWO_VALUES;
      const problem = this.#add(key, isRaw ? Buffer.from(rawValue).toString('utf8') : value, isRaw ? rawValue : null);
      if (problem !== null) return problem;
    }
    return null;
  }

  /** @param raw  the value as it came, where it is known */
  #add(name: string, text: string, raw: Uint8Array | null = null): Denial | null {
    this.#bytes += name.length + text.length + LINE_BYTES;
    this.#count += 1;
    if (this.#bytes > this.#limits.maxHeaderBytes || this.#count > this.#limits.maxHeaderCount) return TOO_LARGE;
    if (name.startsWith(':')) return this.#pseudoHeader(name, text);
    const lower = name.toLowerCase();
    if (lower === 'host') return text === this.#http.host ? null : CONFLICT;
    if (!isToken(name)) return BAD_NAME;
    const value = trim(asBytes(text, raw));
    if (!isFieldValue(value)) return BAD_VALUE;
    this.#note(lower, value);
    this.list.push(name, value);
    return null;
  }

  #note(name: string, value: string): void {
    if (name === 'x-forwarded-for') this.hasForwardedFor = true;
    else if (name === 'x-forwarded-proto') this.hasForwardedProto = true;
    else if (name === 'connection') this.#hasUpgradeOption ||= hasItem(value, 'upgrade');
    else if (name === 'upgrade') this.#namesWebSocket ||= hasItem(value, 'websocket');
  }

  /** A pseudo-header repeats an attribute (RFC 9113 §8.3.1), and must agree with it. */
  #pseudoHeader(name: string, value: string): Denial | null {
    const attribute = ATTRIBUTE_OF.get(name);
    if (attribute === undefined) return UNKNOWN_PSEUDO_HEADER;
    return value === (this.#http[attribute] ?? '') ? null : CONFLICT;
  }
}

const ATTRIBUTE_OF: ReadonlyMap<string, 'method' | 'path' | 'host' | 'scheme'> = new Map([
  [':method', 'method'],
  [':path', 'path'],
  [':authority', 'host'],
  [':scheme', 'scheme'],
]);

const hasItem = (list: string, item: string) => list.split(',').some((it) => trim(it).toLowerCase() === item);

const ASCII = /^[\x00-\x7f]*$/;

/** A value as its bytes, each a character, as Node's parser gives them. */
function asBytes(text: string, raw: Uint8Array | null): string {
  if (ASCII.test(text)) return text;
  return (raw === null ? Buffer.from(text) : Buffer.from(raw)).toString('latin1');
}
