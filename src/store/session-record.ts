/**
 * A session as the store keeps it, and its written form.
 *
 * The written form is `<version>|<lastSeenAtMs, 13 digits>|<JSON array>`: the time slides by overwriting fixed bytes in
 * place, without reading or rewriting the rest. The array has no member names, because a store holds a million of them
 * (test/store/redis-memory.test.ts). The session id is not in it, only the beginning of its SHA-256 (`handle`), which
 * binds the value to its key: a value under another session's key is not accepted (RDS-06, RDS-13).
 */

import type { JSONType } from 'zod';

/** Attributes of a user, as claims and identity headers can use them. `roles` and `email` have a meaning to the gateway. */
export type UserAttributes = Readonly<Record<string, JSONType>>;

/** How a session can be opened. */
export const LOGIN_METHODS = ['password', 'backend'] as const;
/** See {@link LOGIN_METHODS}. */
export type LoginMethod = (typeof LOGIN_METHODS)[number];

export interface SessionRecord {
  /** SHA-256 of the session id, base64url, 43 characters. Names the session; opens nothing. */
  readonly handle: string;
  readonly subject: string;
  readonly user: UserAttributes;
  readonly method: LoginMethod;
  /** Counts changes of what the session says about the user; upstream tokens are reused within one version only. */
  readonly version: number;
  readonly createdAtMs: number;
  /** Absolute end, whatever happens. */
  readonly expiresAtMs: number;
  /** Last use that was written down: at most a slide interval behind the real one. */
  readonly lastSeenAtMs: number;
  /** What the user recognises the session by: browser and address at login. */
  readonly device: string;
}

/** The same session, with another time of last use; written out, so that all records have one shape. */
export function seenAt(record: SessionRecord, lastSeenAtMs: number): SessionRecord {
  const { handle, subject, user, method, version, createdAtMs, expiresAtMs, device } = record;
  return { handle, subject, user, method, version, createdAtMs, expiresAtMs, lastSeenAtMs, device };
}

/** Bytes in front of the JSON: `1|`, 13 digits, `|`. */
const HEAD_LENGTH = 16;
/** Where the 13 digits begin: what a slide overwrites. */
export const LAST_SEEN_OFFSET = 2;
/** How much of the handle a value repeats: 48 bits. It guards against mistakes; who can write to Redis can write it, too. */
const TAG_LENGTH = 8;

const tagOf = (handle: string): string => handle.slice(0, TAG_LENGTH);

/** The 13 digits of a time, as they stand in the written form. */
export const writtenTime = (timeMs: number) => String(Math.trunc(timeMs)).padStart(13, '0');

/** Login methods as they are written. A new one is added here, and never takes a letter that was in use. */
const METHOD_LETTERS: Readonly<Record<LoginMethod, string>> = { password: 'p', backend: 'b' };
const METHODS = new Map(Object.entries(METHOD_LETTERS).map(([method, letter]) => [letter, method as LoginMethod]));

/** Tag, subject, user, letter of the method, version, time of login, lifetime in milliseconds, device. */
type Body = readonly [string, string, UserAttributes, string, number, number, number, string];

/** Writes a record. */
export function encodeSession(record: SessionRecord): string {
  const { handle, subject, user, method, version, createdAtMs, expiresAtMs, device } = record;
  const lifetimeMs = expiresAtMs - createdAtMs;
  const letter = METHOD_LETTERS[method];
  const body: Body = [tagOf(handle), subject, user, letter, version, createdAtMs, lifetimeMs, device];
  return `1|${writtenTime(record.lastSeenAtMs)}|${JSON.stringify(body)}`;
}

/** Longest written form that is read: what is longer was not written by us (SES-10). */
const MAX_LENGTH = 65_536;

/**
 * Reads a written record.
 *
 * @param handle  the key that it was found under; a value that was written under another one is not valid
 * @returns `null` for anything that is not a whole record of this version: that session does not exist
 */
export function decodeSession(handle: string, text: string): SessionRecord | null {
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
  };
}

function isBody(value: unknown): value is Body {
  if (!Array.isArray(value) || value.length !== 8) return false;
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

/** An object of attributes. One that has a `__proto__` of its own was not written by us. */
const isAttributes = (value: unknown): value is UserAttributes =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !Object.hasOwn(value, '__proto__');
