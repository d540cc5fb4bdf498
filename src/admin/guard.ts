/**
 * Who may use the guarded part of the admin listener: whoever presents the token, and no web page.
 */

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { DenialReason } from '../errors.ts';
import type { AdminListenerConfig } from './section.ts';
import type { AdminToken } from './token-file.ts';

const HOST_PATTERN = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]*[a-z0-9_-])\.?(?::\d{1,5})?$/;

export class AdminGuard {
  readonly #token: AdminToken | null;
  readonly #allowedHosts: ReadonlySet<string>;

  /** @param token  `null`: nobody may */
  constructor({ address, allowedHosts }: AdminListenerConfig, token: AdminToken | null) {
    this.#token = token;
    this.#allowedHosts = new Set(['localhost', address.host.toLowerCase(), ...allowedHosts]);
  }

  /**
   * Judges a request to the guarded part.
   *
   * A page on the machine of an operator can reach this listener, under its own name if it has rebound that to our
   * address: so no `Origin` is accepted, nor a Host that is a name nobody has allowed (CSRF-15).
   *
   * @returns why it is refused, or `null`
   */
  refusal({ headers }: IncomingMessage): DenialReason | null {
    if (!this.#isAllowedHost(headers.host)) return 'host_not_served';
    if (headers.origin !== undefined) return 'origin_forbidden';
    if (this.#token === null) return 'admin_disabled';
    return this.#token.isPresentedBy(headers.authorization) ? null : 'client_unauthorized';
  }

  #isAllowedHost(header: string | undefined): boolean {
    const host = HOST_PATTERN.exec(header?.toLowerCase() ?? '')?.[1];
    if (host === undefined) return false;
    return isIP(host.replace(/^\[|\]$/g, '')) !== 0 || this.#allowedHosts.has(host);
  }
}
