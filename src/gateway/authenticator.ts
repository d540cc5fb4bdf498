/** Opens the authenticator of the public listener, and the reader of its session cookies. */

import { Authenticator } from '../authentication/authenticate.ts';
import { ServiceTokenVerifier } from '../authentication/service-token/verifier.ts';
import type { LinkedCookies } from '../authentication/session/linked-cookies.ts';
import { SessionCookies } from '../authentication/session/session-cookies.ts';
import type { Sessions } from '../authentication/session/sessions.ts';
import { type SessionUpkeep, SessionVerifier } from '../authentication/session/verifier.ts';
import type { LongLived } from './long-lived.ts';

/** The key that says where people log in. */
interface CookieSections {
  readonly login: { readonly origin?: string | undefined };
}

/** Which session a cookie opens, which depends on the origin where several share a login. */
export const openSessionCookies = (
  { login }: CookieSections,
  { sessions, links }: { readonly sessions: Sessions; readonly links: LinkedCookies },
): SessionCookies =>
  new SessionCookies(sessions, login.origin === undefined ? null : { loginOrigin: login.origin, links });

/** Whose sessions and service tokens the public listener takes. */
export function openAuthenticator(
  config: CookieSections,
  serviceTokens: ConstructorParameters<typeof ServiceTokenVerifier>[0],
  upkeep: SessionUpkeep | null,
  longLived: Pick<LongLived, 'sessions' | 'links' | 'revokedTokens' | 'series' | 'clocks'>,
): Authenticator {
  const { sessions, revokedTokens, series, clocks } = longLived;
  return new Authenticator(
    {
      session: new SessionVerifier(sessions, openSessionCookies(config, longLived), upkeep),
      service: new ServiceTokenVerifier(serviceTokens, revokedTokens, sessions, clocks),
      workload: null,
    },
    (credential) => series.authentication.streamsEnded.inc({ credential }),
  );
}
