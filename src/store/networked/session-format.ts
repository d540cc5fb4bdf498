/**
 * The written form of a session: `<version>|<lastSeenAtMs, 13 digits>|<JSON array>`.
 *
 * The time of last use has a fixed width at a fixed place, so that a store can overwrite it without reading or
 * rewriting the rest. A store can write something else behind a line break, which JSON does not contain. The array has no
 * member names, because a store holds a million of them (test/store/redis/memory.test.ts). The session id is not in it, only the beginning of its SHA-256 (`handle`), which
 * binds the value to its key: a value under another session's key is not accepted (RDS-06, RDS-13).
 */

import type { SessionHandle } from '../../jwt/names.ts';
import { isJsonObject, jsonOf } from '../../lib/text/json.ts';
import {
  LOGIN_METHOD_LETTERS,
  LOGIN_METHODS,
  type LoginMethod,
  type ProviderLogin,
  type SessionRecord,
  type UserAttributes,
} from '../session-record.ts';

/** Bytes in front of the JSON: `1|`, 13 digits, `|`. */
export const HEAD_LENGTH = 16;
/** Where the 13 digits begin, which a slide overwrites. */
export const LAST_SEEN_OFFSET = 2;
/**
 * How much of the handle a value repeats: 48 bits. It guards against mistakes, not against anyone who can write to
 * the store.
 */
const TAG_LENGTH = 8;

const tagOf = (handle: SessionHandle): string => handle.slice(0, TAG_LENGTH);

/** The 13 digits of a time, as they appear in the written form. */
export const writtenTime = (timeMs: number) => String(Math.trunc(timeMs)).padStart(13, '0');

const METHODS = new Map<string, LoginMethod>(LOGIN_METHODS.map((method) => [LOGIN_METHOD_LETTERS[method], method]));

/**
 * Most providers name people and sessions by a UUID. One is written as `~` and the base64url of its bytes, 23 characters
 * instead of 36; what begins with `~` itself gets a second one.
 */
function writeName(name: string): string {
  if (UUID.test(name)) return `~${Buffer.from(name.replaceAll('-', ''), 'hex').toString('base64url')}`;
  return name.startsWith('~') ? `~${name}` : name;
}

function readName(written: string): string {
  if (written.startsWith('~~')) return written.slice(1);
  if (!WRITTEN_UUID.test(written)) return written;
  const hex = Buffer.from(written.slice(1), 'base64url').toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const WRITTEN_UUID = /^~[\w-]{21}[AQgw]$/;

/** A subject, with its part after the provider as {@link writeName} writes it. */
function writeSubject(subject: string): string {
  const nameAt = subject.indexOf('|') + 1;
  return subject.slice(0, nameAt) + writeName(subject.slice(nameAt));
}

function readSubject(written: string): string {
  const nameAt = written.indexOf('|') + 1;
  return written.slice(0, nameAt) + readName(written.slice(nameAt));
}

/**
 * Tag, subject, user, letter of the method, version, time of login, lifetime in milliseconds, device; then, up to the
 * last that says something: whether it is remembered, and the login at the provider.
 */
type Body = readonly [string, string, UserAttributes, string, number, number, number, string, (0 | 1)?, WrittenLogin?];

/**
 * Provider and subject, or 0 where the subject of the session says it (`provider|subject`); `sid` and `acr`, or 0; how
 * long before the session the user proved who they are, in milliseconds, or ''; `amr`. What is missing at the end is
 * left out.
 */
type WrittenLogin = readonly [
  string | 0,
  (string | 0)?,
  (string | 0)?,
  (number | '')?,
  (string | 0)?,
  (readonly string[])?,
];

/** Writes a record. */
export function encodeSession(record: SessionRecord): string {
  const { handle, subject, user, method, version, createdAtMs, expiresAtMs, device, remembered, login } = record;
  const lifetimeMs = expiresAtMs - createdAtMs;
  const letter = LOGIN_METHOD_LETTERS[method];
  const plain = [tagOf(handle), writeSubject(subject), user, letter, version, createdAtMs, lifetimeMs, device] as const;
  let body: Body = plain;
  if (login !== null) body = [...plain, remembered ? 1 : 0, writeLogin(login, subject, createdAtMs)];
  else if (remembered) body = [...plain, 1];
  return `1|${writtenTime(record.lastSeenAtMs)}|${JSON.stringify(body)}`;
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
  const body: unknown = jsonOf(text.slice(HEAD_LENGTH));
  if (!isBody(body)) return null;
  const [tag, written, user, letter, version, createdAtMs, lifetimeMs, device, remembered, login] = body;
  const subject = readSubject(written);
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
    remembered: remembered === 1,
    login: login === undefined ? null : readLogin(login, subject, createdAtMs),
  };
}

