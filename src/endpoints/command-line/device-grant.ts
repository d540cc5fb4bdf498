/**
 * The device grant (RFC 8628): a terminal asks for two codes, shows the short one to its user, and polls with the long one until
 * the user has typed the short one in a browser and decided.
 */

import { hash, randomBytes } from 'node:crypto';
import { Denial } from '../../errors.ts';
import { clientNetwork } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { UserPrincipal } from '../../principal.ts';
import type { AttemptStore, CodeStore, OnceStore, ThrottleRule } from '../../store/store.ts';
import type { Approval, Approvals, ReadApproval } from './approvals.ts';
import { overRate, type Redeemer, type Terminal } from './redeemer.ts';
import { newUserCode } from './user-code.ts';

/** How long a user has, and the terminal polls. */
export const DEVICE_CODE_LIFETIME_MS = 10 * 60_000;
/** How long the terminal is asked to wait between two polls. */
const INTERVAL_MS = 5_000;
/** How long it has to wait: an honest terminal may be early because its last answer was slow. */
const SHORTEST_INTERVAL_MS = 4_000;

/** Wrong codes of one user, or from one address, before more are slowed (RFC 8628 §5.1). */
const GUESSES_OF_USER: ThrottleRule = { freeAttempts: 5, maxDelayMs: 60_000, windowMs: DEVICE_CODE_LIFETIME_MS };
const GUESSES_FROM_ADDRESS: ThrottleRule = { freeAttempts: 50, maxDelayMs: 60_000, windowMs: DEVICE_CODE_LIFETIME_MS };
/** Requests for codes from one address. */
const ASKED_FROM_ADDRESS: ThrottleRule = { freeAttempts: 50, maxDelayMs: 60_000, windowMs: DEVICE_CODE_LIFETIME_MS };

const PENDING = new Denial('device_login_pending', 'the user has not decided yet');
const TOO_OFTEN = new Denial('device_polled_too_often', 'polled before the interval was over');
const DENIED = new Denial('device_login_denied', 'the user refused');
const EXPIRED = new Denial('device_login_expired', 'the user did not decide in time');
const NO_SUCH_CODE = new Denial('user_code_unknown', 'no pending login with this user code');

interface DeviceGrantParts {
  readonly approvals: Approvals;
  readonly redeemer: Redeemer;
  readonly codes: CodeStore;
  readonly attempts: AttemptStore;
  readonly once: OnceStore;
  readonly wallMs: Clock;
}

/** A login that waits for its user. */
export type PendingLogin = Extract<Approval, { state: 'pending' }>;

/** Logins by device grant. */
export class DeviceGrant {
  readonly #parts: DeviceGrantParts;

  constructor(parts: DeviceGrantParts) {
    this.#parts = parts;
  }

  /**
   * Begins a login.
   *
   * @returns both codes, or a Denial `rate_limited`
   */
  async begin({ address, device }: Terminal) {
    const { approvals, codes, attempts, wallMs } = this.#parts;
    const nowMs = wallMs();
    const waitMs = await attempts.begin(`device-login:${clientNetwork(address)}`, ASKED_FROM_ADDRESS, nowMs);
    if (waitMs > 0) return overRate(waitMs);
    const deviceCode = randomBytes(32).toString('base64url');
    const name = nameOf(deviceCode);
    const expiresAtMs = nowMs + DEVICE_CODE_LIFETIME_MS;
    const pending = { state: 'pending', expiresAtMs, askedAtMs: nowMs, address, device } as const;
    await approvals.add(deviceKey(name), pending, DEVICE_CODE_LIFETIME_MS);
    for (;;) {
      const userCode = newUserCode();
      // Another login may have drawn the same one.
      if (!(await codes.add(userKey(userCode), name, DEVICE_CODE_LIFETIME_MS))) continue;
      return { deviceCode, userCode, expiresInMs: DEVICE_CODE_LIFETIME_MS, intervalMs: INTERVAL_MS };
    }
  }

  /**
   * The terminal asks for the outcome of its login.
   *
   * @param deviceCode  untrusted
   * @returns the tokens as JSON, or a Denial `device_*` | `code_refused` | `code_reused` | `rate_limited`
   */
  async poll(deviceCode: string, terminal: Terminal): Promise<string | Denial> {
    const { approvals, redeemer, once, attempts, wallMs } = this.#parts;
    const name = nameOf(deviceCode);
    const reading = await approvals.read(deviceKey(name));
    if (reading === null) return redeemer.unknown(terminal);
    const { approval } = reading;
    if (approval.state === 'denied') return DENIED;
    if (approval.state === 'pending' || approval.state === 'approved') {
      if (wallMs() >= approval.expiresAtMs) return EXPIRED;
      const isInTime = await once.use(`device-poll:${name}`, SHORTEST_INTERVAL_MS);
      if (!isInTime) return TOO_OFTEN;
      if (approval.state === 'pending') return PENDING;
    }
    const redeemed = await redeemer.redeem('device_code', reading, terminal);
    if (!(redeemed instanceof Denial)) await attempts.takeBack(`device-login:${clientNetwork(terminal.address)}`);
    return redeemed;
  }

  /**
   * Looks up what a user typed. Only codes that do not exist are counted as guesses.
   *
   * @param userCode  `null` for what cannot be one
   * @returns the login, or a Denial `user_code_unknown` | `rate_limited`
   */
  async find(userCode: string | null, user: UserPrincipal, address: string): Promise<PendingLogin | Denial> {
    const { attempts, wallMs } = this.#parts;
    if (userCode === null) return NO_SUCH_CODE;
    const guesses = [
      [`user-code:${user.subject}`, GUESSES_OF_USER],
      [`user-code@${clientNetwork(address)}`, GUESSES_FROM_ADDRESS],
    ] as const;
    for (const [key, rule] of guesses) {
      const waitMs = await attempts.begin(key, rule, wallMs());
      if (waitMs > 0) return overRate(waitMs);
    }
    const reading = await this.#pending(userCode);
    if (reading === null) return NO_SUCH_CODE;
    for (const [key] of guesses) await attempts.takeBack(key);
    return reading.pending;
  }

  /**
   * The user decides. The user code is used up.
   *
   * @returns a Denial `user_code_unknown` when the login does not wait any more
   */
  async decide(userCode: string, user: UserPrincipal, isAllowed: boolean): Promise<Denial | null> {
    const { approvals, codes, wallMs } = this.#parts;
    const found = await this.#pending(userCode);
    if (found === null) return NO_SUCH_CODE;
    const { expiresAtMs } = found.pending;
    const session = user.session.handle;
    const isDecided = await approvals.decide(
      found.reading,
      isAllowed ? { state: 'approved', expiresAtMs, session, binding: null } : { state: 'denied' },
      Math.max(0, expiresAtMs - wallMs()),
    );
    await codes.end(userKey(userCode));
    return isDecided ? null : NO_SUCH_CODE;
  }

  async #pending(userCode: string): Promise<{ readonly reading: ReadApproval; readonly pending: PendingLogin } | null> {
    const { approvals, codes, wallMs } = this.#parts;
    const name = await codes.read(userKey(userCode));
    const reading = name === null ? null : await approvals.read(deviceKey(name));
    if (reading === null || reading.approval.state !== 'pending') return null;
    return wallMs() < reading.approval.expiresAtMs ? { reading, pending: reading.approval } : null;
  }
}

/** What the store may know of a device code. */
const nameOf = (deviceCode: string): string => hash('sha256', deviceCode, 'base64url');
const deviceKey = (name: string): string => `device:${name}`;
const userKey = (userCode: string): string => `user-code:${userCode}`;
