/**
 * Follows an identity provider with the sessions that it opened: updates a session from the provider's answer, and ends it with those of
 * terminals when the provider no longer confirms it.
 */

import { isDeepStrictEqual } from 'node:util';
import type { SessionId } from '../../../../authentication/session/session-id.ts';
import type { Sessions } from '../../../../authentication/session/sessions.ts';
import { Denial, type DenialReason, DependencyFault } from '../../../../errors.ts';
import type { SessionHandle } from '../../../../jwt/names.ts';
import type { Clocks } from '../../../../lib/clock.ts';
import type { UserPrincipal } from '../../../../principal.ts';
import type { ProviderLogin, UserAttributes } from '../../../../store/session-record.ts';
import type { AuditLog, AuditSource } from '../../../../telemetry/audit.ts';
import type { IdentityProvider } from '../provider.ts';
import { admittedUser } from '../user/allow.ts';
import { documentsIn, OTHER_SUBJECT } from '../user-documents.ts';
import { isNonceOf, type ProviderTokens } from './provider-tokens.ts';

declare module '../../../../telemetry/audit.ts' {
  interface AuditEvents {
    /** An identity provider was asked again, and attributes of a session have changed. */
    readonly session_changed: {
      readonly provider: string;
      readonly subject: string;
      readonly handle: SessionHandle;
    };
    /** An identity provider was asked again, and a session has ended: the user would no longer be let in. */
    readonly revalidation_refused: {
      readonly provider: string;
      readonly subject: string;
      readonly handle: SessionHandle;
      readonly reason: DenialReason;
      /** Fixed words that name the rule. */
      readonly note: string;
    };
  }
}

/** A session that an identity provider has opened, with what opens its tokens. */
export interface SessionAtProvider {
  readonly provider: IdentityProvider;
  readonly handle: SessionHandle;
  readonly sessionId: SessionId;
  readonly subject: string;
  readonly login: ProviderLogin;
}

/** The session of a user whom an identity provider has authenticated. */
export function sessionAtProvider(
  { session }: UserPrincipal,
  sessionId: string,
  provider: IdentityProvider,
): SessionAtProvider {
  const { handle, subject, login } = session;
  if (login === null) throw new TypeError('a session without an identity provider');
  return { provider, handle, sessionId: sessionId as SessionId, subject, login };
}

/** A provider gave an unusable answer about one session. Its answers about others may be fine. */
export class UnusableAnswer extends DependencyFault {
  /** @param note  fixed words */
  constructor(note: string) {
    super('provider_unavailable', `identity provider: refresh: ${note}`);
  }
}

/** What following a provider needs. */
export interface FollowingParts {
  readonly sessions: Sessions;
  readonly audit: AuditLog;
  readonly clocks: Clocks;
}

/** No client in particular causes it: it runs in the background of any request. */
const NO_SOURCE: AuditSource = { requestId: null, client: null };

/** The sessions that identity providers have opened. */
export class SessionsAtProviders {
  readonly #parts: FollowingParts;

  constructor(parts: FollowingParts) {
    this.#parts = parts;
  }

  /**
   * Updates a session from its provider's answer.
   *
   * @returns the outcome, or a Denial if the user could no longer log in
   * @throws UnusableAnswer | DependencyFault `store_unavailable`, as a rejection: nothing has ended
   */
  async follow(
    session: SessionAtProvider,
    result: Parameters<typeof documentsIn>[1],
    tokens: ProviderTokens,
  ): Promise<'confirmed' | 'changed' | 'gone' | Denial> {
    const { provider, login } = session;
    const { subject } = login;
    const expected = { nonce: null, sub: provider.settings.subject === 'sub' ? subject : null };
    const documents = await documentsIn(provider, result, expected, this.#parts.clocks.wallMs);
    if (documents === OTHER_SUBJECT) return documents;
    if (documents instanceof Denial) throw new UnusableAnswer(documents.note);
    // A provider may leave the ID token out (OpenID Connect Core §12.2): then it has only confirmed that the grant is valid.
    if (documents.idToken === null && provider.keys.isFetched) return 'confirmed';
    if (!isNonceOf(tokens, documents.idToken?.['nonce'])) throw new UnusableAnswer('ID token: nonce');
    const user = admittedUser(documents, provider.settings);
    if (user instanceof Denial) return user;
    if (user.providerSubject !== subject) return OTHER_SUBJECT;
    return this.#update(session, user.attributes);
  }

  async #update(
    { provider: { name: provider }, handle, subject }: SessionAtProvider,
    user: UserAttributes,
  ): Promise<'confirmed' | 'changed' | 'gone'> {
    const { sessions, audit } = this.#parts;
    let record = await sessions.live(handle);
    while (record !== null && !isDeepStrictEqual(record.user, user)) {
      const { login, version } = record;
      const update = await sessions.update(handle, { user, login }, version);
      if (update.outcome === 'ended') return 'gone';
      if (update.outcome === 'updated') {
        audit.write({ event: 'session_changed', provider, subject, handle }, NO_SOURCE);
        return 'changed';
      }
      record = update.record;
    }
    return record === null ? 'gone' : 'confirmed';
  }

  /**
   * Ends a session. The sessions of terminals that were let in there go first: if that fails, the next request finds
   * them again.
   *
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async end(session: SessionAtProvider, { reason, note }: Denial): Promise<void> {
    const { sessions, audit } = this.#parts;
    const { name: provider } = session.provider;
    for (const handle of [...(await this.#terminalsOf(session)), session.handle]) {
      if ((await sessions.end(handle, 'provider')) !== null)
        audit.write(
          { event: 'revalidation_refused', provider, subject: session.subject, handle, reason, note },
          NO_SOURCE,
        );
    }
  }

  /**
   * The sessions of terminals with the same session at the provider, or for the same user where it names none. They have no tokens, so
   * the provider is not asked about them: what it says about the browser's session holds for them.
   */
  async #terminalsOf({ subject, login }: SessionAtProvider): Promise<readonly SessionHandle[]> {
    const records = await this.#parts.sessions.list(subject);
    return records
      .filter(({ method, login: own }) => method === 'commandLine' && own?.provider === login.provider)
      .filter(({ login: own }) => own?.subject === login.subject && own.sid === login.sid)
      .map(({ handle }) => handle);
  }
}
