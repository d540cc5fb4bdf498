/**
 * Bodies of requests to the gateway's own endpoints: short, read whole, and refused when they can be read in two ways.
 */

import type { Readable } from 'node:stream';
import type { z } from 'zod';
import { Denial, GatewayFault } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { hasDuplicateMember, jsonOf } from '../lib/text/json.ts';
import { trim } from '../lib/text/trim.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';

/** More than any login needs: the form with the longest return target, escaped, is 25 KiB. */
const MAX_BODY_BYTES = 32 * 1024;

const TOO_LARGE = new Denial('body_too_large', 'body over 32 KiB');
const TOO_SLOW = new Denial('request_timeout', 'body did not arrive in time');
const NOT_UTF8 = new Denial('body_malformed', 'body is not UTF-8');
const NOT_JSON = new Denial('body_malformed', 'body is not JSON');
const DUPLICATE_MEMBER = new Denial('body_malformed', 'JSON has a member twice, or nests too deep');
const WRONG_SHAPE = new Denial('body_malformed', 'JSON does not have the members of this endpoint');
const BAD_ESCAPE = new Denial('body_malformed', 'form has a malformed escape');
const DUPLICATE_FIELD = new Denial('body_malformed', 'form has a field twice');
const OTHER_TYPE = new Denial('media_type_unsupported', 'neither a form nor JSON');
const NOT_A_FORM = new Denial('media_type_unsupported', 'not a form');

/** The media types that the gateway's own endpoints read. */
export type BodyType = 'form' | 'json';

const BODY_TYPES: Readonly<Record<string, BodyType>> = {
  'application/x-www-form-urlencoded': 'form',
  'application/json': 'json',
};

/** The type of a body by its Content-Type, which may say `charset=utf-8` and nothing else; a Denial 415. */
export function bodyType(contentType: string | null): BodyType | Denial {
  const [mediaType = '', parameter = null, ...others] = (contentType ?? '').split(';', 3).map((part) => trim(part));
  if (others.length > 0 || (parameter !== null && !/^charset=(?:utf-8|"utf-8")$/i.test(parameter))) return OTHER_TYPE;
  const lower = mediaType.toLowerCase();
  return Object.hasOwn(BODY_TYPES, lower) ? (BODY_TYPES[lower] ?? OTHER_TYPE) : OTHER_TYPE;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the body of a request to an endpoint of the gateway.
 *
 * @param timeoutMs  for the whole body
 * @returns its text, or a Denial `body_too_large` | `request_timeout` | `body_malformed`
 * @throws GatewayFault `downstream_aborted`, as a rejection, when the client leaves before the body is complete
 */
export async function readBody(
  exchange: Exchange,
  request: ScreenedRequest,
  timeoutMs: number,
): Promise<string | Denial> {
  if (request.body !== 'chunked' && request.body > MAX_BODY_BYTES) return TOO_LARGE;
  if (request.expectsContinue) exchange.reply.writeContinue();
  return readShortText(exchange.reply.body, timeoutMs, (bytes) => {
    exchange.requestBytes += bytes;
  });
}

/**
 * Reads the form that a request has to send.
 *
 * @param timeoutMs  for the whole body
 * @returns as {@link parseForm}; or a Denial `media_type_unsupported`, or one of {@link readBody}
 * @throws as {@link readBody}
 */
export async function readForm(
  exchange: Exchange,
  request: ScreenedRequest,
  timeoutMs: number,
): Promise<ReadonlyMap<string, string> | Denial> {
  if (bodyType(request.fields.contentType) !== 'form') return NOT_A_FORM;
  const text = await readBody(exchange, request, timeoutMs);
  return text instanceof Denial ? text : parseForm(text);
}

/**
 * Reads a short text whole. When it is refused, the rest is left unread.
 *
 * @param timeoutMs  for all of it; `null` where something else bounds it
 * @param onBytes    called with the size of each part
 * @returns the text, or a Denial `body_too_large` | `request_timeout` | `body_malformed`
 * @throws GatewayFault `downstream_aborted`, as a rejection, when the stream closes before it ends
 */
export async function readShortText(
  stream: Readable,
  timeoutMs: number | null,
  onBytes: (bytes: number) => void = () => {},
): Promise<string | Denial> {
  const bytes = await collect(stream, timeoutMs, onBytes);
  if (bytes instanceof Denial) return bytes;
  try {
    return utf8.decode(bytes);
  } catch {
    return NOT_UTF8;
  }
}

function collect(
  stream: Readable,
  timeoutMs: number | null,
  onBytes: (bytes: number) => void,
): Promise<Buffer | Denial> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    const stop = () => {
      if (timer !== null) clearTimeout(timer);
      stream.off('data', onData).off('end', onEnd).off('close', onClose);
    };
    const end = (result: Buffer | Denial) => {
      stop();
      resolve(result);
    };
    const timer = timeoutMs === null ? null : setTimeout(() => end(TOO_SLOW), timeoutMs);
    const onData = (part: Buffer) => {
      parts.push(part);
      length += part.byteLength;
      onBytes(part.byteLength);
      if (length > MAX_BODY_BYTES) end(TOO_LARGE);
    };
    const onEnd = () => end(Buffer.concat(parts));
    const onClose = () => {
      stop();
      reject(new GatewayFault('downstream_aborted', 'client left before the body was complete'));
    };
    stream.on('data', onData).on('end', onEnd).on('close', onClose);
    stream.on('error', () => {});
  });
}

/**
 * Reads JSON of a known shape.
 *
 * @returns the value, or a Denial `body_malformed`
 */
export function parseJson<T extends z.ZodType>(text: string, schema: T): z.output<T> | Denial {
  const value = jsonOf(text);
  if (value === undefined) return NOT_JSON;
  if (hasDuplicateMember(text, value)) return DUPLICATE_MEMBER;
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : WRONG_SHAPE;
}

/**
 * Reads a form (WHATWG URL §5.1), without repairing it: a malformed escape is refused, and so is a field that comes twice.
 *
 * @returns field name → value, or a Denial `body_malformed`
 */
export function parseForm(text: string): ReadonlyMap<string, string> | Denial {
  const fields = new Map<string, string>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    const value = equals === -1 ? '' : decode(pair.slice(equals + 1));
    if (name === null || value === null) return BAD_ESCAPE;
    if (fields.has(name)) return DUPLICATE_FIELD;
    fields.set(name, value);
  }
  return fields;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}
