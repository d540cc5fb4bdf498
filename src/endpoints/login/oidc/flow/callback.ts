/**
 * `{base}/callback/NAME`: the browser comes back from a provider. By GET, or by POST from the provider's page
 * (`response_mode=form_post`); an answer in a mode that was not asked for is refused (OIDC-18).
 *
 * An answer counts only in the browser that began the login, once, and from the provider at which it began. Its origin is not
 * checked, since it comes from another site; other sites do not know its `state`.
 */

import { Denial, GatewayFault } from '../../../../errors.ts';
import type { Exchange } from '../../../../exchange.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../../../../lib/crypto/base64url.ts';
import type { ScreenedRequest } from '../../../../sanitize/sanitize.ts';
import type { SealedTokenStore } from '../../../../store/sealed-tokens.ts';
import type { ProviderLogin } from '../../../../store/session-record.ts';
import { bodyType, parseForm, readBody } from '../../../body.ts';
import { describeDevice } from '../../../device.ts';
import { type EndpointParts, leadOn, presentedHandle, presentUser, sourceOf, turnToBegin } from '../../../parts.ts';
import { beginRefresh, wantedRefresh } from '../../../refresh/refresh-logins.ts';
import { HOME } from '../../return-target.ts';
import type { IdentityProvider } from '../provider.ts';
import { providerLogin } from '../provider-login.ts';
import { invalidResponse } from '../refusals.ts';
import { isNothing, type ProviderTokens, sealTokens, tokensIn, withNonce } from '../tokens/provider-tokens.ts';
import { admittedUser } from '../user/allow.ts';
import { type ClaimDocuments, claimAt, mergedClaims } from '../user/claim-path.ts';
import type { ProviderUser } from '../user/mapping.ts';
import { exchangeCode, type ResponseParameters } from './code-exchange.ts';
import type { LoginFailures, ProviderAttempt } from './login-failures.ts';
import { redirectUri } from './start-login.ts';
import type { LoginTransaction, LoginTransactions } from './transactions.ts';
import { stepUpProblem } from './wanted-step-up.ts';

/** What takes the answers of providers. */
export interface CallbackParts {
  readonly login: EndpointParts;
  readonly transactions: LoginTransactions;
  readonly failures: LoginFailures;
  readonly sealedTokens: SealedTokenStore;
}

/** A user who may log in. */
interface Admitted {
  readonly user: ProviderUser;
  readonly said: ProviderLogin;
  readonly tokens: ProviderTokens;
  /** `null` where the provider does not say. */
  readonly lifetimeMs: number | null;
}

const NOT_A_FORM = new Denial('media_type_unsupported', 'not a form');
const OTHER_MODE = invalidResponse('response_mode is not the one that was asked for');
const TWICE = invalidResponse('a parameter comes twice, or is malformed');
const NO_STATE = invalidResponse('state is missing or malformed');
const NO_COOKIE = new Denial('login_cookie_missing', 'the answer came without the cookie of logins');
const UNKNOWN = new Denial('login_expired', 'this browser has no login with that state');
const EXPIRED = new Denial('login_expired', 'the login took over 10 minutes');
const USED = new Denial('login_expired', 'the state was used before');
const OTHER_PROVIDER = invalidResponse('the login was begun with another provider');
const TOKEN_TOO_LONG = invalidResponse('token endpoint: token too long to store');
const NO_REFRESH_TOKEN = invalidResponse('token endpoint: no refresh token, which revalidate needs');
const SESSION_OVER = invalidResponse('the claim of sessionEnds is missing, or lies in the past');
const OTHER_ORIGIN = invalidResponse('the login was begun on another origin');

/** Takes the answers of one provider. */
export class LoginCallback {
  readonly #provider: IdentityProvider;
  readonly #parts: CallbackParts;

  constructor(provider: IdentityProvider, parts: CallbackParts) {
    this.#provider = provider;
    this.#parts = parts;
  }

