/**
 * The refresh cookie: browsers send it to `{base}/refresh` only, so its name cannot have the prefix `__Host-`, which would keep
 * out cookies that a sibling domain has set. The session cookie has that prefix, and a refresh token in a cookie counts only
 * beside the cookie of its own session.
 */

import { Denial } from '../../errors.ts';
import type { SessionRecord } from '../../store/session-record.ts';
import { ownCookie } from '../own-cookie.ts';
import { maxAgeOf } from '../session-cookie.ts';

const AMBIGUOUS = new Denial('refresh_token_refused', 'refresh cookie has more than one reading');

/** Reads and writes the refresh cookie. */
export class RefreshCookie {
  readonly #name: string;
  readonly #attributes: string;
  /** Set-Cookie line that deletes it, with the attributes it was set with. */
  readonly clearLine: string;

  /** @param path  of the endpoint that it is sent to */
  constructor(name: string, path: string) {
    this.#name = name;
    this.#attributes = `Path=${path}; Secure; HttpOnly; SameSite=Strict`;
    this.clearLine = `${name}=; ${this.#attributes}; Max-Age=0`;
  }

  /** Set-Cookie line that hands a token to the browser. Its end is enforced on the server, as that of the session is. */
  setLine(token: string, session: SessionRecord): string {
    return `${this.#name}=${token}; ${this.#attributes}${maxAgeOf(session)}`;
  }

  /**
   * The token in the cookies of a request, read as strictly as the session cookie is.
   *
   * @param cookies  the Cookie header, untrusted; its size was judged before
   * @returns `null` when there is none, a Denial `refresh_token_refused` when there is more than one
   */
  read(cookies: string | null): string | Denial | null {
    const token = ownCookie(cookies, this.#name);
    return token instanceof Denial ? AMBIGUOUS : token;
  }
}
