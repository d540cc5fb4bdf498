/**
 * Ending a connection so that the last thing we said on it is heard.
 *
 * A socket that is closed while bytes of the client are still unread sends a reset, and a reset takes away what the
 * client has not read yet: the very answer that says what was wrong. So our side is closed first, what still comes is
 * thrown away, and only then is the socket let go (RFC 9112 §9.6).
 */

import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type DenialReason, PROBLEM_MEDIA_TYPE, problemDocument, REASONS } from '../../errors.ts';
import type { Refusal } from '../listener.ts';

/** How long a client may go on sending after we have closed our side. */
const LINGER_MS = 2_000;

/**
 * Closes our side, and the whole connection when the client closes its own or has had {@link LINGER_MS} to do so.
 *
 * Put in the place of a server socket's `destroySoon`, which Node calls after an answer with `Connection: close`.
 */
export function lingeringClose(this: Socket): void {
  endAndLinger(this);
}

/** The same for any stream, with something still to say. */
export function endAndLinger(socket: Duplex, lastWords = ''): void {
  if (socket.destroyed) return;
  socket.end(lastWords, 'latin1');
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(timer));
}

/**
 * Answers what never became an exchange with a problem document and closes the connection. Answers that are still under
 * way on it are finished first: they belong to earlier requests, which were in order.
 *
 * @param underWay  the answer that is being written on the connection; `null` when there is none
 */
export function refuseConnection(
  socket: Duplex,
  refusal: Pick<Refusal, 'id' | 'reason'>,
  underWay: () => ServerResponse | null,
): void {
  const earlier = underWay();
  if (earlier !== null) earlier.once('close', () => refuseConnection(socket, refusal, underWay));
  else if (socket.writable) endAndLinger(socket, refusalText(refusal));
  else socket.destroy();
}

function refusalText({ id, reason }: Pick<Refusal, 'id' | 'reason'>): string {
  const { status } = REASONS[reason];
  const body = problemDocument(reason, id);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `X-Request-Id: ${id}`,
    `Content-Type: ${PROBLEM_MEDIA_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    ...(reason === 'method_not_allowed' ? ['Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'] : []),
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** What the parser's error is called in a log: its code, which is one of a closed set. */
export const parserNote = ({ code }: NodeJS.ErrnoException): string => `parser: ${code ?? 'unknown'}`;

/**
 * What the parser's error means, by llhttp's code or one of Node's own.
 *
 * @returns `null` when it is not about what the client said, but about the connection: it is gone
 */
export function parserRefusal(error: NodeJS.ErrnoException): DenialReason | null {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return 'headers_too_large';
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'body_too_large';
    case 'HPE_INVALID_VERSION':
      return 'http_version_unsupported';
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout';
    case 'HPE_INVALID_EOF_STATE':
      return null;
    default:
      return error.code?.startsWith('HPE_') === true ? 'request_malformed' : null;
  }
}
