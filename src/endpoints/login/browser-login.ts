/** `GET` and `POST {base}/login`: the login page, and what its password form and programs send. */

import { z } from 'zod';
import { asGatewayFault, Denial, GatewayFault, type Reason, retryAfterSecOf } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { ConfiguredText } from '../../pages/section.ts';
import { SAME_ORIGIN_REFERRER } from '../../response/respond.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { RefreshClient } from '../../store/refresh-family.ts';
import { type BodyType, bodyType, parseForm, parseJson, readBody } from '../body.ts';
import { describeDevice } from '../device.ts';
import { type EndpointParts, NOT_REMEMBERED, presentedHandle, presentUser, sourceOf } from '../parts.ts';
import { beginRefresh, wantedRefresh } from '../refresh/refresh-logins.ts';
import { sessionDocument } from '../session-document.ts';
import type { HandOver } from './hand-over/open.ts';
import type { ProviderLogins } from './oidc/open.ts';
import type { IdentityProvider } from './oidc/provider.ts';
import { alreadyLoggedInPage, type LoginPanel, type LoginView, loginPage, type Sentence } from './pages.ts';
import type { Credentials, PasswordLogin, PasswordOutcome } from './password/password-login.ts';
import { HOME } from './return-target.ts';

declare module '../../telemetry/audit.ts' {
  interface AuditEvents {
    readonly login_failed: {
      readonly method: string;
      /** `null` when there is no such account. At an identity provider: its name. */
      readonly account: string | null;
      /** A fault when something is broken, so that nobody can log in this way. */
      readonly reason: Reason;
      /** Fixed words that name the rule. */
      readonly note: string;
    };
    readonly login_throttled: {
      readonly method: string;
      readonly account: string | null;
    };
  }
}

const NO_LOGIN = new Denial('login_unavailable', 'no login method is configured');
const NOT_FOR_FORMS = new Denial('body_malformed', 'a form can ask for a refresh cookie only');

/** What the user typed and ticked in the form, except for the password. */
type Typed = Pick<LoginView, 'returnTo' | 'username' | 'remember'>;

/** Settings of the login page. */
export interface LoginPageSettings {
  /** Its heading. Default for a language that it leaves out: that of the language. */
  readonly title: ConfiguredText | undefined;
  /** Path of the operator's own login page, which replaces the gateway's. */
  readonly ownPage: string | null;
}

/** The login page: the ways to log in, or that the user is logged in already. */
export class LoginPage {
  readonly #parts: EndpointParts;
  readonly #settings: LoginPageSettings;
  readonly #panels: readonly LoginPanel[];
  readonly #providers: ProviderLogins;
  readonly #handOver: HandOver | null;

  /**
   * @param panels     the ways to log in, in the order in which they are shown
   * @param providers  the identity providers among them
   * @param handOver   to the origins at which nobody logs in; `null` where each has logins of its own
   */
  constructor(
    parts: EndpointParts,
    settings: LoginPageSettings,
    panels: readonly LoginPanel[],
    providers: ProviderLogins,
    handOver: HandOver | null,
  ) {
    this.#parts = parts;
    this.#settings = settings;
    this.#panels = panels;
    this.#providers = providers;
    this.#handOver = handOver;
  }

  /** Shows the page, and deletes a cookie that no longer opens a session (SES-04). */
  async show(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { responder, returnTargets, basePath, clearCookieLine } = this.#parts;
    const returnTo = returnTargets.fromQuery(request.target.query);
    const user = await presentUser(this.#parts, exchange, request);
    const headers = user instanceof Denial ? ['Set-Cookie', clearCookieLine] : [];
    const asked = new URLSearchParams(request.target.query);
    const provider = this.#providerOf(asked);

    const { ownPage } = this.#settings;
    const isLoggedIn = user !== null && !(user instanceof Denial) && !asked.has('switch');
    if (isLoggedIn && this.#isHandOver(request, asked, returnTo)) {
      // Another tab was faster.
      responder.redirect(exchange, 303, returnTo);
    } else if (isLoggedIn && (ownPage === null || provider !== null)) {
      const switchPath = responder.loginPath(returnTo, ['switch'], asked.has('provider') ? provider?.name : null);
      responder.page(exchange, 200, alreadyLoggedInPage(basePath, user.subject, returnTo, switchPath));
    } else if (this.#handOver?.otherOrigin.is(request) === true) {
      const marks = (['switch', 'ended', 'remember'] as const).filter((mark) => asked.has(mark));
      const wanted = { returnTo, marks, provider: provider?.name ?? null, route: null };
      return this.#handOver.otherOrigin.begin(exchange, request, wanted);
    } else if (provider !== null) {
      return this.#providers.start.begin(exchange, request, {
        provider,
        returnTo,
        isSwitch: asked.has('switch'),
        stepUp: null,
        remember: asked.has('remember'),
      });
    } else if (ownPage !== null) {
      responder.redirect(exchange, 302, responder.ownLoginPath(ownPage, returnTo), headers);
    } else if (this.#panels.length === 0) {
      return NO_LOGIN;
    } else {
      const hasEnded = user instanceof Denial ? user.reason !== 'session_invalid' : asked.has('ended');
      const problem = user === null && this.#hasJustLoggedIn(request) ? lostCookieText(request.scheme) : null;
      const remember = asked.has('remember');
      const note = hasEnded && problem === null ? sessionEndedText : null;
      responder.page(exchange, 200, this.#page({ returnTo, username: '', remember, problem, note }), headers);
    }
    return null;
  }

