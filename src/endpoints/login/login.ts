/**
 * login: how sessions are opened, seen and ended by people and trusted backends. The endpoints below `basePath`, as rows
 * for {@link Endpoints}.
 *
 * Input: screened requests, never yet authenticated: what each accepts as a credential is in its own file. Output: answers
 * through the Responder, all `no-store`; pages for people, JSON for programs. Fails with Denials, and with 503 when the
 * store does not answer: then nobody is logged in, nobody is reported as logged out, and no cookie changes.
 */

import type { Endpoint, EndpointRow } from '../endpoints.ts';
import { refreshEndpoints } from '../refresh/refresh-endpoint.ts';
import { SessionEnding } from '../sessions/ending.ts';
import { Logout } from '../sessions/logout.ts';
import { OwnSessions } from '../sessions/own-sessions.ts';
import { BackendLogin } from './backend-login.ts';
import { LoginPage, type LoginPageSettings, PasswordEndpoint } from './browser-login.ts';
import type { HandOver } from './hand-over/open.ts';
import type { LoginParts } from './login-parts.ts';
import { providerPanel } from './oidc/flow/pages.ts';
import type { ProviderLogins } from './oidc/open.ts';
import { passwordPanel } from './pages.ts';
import type { PasswordLogin } from './password/password-login.ts';
import type { StepUp } from './step-up/step-up.ts';
import type { TrustedBackends } from './trusted-backends.ts';

/** The ways to open a session that a configuration has. */
export interface LoginWays extends LoginPageSettings {
  readonly passwords: PasswordLogin | null;
  readonly backends: TrustedBackends | null;
  readonly providers: ProviderLogins;
  readonly stepUp: StepUp;
  /** `null` where each origin has logins of its own. */
  readonly handOver: HandOver | null;
}

/** The rows for {@link Endpoints}. */
export function loginEndpoints(parts: LoginParts, ways: LoginWays): EndpointRow[] {
  const { passwords, backends, providers, stepUp, handOver, ...pageSettings } = ways;
  const row = (method: EndpointRow['method'], path: string, answer: Endpoint): EndpointRow => ({
    method,
    path: `${parts.basePath}${path}`,
    needsPublicOrigin: true,
    answer,
  });
  const logout = new Logout(parts, providers.logoutAtProvider);
  const own = new OwnSessions(parts, logout, labelsOf(providers));
  const ending = new SessionEnding(parts);
  const shown = shownProviders(parts, providers);
  // In the order in which the login page shows them.
  const panels = [
    ...(passwords === null ? [] : [passwordPanel(parts.sessions)]),
    ...(shown.length === 0 ? [] : [providerPanel(shown, rememberPathOf(parts))]),
  ];
  const page = new LoginPage(parts, pageSettings, panels, providers, handOver);
  const rows = [
    row('GET', '/login', (exchange, request) => page.show(exchange, request)),
    row('GET', '/step-up', (exchange, request) => stepUp.begin(exchange, request)),
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
    ...providers.callbacks.flatMap(({ path, answer }) => [row('GET', path, answer), row('POST', path, answer)]),
  ];
  if (handOver !== null) rows.push(...handOverRows(handOver, row));
  for (const { name, answer } of providers.frontchannelLogouts)
    rows.push(row('GET', `/frontchannel-logout/${name}`, answer));
  for (const { name, answer } of providers.backchannelLogouts) {
    // Providers, too, may call under a name that the gateway has inside.
    rows.push({ ...row('POST', `/backchannel-logout/${name}`, answer), needsPublicOrigin: false });
  }
  if (passwords !== null) {
    const endpoint = new PasswordEndpoint(parts, page, passwords);
    rows.push(row('POST', '/login', (exchange, request) => endpoint.logIn(exchange, request)));
  }
  if (backends !== null) {
    const endpoint = new BackendLogin(parts, backends);
    const answer: Endpoint = (exchange, request) => endpoint.open(exchange, request);
    // Backends call under whatever name the gateway has inside.
    rows.push({ ...row('POST', '/sessions', answer), needsPublicOrigin: false });
  }
  if (parts.refresh !== null) rows.push(...refreshEndpoints(parts, parts.refresh));
  return rows;
}

const handOverRows = (
  { loginOrigin, otherOrigin }: HandOver,
  row: (method: 'GET', path: string, answer: Endpoint) => EndpointRow,
): EndpointRow[] => [
  row('GET', '/hand-over', (exchange, request) => loginOrigin.give(exchange, request)),
  row('GET', '/handed-over', (exchange, request) => otherOrigin.finish(exchange, request)),
];

const shownProviders = ({ responder }: LoginParts, { providers }: ProviderLogins) =>
  providers.map(({ name, logo, settings: { label } }) => {
    const startPath = (returnTo: string, remember: boolean) =>
      responder.loginPath(returnTo, remember ? ['remember'] : [], name);
    return { label, logo, startPath };
  });

const rememberPathOf = ({ responder, sessions }: LoginParts) =>
  sessions.offersToRemember
    ? (returnTo: string, remember: boolean) => responder.loginPath(returnTo, remember ? ['remember'] : [])
    : null;

const labelsOf = ({ providers }: ProviderLogins): ReadonlyMap<string, string> =>
  new Map(providers.map(({ name, settings }) => [name, settings.label]));
