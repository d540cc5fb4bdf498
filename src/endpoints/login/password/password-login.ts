/**
 * password: whether a name and a password open a session.
 *
 * Attempts are slowed before anything is computed, counted in the store for all replicas together, and cost the same whether
 * the account exists or not. Failures of strangers lock nobody out: they are counted per network, per account and network, and
 * per account from anywhere; a device on which a login to the account succeeded is counted by itself.
 */

import { Denial, rateLimited } from '../../../errors.ts';
import { clientNetwork } from '../../../lib/address.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { AttemptStore, ThrottleRule } from '../../../store/store.ts';
import { MAX_PASSWORD_BYTES } from './hash.ts';
import type { HashPlace, PasswordHasher } from './hasher.ts';
import type { KnownDevices } from './known-device.ts';
import { accountName, type StandInUser, type User, type UsersFile } from './users-file.ts';

interface PasswordRules {
  /** For an account from one network or one known device. */
  readonly perAccount: ThrottleRule;
  /** For an account from anywhere but known devices, counted from zero in each window. */
  readonly perAccountFromAnywhere: ThrottleRule;
  readonly perAddress: ThrottleRule;
  /** Logins that may wait for a hash. */
  readonly maxQueue: number;
}

/** What a user typed, untrusted. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/** Who makes an attempt. */
interface PasswordClient {
  /** In plain form. */
  readonly address: string;
  /** The Cookie header, untrusted; `null` when there is none. */
  readonly cookies: string | null;
}

/** How an attempt ended. `account` is set only where there is such an account: a wrong name may be a password. */
export interface PasswordOutcome {
  readonly result: User | Denial;
  readonly account: string | null;
  /** Set-Cookie lines that make the device known, as a flat name, value list; empty unless the password was right. */
  readonly headers: readonly string[];
}

/** A count that an attempt is entered in. */
interface Count {
  readonly key: string;
  readonly rule: ThrottleRule;
  /** Whether a right password clears it. Else only the attempt itself is taken back: an attacker may have an account, too. */
  readonly clears: boolean;
}

/** The /48 of an IPv6 address may have this many times the failures of each /64 in it. */
const WIDE_NETWORK_FACTOR = 10;

const OVERLOADED = new Denial('overloaded', 'too many logins wait for a password hash');
const WRONG = new Denial('login_failed', 'password does not match');
const UNKNOWN = new Denial('login_failed', 'no such account');
const IMPOSSIBLE = new Denial('login_failed', 'name or password is empty or too long');

const MAX_NAME_LENGTH = 256;

interface PasswordParts {
  readonly users: UsersFile;
  readonly hasher: PasswordHasher;
  readonly attempts: AttemptStore;
  readonly devices: KnownDevices;
  readonly rules: PasswordRules;
  readonly wallMs: Clock;
}

/** Judges user names and passwords. */
export class PasswordLogin {
  readonly #parts: PasswordParts;

  constructor(parts: PasswordParts) {
    this.#parts = parts;
  }

  /**
   * Makes an attempt.
   *
   * @returns the user, or a Denial `login_failed` | `rate_limited` | `overloaded`
   * @throws DependencyFault `store_unavailable`, as a rejection: nothing is computed that cannot be counted
   */
  async attempt({ name, password }: Credentials, client: PasswordClient): Promise<PasswordOutcome> {
    const account = accountName(name);
    if (account === '' || account.length > MAX_NAME_LENGTH || !isPossiblePassword(password)) {
      return { result: IMPOSSIBLE, account: null, headers: [] };
    }
    const { users: file, devices, rules, wallMs } = this.#parts;
    const users = await file.current();
    const user = users.find(account);
    const nowMs = wallMs();
    const device = user === null ? null : devices.find(client.cookies, user, nowMs);
    const counts =
      device === null ? this.#countsOf(account, client, nowMs) : [this.#countOf(account, 'device', device)];
    const path =
      device === null ? [clientNetwork(client.address, 48), clientNetwork(client.address)] : [`device ${device}`, ''];
    const place = { path, maxQueue: rules.maxQueue };
    const result = await this.#judge(counts, place, user ?? users.standIn(account), password);
    const headers = result instanceof Denial ? [] : devices.headers(device, result, nowMs);
    return { result, account: user?.account ?? null, headers };
  }

  /** Counts the attempt and computes. Does the same for a stand-in, and never lets it in. */
  async #judge(
    counts: readonly Count[],
    place: HashPlace,
    user: User | StandInUser,
    password: string,
  ): Promise<User | Denial> {
    const { hasher, attempts } = this.#parts;
    const waitMs = await this.#begin(counts);
    if (waitMs > 0) return rateLimited('too many failed logins for the account or from the network', waitMs);
    const isRight = await hasher.verify(password, user.stored, place);
    if (isRight === null) {
      await this.#takeBack(counts);
      return OVERLOADED;
    }
    if (user.subject === null) return UNKNOWN;
    if (!isRight) return WRONG;
    await Promise.all(counts.map(({ key, clears }) => (clears ? attempts.succeeded(key) : attempts.takeBack(key))));
    return user;
  }

  /** Failures for an account from one network or one known device. */
  #countOf(account: string, of: 'network' | 'device', name: string): Count {
    return { key: JSON.stringify(['account', account, of, name]), rule: this.#parts.rules.perAccount, clears: true };
  }

  /**
   * The counts for an unknown device, the widest network first: an attempt that is refused there uses up none of the account's.
   * The last one bounds the guesses at an account, however many networks they come from.
   */
  #countsOf(account: string, { address }: PasswordClient, nowMs: number): Count[] {
    const { perAddress, perAccountFromAnywhere: rule } = this.#parts.rules;
    const [network, site] = [clientNetwork(address), clientNetwork(address, 48)];
    const siteRule = { ...perAddress, freeAttempts: perAddress.freeAttempts * WIDE_NETWORK_FACTOR };
    const window = Math.floor(nowMs / rule.windowMs);
    return [
      ...(site === network ? [] : [{ key: `site:${site}`, rule: siteRule, clears: false }]),
      { key: `address:${network}`, rule: perAddress, clears: false },
      this.#countOf(account, 'network', site),
      { key: JSON.stringify(['account', account, 'anywhere', window]), rule, clears: false },
    ];
  }

  /**
   * Asks to make the attempt.
   *
   * @returns 0, or the milliseconds to wait; then nothing is counted
   */
  async #begin(counts: readonly Count[]): Promise<number> {
    const { attempts, wallMs } = this.#parts;
    const nowMs = wallMs();
    for (const [index, { key, rule }] of counts.entries()) {
      const waitMs = await attempts.begin(key, rule, nowMs);
      if (waitMs === 0) continue;
      await this.#takeBack(counts.slice(0, index));
      return waitMs;
    }
    return 0;
  }

  async #takeBack(counts: readonly Count[]): Promise<void> {
    await Promise.all(counts.map(({ key }) => this.#parts.attempts.takeBack(key)));
  }
}

const isPossiblePassword = (password: string) =>
  password !== '' && password.length <= MAX_PASSWORD_BYTES && Buffer.byteLength(password) <= MAX_PASSWORD_BYTES;
