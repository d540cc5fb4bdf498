/**
 * Logins under way. Each is in the store, for all replicas and across restarts, under the browser that began it: a cookie
 * with a random id, one for all tabs. A copy of the store opens nothing: it has neither the cookie nor the `state`, only
 * their hashes.
 *
 * Tabs that open at once, before the browser has a cookie, get one each. So that none replaces another, the first characters of
 * the id are in the name of its cookie, and in each `state` of that browser. The one that the browser sends with its next login
 * becomes the one for all tabs; the others expire.
 */

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { isSessionHandle } from '../../../../jwt/names.ts';
import type { Clock } from '../../../../lib/clock.ts';
import type { Turns } from '../../../../lib/concurrency/turns.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../../../../lib/crypto/base64url.ts';
import type { LoginTransactionStore } from '../../../../store/store.ts';
import { ownCookie } from '../../../own-cookie.ts';
import { stepUpSchema } from './wanted-step-up.ts';

/** How the names of the cookies begin that identify a browser when it comes back from a provider. */
export const LOGIN_COOKIE_PREFIX = '__Host-login-';
/** Characters of the id in the name: two of a hundred tabs have the same ones once in 3,000 times. */
const NAME_LENGTH = 4;
const NAMES = /(?:^|;)[ \t]*(?<name>__Host-login-[\w-]{4})=/g;

/** How long a user may take to log in. */
export const LOGIN_LIFETIME_MS = 10 * 60_000;
/** How long the store remembers where they wanted to go. */
const REMEMBERED_MS = 30 * 60_000;
/** Of one browser; the oldest goes. Enough for a browser that opens all tabs of its last session at once. */
const MAX_PER_BROWSER = 500;
/** How long the browser keeps the cookie; every login starts that again. */
const COOKIE_MAX_AGE_SEC = 86_400;
/** How long it keeps one with which no login has begun yet. */
const NEW_COOKIE_MAX_AGE_SEC = REMEMBERED_MS / 1_000;

const LIMITS = { ttlMs: REMEMBERED_MS, maxPerBrowser: MAX_PER_BROWSER };

const logoutSchema = z.strictObject({ logoutAt: z.string() });

const handOverSchema = z.strictObject({
  /** The public origin that asked the login origin. */
  handOverTo: z.string(),
  returnTo: z.string(),
  verifier: z.string(),
  startedAtMs: z.number(),
  isUsed: z.boolean(),
});

/** A login under way at the login origin, for another one. */
export type HandOverTransaction = Readonly<z.output<typeof handOverSchema>>;

const transactionSchema = z.strictObject({
  provider: z.string(),
  /** The public origin where the browser came from and goes back to. */
  origin: z.string(),
  returnTo: z.string(),
  verifier: z.string(),
  nonce: z.string(),
  startedAtMs: z.number(),
  /** The session that the browser had; a POST from the provider's page brings no cookie for it. */
  replaces: z.string().refine(isSessionHandle).nullable(),
  isUsed: z.boolean(),
  /** For a step-up: what it has to show; `null` for a first login. */
  stepUp: stepUpSchema.nullable().default(null),
  /** Whether the user asks to stay logged in. */
  remember: z.boolean().default(false),
});

/** A login under way. */
export type LoginTransaction = Readonly<z.output<typeof transactionSchema>>;

/** What a login begins with. */
type NewTransaction = Pick<LoginTransaction, 'provider' | 'origin' | 'returnTo' | 'replaces' | 'stepUp' | 'remember'>;

/** The secrets of a new login, for the authorization request. */
export interface LoginSecrets {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

const random = () => randomBytes(32).toString('base64url');

/** Keeps logins under way. */
export class LoginTransactions {
  readonly #store: LoginTransactionStore;
  readonly #turns: Turns;
  readonly #wallMs: Clock;
  readonly #cookieAttributes: string;

  /**
   * @param turns        in which logins continue once the store has answered
   * @param comesByPost  whether a provider sends browsers back with a POST, with which only SameSite=None cookies come
   */
  constructor(store: LoginTransactionStore, turns: Turns, comesByPost: boolean, wallMs: Clock) {
    this.#store = store;
    this.#turns = turns;
    this.#wallMs = wallMs;
    this.#cookieAttributes = `Path=/; Secure; HttpOnly; SameSite=${comesByPost ? 'None' : 'Lax'}`;
  }

  /** The browser that sends a request: the value of its cookie; `null` when it has no valid one. */
  browserOf(cookies: string | null): string | null {
    for (const { groups } of cookies?.matchAll(NAMES) ?? []) {
      const browser = browserIn(cookies, groups?.['name'] as string);
      if (browser !== null) return browser;
    }
    return null;
  }

