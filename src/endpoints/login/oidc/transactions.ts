/**
 * Logins under way. Each is in the store, for all replicas and across restarts, under the browser that began it: a cookie
 * with a random id, one for all tabs. A copy of the store opens nothing: it has neither the cookie nor the `state`, only
 * their hashes.
 */

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { Denial } from '../../../errors.ts';
import { isSessionHandle } from '../../../jwt/names.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../../../lib/base64url.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { LoginTransactionStore } from '../../../store/store.ts';
import { ownCookie } from '../../own-cookie.ts';

/** Name of the cookie by which a browser is recognised when it comes back from a provider. */
export const LOGIN_COOKIE = '__Host-login';

/** How long somebody may take to log in. */
const LIFETIME_MS = 10 * 60_000;
/** How long it is remembered where they wanted to go. */
const REMEMBERED_MS = 30 * 60_000;
/** Of one browser; the oldest goes. Enough for every tab that somebody has open. */
const MAX_PER_BROWSER = 50;
/** How long the browser keeps the cookie; set anew with every login. */
const COOKIE_MAX_AGE_SEC = 86_400;

const transactionSchema = z.strictObject({
  provider: z.string(),
  /** Where the browser came from and goes back to: one of ours. */
  origin: z.string(),
  returnTo: z.string(),
  verifier: z.string(),
  nonce: z.string(),
  startedAtMs: z.number(),
  /** The session that the browser had; a POST from the provider's page brings no cookie for it. */
  replaces: z.string().refine(isSessionHandle).nullable(),
  isUsed: z.boolean(),
});

/** A login under way. */
export type LoginTransaction = Readonly<z.output<typeof transactionSchema>>;

/** What a login begins with. */
type NewTransaction = Pick<LoginTransaction, 'provider' | 'origin' | 'returnTo' | 'replaces'>;

/** The secrets of a new login, for the authorization request. */
interface BegunTransaction {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

const random = () => randomBytes(32).toString('base64url');

/** Keeps logins under way. */
export class LoginTransactions {
  readonly #store: LoginTransactionStore;
  readonly #wallMs: Clock;
  readonly #cookieAttributes: string;

  /** @param comesByPost  whether a provider sends browsers back with a POST, with which only SameSite=None cookies come */
  constructor(store: LoginTransactionStore, comesByPost: boolean, wallMs: Clock) {
    this.#store = store;
    this.#wallMs = wallMs;
    this.#cookieAttributes = `Path=/; Secure; HttpOnly; SameSite=${comesByPost ? 'None' : 'Lax'}`;
  }

  /** The browser that sends a request: the value of its cookie; `null` when it has none, or none of ours. */
  browserOf(cookies: string | null): string | null {
    const value = ownCookie(cookies, LOGIN_COOKIE);
    return value === null || value instanceof Denial || !BASE64URL_32_BYTES_PATTERN.test(value) ? null : value;
  }

  /** A Set-Cookie line for a browser that was not seen before. */
  newCookieLine(): string {
    return this.cookieLine(random());
  }

  /** A Set-Cookie line by which a browser keeps its cookie for longer. */
  cookieLine(browser: string): string {
    return `${LOGIN_COOKIE}=${browser}; ${this.#cookieAttributes}; Max-Age=${COOKIE_MAX_AGE_SEC}`;
  }

  /** New secrets. Nothing is stored yet. */
  secrets(): BegunTransaction {
    return { state: random(), nonce: random(), verifier: random() };
  }

  /**
   * Keeps a login.
   *
   * @throws DependencyFault `store_unavailable` | `store_full`, as a rejection
   */
  async begin(browser: string, { state, nonce, verifier }: BegunTransaction, login: NewTransaction): Promise<void> {
    const startedAtMs = this.#wallMs();
    await this.#put(browser, state, { ...login, nonce, verifier, startedAtMs, isUsed: false });
  }

  /**
   * Takes a login, once: of several requests with the same `state`, one gets it as it was, the others get it as used.
   *
   * @param state  untrusted
   * @returns `null` when this browser has no such login
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async take(browser: string, state: string): Promise<LoginTransaction | null> {
    const text = await this.#store.take(browser, state);
    if (text === null) return null;
    const read = transactionSchema.safeParse(JSON.parse(text));
    if (!read.success) return null;
    // Where it leads stays known, for somebody who goes back, or whose browser sends the request again.
    await this.#put(browser, state, { ...read.data, verifier: '', nonce: '', isUsed: true });
    return read.data;
  }

  /** Whether a login took too long. */
  hasExpired({ startedAtMs }: LoginTransaction): boolean {
    const ageMs = this.#wallMs() - startedAtMs;
    return ageMs > LIFETIME_MS;
  }

  #put(browser: string, state: string, transaction: LoginTransaction): Promise<void> {
    const limits = { ttlMs: REMEMBERED_MS, maxPerBrowser: MAX_PER_BROWSER };
    return this.#store.add(browser, state, JSON.stringify(transaction), limits);
  }
}
