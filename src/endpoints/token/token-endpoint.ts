/**
 * token: `POST {base}/token` (RFC 6749 §3.2, RFC 8693). A service authenticates and gets a token.
 *
 * Input: a form and exactly one client credential; a session cookie is never looked at. Output: a token, or an error as
 * RFC 6749 §5.2 defines it; never cacheable. Fails with 503 when the store, an issuer's keys or the signing key is
 * unavailable: then nothing is issued, and no client is reported as unknown; so too when the audit stream has to be
 * written and cannot be. Every outcome is counted and audited.
 */

import type { Clients } from '../../authentication/client/clients.ts';
import { clientIdProblem, presentedCredential } from '../../authentication/client/presented-credential.ts';
import { asGatewayFault, Denial, type GatewayFault, type Reason, rateLimited } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { Jti, SessionHandle } from '../../jwt/names.ts';
import type { PresentedIssuer } from '../../jwt/subject.ts';
import type { Clock } from '../../lib/clock.ts';
import { TokenBucket } from '../../lib/concurrency/token-bucket.ts';
import type { Actor } from '../../principal.ts';
import type { Responder } from '../../response/respond.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { AuditLog } from '../../telemetry/audit.ts';
import { inSpan } from '../../telemetry/traces/request-trace.ts';
import { sourceOf } from '../parts.ts';
import type { Findings, Granted, Grants } from './grants.ts';
import { challengeOf, NO_CACHE, oauthErrorBody, resultOf } from './oauth-errors.ts';
import type { ClientPolicy } from './policy.ts';
import type { TokenEndpointSeries } from './series.ts';
import { readTokenForm } from './token-form.ts';
import { type Grant, grantOf, readTokenRequest, type TokenForm, type TokenRequest } from './token-request.ts';

declare module '../../telemetry/audit.ts' {
  interface AuditGrants {
    /** A client exchanged a token that it had received for one that stands for the same user or service. */
    readonly token_exchanged: {
      /** A client of the token endpoint. */
      readonly clientId: string;
      readonly subject: string;
      /** The issuer of the subject; `null` for this gateway. */
      readonly subjectIssuer: PresentedIssuer | null;
      readonly audience: string;
      readonly scopes: readonly string[];
      readonly jti: Jti;
      /** The session that the token stands for; `null` when it stands for none. */
      readonly handle: SessionHandle | null;
      /** Who acts for the subject, the most recent actor first. */
      readonly actors: readonly string[];
      /** The issuer of each of them; `null` for this gateway. */
      readonly actorIssuers: readonly (PresentedIssuer | null)[];
    };
    /** A client got a token that stands for itself. */
    readonly token_issued: {
      readonly clientId: string;
      readonly subject: string;
      readonly audience: string;
      readonly scopes: readonly string[];
      readonly jti: Jti;
    };
  }
  interface AuditEvents {
    readonly token_refused: {
      /** `null` when no client was authenticated. */
      readonly clientId: string | null;
      readonly grant: string;
      /** An audience of the configuration; `null` when the client asked for none of them. */
      readonly audience: string | null;
      /** `null` when the subject token was not verified. */
      readonly subject: string | null;
      /** The issuer of the subject; `null` for this gateway, or where it is unknown. */
      readonly subjectIssuer: PresentedIssuer | null;
      readonly reason: Reason;
      /** Fixed words that name the rule; `null` when something was broken. */
      readonly note: string | null;
    };
  }
}

interface TokenEndpointParts {
  readonly clients: Clients;
  readonly policies: ReadonlyMap<string, ClientPolicy>;
  readonly grants: Grants;
  readonly rate: { readonly perSecond: number; readonly burst: number };
  readonly responder: Responder;
  readonly audit: AuditLog;
  readonly series: TokenEndpointSeries;
  readonly monotonicMs: Clock;
  /** For the whole body of a request. */
  readonly bodyTimeoutMs: number;
}

/** What is known of a request so far. */
interface TokenAttempt extends Findings {
  clientId: string | null;
  grant: Grant;
}

/** The token endpoint. */
export class TokenEndpoint {
  readonly #parts: TokenEndpointParts;
  readonly #buckets: ReadonlyMap<string, TokenBucket>;

  constructor(parts: TokenEndpointParts) {
    this.#parts = parts;
    const { perSecond, burst } = parts.rate;
    const nowMs = parts.monotonicMs();
    this.#buckets = new Map([...parts.policies.keys()].map((id) => [id, new TokenBucket(perSecond, burst, nowMs)]));
  }

