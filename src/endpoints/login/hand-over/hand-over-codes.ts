/**
 * The codes that hand a login over from the login origin to another one. A code works once, for a minute, for one origin, and only in
 * the browser that asked, whose transaction has the verifier of the challenge. The session id is stored encrypted under the code, so a
 * copy of the store opens no session.
 */

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { isSessionId, type SessionId } from '../../../authentication/session/session-id.ts';
import { Denial } from '../../../errors.ts';
import type { Clock } from '../../../lib/clock.ts';
import { verifies } from '../../../lib/crypto/pkce.ts';
import { openText, sealText } from '../../../lib/crypto/sealed-text.ts';
import type { CodeStore } from '../../../store/store.ts';

/** The redirect to the other origin takes no longer. */
export const HAND_OVER_CODE_LIFETIME_MS = 60_000;

const PURPOSE = 'hand-over code';

const givenSchema = z.strictObject({
  /** The only origin that it is for. */
  origin: z.string(),
  challenge: z.string(),
  /** The session id, sealed under the code. */
  session: z.string(),
  expiresAtMs: z.number(),
});

const refused = (note: string) => new Denial('login_expired', note);
const UNKNOWN = refused('hand-over code unknown or expired');
const USED = refused('hand-over code already used');
const OTHER_ORIGIN = refused('hand-over code is for another origin');
const OTHER_BROWSER = refused('hand-over code was issued to another browser');

/** Gives and takes codes. */
export class HandOverCodes {
  readonly #codes: CodeStore;
  readonly #wallMs: Clock;

  constructor(codes: CodeStore, wallMs: Clock) {
    this.#codes = codes;
    this.#wallMs = wallMs;
  }

  /**
   * Makes a code for a session.
   *
   * @param challenge  of the browser's verifier, by S256 (RFC 7636 §4.2)
   * @throws DependencyFault `store_unavailable` | `store_full`, as a rejection
   */
  async give(sessionId: SessionId, origin: string, challenge: string): Promise<string> {
    const code = randomBytes(32).toString('base64url');
    const session = sealText(sessionId, code, PURPOSE);
    const given = { origin, challenge, session, expiresAtMs: this.#wallMs() + HAND_OVER_CODE_LIFETIME_MS };
    await this.#codes.add(keyOf(code), JSON.stringify(given), HAND_OVER_CODE_LIFETIME_MS);
    return code;
  }

  /**
   * Takes a code. Every presentation uses it up, a wrong one included.
   *
   * @param code  untrusted
   * @returns the session id, or a Denial `login_expired`
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async take(code: string, origin: string, verifier: string): Promise<SessionId | Denial> {
    const key = keyOf(code);
    const text = await this.#codes.read(key);
    if (text === null) return UNKNOWN;
    const taken = JSON.stringify({ taken: randomBytes(16).toString('base64url') });
    const read = givenSchema.safeParse(JSON.parse(text));
    if (!read.success || !(await this.#codes.replace(key, text, taken, HAND_OVER_CODE_LIFETIME_MS))) return USED;
    const { data: given } = read;
    if (given.origin !== origin) return OTHER_ORIGIN;
    if (!verifies(verifier, given.challenge)) return OTHER_BROWSER;
    const sessionId = openText(given.session, code, PURPOSE);
    const isLive = this.#wallMs() < given.expiresAtMs && sessionId !== null && isSessionId(sessionId);
    return isLive ? sessionId : UNKNOWN;
  }
}

const keyOf = (code: string): string => `${PURPOSE}:${code}`;
