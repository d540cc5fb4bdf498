/**
 * refresh: `POST {base}/refresh`. A refresh token in, an access token and the next refresh token out
 * (RFC 6749 §6, RFC 9700 §4.14.2).
 *
 * Input: a request with a refresh token in its cookie or its body. Output: JSON (RFC 6749 §5.1), `no-store`; the next
 * token where the one before was: in the cookie or in the body. Fails with `invalid_grant` and the like (RFC 6749 §5.2)
 * whatever is wrong with the token, the reason being in the log; with 429 for guesses; with 503 when the store does not
 * answer: then the token stays good, and no cookie changes. A token is never in a URL, a log or a metric.
 */

import { Denial, type DenialReason, DependencyFault, GatewayFault, REASONS } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { type EndpointRow, rowsBelow } from '../endpoints.ts';
import { type EndpointParts, keepUp, presentedHandle, sourceOf } from '../parts.ts';
import { NO_CACHE, oauthErrorBody } from '../token/oauth-errors.ts';
import type { Refresh } from './open-refresh.ts';
import { type PresentedRefresh, readRefreshRequest } from './refresh-request.ts';
import type { Refreshed, Reuse } from './refresher.ts';

declare module '../../telemetry/audit.ts' {
  interface AuditEvents {
    /** A replaced token was used again after its grace: someone has a copy. The family and its session have ended. */
    readonly refresh_reuse_detected: {
      readonly subject: string;
      readonly handle: SessionHandle;
      readonly family: string;
      readonly kind: string;
      /** Which token was used again, and which is the present one: 0 is the token of the login. */
      readonly generation: number;
      readonly presentGeneration: number;
    };
    readonly refresh_refused: {
      readonly reason: DenialReason;
      /** Fixed words that name the rule. */
      readonly note: string;
    };
  }
}

/** The row for `Endpoints`. */
export function refreshRow(parts: EndpointParts, refresh: Refresh): EndpointRow {
  const endpoint = new RefreshEndpoint(parts, refresh);
  const row = rowsBelow(parts.basePath);
  return row('POST', '/refresh', (exchange, request) => endpoint.refresh(exchange, request));
}

/** Answers refreshes. */
export class RefreshEndpoint {
  readonly #parts: EndpointParts;
  readonly #refresh: Refresh;

  constructor(parts: EndpointParts, refresh: Refresh) {
    this.#parts = parts;
    this.#refresh = refresh;
  }

  /** Answers a request to `{base}/refresh`. */
  async refresh(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const presented = await readRefreshRequest(this.#parts, this.#refresh.cookie, exchange, request);
    return presented instanceof Denial ? this.#invalid(exchange, presented) : this.answer(presented, exchange, request);
  }

  /** Answers a request whose refresh token was read. */
  async answer(presented: PresentedRefresh, exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { accessTokens, refresher, series } = this.#refresh;
    try {
      const scopes = accessTokens.scopesFor(presented.scope);
      if (scopes instanceof Denial) return this.#invalid(exchange, scopes);
      await keepUp(this.#parts, request);
      const refreshed = await refresher.refresh({
        token: presented.token,
        client: presented.client,
        session: await presentedHandle(this.#parts, request),
        address: request.clientAddress,
        scopes,
        beforeRotation: () => {
          if (exchange.isOver) throw new GatewayFault('downstream_aborted', 'client left during the refresh');
        },
        onReuse: (reuse) => this.#recordReuse(reuse, exchange, request),
      });
      series.refreshes.inc({ result: refreshed.result });
      return this.#answer(presented, refreshed, exchange, request);
    } catch (fault) {
      if (fault instanceof DependencyFault) series.refreshes.inc({ result: 'failed' });
      throw fault;
    }
  }

  #answer(
    { client }: PresentedRefresh,
    refreshed: Refreshed,
    exchange: Exchange,
    request: ScreenedRequest,
  ): Denial | null {
    const isBrowser = client === 'browser';
    if ('denial' in refreshed) {
      const { denial } = refreshed;
      const { audit } = this.#parts;
      const { reason, note } = denial;
      audit.write({ event: 'refresh_refused', reason, note }, sourceOf(exchange, request));
      // After 429 the cookie is left alone: it was not the token that was judged.
      const clear = isBrowser && reason !== 'rate_limited' ? ['Set-Cookie', this.#refresh.cookie.clearLine] : [];
      return this.#refuse(exchange, denial, clear);
    }
    const { user, document, refreshToken } = refreshed;
    exchange.principal = user;
    const setCookie = isBrowser ? ['Set-Cookie', this.#refresh.cookie.setLine(refreshToken, user.session)] : [];
    const body = isBrowser ? document : { ...document, refresh_token: refreshToken };
    this.#parts.responder.json(exchange, 200, JSON.stringify(body), [...setCookie, ...NO_CACHE]);
    return null;
  }

  #invalid(exchange: Exchange, denial: Denial): Denial | null {
    this.#refresh.series.refreshes.inc({ result: 'invalid' });
    return this.#refuse(exchange, denial, []);
  }

  /** RFC 6749 §5.2 is about the requests that it calls invalid; what else can be refused has the usual answer. */
  #refuse(exchange: Exchange, denial: Denial, headers: readonly string[]): Denial | null {
    if (REASONS[denial.reason].status !== 400) return denial;
    this.#parts.responder.failure(exchange, denial, oauthErrorBody(denial), [...headers, ...NO_CACHE]);
    return null;
  }

  #recordReuse({ family, generation, subject }: Reuse, exchange: Exchange, request: ScreenedRequest): void {
    this.#parts.audit.write(
      {
        event: 'refresh_reuse_detected',
        subject,
        handle: family.session,
        family: family.handle,
        kind: family.client,
        generation,
        presentGeneration: family.generation,
      },
      sourceOf(exchange, request),
    );
  }
}
