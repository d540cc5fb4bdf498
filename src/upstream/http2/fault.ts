/** Why a stream failed, from the errors of Node and nghttp2. */

import { constants } from 'node:http2';
import { GatewayFault, UpstreamFault } from '../../errors.ts';

/** The server did not process the request, so any method can be retried (RFC 9113 §8.7). */
export class NotProcessedFault extends UpstreamFault {
  constructor(cause: unknown) {
    super('upstream_reset', 'server took no part of the request', { cause });
  }
}

/** Codes for an answer that breaks the protocol: nghttp2 has reset its stream with one of them. */
const PROTOCOL = new Map<number, string>([
  [constants.NGHTTP2_PROTOCOL_ERROR, 'PROTOCOL_ERROR'],
  [constants.NGHTTP2_FLOW_CONTROL_ERROR, 'FLOW_CONTROL_ERROR'],
  [constants.NGHTTP2_STREAM_CLOSED, 'STREAM_CLOSED'],
  [constants.NGHTTP2_FRAME_SIZE_ERROR, 'FRAME_SIZE_ERROR'],
  [constants.NGHTTP2_COMPRESSION_ERROR, 'COMPRESSION_ERROR'],
  // Node's, for headers that are too large or too many.
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, 'ENHANCE_YOUR_CALM'],
]);

/**
 * The fault of a stream that was closed before its answer was complete.
 *
 * @param code          with which it was reset, by either side
 * @param wasProcessed  whether the server may have seen the request
 */
export function streamFailure(code: number | undefined, error: Error | null, wasProcessed: boolean): GatewayFault {
  const cause = error ?? undefined;
  if (error instanceof GatewayFault) return error;
  if (code === constants.NGHTTP2_REFUSED_STREAM || !wasProcessed) return new NotProcessedFault(cause);
  const name = PROTOCOL.get(code ?? 0);
  if (name !== undefined) return new UpstreamFault('upstream_protocol', `invalid answer (${name})`, { cause });
  return new UpstreamFault('upstream_reset', `stream was reset (${code ?? 'no code'})`, { cause });
}
