/** Answers for requests that the parser refuses, which never become an exchange, and the end of their connections. */

import type { Duplex } from 'node:stream';
import { type DenialReason, REASONS } from '../../errors.ts';
import type { UnreadAnswer } from '../../exchange.ts';
import { type ServerResponse, STATUS_CODES } from '../../lib/http/node-http.ts';
import type { EarlyRefusal } from '../../telemetry/finished-request.ts';
import { endAndLinger } from './linger.ts';

/**
 * Answers a request that never became an exchange, and closes the connection. Answers in progress on it are finished first:
 * they belong to earlier requests, which were valid.
 *
 * @param underWay  the answer that is being written on the connection; `null` when there is none
 */
export function refuseConnection(
  socket: Duplex,
  refusal: Pick<EarlyRefusal, 'id' | 'reason'>,
  answer: UnreadAnswer,
  underWay: () => ServerResponse | null,
): void {
  const earlier = underWay();
  if (earlier !== null) earlier.once('close', () => refuseConnection(socket, refusal, answer, underWay));
  else if (socket.writable) endAndLinger(socket, refusalText(refusal, answer));
  else socket.destroy();
}

function refusalText(
  { id, reason }: Pick<EarlyRefusal, 'id' | 'reason'>,
  { mediaType, body, headers }: UnreadAnswer,
): string {
  const { status } = REASONS[reason];
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `X-Request-Id: ${id}`,
    `Content-Type: ${mediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    ...headers.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${headers[index + 1]}`] : [])),
    ...(reason === 'method_not_allowed' ? ['Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'] : []),
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** The parser's error as a note for the log: its code, which is one of a closed set. */
export const parserNote = ({ code }: ParserError): string => `parser: ${code ?? 'unknown'}`;

/** Whether the bytes that the parser refused say that a person is going to a page, who gets a page instead of JSON. */
export const isFromPerson = ({ rawPacket }: ParserError): boolean =>
  rawPacket !== undefined && /\nsec-fetch-mode:[ \t]?navigate\r?\n/i.test(rawPacket.toString('latin1'));

/** llhttp's reason for a well-formed version (RFC 9112 §2.3) that it does not support. */
const UNKNOWN_VERSION = 'Invalid HTTP version';

/** An error of the parser; `reason` says more than `code`, in fixed words. */
export interface ParserError extends NodeJS.ErrnoException {
  /** The bytes that the parser was given when it failed. */
  readonly rawPacket?: Buffer;
  readonly reason?: string;
}

/**
 * Translates the parser's error, by llhttp's code or one of Node's own.
 *
 * @returns `null` when it is not about the request but about the connection: the connection is gone
 */
export function parserRefusal(error: ParserError): DenialReason | null {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return 'headers_too_large';
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'body_too_large';
    case 'HPE_INVALID_VERSION':
      return error.reason === UNKNOWN_VERSION ? 'http_version_unsupported' : 'request_malformed';
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout';
    case 'HPE_INVALID_EOF_STATE':
      return null;
    default:
      return error.code?.startsWith('HPE_') === true ? 'request_malformed' : null;
  }
}
