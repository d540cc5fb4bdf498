/** Writes the head of a request. Refuses everything that could split or reframe it, even if an earlier stage let it pass (UPS-01, UPS-02). */

import { GatewayFault } from '../../errors.ts';
import { isFieldValue, isToken } from '../../lib/http/field.ts';
import { RecentMap } from '../../lib/recent-map.ts';
import type { ServerRequest } from '../dispatch.ts';

const PATH = /^[\x21-\x7e\x80-\xff]+$/;
/** Any token but the names of headers about the connection or the body, which this file alone writes. */
const HEADER_NAME =
  /^(?!(?:connection|content-length|expect|keep-alive|te|transfer-encoding|upgrade)$)[!#$%&'*+\-.^_`|~\da-z]+$/i;
/** Those that may be written. perf: requests use the same ones over and over, and the pattern takes 2 µs for the names of one. */
const names = new RecentMap<true>(16 * 1024);
/** Methods whose requests are expected to have content, so that its absence is stated too (RFC 9110 §8.6). */
const WITH_CONTENT = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH']);

const refused = (what: string) => new GatewayFault('bug', `${what} that cannot be sent`);

/** Whether a server may lose track of the connection: some answer HEAD with a body, or read the body of a GET as a request. */
export const isDoubtful = ({ method, body }: ServerRequest): boolean =>
  method === 'HEAD' || (body !== null && !WITH_CONTENT.has(method));

/**
 * The head of a request.
 *
 * @throws GatewayFault `bug` for what could split or reframe the request
 */
export function requestHead(request: ServerRequest): string {
  const { method, path, headers, isUpgrade, takesTrailers } = request;
  if (!isToken(method) || !PATH.test(path)) throw refused('request line');
  const option = isDoubtful(request) ? 'close' : 'keep-alive';
  // RFC 9110 §10.1.4: TE applies to this connection only, so Connection must name it.
  const keep = takesTrailers ? `connection: ${option}, te\r\nte: trailers\r\n` : `connection: ${option}\r\n`;
  let head = `${method} ${path} HTTP/1.1\r\n`;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] as string;
    const value = headers[index + 1] as string;
    if (!isSendable(name)) throw refused('header name');
    if (!isFieldValue(value)) throw refused('header value');
    head += `${name}: ${value}\r\n`;
    if (index === 0) head += isUpgrade ? 'connection: upgrade\r\nupgrade: websocket\r\n' : keep;
  }
  return `${head}${framingOf(request)}\r\n`;
}

function isSendable(name: string): boolean {
  if (names.get(name) === true) return true;
  const isFit = HEADER_NAME.test(name);
  if (isFit) names.set(name, true);
  return isFit;
}

function framingOf({ method, body, bodyLength }: ServerRequest): string {
  if (body !== null)
    return bodyLength === null ? 'transfer-encoding: chunked\r\n' : `content-length: ${bodyLength}\r\n`;
  return WITH_CONTENT.has(method) ? 'content-length: 0\r\n' : '';
}
