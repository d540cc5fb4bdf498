/** Translates errors of connections and the operating system into reasons. Matches on codes, never on message text. */

import { Denial, GatewayFault, UpstreamFault } from '../errors.ts';
import { errorCode } from '../lib/error-code.ts';
import { RequestBodyError } from './request-body.ts';

const BODY_TOO_LARGE = new Denial('body_too_large', 'request body exceeded its limit');
const BODY_STALLED = new Denial('request_timeout', 'request body stalled');

/** The system's, and the connector's. */
const TIMEOUT = 'ETIMEDOUT';
/** Node's, for a field value that cannot be sent to any client. */
const UNFIT_FOR_CLIENT = 'ERR_INVALID_CHAR';

/** `code` of an error, its cause's, or one of several (happy eyeballs tries more than one address): a timeout, or the first. */
function failureCode(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if (error instanceof AggregateError) {
    const codes = error.errors.map(failureCode);
    return codes.find((code) => code === TIMEOUT) ?? codes[0] ?? '';
  }
  return errorCode(error) ?? failureCode(error.cause);
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
  const code = failureCode(error);
  const options = { cause: error };
  if (code === TIMEOUT) return new UpstreamFault('upstream_timeout', `timeout (${code})`, options);
  if (!wasSent) return new UpstreamFault('upstream_connect_failed', `no connection (${code})`, options);
  if (code === UNFIT_FOR_CLIENT) {
    return new UpstreamFault('upstream_protocol', `invalid answer (${code})`, options);
  }
  return new UpstreamFault('upstream_reset', `connection lost (${code})`, options);
}
