/** Bodies of requests to the admin listener: short JSON, read whole. Slow ones are cut by the timeout of the server. */

import type { IncomingMessage } from 'node:http';
import { bodyType } from '../endpoints/body.ts';
import { Denial, GatewayFault } from '../errors.ts';

/** More than anything here needs. */
const MAX_BODY_BYTES = 16 * 1024;

const TOO_LARGE = new Denial('body_too_large', 'body of an admin request over 16 KiB');
const NOT_UTF8 = new Denial('body_malformed', 'body is not UTF-8');
const OTHER_TYPE = new Denial('media_type_unsupported', 'not JSON');

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads a body; of one that is too long the rest is thrown away, so that the answer can be sent.
 *
 * @returns its text, or a Denial `media_type_unsupported` | `body_too_large` | `body_malformed`
 * @throws GatewayFault `downstream_aborted` when the client leaves before it is whole
 */
export async function readJsonText(request: IncomingMessage): Promise<string | Denial> {
  if (bodyType(request.headers['content-type'] ?? null) !== 'json') return OTHER_TYPE;
  const bytes = await collect(request);
  if (bytes === null) return TOO_LARGE;
  try {
    return utf8.decode(bytes);
  } catch {
    return NOT_UTF8;
  }
}

function collect(request: IncomingMessage): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    request.on('data', (part: Buffer) => {
      length += part.byteLength;
      if (length <= MAX_BODY_BYTES) parts.push(part);
    });
    request.on('end', () => resolve(length > MAX_BODY_BYTES ? null : Buffer.concat(parts)));
    request.on('close', () => reject(new GatewayFault('downstream_aborted', 'client left before the body was whole')));
    request.on('error', () => {});
  });
}