  /**
   * Answers a request.
   *
   * @param form  what {@link readTokenForm} gave, where it has been read
   */
  async answer(exchange: Exchange, request: ScreenedRequest, form: TokenForm | Denial | null = null): Promise<null> {
    const attempt: TokenAttempt = {
      clientId: null,
      grant: 'other',
      audience: null,
      subject: null,
      subjectIssuer: null,
    };
    try {
      const read = form ?? (await readTokenForm(exchange, request, this.#parts.bodyTimeoutMs));
      const outcome = await this.#decide(read, request, attempt);
      if (outcome instanceof Denial) this.#refuse(exchange, request, attempt, outcome);
      else this.#grant(exchange, request, attempt, outcome);
    } catch (thrown) {
      const fault = asGatewayFault(thrown);
      if (fault.reason === 'downstream_aborted') throw fault;
      this.#refuse(exchange, request, attempt, fault);
    }
    return null;
  }

  async #decide(
    form: TokenForm | Denial,
    request: ScreenedRequest,
    attempt: TokenAttempt,
  ): Promise<{ readonly granted: Granted; readonly request: TokenRequest } | Denial> {
    if (form instanceof Denial) return form;
    attempt.grant = grantOf(form);
    const client = await this.#authenticate(request, form);
    if (client instanceof Denial) return client;
    attempt.clientId = client.id;
    const waitMs = this.#buckets.get(client.id)?.take(this.#parts.monotonicMs()) ?? 0;
    if (waitMs > 0) return rateLimited('client asks for more tokens than it may', waitMs);
    const asked = readTokenRequest(form);
    if (asked instanceof Denial) return asked;
    const { grants } = this.#parts;
    const granted =
      asked.grant === 'token_exchange'
        ? await inSpan('exchange token', () => grants.exchange(client, asked, attempt))
        : await grants.own(client, asked, attempt);
    return granted instanceof Denial ? granted : { granted, request: asked };
  }

  async #authenticate(request: ScreenedRequest, form: TokenForm): Promise<ClientPolicy | Denial> {
    const presented = presentedCredential(request.authorization, form);
    if (presented instanceof Denial) return presented;
    const id = await this.#parts.clients.authenticate(presented, request.clientAddress);
    if (id instanceof Denial) return id;
    const policy = this.#parts.policies.get(id);
    if (policy === undefined) throw new Error('an authenticated client without a policy');
    return clientIdProblem(id, form) ?? policy;
  }

  #grant(
    exchange: Exchange,
    request: ScreenedRequest,
    attempt: TokenAttempt,
    { granted, request: asked }: { readonly granted: Granted; readonly request: TokenRequest },
  ): void {
    const { series, audit, responder } = this.#parts;
    const { token, subject, presentedIssuer, audience, scopes, handle, actor } = granted;
    const about = { clientId: attempt.clientId ?? '', subject, audience, scopes: [...scopes], jti: token.jti };
    const chain = chainOf(actor);
    audit.grant(
      actor === null
        ? { event: 'token_issued', ...about }
        : {
            event: 'token_exchanged',
            ...about,
            subjectIssuer: presentedIssuer,
            handle,
            actors: chain.map(({ sub }) => sub),
            actorIssuers: chain.map(({ iss = null }) => iss),
          },
      sourceOf(exchange, request),
    );
    series.requests.inc({ grant: attempt.grant, result: 'issued' });
    const body = JSON.stringify({
      access_token: token.compact,
      ...(asked.grant === 'token_exchange' && { issued_token_type: asked.issuedType }),
      token_type: 'Bearer',
      expires_in: token.lifetimeSec,
      ...(scopes.size > 0 && { scope: [...scopes].join(' ') }),
    });
    responder.json(exchange, 200, body, NO_CACHE);
  }

  #refuse(exchange: Exchange, request: ScreenedRequest, attempt: TokenAttempt, why: Denial | GatewayFault): void {
    const { series, audit, responder } = this.#parts;
    series.requests.inc({ grant: attempt.grant, result: resultOf(why.reason) });
    const { reason } = why;
    const note = why instanceof Denial ? why.note : null;
    audit.write({ event: 'token_refused', ...attempt, reason, note }, sourceOf(exchange, request));
    const challenge = challengeOf(why, request.authorization);
    responder.failure(exchange, why, oauthErrorBody(why), [...challenge, ...NO_CACHE]);
  }
}

/** The actors of a chain, the one that acts now first. */
function chainOf(actor: Actor | null): readonly Actor[] {
  return actor === null ? [] : [actor, ...chainOf(actor.act ?? null)];
}
