/**
 * Which tokens may be exchanged (RFC 8693 §2.1), and whom they stand for: the gateway's own, and those of issuers that the
 * configuration names; issued to the client that presents them; neither expired nor revoked, and of a live session.
 */

import type { RevokedTokens } from '../../authentication/revocation/revoked-tokens.ts';
import type { ServiceTokens } from '../../authentication/service-token/service-tokens.ts';
import type { Sessions } from '../../authentication/session/sessions.ts';
import { Denial } from '../../errors.ts';
import { expiryMs } from '../../jwt/claims.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import { isSessionHandle, type SessionHandle } from '../../jwt/names.ts';
import type { TokenProfile } from '../../jwt/profiles.ts';
import { issuerNames, type PresentedIssuer, subjectIssuer } from '../../jwt/subject.ts';
import { verify } from '../../jwt/verify.ts';
import type { Clock } from '../../lib/clock.ts';
import type { JSONType } from '../../lib/text/json.ts';
import type { SessionRecord } from '../../store/session-record.ts';

/** A token that may be exchanged. */
interface SubjectToken {
  readonly subject: string;
  /** The issuer of the subject; `null` for this gateway. */
  readonly presentedIssuer: PresentedIssuer | null;
  /** Whose token it is. */
  readonly tokenIssuer: string;
  readonly claims: Readonly<Record<string, JSONType>>;
  /** Handle of the live session that it stands for; `null` when it stands for no session here. */
  readonly sid: SessionHandle | null;
  /** The nearer of its own end and its session's; wall clock. */
  readonly endsAtMs: number;
}

interface SubjectTokenParts {
  /** The gateway's signing keys, and former ones whose tokens have not expired. */
  readonly ownKeys: KeySet;
  readonly ownProfile: TokenProfile & { readonly issuer: string };
  readonly serviceTokens: Pick<ServiceTokens, 'authenticate'>;
  readonly revoked: RevokedTokens;
  readonly sessions: Pick<Sessions, 'live'>;
  readonly wallMs: Clock;
}

interface Verified {
  readonly claims: Readonly<Record<string, unknown>>;
  /** The claims by which it may be revoked. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly tokenIssuer: string;
  readonly presentedIssuer: PresentedIssuer | null;
  /** Whether its `sid` names a session of our store. */
  readonly sharesSessions: boolean;
}

const refused = (note: string) => new Denial('subject_token_refused', note);
const NOT_OURS = refused('subject token: not a live token of this gateway');
const NOT_FOR_CLIENT = refused('subject token: its audience is not the client that presents it');
const REVOKED = refused('subject token: revoked');
const SESSION_ENDED = refused('subject token: its session has ended');
const SESSION_WRONG = refused('subject token: sid is not a handle, or its session is another subject’s');
const NEARLY_OVER = refused('subject token: ends within a second');

/** Times in tokens are whole seconds: a token with less left cannot be exchanged for one that ends no later. */
const SHORTEST_LIFE_MS = 1_000;

/** Verifies subject tokens. */
export class SubjectTokens {
  readonly #parts: SubjectTokenParts;
  /** Other issuers → whether they share the gateway's sessions; `undefined`: those with its `iss` do. */
  readonly #issuers: ReadonlyMap<string, boolean | undefined>;
  readonly #issuerNames: ReadonlySet<string>;

  constructor(parts: SubjectTokenParts, issuers: ReadonlyMap<string, boolean | undefined>) {
    this.#parts = parts;
    this.#issuers = issuers;
    this.#issuerNames = new Set(issuers.keys());
  }

  /**
   * Verifies a subject token.
   *
   * @param token      untrusted
   * @param audiences  who the client is that presents it: a token for another is refused, also when that one sent it
   * @returns a Denial `subject_token_refused` for everything that may not be exchanged
   * @throws DependencyFault `store_unavailable` | `jwks_unavailable`, as a rejection
   */
  async verify(token: string, audiences: ReadonlySet<string>): Promise<SubjectToken | Denial> {
    const verified = await this.#verified(token);
    if (verified instanceof Denial) return verified;
    const { claims, identity, sharesSessions, tokenIssuer } = verified;
    if (!isFor(claims['aud'], audiences)) return NOT_FOR_CLIENT;
    const session = sharesSessions ? await this.#session(claims) : null;
    if (session instanceof Denial) return session;
    // Checked after the awaits: news may have arrived in the meantime.
    if (this.#parts.revoked.isRevoked(identity)) return REVOKED;
    const endsAtMs = Math.min(expiryMs(claims['exp'] as number), session?.expiresAtMs ?? Number.POSITIVE_INFINITY);
    if (endsAtMs - this.#parts.wallMs() < SHORTEST_LIFE_MS) return NEARLY_OVER;
    return {
      subject: claims['sub'] as string,
      // A session in this store belongs to a user of this gateway, regardless of which of the gateways that share it
      // made the token.
      presentedIssuer: session === null ? verified.presentedIssuer : null,
      tokenIssuer,
      claims: claims as Readonly<Record<string, JSONType>>,
      sid: session?.handle ?? null,
      endsAtMs,
    };
  }

  async #verified(token: string): Promise<Verified | Denial> {
    const { ownKeys, ownProfile, serviceTokens, wallMs } = this.#parts;
    const own = await verify(token, ownKeys, ownProfile, wallMs());
    if (typeof own === 'object') {
      const ours = ownProfile.issuer;
      const presentedIssuer = subjectIssuer(own.claims['presented_iss'], ours, ours);
      const { claims } = own;
      return { claims, identity: claims, tokenIssuer: ours, presentedIssuer, sharesSessions: true };
    }
    // Another gateway can have the same `iss` and keys of its own.
    if (this.#issuers.size === 0) return NOT_OURS;
    const service = await serviceTokens.authenticate(`Bearer ${token}`, this.#issuerNames);
    if (service instanceof Denial) return refused(`subject token: ${service.note}`);
    const { claims, issuer, credential } = service;
    return {
      claims,
      identity: credential.claims ?? claims,
      tokenIssuer: service.tokenIssuer,
      presentedIssuer: credential.presentedIssuer,
      sharesSessions: this.#issuers.get(issuer) ?? service.tokenIssuer === ownProfile.issuer,
    };
  }

  /** The session that claims name; `null` when they name none. */
  async #session(claims: Readonly<Record<string, unknown>>): Promise<SessionRecord | Denial | null> {
    const { sid, sub, presented_iss: passedOn } = claims;
    if (sid === undefined) return null;
    // A session here belongs to a user of this gateway.
    if (typeof sid !== 'string' || !isSessionHandle(sid) || issuerNames(passedOn).length > 0) return SESSION_WRONG;
    const session = await this.#parts.sessions.live(sid);
    if (session === null) return SESSION_ENDED;
    return session.subject === sub ? session : SESSION_WRONG;
  }
}

function isFor(aud: unknown, audiences: ReadonlySet<string>): boolean {
  const values = Array.isArray(aud) ? aud : [aud];
  return values.some((value) => typeof value === 'string' && audiences.has(value));
}
