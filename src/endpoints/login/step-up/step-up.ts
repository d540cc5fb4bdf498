/**
 * `GET {base}/step-up`: a user whose session comes from a provider logs in there again, because a route requires more
 * than the session has. The route is named by its id, and what it requires is read from the configuration, never from
 * the request.
 */

import type { Requirement } from '../../../authorization/section.ts';
import { lackOf } from '../../../authorization/step-up.ts';
import { Denial } from '../../../errors.ts';
import type { Exchange } from '../../../exchange.ts';
import { authenticationOf, type UserPrincipal } from '../../../principal.ts';
import type { ScreenedRequest } from '../../../sanitize/sanitize.ts';
import { type EndpointParts, presentUser } from '../../parts.ts';
import type { OtherOrigin } from '../hand-over/other-origin.ts';
import type { ProviderLogins } from '../oidc/open.ts';
import type { IdentityProvider } from '../oidc/provider.ts';
import { refusalPage } from '../pages.ts';

const NO_ROUTE = new Denial('query_malformed', 'no route of that id requires a login of a kind');

const NO_PROVIDER = new Denial('step_up_required', 'the session comes from no identity provider that can be asked');

/** Begins step-ups. */
export class StepUp {
  readonly #login: EndpointParts;
  readonly #providers: ProviderLogins;
  readonly #requirements: ReadonlyMap<string, Requirement>;
  readonly #otherOrigin: OtherOrigin | null;

  /**
   * @param requirements  `require` of routes, by id
   * @param otherOrigin   of a configuration with a login origin: people step up there, too
   */
  constructor(
    login: EndpointParts,
    providers: ProviderLogins,
    requirements: ReadonlyMap<string, Requirement>,
    otherOrigin: OtherOrigin | null,
  ) {
    this.#login = login;
    this.#providers = providers;
    this.#requirements = requirements;
    this.#otherOrigin = otherOrigin;
  }

  /** Sends the browser to the provider of its session; without a session, to the login page. */
  async begin(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { responder, returnTargets, wallMs } = this.#login;
    const asked = new URLSearchParams(request.target.query);
    const route = asked.get('route') ?? '';
    const requirement = this.#requirements.get(route);
    if (requirement === undefined) return NO_ROUTE;
    const returnTo = returnTargets.fromQuery(request.target.query);
    const user = await presentUser(this.#login, exchange, request, 'look');
    if (user === null || user instanceof Denial) {
      responder.redirect(exchange, 302, responder.loginPath(returnTo, user === null ? [] : ['ended']));
      return null;
    }
    // Another tab was faster.
    if (lackOf(requirement, authenticationOf(user), wallMs()) === null) {
      responder.redirect(exchange, 303, returnTo);
      return null;
    }
    const provider = this.#providerOf(user);
    if (provider === null) {
      // No redirect: where the only provider never says what is required, it would lead in a circle.
      const login = responder.loginPath(returnTo, ['switch']);
      responder.failurePage(exchange, NO_PROVIDER, refusalPage('step_up_required', login, 'logInAgain'));
      return null;
    }
    if (this.#otherOrigin?.is(request) === true)
      return this.#otherOrigin.begin(exchange, request, { returnTo, marks: [], provider: null, route });
    const stepUp = { route, subject: user.subject, requirement };
    return this.#providers.start.begin(exchange, request, {
      provider,
      returnTo,
      isSwitch: asked.has('switch'),
      stepUp,
      remember: user.session.remembered,
    });
  }

  /** The provider that can be asked; `null` where another login is all that helps. */
  #providerOf({ session: { login } }: UserPrincipal): IdentityProvider | null {
    return (
      this.#providers.providers.find(({ name, settings }) => name === login?.provider && settings.issuer !== null) ??
      null
    );
  }
}
