/**
 * The written form of a session: `<version>|<lastSeenAtMs, 13 digits>|<JSON array>`.
 *
 * The time of last use has a fixed width at a fixed place, so that a store can overwrite it without reading or
 * rewriting the rest. The array has no member names, because a store holds a million of them
 * (test/store/redis-memory.test.ts). The session id is not in it, only the beginning of its SHA-256 (`handle`), which
 * binds the value to its key: a value under another session's key is not accepted (RDS-06, RDS-13).
 */

import type { SessionHandle } from '../../jwt/names.ts';
import {
  LOGIN_METHOD_LETTERS,
  LOGIN_METHODS,
  type LoginMethod,
  type SessionRecord,
  type UserAttributes,
} from '../session-record.ts';

/** Bytes in front of the JSON: `1|`, 13 digits, `|`. */
const HEAD_LENGTH = 16;
/** Where the 13 digits begin, which a slide overwrites. */
export const LAST_SEEN_OFFSET = 2;
/**
 * How much of the handle a value repeats: 48 bits. It guards against mistakes, not against anyone who can write to
 * the store.
 */
const TAG_LENGTH = 8;

const tagOf = (handle: SessionHandle): string => handle.slice(0, TAG_LENGTH);

/** The 13 digits of a time, as they stand in the written form. */
export const writtenTime = (timeMs: number) => String(Math.trunc(timeMs)).padStart(13, '0');

const METHODS = new Map<string, LoginMethod>(LOGIN_METHODS.map((method) => [LOGIN_METHOD_LETTERS[method], method]));

/** Tag, subject, user, letter of the method, version, time of login, lifetime in milliseconds, device; 1 if it is remembered. */
type Body = readonly [string, string, UserAttributes, string, number, number, number, string, 1?];

/** Writes a record. */
export function encodeSession(record: SessionRecord): string {
  const { handle, subject, user, method, version, createdAtMs, expiresAtMs, device, remembered } = record;
  const lifetimeMs = expiresAtMs - createdAtMs;
  const letter = LOGIN_METHOD_LETTERS[method];
  const body: Body = [tagOf(handle), subject, user, letter, version, createdAtMs, lifetimeMs, device];
  const written = remembered ? [...body, 1] : body;
  return `1|${writtenTime(record.lastSeenAtMs)}|${JSON.stringify(written)}`;
}

/** Longest written form that is read: the gateway does not write longer ones (SES-10). */
const MAX_LENGTH = 65_536;

/**
 * Reads a written record.
 *
 * @param handle  the key it was found under; a value that was written under another key is not valid
 * @returns `null` for anything but a whole record of this version: such a session does not exist
 */
export function decodeSession(handle: SessionHandle, text: string): SessionRecord | null {
  if (text.length > MAX_LENGTH || !/^1\|\d{13}\|\[/.test(text)) return null;
  let body: unknown;
  try {
    body = JSON.parse(text.slice(HEAD_LENGTH));
  } catch {
    return null;
  }
  if (!isBody(body)) return null;
  const [tag, subject, user, letter, version, createdAtMs, lifetimeMs, device] = body;
  const method = METHODS.get(letter);
  if (tag !== tagOf(handle) || method === undefined) return null;
  return {
    handle,
    subject,
    user,
    method,
    version,
    createdAtMs,
    expiresAtMs: createdAtMs + lifetimeMs,
    lastSeenAtMs: Number(text.slice(LAST_SEEN_OFFSET, HEAD_LENGTH - 1)),
    device,
    remembered: body.length === 9,
  };
}

function isBody(value: unknown): value is Body {
  if (!Array.isArray(value) || !(value.length === 8 || (value.length === 9 && value[8] === 1))) return false;
  const [tag, subject, user, letter, version, createdAtMs, lifetimeMs, device] = value as unknown[];
  return (
    typeof tag === 'string' &&
    typeof subject === 'string' &&
    subject !== '' &&
    isAttributes(user) &&
    typeof letter === 'string' &&
    Number.isSafeInteger(version) &&
    Number.isSafeInteger(createdAtMs) &&
    Number.isSafeInteger(lifetimeMs) &&
    typeof device === 'string'
  );
}

/** An object of attributes. The gateway never writes one with a `__proto__` of its own. */
const isAttributes = (value: unknown): value is UserAttributes =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !Object.hasOwn(value, '__proto__');
