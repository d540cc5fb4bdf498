import type { SessionHandle } from '../jwt/names.ts';
import type { JSONType } from '../lib/text/json.ts';

/** Attributes of a user, for claims and identity headers. The gateway itself reads `roles` and `email`. */
export type UserAttributes = Readonly<Record<string, JSONType>>;

/** How a session can be opened, and the letter that is written for it. A letter is never used for another method. */
export const LOGIN_METHOD_LETTERS = { password: 'p', backend: 'b', oidc: 'o', commandLine: 'c' } as const;
/** See {@link LOGIN_METHOD_LETTERS}. */
export type LoginMethod = keyof typeof LOGIN_METHOD_LETTERS;
/** Every login method. */
export const LOGIN_METHODS = Object.keys(LOGIN_METHOD_LETTERS) as readonly LoginMethod[];

/** What an identity provider said at the login that opened a session, or when it was last asked. */
export interface ProviderLogin {
  /** The provider's name in the configuration. */
  readonly provider: string;
  /** Who logged in, as the provider names them: `sub`, or the id that stands for it in plain OAuth 2.0. */
  readonly subject: string;
  /** The session at the provider (`sid`), by which it ends sessions here; `null` when it named none. */
  readonly sid: string | null;
  /** When the user last proved who they are (`auth_time`), wall clock; `null` when the provider did not say. */
  readonly authTimeMs: number | null;
  /** How strongly (`acr`); `null` when the provider did not say. */
  readonly acr: string | null;
  /** By which means (`amr`); empty when the provider did not say. */
  readonly amr: readonly string[];
}

/**
 * The subject of sessions of a provider's user, in which no two providers, and no provider and local account, collide.
 * No name of a provider contains `|`.
 */
export const subjectAtProvider = (provider: string, subject: string): string => `${provider}|${subject}`;

/** A session, without its id. */
export interface SessionRecord {
  readonly handle: SessionHandle;
  readonly subject: string;
  readonly user: UserAttributes;
  readonly method: LoginMethod;
  /** Increases when the attributes of the user change; upstream tokens are reused within one version only. */
  readonly version: number;
  readonly createdAtMs: number;
  /** Absolute end; use does not move it. Wall clock. */
  readonly expiresAtMs: number;
  /** Last recorded use: at most a slide interval before the last use. */
  readonly lastSeenAtMs: number;
  /** Browser and address at login, by which the user recognizes the session. */
  readonly device: string;
  /** Whether its user asked to stay logged in: it lasts longer, and its cookie outlives the browser. */
  readonly remembered: boolean;
  /** What the identity provider said; `null` for a login without one. */
  readonly login: ProviderLogin | null;
}

/** The same session with another time of last use. Written out, so that all records have one shape. */
export function seenAt(record: SessionRecord, lastSeenAtMs: number): SessionRecord {
  const { handle, subject, user, method, version, createdAtMs, expiresAtMs, device, remembered, login } = record;
  return { handle, subject, user, method, version, createdAtMs, expiresAtMs, lastSeenAtMs, device, remembered, login };
}
