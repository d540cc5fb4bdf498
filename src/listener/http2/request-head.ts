/**
 * The head of a request in the form in which every later stage reads it, whatever the protocol: method, target, Host and a
 * list of headers.
 *
 * nghttp2 has already refused (RFC 9113 §8.2, §8.3): pseudo-headers that are unknown, missing, repeated, or after a header; upper-case
 * names; connection-specific headers; `te` other than `trailers`; and a path that does not begin with `/`. It drops headers whose
 * value has a forbidden character.
 */

import { randomBytes } from 'node:crypto';
import { Denial } from '../../errors.ts';
import { isMethod } from '../../lib/http/method.ts';

/** A request head, and why it is refused. */
export interface RequestHead {
  readonly method: string;
  readonly url: string;
  /** HTTP/1.1 clients cannot send this version: the parser reads `HTTP/2.0` there. */
  readonly httpVersion: '2';
  readonly rawHeaders: readonly string[];
  /** Whether a body follows, whose length no header says. */
  readonly hasUnframedBody: boolean;
  /** Whether it asks for a WebSocket (RFC 8441). */
  readonly isUpgrade: boolean;
  /** Whether it then has a key of RFC 6455, whose sender may want the proof. */
  readonly hasKey: boolean;
  /** `null`: it can be screened. */
  readonly denial: Denial | null;
}

/** The limits of a head; the same as for HTTP/1.1. */
export interface HeadLimits {
  readonly maxHeaderBytes: number;
  /** Lines; all crumbs of the Cookie header count as one (RFC 9113 §8.2.3). */
  readonly maxHeaderCount: number;
}

const ALLOW = ['Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'] as const;
const CONNECT = new Denial('method_not_allowed', 'CONNECT', ALLOW);
const UNKNOWN_METHOD = new Denial('request_malformed', 'method that HTTP/1.1 does not have');
const BAD_SCHEME = new Denial('request_malformed', ':scheme is not that of the connection');
const OTHER_PROTOCOL = new Denial('upgrade_unsupported', ':protocol is not "websocket"');
const TOO_LARGE = new Denial('headers_too_large', 'headers over limits.maxHeaderBytes');
const TOO_MANY = new Denial('headers_too_large', 'headers over limits.maxHeaderCount');

/** Bytes that a header takes on HTTP/1.1 besides its name and value. */
const LINE_BYTES = ': \r\n'.length;
const COLON = 0x3a;

/**
 * Reads the fields of a head.
 *
 * @param fields    flat name, value list, pseudo-headers among them
 * @param isSecure  whether the connection is TLS
 * @param hasBody   whether the stream continues after the head
 */
export function readHead(
  fields: readonly string[],
  isSecure: boolean,
  hasBody: boolean,
  limits: HeadLimits,
): RequestHead {
  let method = '';
  let url = '';
  let scheme = '';
  let authority = '';
  let protocol: string | null = null;
  let bytes = 0;
  let lines = 0;
  let hasLength = false;
  let hasCookie = false;
  const rawHeaders: string[] = ['host', ''];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = fields[index] as string;
    const value = fields[index + 1] as string;
    bytes += name.length + value.length + LINE_BYTES;
    if (name.charCodeAt(0) !== COLON) {
      // A different Host header is refused like a second one in HTTP/1.1: two readers could choose differently.
      if (name === 'host' && value === authority) continue;
      if (name === 'cookie') hasCookie = true;
      else lines += 1;
      if (name === 'content-length') hasLength = true;
      rawHeaders.push(name, value);
    } else if (name === ':method') method = value;
    else if (name === ':path') url = value;
    else if (name === ':scheme') scheme = value;
    else if (name === ':authority') authority = value;
    else protocol = value;
  }
  if (authority === '') rawHeaders.splice(0, 2);
  else rawHeaders[1] = authority;
  if (hasCookie) lines += 1;
  const isUpgrade = protocol === 'websocket' && method === 'CONNECT';
  let hasKey = false;
  if (isUpgrade) {
    hasKey = addHandshake(rawHeaders);
    method = 'GET';
  }
  const denial = excess(bytes, lines, limits) ?? problemOf(method, protocol, scheme, isSecure);
  const hasUnframedBody = hasBody && !hasLength && !isUpgrade;
  return { method, url, httpVersion: '2', rawHeaders, hasUnframedBody, isUpgrade, hasKey, denial };
}

function excess(bytes: number, lines: number, { maxHeaderBytes, maxHeaderCount }: HeadLimits): Denial | null {
  if (bytes > maxHeaderBytes) return TOO_LARGE;
  return lines > maxHeaderCount ? TOO_MANY : null;
}

function problemOf(method: string, protocol: string | null, scheme: string, isSecure: boolean): Denial | null {
  if (method === 'CONNECT') return protocol === null ? CONNECT : OTHER_PROTOCOL;
  if (!isMethod(method)) return UNKNOWN_METHOD;
  // Behind a proxy that terminates TLS, a plain connection may well carry https (RFC 9113 §8.3.1).
  return scheme === 'https' || (scheme === 'http' && !isSecure) ? null : BAD_SCHEME;
}

/**
 * Adds the handshake of HTTP/1.1 that RFC 8441 §5 leaves out, for the stages and the upstream.
 *
 * @returns whether the head has a key of its own, which matters only to the client of the proxy that sent it: HAProxy
 *   and Envoy pass on what an HTTP/1.1 client has sent them
 */
function addHandshake(rawHeaders: string[]): boolean {
  const hasKey = rawHeaders.some((text, index) => index % 2 === 0 && text === 'sec-websocket-key');
  rawHeaders.push('connection', 'upgrade', 'upgrade', 'websocket');
  if (!hasKey) rawHeaders.push('sec-websocket-key', randomBytes(16).toString('base64'));
  return hasKey;
}