  /** Whether a request is a step of a login that goes from one origin to another. */
  #isHandOver(request: ScreenedRequest, asked: URLSearchParams, returnTo: string): boolean {
    if (this.#handOver === null) return false;
    const { loginOrigin, otherOrigin } = this.#handOver;
    return otherOrigin.is(request) ? asked.has('return_to') : loginOrigin.formTarget(returnTo) !== null;
  }

  /** The identity provider to go to at once: the one that is asked for, or the only way to log in. */
  #providerOf(asked: URLSearchParams): IdentityProvider | null {
    const { providers } = this.#providers;
    const named = providers.find(({ name }) => name === asked.get('provider'));
    if (named !== undefined) return named;
    const [only, ...others] = providers;
    const isOnly = others.length === 0 && this.#panels.length === 1;
    return only !== undefined && isOnly && this.#settings.ownPage === null ? only : null;
  }

  /** Shows the page again after a failed attempt, with what the user typed, except for the password. */
  showProblem(exchange: Exchange, why: Denial | GatewayFault, typed: Typed): void {
    const page = this.#page({ ...typed, problem: problemText(why), note: null });
    this.#parts.responder.failurePage(exchange, why, page);
  }

  /**
   * Whether a login led here again, without a session: the browser did not send the cookie back. A login is followed by a
   * redirect, on which browsers keep the address of the login page as the referrer (Fetch §4.4); nothing else on the page leads
   * here without a session.
   */
  #hasJustLoggedIn({ fields, publicOrigin }: ScreenedRequest): boolean {
    if (fields.referer === null || !URL.canParse(fields.referer)) return false;
    const { origin, pathname } = new URL(fields.referer);
    return origin === publicOrigin && pathname === `${this.#parts.basePath}/login`;
  }

  #page(view: LoginView) {
    const formTarget = this.#handOver?.loginOrigin.formTarget(view.returnTo) ?? null;
    return loginPage(this.#settings.title, this.#panels, view, formTarget);
  }
}

const sessionEndedText: Sentence = ({ login }) => login.sessionEnded;

const lostCookieText =
  (scheme: string): Sentence =>
  ({ login }) =>
    scheme === 'https' ? login.lostCookie.https : login.lostCookie.http;

const problemText =
  (why: Denial | GatewayFault): Sentence =>
  ({ login, reasons }) => {
    if (!(why instanceof Denial)) return login.unavailable;
    const waitSec = retryAfterSecOf(why);
    return waitSec === null ? reasons[why.reason].detail : login.tooManyAttempts(waitSec);
  };

/** A login as a program sends it. */
const credentialsSchema = z.strictObject({
  username: z.string(),
  password: z.string(),
  refresh: z.enum(['browser', 'native']).optional(),
  remember: z.boolean().optional(),
});

interface LoginAttempt extends Credentials {
  readonly returnTo: string;
  /** Whether the user asks to stay logged in. */
  readonly remember: boolean;
  /** Which kind of client asks for a refresh token; `null` when none does. */
  readonly refresh: RefreshClient | null;
}

/** Takes what the password form of the login page sends, and the same as JSON. */
export class PasswordEndpoint {
  readonly #parts: EndpointParts;
  readonly #page: LoginPage;
  readonly #passwords: PasswordLogin;

  constructor(parts: EndpointParts, page: LoginPage, passwords: PasswordLogin) {
    this.#parts = parts;
    this.#page = page;
    this.#passwords = passwords;
  }

