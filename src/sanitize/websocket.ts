/**
 * The opening handshake of a WebSocket (RFC 6455 §4.2.1), checked before any later stage, so that an upgrade is judged like
 * a plain request and no connection is upgraded to anything but `websocket`. The listener treats a request as an upgrade
 * only when `websocket` is among the offered protocols.
 */

import { Denial } from '../errors.ts';
import type { BodyFraming } from './framing.ts';
import type { HeaderScan } from './headers.ts';

const NOT_WEBSOCKET = new Denial('upgrade_unsupported', 'Upgrade is not exactly "websocket"');
const BAD_METHOD = new Denial('upgrade_unsupported', 'upgrade with a method other than GET, or on HTTP/1.0');
const WITH_BODY = new Denial('upgrade_unsupported', 'upgrade with a body');
const BAD_KEY = new Denial('upgrade_unsupported', 'Sec-WebSocket-Key is not 16 bytes in base64');
const BAD_VERSION = new Denial('websocket_version_unsupported', 'Sec-WebSocket-Version is not 13', [
  'Sec-WebSocket-Version',
  '13',
  'Upgrade',
  'websocket',
]);

/** 16 bytes in canonical base64: the last of 22 characters carries four bits, so it is one of A, Q, g, w. */
const KEY_PATTERN = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/**
 * Checks an upgrade request.
 *
 * @returns `null` when it is a well-formed WebSocket handshake
 * @see test/attack/websocket.test.ts (WS-06, WS-07, WS-09)
 */
export function webSocketProblem(
  scan: HeaderScan,
  method: string,
  httpVersion: string,
  framing: BodyFraming,
): Denial | null {
  if (scan.upgrade?.toLowerCase() !== 'websocket') return NOT_WEBSOCKET;
  if (method !== 'GET' || httpVersion === '1.0') return BAD_METHOD;
  if (framing !== 0) return WITH_BODY;
  if (scan.webSocketVersion !== '13') return BAD_VERSION;
  return KEY_PATTERN.test(scan.webSocketKey ?? '') ? null : BAD_KEY;
}
