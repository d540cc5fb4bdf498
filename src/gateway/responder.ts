/** Makes what answers requests that are not forwarded, and names the cookies that it and the endpoints set. */

import { CorsRule } from '../cors/rule.ts';
import type { CorsConfig } from '../cors/section.ts';
import { LOGIN_COOKIE_PREFIX } from '../endpoints/login/oidc/flow/transactions.ts';
import { DEVICE_COOKIE } from '../endpoints/login/password/known-device.ts';
import { clearSessionCookie, type SessionCookie } from '../endpoints/session-cookie.ts';
import type { Exchange } from '../exchange.ts';
import type { Clock } from '../lib/clock.ts';
import { Pages } from '../pages/page.ts';
import type { PageFiles, PagesConfig } from '../pages/section.ts';
import { Responder } from '../response/respond.ts';

/** The sections that it reads. */
interface ResponderSections {
  readonly publicOrigin: readonly string[];
  readonly basePath: string;
  readonly pages: PagesConfig;
  readonly problemTypeBase: string | null;
  readonly cors?: CorsConfig | undefined;
  readonly listeners: { readonly public: { readonly limits: { readonly maxTargetBytes: number } } };
  readonly session: { readonly cookie: SessionCookie };
  readonly refresh?: { readonly cookieName: string } | undefined;
}

/**
 * Makes the responder of a configuration.
 *
 * @param sentStatus  the status that is sent in place of another. Default: each as it is
 */
export function openResponder(
  { publicOrigin, basePath, cors, session, listeners, pages, problemTypeBase }: ResponderSections,
  { logo }: PageFiles,
  wallMs: Clock,
  sentStatus: ((exchange: Exchange, status: number) => number) | null = null,
): Responder {
  return new Responder({
    clearCookieLine: clearSessionCookie(session.cookie),
    basePath,
    publicOrigin: publicOrigin[0] as string,
    cors: cors === undefined ? null : new CorsRule(cors),
    maxTargetBytes: listeners.public.limits.maxTargetBytes,
    pages: new Pages(pages, logo),
    problemTypeBase,
    wallMs,
    // A proxy that asks would read the 200 of a refused call as permission to forward it.
    answersCalls: sentStatus === null,
    sentStatus: sentStatus ?? ((_exchange, status) => status),
  });
}

/** Cookies that only the gateway sets, and that no upstream gets. */
export const ownCookies = ({ session, refresh }: ResponderSections): readonly string[] => [
  session.cookie.name,
  DEVICE_COOKIE,
  LOGIN_COOKIE_PREFIX,
  ...(refresh === undefined ? [] : [refresh.cookieName]),
];