  /** Logs in: a form is answered with a redirect or the page again, JSON with JSON. */
  async logIn(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const type = bodyType(request.fields.contentType);
    if (type instanceof Denial) return type;
    // A page of another site can send a form, but JSON only after a CORS preflight, which only origins in `cors` pass.
    const foreign = this.#parts.originProblem(request, type === 'form' ? 'page' : 'program');
    if (foreign !== null) return foreign;
    const attempt = await this.#read(exchange, request, type);
    if (attempt instanceof Denial) return attempt;
    if (attempt.remember && !this.#parts.sessions.canRemember) return NOT_REMEMBERED;
    const client = wantedRefresh(this.#parts, attempt.refresh, request);
    if (client instanceof Denial) return client;

    if (type === 'json') return this.#attempt(exchange, request, type, attempt, client);
    const typed = { returnTo: attempt.returnTo, username: attempt.name, remember: attempt.remember };
    try {
      const denial = await this.#attempt(exchange, request, type, attempt, client);
      if (denial !== null) this.#page.showProblem(exchange, denial, typed);
    } catch (thrown) {
      this.#page.showProblem(exchange, asGatewayFault(thrown), typed);
    }
    return null;
  }

  /** Judges the password, and opens a session if it is right. */
  async #attempt(
    exchange: Exchange,
    request: ScreenedRequest,
    type: BodyType,
    attempt: LoginAttempt,
    client: RefreshClient | null,
  ): Promise<Denial | null> {
    const { clientAddress: address, otherCookies: cookies } = request;
    const outcome = await this.#passwords.attempt(attempt, { address, cookies });
    if (outcome.result instanceof Denial) {
      this.#recordFailure(outcome, outcome.result, exchange, request);
      return outcome.result;
    }
    // The client is gone: nobody would use the session, and it would only clutter the user's list.
    if (exchange.isOver) throw new GatewayFault('downstream_aborted', 'client left during the login');
    const { subject, attributes, account } = outcome.result;
    const opened = await this.#parts.opener.open(
      {
        subject,
        user: attributes,
        method: 'password',
        device: describeDevice(request.fields.userAgent, address),
        remembered: attempt.remember,
        account,
        replaces: await presentedHandle(this.#parts, request),
      },
      sourceOf(exchange, request),
    );
    const begun = await beginRefresh(this.#parts, client, opened, sourceOf(exchange, request));
    const headers = client === 'native' ? begun.headers : [...begun.headers, ...outcome.headers];
    const { responder, sessions } = this.#parts;
    if (type === 'form') responder.redirect(exchange, 303, attempt.returnTo, [...headers, ...SAME_ORIGIN_REFERRER]);
    else responder.json(exchange, 200, begun.document ?? sessionDocument(opened.record, sessions), headers);
    return null;
  }

  async #read(exchange: Exchange, request: ScreenedRequest, type: BodyType): Promise<LoginAttempt | Denial> {
    const text = await readBody(exchange, request, this.#parts.bodyTimeoutMs);
    if (text instanceof Denial) return text;
    if (type === 'json') {
      const json = parseJson(text, credentialsSchema);
      if (json instanceof Denial) return json;
      const { username, password, refresh = null, remember = false } = json;
      return { name: username, password, returnTo: HOME, refresh, remember };
    }
    const form = parseForm(text);
    if (form instanceof Denial) return form;
    const refresh = form.get('refresh') ?? null;
    // The answer to a form is a redirect, which carries no tokens.
    if (refresh !== null && refresh !== 'browser') return NOT_FOR_FORMS;
    return {
      name: form.get('username') ?? '',
      password: form.get('password') ?? '',
      returnTo: this.#parts.returnTargets.read(form.get('return_to') ?? null),
      refresh,
      remember: form.get('remember') === 'yes',
    };
  }

  #recordFailure({ account }: PasswordOutcome, denial: Denial, exchange: Exchange, request: ScreenedRequest): void {
    const { audit, series } = this.#parts;
    const source = sourceOf(exchange, request);
    if (denial.reason === 'rate_limited') {
      series.failures.inc({ reason: 'throttled' });
      audit.write({ event: 'login_throttled', method: 'password', account }, source);
      return;
    }
    series.failures.inc({ reason: denial.reason === 'overloaded' ? 'overloaded' : 'credentials' });
    const { reason, note } = denial;
    audit.write({ event: 'login_failed', method: 'password', account, reason, note }, source);
  }
}
