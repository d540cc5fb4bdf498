/** Converts header lists between the form of `node:http2` and that of the rest of `upstream/`. */

import { GatewayFault } from '../../errors.ts';
import type { ReceivedFields } from '../dispatch.ts';

/** What a request is besides its headers. */
interface RequestLine {
  readonly method: string;
  readonly path: string;
  readonly scheme: 'http' | 'https';
  readonly takesTrailers: boolean;
}

/** Nothing else may be in a field value (RFC 9113 §8.2.1); Node checks those of HTTP/1.1 only (UPS-01). */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * The header list of an HTTP/2 request (RFC 9113 §8.3.1).
 *
 * @param headers  flat name, value list; the first is Host, which becomes `:authority`
 * @throws GatewayFault `bug` for a value that could split a header
 */
export function http2RequestHeaders(line: RequestLine, headers: readonly string[]): string[] {
  const { method, path, scheme, takesTrailers } = line;
  const list = [':method', method, ':scheme', scheme, ':authority', headers[1] as string, ':path', path];
  for (let index = 2; index + 1 < headers.length; index += 2) {
    list.push((headers[index] as string).toLowerCase(), headers[index + 1] as string);
  }
  if (takesTrailers) list.push('te', 'trailers');
  for (let index = 1; index < list.length; index += 2) {
    if (!FIELD_VALUE.test(list[index] as string)) throw new GatewayFault('bug', 'header value that cannot be sent');
  }
  return list;
}

/**
 * Headers or trailers as `http1/` gives them: a list where a name came more than once. Pseudo-headers are left out.
 *
 * @param raw  flat name, value list, as Node gives it: names in lower case, checked by nghttp2
 */
export function receivedFields(raw: readonly string[]): ReceivedFields {
  const fields: ReceivedFields = Object.create(null);
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] as string;
    const value = raw[index + 1] as string;
    if (name.startsWith(':')) continue;
    const present = fields[name];
    if (present === undefined) fields[name] = value;
    else if (typeof present === 'string') fields[name] = [present, value];
    else present.push(value);
  }
  return fields;
}

/** The `:status` of a response; `NaN` without one, which nghttp2 refuses. */
export const statusOf = (raw: readonly string[]): number => Number(raw[raw.indexOf(':status') + 1]);
