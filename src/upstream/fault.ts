/** Translates errors of undici and the operating system into reasons. Matches on codes, never on message text. */

import { errors } from 'undici';
import { Denial, GatewayFault, UpstreamFault } from '../errors.ts';
import { RequestBodyError } from './request-body.ts';

const BODY_TOO_LARGE = new Denial('body_too_large', 'request body exceeded its limit');
const BODY_STALLED = new Denial('request_timeout', 'request body stalled');

const TIMEOUTS = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);
const PROTOCOL = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  // Node's, of a field value that no client could be sent.
  'ERR_INVALID_CHAR',
]);

/** `code` of an error, its cause's, or that of the first of several (happy eyeballs tries more than one address). */
function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return errorCode(error.errors[0]);
  return errorCode(error.cause);
}

/**
 * Why a forward failed.
 *
 * @param wasSent  whether the request had begun to be written: before that, no connection could be made
 */
export function forwardFailure(error: unknown, wasSent: boolean): Denial | GatewayFault {
  if (error instanceof GatewayFault) return error;
  if (error instanceof RequestBodyError) {
    if (error.failure === 'too_large') return BODY_TOO_LARGE;
    if (error.failure === 'stalled') return BODY_STALLED;
    if (error.failure === 'not_taken') return new UpstreamFault('upstream_timeout', 'request body was not taken');
    return new UpstreamFault('downstream_aborted', 'client left during the request body', { cause: error });
  }
  const code = errorCode(error);
  const options = { cause: error };
  if (TIMEOUTS.has(code)) return new UpstreamFault('upstream_timeout', `timeout (${code})`, options);
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
    return new GatewayFault('bug', `request could not be made (${code})`, options);
  }
  if (!wasSent) return new UpstreamFault('upstream_connect_failed', `no connection (${code})`, options);
  if (error instanceof errors.HTTPParserError || PROTOCOL.has(code)) {
    return new UpstreamFault('upstream_protocol', `invalid answer (${code})`, options);
  }
  return new UpstreamFault('upstream_reset', `connection lost (${code})`, options);
}
