/**
 * Known devices: a browser that has logged in to an account gets a cookie, so that its next attempts at that account are counted
 * apart from those of strangers. So nobody can lock a user out by guessing passwords.
 *
 * The cookie opens nothing and names neither session nor account. It is an id with a MAC, whose key is derived from the
 * password hash of the account: all replicas can check it, nothing is stored, and a new password makes it worthless.
 */

import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { Denial } from '../../../errors.ts';
import { ownCookie } from '../../own-cookie.ts';
import type { User } from './users-file.ts';

/** Name of the cookie. */
export const DEVICE_COOKIE = '__Host-known-device';

const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict';
/** End in seconds, id of 16 bytes, MAC of 32 bytes. */
const VALUE = /^(?<end>\d{1,12})\.(?<id>[A-Za-z0-9_-]{22})\.(?<mac>[A-Za-z0-9_-]{43})$/;

/** Makes and checks the cookies of known devices. */
export class KnownDevices {
  readonly #lifetimeMs: number;

  /** @param lifetimeMs  how long a device stays known after a login; 0: no device is ever known */
  constructor(lifetimeMs: number) {
    this.#lifetimeMs = lifetimeMs;
  }

  /**
   * The id of the device that a request comes from, if a login to this account succeeded on it.
   *
   * @param cookies  the Cookie header, untrusted
   * @param nowMs    wall clock
   * @returns `null` for any other device
   */
  find(cookies: string | null, user: User, nowMs: number): string | null {
    const value = this.#lifetimeMs === 0 ? null : ownCookie(cookies, DEVICE_COOKIE);
    if (value === null || value instanceof Denial) return null;
    const { end = '', id = '', mac = '' } = VALUE.exec(value)?.groups ?? {};
    const endMs = Number(end) * 1_000;
    if (id === '' || endMs <= nowMs || endMs > nowMs + this.#lifetimeMs + 1_000) return null;
    return timingSafeEqual(macOf(end, id, user), Buffer.from(mac, 'base64url')) ? id : null;
  }

  /**
   * Set-Cookie lines, as a flat name, value list, for a device on which a login has succeeded.
   *
   * @param known  its id, if it was known before
   * @param nowMs  wall clock
   */
  headers(known: string | null, user: User, nowMs: number): readonly string[] {
    if (this.#lifetimeMs === 0) return [];
    const id = known ?? randomBytes(16).toString('base64url');
    const end = String(Math.floor((nowMs + this.#lifetimeMs) / 1_000));
    const value = `${end}.${id}.${macOf(end, id, user).toString('base64url')}`;
    const maxAge = Math.floor(this.#lifetimeMs / 1_000);
    return ['Set-Cookie', `${DEVICE_COOKIE}=${value}; ${ATTRIBUTES}; Max-Age=${maxAge}`];
  }
}

function macOf(end: string, id: string, { stored, account }: User): Buffer {
  const key = hkdfSync('sha256', stored.hash, stored.salt, `sallyport known device ${account}`, 32);
  return createHmac('sha256', Buffer.from(key)).update(`${end}.${id}`).digest();
}
