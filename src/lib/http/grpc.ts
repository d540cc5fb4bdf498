/**
 * What the gateway needs to know about gRPC over HTTP/2: which requests are calls, the format of deadlines, and how a call ends with a
 * status.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

import { trim } from '../text/trim.ts';

/** Whether a Content-Type is that of gRPC over HTTP/2: `application/grpc`, `application/grpc+proto`. */
export const isGrpcType = (contentType: string | null): boolean => isMessageFormat(contentType, ['application/grpc']);

/** Whether a Content-Type is that of gRPC-Web, which is plain HTTP to everyone but its clients and servers. */
export const isGrpcWebType = (contentType: string | null): boolean =>
  isMessageFormat(contentType, ['application/grpc-web', 'application/grpc-web-text']);

function isMessageFormat(contentType: string | null, names: readonly string[]): boolean {
  if (contentType === null) return false;
  const mediaType = trim(contentType.split(';', 1)[0] as string).toLowerCase();
  return names.includes(mediaType.split('+', 1)[0] as string);
}

/** At most 8 digits and a unit. */
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;

const UNIT_MS = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 } as const;
type Unit = keyof typeof UNIT_MS;

/** The value of `grpc-timeout` in milliseconds, with fractions; `null` when it is malformed. */
export function parseGrpcTimeout(value: string): number | null {
  const parts = TIMEOUT.exec(value);
  return parts === null ? null : Number(parts[1]) * UNIT_MS[parts[2] as Unit];
}

const MAX_DIGITS = 99_999_999;

/** A duration as the value of `grpc-timeout`: never longer than it is, in the finest unit in which it can be written. */
export function formatGrpcTimeout(ms: number): string {
  for (const unit of ['u', 'm', 'S', 'M'] as const) {
    const count = Math.floor(Math.max(0, ms) / UNIT_MS[unit]);
    if (count <= MAX_DIGITS) return `${count}${unit}`;
  }
  return `${Math.min(MAX_DIGITS, Math.floor(ms / UNIT_MS.H))}H`;
}

/** The status codes that the gateway ends calls with (https://grpc.io/docs/guides/status-codes/). */
export const GRPC_STATUS = {
  ok: 0,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** The names of all statuses, by code. */
export const GRPC_CODES = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
] as const;

/** The name of a status; that of UNKNOWN for a code that gRPC does not have. */
export const grpcCodeOf = (status: number): (typeof GRPC_CODES)[number] => GRPC_CODES[status] ?? 'UNKNOWN';

/** Text for `grpc-message`: UTF-8, percent-encoded where it is not printable ASCII, and `%` itself. */
export const grpcMessage = (text: string): string =>
  text.replace(/[^\x20-\x24\x26-\x7e]+/gu, (run) =>
    [...Buffer.from(run)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );

/** The value of `grpc-status` as a number; `null` when it is missing, given twice or not a status. */
export const parseGrpcStatus = (value: string | string[] | undefined): number | null =>
  typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : null;
