/** Converts header lists between the form of `node:http2` and the one used in the rest of `upstream/`. */

import { GatewayFault } from '../../errors.ts';
import { isFieldValue, valuesIn } from '../../lib/http/field.ts';
import { addField, noFields, type ReceivedFields, type ServerRequest } from '../dispatch.ts';

/**
 * The header list of an HTTP/2 request (RFC 9113 §8.3.1); of an extended CONNECT where a WebSocket is asked for (RFC 8441 §5).
 *
 * @throws GatewayFault `bug` for a value that could split a header
 */
export function http2RequestHeaders(request: ServerRequest, scheme: 'http' | 'https'): string[] {
  const { method, path, headers, takesTrailers, isUpgrade, bodyLength } = request;
  const list = isUpgrade ? [':method', 'CONNECT', ':protocol', 'websocket'] : [':method', method];
  list.push(':scheme', scheme, ':authority', headers[1] as string, ':path', path);
  for (let index = 2; index + 1 < headers.length; index += 2) {
    const name = (headers[index] as string).toLowerCase();
    if (name !== WEBSOCKET_KEY) list.push(name, headers[index + 1] as string);
  }
  if (bodyLength !== null) list.push('content-length', String(bodyLength));
  if (takesTrailers) list.push('te', 'trailers');
  // Node checks the values of HTTP/1.1 only (RFC 9113 §8.2.1, UPS-01).
  for (let index = 1; index < list.length; index += 2) {
    if (!isFieldValue(list[index] as string)) throw new GatewayFault('bug', 'header value that cannot be sent');
  }
  return list;
}

/** What proves to a client of HTTP/1.1 that a server has read its handshake; HTTP/2 has no use for it. */
const WEBSOCKET_KEY = 'sec-websocket-key';

/** The key of the handshake in a header list; `null` without one. */
export const webSocketKeyOf = (headers: readonly string[]): string | null =>
  valuesIn(headers, WEBSOCKET_KEY)[0] ?? null;

/**
 * Headers or trailers as `http1/` gives them: a list where a name came more than once. Pseudo-headers are left out.
 *
 * @param raw  flat name, value list, as Node gives it: names in lower case, checked by nghttp2
 */
export function receivedFields(raw: readonly string[]): ReceivedFields {
  const fields = noFields();
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] as string;
    if (!name.startsWith(':')) addField(fields, name, raw[index + 1] as string);
  }
  return fields;
}

/** The `:status` of a response; `NaN` without one, which nghttp2 refuses. */
export const statusOf = (raw: readonly string[]): number => Number(raw[raw.indexOf(':status') + 1]);
