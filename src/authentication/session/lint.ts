/** Rules about sessions and their cookie. */

import type { LintContext } from '../../config/lint.ts';
import { acceptsKind, type WrittenCredential } from '../credential.ts';
import { SESSION } from './kind.ts';
import { codes, type SessionConfig } from './section.ts';

interface SessionDraft {
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
export function lint({ draft, source }: LintContext<SessionDraft>): void {
  const { session, csrf, routes } = draft;
  if (session === undefined) return;
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