  /** The browser that began the login of a `state`; `null` when it is not the one that sends the request. @param state untrusted */
  browserThatBegan(state: string, cookies: string | null): string | null {
    return browserIn(cookies, cookieName(state));
  }

  /** An id for a browser that was not seen before. */
  newBrowser(): string {
    return random();
  }

  /** A Set-Cookie line for a browser that was not seen before. */
  newCookieLine(): string {
    return this.#cookieLine(this.newBrowser(), NEW_COOKIE_MAX_AGE_SEC);
  }

  /** A Set-Cookie line by which a browser keeps its cookie for longer. */
  cookieLine(browser: string): string {
    return this.#cookieLine(browser, COOKIE_MAX_AGE_SEC);
  }

  /** New secrets for a login of a browser. Nothing is stored yet. */
  secrets(browser: string): LoginSecrets {
    const state = browser.slice(0, NAME_LENGTH) + random().slice(NAME_LENGTH);
    return { state, nonce: random(), verifier: random() };
  }

  /**
   * Keeps a login.
   *
   * @throws DependencyFault `store_unavailable` | `store_full`, as a rejection
   */
  async begin(browser: string, { state, nonce, verifier }: LoginSecrets, login: NewTransaction): Promise<void> {
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
    const login = await this.#take(browser, state, transactionSchema);
    // Where it leads stays known, for a user who goes back, or whose browser sends the request again.
    if (login !== null) await this.#put(browser, state, { ...login, verifier: '', nonce: '', isUsed: true });
    return login;
  }

  /**
   * Keeps a logout that continues at a provider.
   *
   * @throws DependencyFault `store_unavailable` | `store_full`, as a rejection
   */
  beginLogout(browser: string, state: string, provider: string): Promise<void> {
    return this.#put(browser, state, { logoutAt: provider });
  }

  /**
   * Takes a logout, once.
   *
   * @param state  untrusted
   * @returns the name of its provider; `null` when this browser has no such logout
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async takeLogout(browser: string, state: string): Promise<string | null> {
    return (await this.#take(browser, state, logoutSchema))?.logoutAt ?? null;
  }

  /**
   * Keeps a login that was requested from another origin.
   *
   * @throws DependencyFault `store_unavailable` | `store_full`, as a rejection
   */
  async beginHandOver(
    browser: string,
    { state, verifier }: LoginSecrets,
    asked: Pick<HandOverTransaction, 'handOverTo' | 'returnTo'>,
  ): Promise<void> {
    const transaction: HandOverTransaction = { ...asked, verifier, startedAtMs: this.#wallMs(), isUsed: false };
    await this.#put(browser, state, transaction);
  }

  /**
   * Takes a login that was requested from another origin, once, as {@link take} does.
   *
   * @param state  untrusted
   * @returns `null` when this browser has no such login
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async takeHandOver(browser: string, state: string): Promise<HandOverTransaction | null> {
    const handOver = await this.#take(browser, state, handOverSchema);
    if (handOver !== null) await this.#put(browser, state, { ...handOver, verifier: '', isUsed: true });
    return handOver;
  }

  /** Whether a login took too long. */
  hasExpired({ startedAtMs }: Pick<LoginTransaction, 'startedAtMs'>): boolean {
    return this.#wallMs() - startedAtMs > LOGIN_LIFETIME_MS;
  }

  #cookieLine(browser: string, maxAgeSec: number): string {
    return `${cookieName(browser)}=${browser}; ${this.#cookieAttributes}; Max-Age=${maxAgeSec}`;
  }

  async #put(browser: string, state: string, value: object): Promise<void> {
    await this.#store.add(browser, state, JSON.stringify(value), LIMITS);
    await this.#turns.goOn();
  }

  /** Takes a transaction; `null` where there is none of that kind. */
  async #take<T>(browser: string, state: string, schema: z.ZodType<T>): Promise<T | null> {
    const text = await this.#store.take(browser, state);
    await this.#turns.goOn();
    return schema.safeParse(text === null ? null : JSON.parse(text)).data ?? null;
  }
}

/** Of a browser, or of the browser that a `state` names. */
const cookieName = (id: string): string => LOGIN_COOKIE_PREFIX + id.slice(0, NAME_LENGTH);

function browserIn(cookies: string | null, name: string): string | null {
  const value = ownCookie(cookies, name);
  const isId = typeof value === 'string' && BASE64URL_32_BYTES_PATTERN.test(value) && cookieName(value) === name;
  return isId ? value : null;
}
