/**
 * The two grants: a token for a user, in exchange for one that the client has received, and a token for the client itself.
 */

import { Denial } from '../../errors.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { PresentedIssuer } from '../../jwt/subject.ts';
import type { JSONType } from '../../lib/text/json.ts';
import type { Actor } from '../../principal.ts';
import type { IssuedToken, TokenIssuer } from '../../token/token-issuer.ts';
import { actingFor, mayActProblem } from './actor-chain.ts';
import { type ClientPolicy, chooseScopes, chooseTarget } from './policy.ts';
import type { SubjectTokens } from './subject-tokens.ts';
import type { TokenRequest } from './token-request.ts';

interface GrantSettings {
  /** `iss` of our tokens. */
  readonly issuer: string;
  readonly maxChainDepth: number;
  readonly exchangeLifetimeMs: number;
  readonly serviceTokenLifetimeMs: number;
  /** Claims that the gateway maps into upstream tokens; exchanged tokens keep them. */
  readonly mappedClaims: ReadonlySet<string>;
}

/** The outcome of a request, for the answer and for the audit. */
export interface Granted {
  readonly token: IssuedToken;
  readonly subject: string;
  /** The issuer of the subject; `null` for this gateway. */
  readonly presentedIssuer: PresentedIssuer | null;
  readonly audience: string;
  readonly scopes: ReadonlySet<string>;
  /** Handle of the session that it stands for; `null` when it stands for none. */
  readonly handle: SessionHandle | null;
  /** Who acts, the last one first; `null` when the subject acts itself. */
  readonly actor: Actor | null;
}

/** What is known of a request before it is decided, for the audit of a refusal. Verified, or from the configuration. */
export interface Findings {
  subject: string | null;
  /** The issuer of the subject; `null` for this gateway, or where it is unknown. */
  subjectIssuer: PresentedIssuer | null;
  audience: string | null;
}

type ExchangeRequest = Extract<TokenRequest, { grant: 'token_exchange' }>;
type OwnRequest = Extract<TokenRequest, { grant: 'client_credentials' }>;

/** Issues tokens to authenticated clients. */
export class Grants {
  readonly #settings: GrantSettings;
  readonly #subjectTokens: SubjectTokens;
  readonly #tokens: TokenIssuer;

  constructor(settings: GrantSettings, subjectTokens: SubjectTokens, tokens: TokenIssuer) {
    this.#settings = settings;
    this.#subjectTokens = subjectTokens;
    this.#tokens = tokens;
  }

  /**
   * Exchanges a token (RFC 8693 §2): the same subject and session, another audience, the client as its actor, no more
   * scopes, no later end.
   *
   * @param findings  filled in as things become known
   * @returns a Denial `grant_forbidden` | `target_forbidden` | `subject_token_refused` | `scope_exceeded`
   * @throws DependencyFault `store_unavailable` | `jwks_unavailable` | `signing_key_unavailable`, as a rejection
   */
  async exchange(client: ClientPolicy, request: ExchangeRequest, findings: Findings): Promise<Granted | Denial> {
    const target = chooseTarget(client.exchange, request.audience);
    if (target instanceof Denial) return target;
    const { audience } = target;
    findings.audience = audience;
    const presented = await this.#subjectTokens.verify(request.subjectToken, client.audiences);
    if (presented instanceof Denial) return presented;
    const { subject, presentedIssuer, tokenIssuer, claims, sid, endsAtMs } = presented;
    findings.subject = subject;
    findings.subjectIssuer = presentedIssuer;

    const { issuer: ours, maxChainDepth: maxDepth, exchangeLifetimeMs } = this.#settings;
    const problem = mayActProblem(claims, client.subject, tokenIssuer, ours);
    if (problem !== null) return problem;
    const actor = actingFor(claims, client.subject, { tokenIssuer, ours, maxDepth });
    if (actor instanceof Denial) return actor;
    const scopes = chooseScopes(request.scopes, this.#grantableScopes(claims, sid, target.scopes));
    if (scopes instanceof Denial) return scopes;

    const token = await this.#tokens.issue({
      subject,
      presentedIssuer,
      audience,
      scopes,
      actor,
      sid,
      lifetimeMs: exchangeLifetimeMs,
      notAfterMs: endsAtMs,
      claims: { ...this.#carriedOn(claims), client_id: client.id },
      typ: 'at+jwt',
    });
    return { token, subject, presentedIssuer, audience, scopes, handle: sid, actor };
  }

  /**
   * Issues a token for the client itself (RFC 6749 §4.4).
   *
   * @param findings  filled in as things become known
   * @returns a Denial `grant_forbidden` | `target_forbidden` | `scope_exceeded`
   * @throws DependencyFault `signing_key_unavailable`, as a rejection
   */
  async own(client: ClientPolicy, request: OwnRequest, findings: Findings): Promise<Granted | Denial> {
    const { subject } = client;
    findings.subject = subject;
    const target = chooseTarget(client.serviceTokens, request.audience);
    if (target instanceof Denial) return target;
    const { audience } = target;
    findings.audience = audience;
    const scopes = chooseScopes(request.scopes, target.scopes);
    if (scopes instanceof Denial) return scopes;
    const token = await this.#tokens.issue({
      subject,
      presentedIssuer: null,
      audience,
      scopes,
      actor: null,
      sid: null,
      lifetimeMs: this.#settings.serviceTokenLifetimeMs,
      notAfterMs: Number.POSITIVE_INFINITY,
      claims: { client_id: client.id },
      typ: 'at+jwt',
    });
    return { token, subject, presentedIssuer: null, audience, scopes, handle: null, actor: null };
  }

  /**
   * Never more than the presented token has. The token of a session that nobody acts for yet says what a user may by roles,
   * not by scopes: there the policy of the client is the bound. Everywhere else no scope means none.
   */
  #grantableScopes(
    claims: Readonly<Record<string, JSONType>>,
    sid: SessionHandle | null,
    policy: ReadonlySet<string>,
  ): ReadonlySet<string> {
    const { scope, act } = claims;
    const isUnscoped =
      scope === undefined && act === undefined && sid !== null && !this.#settings.mappedClaims.has('scope');
    if (isUnscoped) return policy;
    const presented = new Set(typeof scope === 'string' ? scope.split(' ') : []);
    return new Set([...policy].filter((name) => presented.has(name)));
  }

  #carriedOn(claims: Readonly<Record<string, JSONType>>): Record<string, JSONType> {
    return Object.fromEntries(Object.entries(claims).filter(([name]) => this.#settings.mappedClaims.has(name)));
  }
}
