/** Guards the admin listener: its operations need the token, and web pages reach neither them nor the metrics. */

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
   * Checks a request to an endpoint that is guarded.
   *
   * A web page on an operator's machine can reach this listener, by DNS rebinding even under the page's own name. So a
   * Host that is not allowed is refused, and an `Origin` where the token is needed (CSRF-15). An IP address is allowed:
   * Prometheus scrapes by it, and no page has rebound a name when there is none.
   *
   * @returns why it is refused, or `null`
   */
  refusal({ headers }: IncomingMessage, guard: 'host' | 'token'): DenialReason | null {
    if (!this.#isAllowedHost(headers.host)) return 'host_not_served';
    if (guard === 'host') return null;
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
