/** A session as a store keeps it. */

import type { JSONType } from '../lib/json.ts';

/** Attributes of a user, as claims and identity headers can use them. `roles` and `email` have a meaning to the gateway. */
export type UserAttributes = Readonly<Record<string, JSONType>>;

/** How a session can be opened, and the letter that is written for it. A letter is never used for another method. */
export const LOGIN_METHOD_LETTERS = { password: 'p', backend: 'b' } as const;
/** See {@link LOGIN_METHOD_LETTERS}. */
export type LoginMethod = keyof typeof LOGIN_METHOD_LETTERS;
/** Every login method. */
export const LOGIN_METHODS = Object.keys(LOGIN_METHOD_LETTERS) as readonly LoginMethod[];

/** A session, without its id. */
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

/** The same session with another time of last use. Written out, so that all records have one shape. */
export function seenAt(record: SessionRecord, lastSeenAtMs: number): SessionRecord {
  const { handle, subject, user, method, version, createdAtMs, expiresAtMs, device } = record;
  return { handle, subject, user, method, version, createdAtMs, expiresAtMs, lastSeenAtMs, device };
}
