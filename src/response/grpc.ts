/** Answers gRPC calls that are refused or fail, with a gRPC status instead of an HTTP status. */

import { REASONS, type Reason } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { valuesIn } from '../lib/http/field.ts';
import { GRPC_STATUS, grpcMessage, isGrpcType, isGrpcWebType } from '../lib/http/grpc.ts';

/** The mapping of gRPC for answers of HTTP, but for those that say more about a call here (doc/http-grpc-status-mapping.md). */
const BY_STATUS: ReadonlyMap<number, number> = new Map([
  [400, GRPC_STATUS.internal],
  [401, GRPC_STATUS.unauthenticated],
  [403, GRPC_STATUS.permissionDenied],
  [404, GRPC_STATUS.unimplemented],
  // The client has not finished what it began.
  [408, GRPC_STATUS.deadlineExceeded],
  // No service here has such a method, or such a name.
  [405, GRPC_STATUS.unimplemented],
  [421, GRPC_STATUS.unimplemented],
  // These are limits of the caller; UNAVAILABLE would make clients try again at once.
  [413, GRPC_STATUS.resourceExhausted],
  [429, GRPC_STATUS.resourceExhausted],
  [431, GRPC_STATUS.resourceExhausted],
  [502, GRPC_STATUS.unavailable],
  [503, GRPC_STATUS.unavailable],
  // The service may have processed the call: UNAVAILABLE would say that it has not.
  [504, GRPC_STATUS.deadlineExceeded],
]);

/** The gRPC status for a reason. */
export const grpcStatusOf = (reason: Reason): number => BY_STATUS.get(REASONS[reason].status) ?? GRPC_STATUS.unknown;

/** Whether an exchange is a gRPC call. None exist over HTTP/1.1, and a WebSocket is not one: 200 would open it. */
export const isGrpcCall = (exchange: Exchange): boolean =>
  exchange.httpVersion === '2' && !exchange.isUpgrade && isGrpcType(contentTypeOf(exchange));

/** Whether it is a call of gRPC-Web, which is answered like any other request, with the status in addition. */
export const isGrpcWebCall = (exchange: Exchange): boolean => isGrpcWebType(contentTypeOf(exchange));

/** `grpc-status` and `grpc-message` for a reason, as a list of pairs; the message begins with the reason, for programs. */
export const grpcOutcome = (reason: Reason): [string, string][] => [
  ['grpc-status', String(grpcStatusOf(reason))],
  ['grpc-message', grpcMessage(`${reason}: ${REASONS[reason].detail}`)],
];

/** That of a request that was refused before it was screened decides only what the refusal looks like. */
function contentTypeOf({ screened, rawHeaders }: Exchange): string | null {
  return screened === null ? (valuesIn(rawHeaders, 'content-type')[0] ?? null) : screened.fields.contentType;
}
