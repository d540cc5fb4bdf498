/**
 * Verifies service tokens: the {@link ServiceTokens} of a configuration in the place that the authenticator has for them.
 *
 * A token of the gateway that names a session authenticates the user of that session, as its cookie would: with the same
 * attributes, for as long as the session lives. Scopes, actors and an earlier end come from the token.
 */

import { Denial } from '../../errors.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { KnownPrincipal, ServicePrincipal, UserPrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { CredentialVerifier } from '../kind.ts';
import type { WatchedRevocations } from '../revocation/revoked-tokens.ts';
import type { Sessions } from '../session/sessions.ts';
import type { AcceptedServiceTokens } from './kind.ts';
import type { ServiceTokens } from './service-tokens.ts';
import { StreamEnds } from './stream-ends.ts';

const SESSION_ENDED = new Denial('token_invalid', 'the session of the token has ended');

/** Whose session a token stands for, as it was last seen. */
interface KnownUser {
  /** By the session alone; compared by identity. */
  readonly bySession: UserPrincipal;
  readonly byToken: UserPrincipal;
}

/** The verifier of the kind `service`. */
export class ServiceTokenVerifier implements CredentialVerifier<AcceptedServiceTokens, KnownPrincipal> {
  readonly #tokens: ServiceTokens;
  readonly #streamEnds: StreamEnds;
  readonly #revoked: WatchedRevocations;
  readonly #sessions: Pick<Sessions, 'named'>;
  /** By the principal of a token, which is remembered together with the token. */
  readonly #users = new WeakMap<ServicePrincipal, KnownUser>();

  constructor(
    tokens: ServiceTokens,
    revoked: WatchedRevocations,
    sessions: Pick<Sessions, 'named'>,
    { wallMs }: Pick<Clocks, 'wallMs'>,
  ) {
    this.#streamEnds = new StreamEnds(wallMs);
    this.#tokens = tokens;
    this.#revoked = revoked;
    this.#sessions = sessions;
  }

  /**
   * @returns the service, or the user whose session the token stands for, or a Denial `token_invalid`
   * @throws DependencyFault `jwks_unavailable` | `store_unavailable`, as a rejection or directly
   */
  authenticate(
    { authorization }: ScreenedRequest,
    { issuers }: AcceptedServiceTokens,
  ): KnownPrincipal | Denial | Promise<KnownPrincipal | Denial> {
    const found = this.#tokens.authenticate(authorization ?? '', issuers);
    return found instanceof Promise ? found.then((settled) => this.#principal(settled)) : this.#principal(found);
  }

  /** Calls back when the token is revoked, and when it has expired, however much the stream is used. */
  watch({ credential }: KnownPrincipal, onEnd: () => void): () => void {
    const stop = () => {
      stopFollowing();
      stopWaiting();
    };
    const endOnce = () => {
      stop();
      onEnd();
    };
    const stopFollowing = this.#revoked.watch(credential.claims ?? {}, endOnce);
    const stopWaiting = this.#streamEnds.watch(credential.streamsEndAtMs, endOnce);
    return stop;
  }

  #principal(found: ServicePrincipal | Denial): KnownPrincipal | Denial | Promise<KnownPrincipal | Denial> {
    if (found instanceof Denial || found.session === null) return found;
    const user = this.#sessions.named(found.session);
    return user instanceof Promise ? user.then((settled) => this.#user(found, settled)) : this.#user(found, user);
  }

  #user(token: ServicePrincipal, user: UserPrincipal | Denial): UserPrincipal | Denial {
    if (user instanceof Denial || user.subject !== token.subject) return SESSION_ENDED;
    const known = this.#users.get(token);
    if (known?.bySession === user) return known.byToken;
    // Upstream tokens are reused within one version of a session.
    const isSameVersion = known?.bySession.session.version === user.session.version;
    const byToken = userByToken(user, token, isSameVersion ? known.byToken.tokens : new Map());
    this.#users.set(token, { bySession: user, byToken });
    return byToken;
  }
}

/** Written out, as the user of a session is: objects of one shape keep the compiled code of a request's path. */
function userByToken(
  { subject, roles, claims, serviceAccount, session, standing }: UserPrincipal,
  { scopes, act, credential }: ServicePrincipal,
  tokens: UserPrincipal['tokens'],
): UserPrincipal {
  const { kind, streamsEndAtMs, presentedIssuer, sid, compact, claims: tokenClaims } = credential;
  const endsAtMs = Math.min(credential.endsAtMs, session.expiresAtMs);
  return {
    kind: 'user',
    standsFor: 'user',
    issuer: null,
    subject,
    roles,
    scopes,
    claims,
    act,
    serviceAccount,
    credential: { kind, endsAtMs, streamsEndAtMs, presentedIssuer, sid, compact, claims: tokenClaims },
    tokens,
    session,
    standing,
  };
}
