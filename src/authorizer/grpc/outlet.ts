/** The last step of the authorizer's pipeline when Envoy asks over gRPC: allows the request, with headers to set and to remove. */

import type { Permit } from '../../authorization/permit.ts';
import type { Exchange } from '../../exchange.ts';
import type { CompactToken } from '../../lib/http/bearer.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { Outlet } from '../../upstream/forward.ts';
import type { ProxyAnswers } from '../answer.ts';
import { CheckReply } from './reply.ts';

/** The field of the answer that names headers to remove, as {@link CheckOutlet.prepare} writes it. */
export const HEADERS_TO_REMOVE = 'headers_to_remove';

/** Tells Envoy what to forward. */
export class CheckOutlet implements Outlet {
  /** The authorizer carries no tunnels. */
  readonly tunnels: Outlet['tunnels'] = new Set();
  readonly #answers: ProxyAnswers;

  constructor(answers: ProxyAnswers) {
    this.#answers = answers;
  }

  /** Lets a permitted request pass. */
  forward(
    exchange: Exchange,
    request: ScreenedRequest,
    permit: Permit,
    _target: string,
    token: CompactToken | null,
  ): void {
    if (exchange.isOver) return;
    const { reply } = exchange;
    if (!(reply instanceof CheckReply)) throw new TypeError('a question over gRPC has the reply of another transport');
    const { headers, removed } = this.#answers.changes(exchange, request, permit, token);
    reply.allow({ headers, removed, subject: namedSubject(permit) });
  }

  /**
   * The answer to Envoy, as a list of headers; the names to remove are in {@link HEADERS_TO_REMOVE}.
   *
   * @returns flat name, value list
   */
  prepare(exchange: Exchange, request: ScreenedRequest, permit: Permit, token: CompactToken | null): string[] {
    const { headers, removed } = this.#answers.changes(exchange, request, permit, token);
    return [...headers, HEADERS_TO_REMOVE, removed.join(',')];
  }
}

/** The subject, where the route writes it into an identity header. */
function namedSubject({ principal, route }: Permit): string | null {
  const isNamed = route.identityHeaders.some((source, index) => index % 2 === 1 && source === 'subject');
  return isNamed && principal.credential !== null ? principal.subject : null;
}
