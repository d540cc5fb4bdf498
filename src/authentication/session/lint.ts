/** Rules about sessions and their cookie. */

import { entryPath, type LintContext } from '../../config/lint.ts';
import { acceptsKind, type WrittenCredential } from '../credential.ts';
import { SESSION } from './kind.ts';
import { codes, type SessionConfig } from './section.ts';

interface SessionDraft {
  readonly publicOrigin?: readonly string[] | undefined;
  readonly login?: { readonly origin?: string | undefined } | undefined;
  readonly session?: SessionConfig | undefined;
  readonly csrf?: { readonly additionalOrigins: readonly string[] } | undefined;
  readonly routes: readonly (Route | undefined)[];
}

interface Route {
  readonly id: string;
  readonly credential: WrittenCredential;
  readonly csrf: 'origin' | 'off';
}

const lifetimesOf = (session: SessionConfig) =>
  [
    [['session'], session],
    ...(session.remember === undefined ? [] : ([[['session', 'remember'], session.remember]] as const)),
  ] as const;

/** Applies the rules. */
export function lint(context: LintContext<SessionDraft>): void {
  const { draft, source } = context;
  const { session, csrf, routes } = draft;
  if (session === undefined) return;
  lintDomain(context, session);
  const { sameSite } = session.cookie;
  if (sameSite === 'none' && csrf !== undefined && csrf.additionalOrigins.length === 0) {
    source.report(
      codes['cookie/same-site-none'],
      ['session', 'cookie', 'sameSite'],
      'session.cookie.sameSite none sends the session with requests from any page, but csrf.additionalOrigins names no origin that needs it',
      'use lax, or list the origins in csrf.additionalOrigins',
    );
  }
  for (const [way, { idleTimeout, absoluteTimeout }] of lifetimesOf(session)) {
    if (idleTimeout <= absoluteTimeout) continue;
    const key = way.join('.');
    const finding = `${key}.idleTimeout is longer than ${key}.absoluteTimeout`;
    source.report(codes['session/timeouts'], [...way, 'idleTimeout'], finding);
  }
  for (const [index, route] of routes.entries()) {
    if (sameSite !== 'none' || route?.csrf !== 'off') continue;
    if (!acceptsKind(route.credential, (kind) => kind === SESSION)) continue;
    source.report(
      codes['cookie/same-site-none'],
      ['routes', index, 'csrf'],
      `route ${JSON.stringify(route.id)} has no CSRF check while session.cookie.sameSite is none`,
      'remove csrf: off',
    );
  }
}

/** One cookie for a domain: whether it reaches every origin, and what is lost with it. */
function lintDomain(context: LintContext<SessionDraft>, { cookie: { domain } }: SessionConfig): void {
  const { draft, source } = context;
  if (domain === undefined) return;
  const at = ['session', 'cookie', 'domain'];
  source.report(
    codes['cookie/domain'],
    at,
    `every host below ${domain} receives the session cookie, and can replace it`,
    'set login.origin instead, with which each origin keeps a __Host- cookie; accept this warning only if you run all of these hosts',
  );
  if (draft.login?.origin !== undefined) {
    source.report(
      codes['cookie/domain-and-login-origin'],
      at,
      'session.cookie.domain is for one cookie for all origins, login.origin for one on each',
      'remove one of them',
    );
  }
  for (const [index, origin] of (draft.publicOrigin ?? []).entries()) {
    const { hostname } = new URL(origin);
    if (hostname === domain || hostname.endsWith(`.${domain}`)) continue;
    source.report(
      codes['cookie/domain-origin'],
      entryPath(context, ['publicOrigin'], index),
      `${hostname} is not below ${domain}, so browsers reject the session cookie there`,
      'correct session.cookie.domain, or set login.origin instead',
    );
  }
}