  /** Logs in, or says on a page why not. */
  async answer(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const parameters = await this.#read(exchange, request);
    const attempt: ProviderAttempt = { provider: this.#provider, returnTo: HOME, stepUp: null, remember: false };
    const { failures } = this.#parts;
    return failures.shown(exchange, request, attempt, async () => {
      if (parameters instanceof Denial) return parameters;
      const transaction = await this.#transactionOf(exchange, request, parameters);
      if (transaction instanceof Denial) return transaction;
      attempt.returnTo = transaction.returnTo;
      attempt.stepUp = transaction.stepUp;
      attempt.remember = transaction.remember;
      return this.#complete(exchange, request, parameters, transaction);
    });
  }

  async #read(exchange: Exchange, request: ScreenedRequest): Promise<ResponseParameters | Denial> {
    const isPost = request.method === 'POST';
    if (isPost !== (this.#provider.settings.responseMode === 'formPost')) return OTHER_MODE;
    if (!isPost) return distinct(new URLSearchParams(request.target.query));
    if (bodyType(request.fields.contentType) !== 'form') return NOT_A_FORM;
    const text = await readBody(exchange, request, this.#parts.login.bodyTimeoutMs);
    if (text instanceof Denial) return text;
    const form = parseForm(text);
    return form instanceof Denial ? TWICE : form;
  }

  async #transactionOf(
    exchange: Exchange,
    request: ScreenedRequest,
    parameters: ResponseParameters,
  ): Promise<LoginTransaction | Denial> {
    const { login, transactions } = this.#parts;
    const state = parameters.get('state');
    if (state === undefined || !BASE64URL_32_BYTES_PATTERN.test(state)) return NO_STATE;
    const browser = transactions.browserThatBegan(state, request.otherCookies);
    if (browser === null) return transactions.browserOf(request.otherCookies) === null ? NO_COOKIE : UNKNOWN;
    return (await turnToBegin(login, exchange, request)) ?? (await transactions.take(browser, state)) ?? UNKNOWN;
  }

  async #complete(
    exchange: Exchange,
    request: ScreenedRequest,
    parameters: ResponseParameters,
    transaction: LoginTransaction,
  ): Promise<Denial | null> {
    const { login, transactions } = this.#parts;
    const { wallMs } = login;
    const { provider, origin, isUsed, stepUp } = transaction;
    if (provider !== this.#provider.name) return OTHER_PROVIDER;
    if (origin !== request.publicOrigin) return OTHER_ORIGIN;
    if (isUsed) return this.#again(exchange, request, transaction);
    if (transactions.hasExpired(transaction)) return EXPIRED;
    const callback = redirectUri(origin, login.basePath, this.#provider.settings);
    const exchanged = await exchangeCode(this.#provider, parameters, transaction, callback, wallMs);
    if (exchanged instanceof Denial) return exchanged;
    const user = admittedUser(exchanged.documents, this.#provider.settings);
    if (user instanceof Denial) return user;
    const said = providerLogin(provider, user.providerSubject, exchanged.documents.idToken);
    const lacking = stepUp === null ? null : stepUpProblem(stepUp, user.subject, said, wallMs());
    if (lacking !== null) return lacking;
    const lifetimeMs = this.#lifetimeMs(exchanged.documents);
    if (lifetimeMs !== null && !(lifetimeMs > 0)) return SESSION_OVER;
    const given = tokensIn(exchanged.tokens, this.#provider.kept, null, wallMs());
    if (given === null) return TOKEN_TOO_LONG;
    const tokens = withNonce(given, transaction.nonce);
    if (tokens.refreshToken === null && this.#provider.settings.revalidateEveryMs !== null) return NO_REFRESH_TOKEN;
    // The client is gone: nobody would use the session, and it would only clutter the user's list.
    if (exchange.isOver) throw new GatewayFault('downstream_aborted', 'client left during the login');
    return this.#open(exchange, request, { user, said, tokens, lifetimeMs }, transaction);
  }

  /** For how long the provider lets a session last; `null` where it is not asked, and not a number where it does not say. */
  #lifetimeMs(documents: ClaimDocuments): number | null {
    const { sessionEnds } = this.#provider.settings;
    if (sessionEnds === null) return null;
    const endsAtSec = claimAt(mergedClaims(documents), sessionEnds);
    return typeof endsAtSec === 'number' ? endsAtSec * 1_000 - this.#parts.login.wallMs() : Number.NaN;
  }

  /** The same answer a second time: the browser sent it again, or the user went back (OIDC-08). */
  async #again(exchange: Exchange, request: ScreenedRequest, { returnTo }: LoginTransaction): Promise<Denial | null> {
    const user = await presentUser(this.#parts.login, exchange, request);
    if (user === null || user instanceof Denial) return USED;
    leadOn(this.#parts.login, exchange, returnTo, []);
    return null;
  }

  async #open(
    exchange: Exchange,
    request: ScreenedRequest,
    { user, said, tokens, lifetimeMs }: Admitted,
    { returnTo, replaces, remember }: LoginTransaction,
  ): Promise<Denial | null> {
    const { login, sealedTokens } = this.#parts;
    const { settings } = this.#provider;
    const client = wantedRefresh(login, null, request);
    if (client instanceof Denial) return client;
    const source = sourceOf(exchange, request);
    const opened = await login.opener.open(
      {
        subject: user.subject,
        user: user.attributes,
        method: 'oidc',
        login: said,
        ...(lifetimeMs !== null && { lifetimeMs }),
        device: describeDevice(request.fields.userAgent, request.clientAddress),
        remembered: remember,
        account: this.#provider.name,
        replaces: (await presentedHandle(login, request)) ?? replaces,
        ...(!isNothing(tokens) && {
          keep: (id, handle) => sealedTokens.put(handle, sealTokens(tokens, id, settings)),
        }),
      },
      source,
    );
    const { headers } = await beginRefresh(login, client, opened, source);
    login.series.providers.logins.inc({ provider: this.#provider.name, outcome: 'succeeded' });
    leadOn(login, exchange, returnTo, headers);
    return null;
  }
}

/** Parameters of a query; a Denial when one comes twice (RFC 6749 §3.1). */
function distinct(parameters: URLSearchParams): ResponseParameters | Denial {
  const found = new Map(parameters);
  return found.size === parameters.size ? found : TWICE;
}
