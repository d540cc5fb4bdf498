/**
 * flow: one login at a provider, from the redirect to the provider to the session.
 *
 * This file begins logins: `GET {base}/login?provider=NAME`, and the login page where there is nothing to choose.
 *
 * A GET, because the policy of the gateway's pages lets forms lead only to the gateway, redirects included (CSP3 §6.5.1). An attacker
 * gains nothing by making another person's browser begin a login: it ends in the session of the person who logs in at the provider, in
 * the browser that began it.
 */

import { Denial } from '../../../../errors.ts';
import type { Exchange } from '../../../../exchange.ts';
import type { ScreenedRequest } from '../../../../sanitize/sanitize.ts';
import { type EndpointParts, navigationProblem, presentedHandle, turnToBegin } from '../../../parts.ts';
import { protocolLibrary } from '../client-configuration.ts';
import type { IdentityProvider } from '../provider.ts';
import type { ProviderSettings } from '../settings.ts';
import { providerUnavailable, transportFault } from '../transport.ts';
import { authorizationParameters, isPushed } from './authorization-request.ts';
import type { LoginFailures } from './login-failures.ts';
import type { StartThrottle } from './start-throttle.ts';
import type { LoginSecrets, LoginTransactions } from './transactions.ts';
import { stepUpParameters, type WantedStepUp } from './wanted-step-up.ts';

/** The login that a user asks for. */
export interface WantedLogin {
  readonly provider: IdentityProvider;
  /** Checked. */
  readonly returnTo: string;
  /** Whether they want to choose another account. */
  readonly isSwitch: boolean;
  /** What it has to show, if it is a step-up; `null` for a first login. */
  readonly stepUp: WantedStepUp | null;
  /** Whether they ask to stay logged in; ignored where that is not offered. */
  readonly remember: boolean;
}

interface StartParts {
  readonly login: EndpointParts;
  readonly transactions: LoginTransactions;
  readonly throttle: StartThrottle;
  readonly failures: LoginFailures;
}

const COOKIE_MISSING = new Denial('login_cookie_missing', 'the browser did not send the cookie of logins back');

/** Where a provider sends the browser back to: one address for each, so that no answer can be taken for another's. */
export const redirectUri = (
  origin: string,
  basePath: string,
  { callbackPath }: Pick<ProviderSettings, 'callbackPath'>,
): string => `${origin}${basePath}${callbackPath}`;

/** Sends browsers to identity providers. */
export class LoginStart {
  readonly #parts: StartParts;

  constructor(parts: StartParts) {
    this.#parts = parts;
  }

  /** Begins a login, or says on a page why not. */
  async begin(exchange: Exchange, request: ScreenedRequest, wanted: WantedLogin): Promise<Denial | null> {
    const script = navigationProblem(request);
    if (script !== null) return script;
    const { failures } = this.#parts;
    return failures.shown(exchange, request, wanted, () => this.#begin(exchange, request, wanted));
  }

  async #begin(exchange: Exchange, request: ScreenedRequest, wanted: WantedLogin): Promise<Denial | null> {
    const { login, transactions, throttle, failures } = this.#parts;
    const { provider, returnTo, stepUp, remember } = wanted;
    const tooMany = throttle.begin(request.clientAddress);
    if (tooMany !== null) return tooMany;

    const browser = transactions.browserOf(request.otherCookies);
    if (browser === null) {
      // Before the person types a password elsewhere: without the cookie, the login would fail.
      if (new URLSearchParams(request.target.query).has('cookie')) return COOKIE_MISSING;
      const again = failures.startPath(wanted, wanted.isSwitch ? ['switch', 'cookie'] : ['cookie']);
      login.responder.redirect(exchange, 302, again, ['Set-Cookie', transactions.newCookieLine()]);
      return null;
    }
    const crowd = await turnToBegin(login, exchange, request);
    if (crowd !== null) return crowd;
    const origin = request.publicOrigin as string;
    const secrets = transactions.secrets(browser);
    const location = await authorizationUrl(wanted, secrets, redirectUri(origin, login.basePath, provider.settings));
    const replaces = await presentedHandle(login, request);
    await transactions.begin(browser, secrets, {
      provider: provider.name,
      origin,
      returnTo,
      replaces,
      stepUp,
      remember,
    });
    login.series.providers.started.inc({ provider: provider.name });
    login.responder.redirect(exchange, 302, location, ['Set-Cookie', transactions.cookieLine(browser)]);
    return null;
  }
}

/** The address at the provider, which is only a reference where the request was pushed. */
async function authorizationUrl(
  { provider, isSwitch, stepUp }: WantedLogin,
  secrets: LoginSecrets,
  callback: string,
): Promise<string> {
  const library = await protocolLibrary();
  const metadata = await provider.metadata();
  const parameters = authorizationParameters(provider, callback, secrets, {
    ...(isSwitch && { prompt: provider.settings.switchPrompt }),
    ...(stepUp !== null && stepUpParameters(stepUp)),
  });
  const configuration = await provider.configuration('par');
  if (!isPushed(provider, metadata)) return library.buildAuthorizationUrl(configuration, parameters).href;
  try {
    return (await library.buildAuthorizationUrlWithPAR(configuration, parameters)).href;
  } catch (thrown) {
    const fault = transportFault(thrown);
    if (fault !== null) throw fault;
    if (thrown instanceof library.ResponseBodyError)
      provider.logProblem(`par: ${thrown.error}`, thrown.error_description);
    throw providerUnavailable('it does not take the pushed authorization request', thrown);
  }
}
