/** Makes what answers requests that are not forwarded, and names the cookies that it and the endpoints set. */

import { DEVICE_COOKIE } from '../endpoints/login/password/known-device.ts';
import { clearSessionCookie, type SessionCookie } from '../endpoints/login/session-cookie.ts';
import type { Clock } from '../lib/clock.ts';
import { Responder } from '../response/respond.ts';

/** The sections that it reads. */
interface ResponderSections {
  readonly publicOrigin: readonly string[];
  readonly basePath: string;
  readonly listeners: { readonly public: { readonly limits: { readonly maxTargetBytes: number } } };
  readonly session: { readonly cookie: SessionCookie };
  readonly refresh?: { readonly cookieName: string } | undefined;
}

/** Makes the responder of a configuration. */
export function openResponder(
  { publicOrigin, basePath, session, listeners }: ResponderSections,
  wallMs: Clock,
): Responder {
  return new Responder({
    clearCookieLine: clearSessionCookie(session.cookie),
    basePath,
    publicOrigin: publicOrigin[0] as string,
    maxTargetBytes: listeners.public.limits.maxTargetBytes,
    wallMs,
  });
}

/** Cookies that only the gateway sets, and that no upstream gets. */
export const ownCookies = ({ session, refresh }: ResponderSections): readonly string[] => [
  session.cookie.name,
  DEVICE_COOKIE,
  ...(refresh === undefined ? [] : [refresh.cookieName]),
];