function isBody(value: unknown): value is Body {
  if (!Array.isArray(value) || value.length < 8 || value.length > 10) return false;
  const [tag, subject, user, letter, version, createdAtMs, lifetimeMs, device, remembered, login] = value as unknown[];
  return (
    typeof tag === 'string' &&
    typeof subject === 'string' &&
    subject !== '' &&
    isAttributes(user) &&
    typeof letter === 'string' &&
    Number.isSafeInteger(version) &&
    Number.isSafeInteger(createdAtMs) &&
    Number.isSafeInteger(lifetimeMs) &&
    typeof device === 'string' &&
    (value.length < 9 || remembered === 1 || (remembered === 0 && value.length === 10)) &&
    (value.length < 10 || isWrittenLogin(login))
  );
}

/** The provider that the subject of a session begins with, and the rest of it. */
function partsOf(subject: string): readonly [provider: string, subject: string] {
  const bar = subject.indexOf('|');
  return [subject.slice(0, Math.max(0, bar)), subject.slice(bar + 1)];
}

function writeLogin(login: ProviderLogin, sessionSubject: string, createdAtMs: number): WrittenLogin {
  const [provider, subject] = partsOf(sessionSubject);
  const { sid, authTimeMs, acr, amr } = login;
  const written: unknown[] = [
    login.provider === provider ? 0 : login.provider,
    login.subject === subject ? 0 : writeName(login.subject),
    sid === null ? 0 : writeName(sid),
    authTimeMs === null ? '' : createdAtMs - authTimeMs,
    acr ?? 0,
    amr,
  ];
  const isLeftOut = (at: number) => (at === 5 ? amr.length === 0 : written[at] === (at === 3 ? '' : 0));
  while (written.length > 1 && isLeftOut(written.length - 1)) written.pop();
  return written as unknown as WrittenLogin;
}

function readLogin(written: WrittenLogin, sessionSubject: string, createdAtMs: number): ProviderLogin {
  const [provider, subject = 0, sid = 0, sinceMs = '', acr = 0, amr = []] = written;
  const parts = partsOf(sessionSubject);
  return {
    provider: provider === 0 ? parts[0] : provider,
    subject: subject === 0 ? parts[1] : readName(subject),
    sid: sid === 0 ? null : readName(sid),
    authTimeMs: sinceMs === '' ? null : createdAtMs - sinceMs,
    acr: acr === 0 ? null : acr,
    amr,
  };
}

function isWrittenLogin(value: unknown): value is WrittenLogin {
  if (!Array.isArray(value) || value.length < 1 || value.length > 6) return false;
  const [provider, subject = 0, sid = 0, sinceMs = '', acr = 0, amr = []] = value as unknown[];
  return (
    [provider, subject, sid, acr].every((text) => text === 0 || typeof text === 'string') &&
    (sinceMs === '' || Number.isSafeInteger(sinceMs)) &&
    Array.isArray(amr) &&
    amr.every((means) => typeof means === 'string')
  );
}

/** An object of attributes. The gateway never writes one with a `__proto__` of its own. */
const isAttributes = (value: unknown): value is UserAttributes =>
  isJsonObject(value) && !Object.hasOwn(value, '__proto__');
