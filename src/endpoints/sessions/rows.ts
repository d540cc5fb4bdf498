/** The endpoints with which people see and end their sessions, as rows for `Endpoints`. */

import { type EndpointRow, rowsBelow } from '../endpoints.ts';
import type { ProviderLogins } from '../login/oidc/open.ts';
import type { EndpointParts } from '../parts.ts';
import { SessionEnding } from './ending.ts';
import { Logout } from './logout.ts';
import { OwnSessions } from './own-sessions.ts';

/** The rows. */
export function sessionEndpoints(
  parts: EndpointParts,
  { providers, logoutAtProvider }: Pick<ProviderLogins, 'providers' | 'logoutAtProvider'>,
): EndpointRow[] {
  const logout = new Logout(parts, logoutAtProvider);
  const labels = new Map(providers.map(({ name, settings }) => [name, settings.label]));
  const own = new OwnSessions(parts, logout, labels);
  const ending = new SessionEnding(parts);
  const row = rowsBelow(parts.basePath);
  return [
    row('GET', '/logout', (exchange) => logout.confirm(exchange)),
    row('POST', '/logout', (exchange, request) => logout.one(exchange, request)),
    row('POST', '/logout/all', (exchange, request) => logout.everywhere(exchange, request)),
    row('GET', '/logged-out', (exchange, request) => logout.done(exchange, request)),
    row('GET', '/session', (exchange, request) => own.whoAmI(exchange, request)),
    row('GET', '/session/ending', (exchange, request) => ending.show(exchange, request)),
    row('POST', '/session/ending', (exchange, request) => ending.stay(exchange, request)),
    row('GET', '/sessions', (exchange, request) => own.list(exchange, request)),
    row('POST', '/sessions/others', (exchange, request) => own.endOthers(exchange, request)),
    row('DELETE', '/sessions/:handle', (exchange, request) => own.endOne(exchange, request)),
    // What DELETE does, for a form, which has no such method.
    row('POST', '/sessions/:handle', (exchange, request) => own.endOne(exchange, request)),
  ];
}
