/**
 * login: how people and trusted backends open sessions. The endpoints below `basePath`, as rows for {@link Endpoints}.
 *
 * Input: screened requests, never yet authenticated: what each accepts as a credential is in its own file. Output: answers
 * through the Responder, all `no-store`; pages for people, JSON for programs. Fails with Denials, and with 503 when the
 * store does not answer: then nobody is logged in, nobody is reported as logged out, and no cookie changes.
 */

import type { Clients } from '../../authentication/client/clients.ts';
import { type Endpoint, type EndpointRow, rowsBelow } from '../endpoints.ts';
import type { EndpointParts } from '../parts.ts';
import { BackendLogin } from './backend-login.ts';
import { LoginPage, type LoginPageSettings, PasswordEndpoint } from './browser-login.ts';
import type { HandOver } from './hand-over/open.ts';
import { providerPanel } from './oidc/flow/pages.ts';
import type { ProviderLogins } from './oidc/open.ts';
import { passwordPanel } from './pages.ts';
import type { PasswordLogin } from './password/password-login.ts';
import type { StepUp } from './step-up/step-up.ts';

/** The ways to open a session that a configuration has. */
export interface LoginWays extends LoginPageSettings {
  readonly passwords: PasswordLogin | null;
  readonly backends: Clients | null;
  readonly providers: ProviderLogins;
  readonly stepUp: StepUp;
  /** `null` where each origin has logins of its own. */
  readonly handOver: HandOver | null;
}

/** The rows for {@link Endpoints}. */
export function loginEndpoints(parts: EndpointParts, ways: LoginWays): EndpointRow[] {
  const { passwords, backends, providers, stepUp, handOver, ...pageSettings } = ways;
  const row = rowsBelow(parts.basePath);
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
    ...providers.rows,
  ];
  if (handOver !== null) {
    const { loginOrigin, otherOrigin } = handOver;
    rows.push(row('GET', '/hand-over', (exchange, request) => loginOrigin.give(exchange, request)));
    rows.push(row('GET', '/handed-over', (exchange, request) => otherOrigin.finish(exchange, request)));
  }
  if (passwords !== null) {
    const endpoint = new PasswordEndpoint(parts, page, passwords);
    rows.push(row('POST', '/login', (exchange, request) => endpoint.logIn(exchange, request)));
  }
  if (backends !== null) {
    const endpoint = new BackendLogin(parts, backends);
    const answer: Endpoint = (exchange, request) => endpoint.open(exchange, request);
    // Backends call the gateway by an internal name.
    rows.push({ ...row('POST', '/sessions', answer), needsPublicOrigin: false });
  }
  return rows;
}

const shownProviders = ({ responder }: EndpointParts, { providers }: ProviderLogins) =>
  providers.map(({ name, logo, settings: { label } }) => {
    const startPath = (returnTo: string, remember: boolean) =>
      responder.loginPath(returnTo, remember ? ['remember'] : [], name);
    return { label, logo, startPath };
  });

const rememberPathOf = ({ responder, sessions }: EndpointParts) =>
  sessions.offersToRemember
    ? (returnTo: string, remember: boolean) => responder.loginPath(returnTo, remember ? ['remember'] : [])
    : null;
