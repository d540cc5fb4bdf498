/**
 * The framing of the request body (RFC 9112 §6), stricter than the parser: one header, in canonical form, or none. llhttp
 * has already refused most other forms (test/attack/smuggling.test.ts, SMG-01 … SMG-43).
 */

import { Denial } from '../errors.ts';

/** Body length in bytes when it is announced; `'chunked'` when it is not; `0` when there is no body. */
export type BodyFraming = number | 'chunked';

const BOTH = new Denial('request_ambiguous', 'Content-Length and Transfer-Encoding together');
const BAD_ENCODING = new Denial('request_ambiguous', 'Transfer-Encoding is not exactly "chunked"');
const ENCODING_ON_1_0 = new Denial('request_ambiguous', 'Transfer-Encoding on HTTP/1.0');
const BAD_LENGTH = new Denial('request_ambiguous', 'Content-Length is not a canonical decimal');

/** `0` or a decimal without leading zeros; 15 digits stay below 2^53. */
const CANONICAL_DECIMAL = /^(?:0|[1-9]\d{0,14})$/;

/**
 * Reads the framing of a request body.
 *
 * @param contentLength     the only Content-Length value, or `null`
 * @param transferEncoding  the only Transfer-Encoding value, or `null`
 * @param hasUnframedBody   whether the transport says that a body follows (RFC 9113 §8.1.1)
 * @returns the framing, or a Denial `request_ambiguous`
 */
export function bodyFraming(
  contentLength: string | null,
  transferEncoding: string | null,
  httpVersion: string,
  hasUnframedBody = false,
): BodyFraming | Denial {
  if (transferEncoding !== null) {
    if (contentLength !== null) return BOTH;
    if (httpVersion !== '1.1') return ENCODING_ON_1_0;
    return transferEncoding.toLowerCase() === 'chunked' ? 'chunked' : BAD_ENCODING;
  }
  if (contentLength === null) return hasUnframedBody ? 'chunked' : 0;
  return CANONICAL_DECIMAL.test(contentLength) ? Number(contentLength) : BAD_LENGTH;
}
