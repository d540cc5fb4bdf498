/** Writes the head of a request. Nothing that could split or reframe it is written, whatever let it get here (UPS-01, UPS-02). */

import { GatewayFault } from '../../errors.ts';
import type { ServerRequest } from '../dispatch.ts';

/** How a body is framed: by its length in bytes, by chunks, or `null` where there is none. */
export type Framing = number | 'chunked' | null;

const TOKEN = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
const PATH = /^[\x21-\x7e\x80-\xff]+$/;
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const LENGTH = /^\d{1,15}$/;
/** They are written here, or not at all. */
const ABOUT_CONNECTION = new Set(['connection', 'expect', 'keep-alive', 'te', 'transfer-encoding', 'upgrade']);
/** Methods whose requests are expected to have content, so that its absence is stated too (RFC 9110 §8.6). */
const WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH']);

/** Names that may be written, and which of them are Content-Length. perf: requests use the same ones over and over. */
const names = new Map<string, boolean>();
/** Bounded, because clients choose the names: one that sends many does not keep out those of the others. */
const MAX_NAMES = 1_024;
const MAX_KNOWN_LENGTH = 64;

const refused = (what: string) => new GatewayFault('bug', `${what} that cannot be sent`);

/** Whether a request of this method is expected to have content. Some servers do not know what to do with that of others. */
export const expectsContent = (method: string): boolean => WITH_CONTENT.has(method);

/**
 * How the body of a request is framed: by the length among its headers, else by chunks.
 *
 * @throws GatewayFault `bug` for a length that is no number
 */
export function framingOf({ body, headers }: ServerRequest): Framing {
  if (body === null) return null;
  const at = headers.findIndex((name, index) => index % 2 === 0 && isLength(name));
  if (at === -1) return 'chunked';
  const length = headers[at + 1] as string;
  if (!LENGTH.test(length)) throw refused('length');
  return Number(length);
}

/**
 * The lines of a head, up to those that {@link endOfHead} writes.
 *
 * @param isLast  whether the connection ends with the request
 * @throws GatewayFault `bug` for what could split or reframe the request
 */
export function requestLines(request: ServerRequest, isLast: boolean): string {
  const { method, path, headers, body, isUpgrade, takesTrailers } = request;
  if (!TOKEN.test(method) || !PATH.test(path)) throw refused('request line');
  const option = isLast ? 'close' : 'keep-alive';
  // RFC 9110 §10.1.4: TE is about this connection, and has to be named.
  const keep = takesTrailers ? `connection: ${option}, te\r\nte: trailers\r\n` : `connection: ${option}\r\n`;
  const connection = isUpgrade ? 'connection: upgrade\r\nupgrade: websocket\r\n' : keep;
  let lines = `${method} ${path} HTTP/1.1\r\n`;
  let lengths = 0;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string;
    const value = headers[index + 1] as string;
    if (NOT_IN_VALUE.test(value)) throw refused('header value');
    if (isLength(name)) lengths += 1;
    lines += `${name}: ${value}\r\n`;
    if (index === 0) lines += connection;
  }
  if (lengths > (body === null ? 0 : 1)) throw refused('length');
  return lines;
}

/** What comes last in a head. */
export function endOfHead(framing: Framing, method: string): string {
  if (framing === 'chunked') return 'transfer-encoding: chunked\r\n\r\n';
  return framing === null && WITH_CONTENT.has(method) ? 'content-length: 0\r\n\r\n' : '\r\n';
}

function isLength(name: string): boolean {
  const known = names.get(name);
  if (known !== undefined) return known;
  const folded = name.toLowerCase();
  if (!TOKEN.test(name) || ABOUT_CONNECTION.has(folded)) throw refused('header name');
  if (names.size >= MAX_NAMES) names.clear();
  if (name.length <= MAX_KNOWN_LENGTH) names.set(name, folded === 'content-length');
  return folded === 'content-length';
}
