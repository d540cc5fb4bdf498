/**
 * password: whether a name and a password open a session.
 *
 * Attempts are throttled per account and per address before anything is computed, counted in the store for all replicas
 * together, and cost the same whether the account exists or not.
 */

import { Denial } from '../../../errors.ts';
import { clientNetwork } from '../../../lib/address.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { AttemptStore, ThrottleRule } from '../../../store/store.ts';
import { MAX_PASSWORD_BYTES } from './hash.ts';
import type { PasswordHasher } from './hasher.ts';
import { accountName, type StandInUser, type User, type UsersFile } from './users-file.ts';

/** Limits of password logins. */
export interface PasswordRules {
  readonly perAccount: ThrottleRule;
  readonly perAddress: ThrottleRule;
  /** Logins that may wait for a hash. */
  readonly maxQueue: number;
}

/** What somebody typed in, untrusted. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** How an attempt ended. `account` is set only where there is such an account: a wrong name may be a password. */
export interface PasswordOutcome {
  readonly result: User | Denial;
  readonly account: string | null;
}

const OVERLOADED = new Denial('overloaded', 'too many logins wait for a password hash');
const WRONG = new Denial('login_failed', 'password does not match');
const UNKNOWN = new Denial('login_failed', 'no such account');
const IMPOSSIBLE = new Denial('login_failed', 'name or password is empty or longer than any');

const MAX_NAME_LENGTH = 256;

/** Judges user names and passwords. */
export class PasswordLogin {
  readonly #users: UsersFile;
  readonly #hasher: PasswordHasher;
  readonly #attempts: AttemptStore;
  readonly #rules: PasswordRules;
  readonly #wallMs: Clock;

  constructor(users: UsersFile, hasher: PasswordHasher, attempts: AttemptStore, rules: PasswordRules, wallMs: Clock) {
    this.#users = users;
    this.#hasher = hasher;
    this.#attempts = attempts;
    this.#rules = rules;
    this.#wallMs = wallMs;
  }

  /**
   * Makes an attempt.
   *
   * @param address  of the client, in plain form
   * @returns the user, or a Denial `login_failed` | `rate_limited` | `overloaded`
   * @throws DependencyFault `store_unavailable`, as a rejection: nothing is computed that cannot be counted
   */
  async attempt({ name, password }: Credentials, address: string): Promise<PasswordOutcome> {
    const account = accountName(name);
    if (account === '' || account.length > MAX_NAME_LENGTH || !isPossiblePassword(password)) {
      return { result: IMPOSSIBLE, account: null };
    }
    const users = await this.#users.current();
    const user = users.find(account);
    const result = await this.#judge(account, user ?? users.standIn(account), password, address);
    return { result, account: user?.account ?? null };
  }

  /** Counts the attempt and computes. Does the same for a stand-in, and never lets it in. */
  async #judge(account: string, user: User | StandInUser, password: string, address: string): Promise<User | Denial> {
    if (this.#hasher.isFull(this.#rules.maxQueue)) return OVERLOADED;
    const addressKey = `address:${clientNetwork(address)}`;
    const accountKey = `account:${account}`;
    const waitMs = await this.#begin(addressKey, accountKey);
    if (waitMs > 0) return throttled(waitMs);

    const verified = this.#hasher.verify(password, user.stored, this.#rules.maxQueue);
    if (verified === null) {
      await Promise.all([this.#attempts.takeBack(accountKey), this.#attempts.takeBack(addressKey)]);
      return OVERLOADED;
    }
    const isRight = await verified;
    if (user.subject === null) return UNKNOWN;
    if (!isRight) return WRONG;
    await Promise.all([this.#attempts.succeeded(accountKey), this.#attempts.takeBack(addressKey)]);
    return user;
  }

  /**
   * Asks to make the attempt. The address comes first: who is slowed there cannot use up the attempts of an account.
   *
   * @returns 0, or the milliseconds to wait; then nothing is counted
   */
  async #begin(addressKey: string, accountKey: string): Promise<number> {
    const { perAddress, perAccount } = this.#rules;
    const nowMs = this.#wallMs();
    const addressWaitMs = await this.#attempts.begin(addressKey, perAddress, nowMs);
    if (addressWaitMs > 0) return addressWaitMs;
    const accountWaitMs = await this.#attempts.begin(accountKey, perAccount, nowMs);
    if (accountWaitMs > 0) await this.#attempts.takeBack(addressKey);
    return accountWaitMs;
  }
}

const isPossiblePassword = (password: string) =>
  password !== '' && password.length <= MAX_PASSWORD_BYTES && Buffer.byteLength(password) <= MAX_PASSWORD_BYTES;

const throttled = (waitMs: number) =>
  new Denial('rate_limited', 'too many failed logins for the account or from the address', [
    'Retry-After',
    String(Math.ceil(waitMs / 1_000)),
  ]);
