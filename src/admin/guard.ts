/** Guards the operations of the admin listener: callers must present the token, and web pages are refused. */

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { DenialReason } from '../errors.ts';
import type { AdminListenerConfig } from './section.ts';
import type { AdminToken } from './token-file.ts';

const HOST_PATTERN = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]*[a-z0-9_-])\.?(?::\d{1,5})?$/;

/** Lets requests through that present the admin token and were sent to a name of the admin listener. */
export class AdminGuard {
  readonly #token: AdminToken | null;
  readonly #allowedHosts: ReadonlySet<string>;

  /** @param token  `null`: every request is refused */
  constructor({ address, allowedHosts }: AdminListenerConfig, token: AdminToken | null) {
    this.#token = token;
    this.#allowedHosts = new Set(['localhost', address.host.toLowerCase(), ...allowedHosts]);
  }

  /**
   * Checks a request to a guarded endpoint.
   *
   * A web page on an operator's machine can reach this listener, by DNS rebinding even under the page's own name. So a
   * request with an `Origin`, or with a Host that is not allowed, is refused (CSRF-15).
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
