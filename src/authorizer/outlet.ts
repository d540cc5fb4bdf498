/**
 * The last step of the authorizer's pipeline: in place of a forward, 200 with what the proxy has to write into the request
 * before it forwards it, and what it has to remove. No other answer of the authorizer is 2xx.
 */

import type { Permit } from '../authorization/permit.ts';
import type { Exchange } from '../exchange.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import type { Responder } from '../response/respond.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import type { Outlet } from '../upstream/forward.ts';
import type { ProxyAnswers } from './answer.ts';
import { type Form, formOf } from './form.ts';

/**
 * Names the headers to remove, separated by commas. Envoy acts on its own; the script for HAProxy on ours. Other proxies
 * act on neither, and remove what their configuration says.
 */
const REMOVE_HEADER: Readonly<Partial<Record<Form, string>>> = {
  'ext-authz': 'x-envoy-auth-headers-to-remove',
  'forward-auth': 'X-Sallyport-Remove',
};

/** The names of those headers. */
export const REMOVE_HEADERS: readonly string[] = Object.values(REMOVE_HEADER);

/** Answers a proxy with what it should forward. */
export class AnswerOutlet implements Outlet {
  /** The authorizer carries no tunnels: a WebSocket that it allows stays with the proxy. */
  readonly tunnels: Outlet['tunnels'] = new Set();
  readonly #answers: ProxyAnswers;
  readonly #responder: Responder;

  constructor(answers: ProxyAnswers, responder: Responder) {
    this.#answers = answers;
    this.#responder = responder;
  }

  /** Answers a permitted request. */
  forward(
    exchange: Exchange,
    request: ScreenedRequest,
    permit: Permit,
    _target: string,
    token: CompactToken | null,
  ): void {
    if (exchange.isOver) return;
    if (formOf(exchange.target) === 'refusal') {
      // It was refused a moment ago, and the client would get this answer, token and all.
      const { spelling, query } = request.target;
      this.#responder.redirect(exchange, 307, `${spelling}${query}`);
      return;
    }
    const { reply } = exchange;
    const answer = this.prepare(exchange, request, permit, token);
    reply.discardBody();
    reply.begin(200, ['Content-Length', '0', 'Cache-Control', 'no-store', 'X-Request-Id', exchange.id, ...answer]);
    reply.end();
  }

  /**
   * What the proxy is told: headers to write, each of which replaces all copies from the client, and the names of others
   * to remove.
   *
   * @returns flat name, value list
   */
  prepare(exchange: Exchange, request: ScreenedRequest, permit: Permit, token: CompactToken | null): string[] {
    const form = formOf(exchange.target);
    const removeHeader = form === null ? undefined : REMOVE_HEADER[form];
    if (removeHeader === undefined) return this.#answers.written(exchange, request, permit, token);
    const { headers, missing, removed } = this.#answers.changes(exchange, request, permit, token);
    // Envoy replaces only headers that the answer has, the Gateway API knows no removal, and old versions of Caddy write the name
    // of a variable in place of one that is missing: an empty header is safe in all.
    for (const name of missing) headers.push(name, '');
    if (removed.length > 0) headers.push(removeHeader, removed.join(','));
    return headers;
  }
}
