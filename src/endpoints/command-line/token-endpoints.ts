/**
 * What the command line calls without a browser: the token endpoint, for codes and refresh tokens, the device authorization
 * endpoint, and the revocation endpoint (RFC 7009). The client is public: it names itself, and authenticates with nothing. Errors
 * are those of RFC 6749 §5.2 and RFC 8628 §3.5.
 */

import { asGatewayFault, Denial, type GatewayFault, type Reason } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { Endpoint } from '../endpoints.ts';
import { sourceOf } from '../parts.ts';
import { RefreshEndpoint } from '../refresh/refresh-endpoint.ts';
import { challengeOf, NO_CACHE, oauthErrorBody } from '../token/oauth-errors.ts';
import type { TokenEndpoint } from '../token/token-endpoint.ts';
import { readTokenForm } from '../token/token-form.ts';
import type { TokenForm } from '../token/token-request.ts';
import { COMMAND_LINE_CLIENT } from './client.ts';
import { beginDeviceLogin } from './device-endpoint.ts';
import type { DeviceGrant } from './device-grant.ts';
import { type CommandLineParts, recordRefusal, terminalOf } from './parts.ts';
import type { CommandLineGrant } from './series.ts';

/** `grant_type` of the device grant (RFC 8628 §3.4). */
export const DEVICE_GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code';

const invalid = (note: string) => new Denial('token_request_invalid', note);
const WITH_AUTHORIZATION = invalid('Authorization header of a client without a secret');
const NO_CODE = invalid('no code, redirect_uri or code_verifier');
const NO_DEVICE_CODE = invalid('no device_code');
const NO_REFRESH_TOKEN = invalid('no refresh_token');
const NO_TOKEN = invalid('no token');
const NO_GRANT = invalid('no grant_type');
const OTHER_GRANT = new Denial('grant_unsupported', 'grant_type is not offered');
const OTHER_CLIENT = new Denial('client_unauthorized', 'client_id is not the command line');
const WITH_SECRET = new Denial('client_unauthorized', 'a secret of a client that has none');

const ERRORS: Partial<Record<Reason, string>> = {
  code_refused: 'invalid_grant',
  code_reused: 'invalid_grant',
  device_login_pending: 'authorization_pending',
  device_polled_too_often: 'slow_down',
  device_login_denied: 'access_denied',
  device_login_expired: 'expired_token',
};

/** Answers the command line. */
export class CommandLineTokenEndpoints {
  readonly #parts: CommandLineParts;
  readonly #refreshes: RefreshEndpoint;
  readonly #services: TokenEndpoint | null;

  /** @param services  answers requests with other grants; `null` where there are none */
  constructor(parts: CommandLineParts, services: TokenEndpoint | null) {
    this.#parts = parts;
    this.#refreshes = new RefreshEndpoint(parts.login, parts.refresh);
    this.#services = services;
  }

  /** Answers a request to the token endpoint. */
  readonly token: Endpoint = (exchange, request) =>
    this.#answer(exchange, request, async (form) => {
      switch (form instanceof Denial ? null : form.get('grant_type')) {
        case 'authorization_code':
          return this.#redeemCode(form as TokenForm, exchange, request);
        case DEVICE_GRANT_TYPE:
          return this.#poll(form as TokenForm, exchange, request);
        case 'refresh_token':
          return this.#refresh(form as TokenForm, exchange, request);
        default:
      }
      if (this.#services !== null) return this.#services.answer(exchange, request, form);
      if (form instanceof Denial) return form;
      return form.has('grant_type') ? OTHER_GRANT : NO_GRANT;
    });

  /** Answers a request to the device authorization endpoint. */
  device(grant: DeviceGrant): Endpoint {
    return (exchange, request) =>
      this.#answer(exchange, request, async (form) => {
        const problem = clientProblem(form, request);
        if (problem !== null) return problem;
        return this.#counted(
          'device_code',
          exchange,
          request,
          await beginDeviceLogin(this.#parts, grant, exchange, request),
        );
      });
  }

  /** Ends the session of a refresh token. A token that is unknown, or of another kind, needs no end (RFC 7009 §2.2). */
  readonly revoke: Endpoint = (exchange, request) =>
    this.#answer(exchange, request, async (form) => {
      const problem = clientProblem(form, request);
      if (problem !== null) return problem;
      const token = (form as TokenForm).get('token');
      if (token === undefined) return NO_TOKEN;
      const { login, refresh } = this.#parts;
      const handle = await refresh.logins.sessionOf(token);
      const ended = handle === null ? null : await login.sessions.end(handle, 'logout');
      if (ended !== null) {
        const { subject } = ended;
        login.audit.write({ event: 'logout', subject, handle: ended.handle }, sourceOf(exchange, request));
      }
      login.responder.empty(exchange, 200);
      return null;
    });

  async #redeemCode(form: TokenForm, exchange: Exchange, request: ScreenedRequest): Promise<string | Denial> {
    const problem = clientProblem(form, request);
    if (problem !== null) return problem;
    const [code, redirectUri, verifier] = ['code', 'redirect_uri', 'code_verifier'].map((name) => form.get(name));
    if (code === undefined || redirectUri === undefined || verifier === undefined) return NO_CODE;
    const { redeemer } = this.#parts;
    const redeemed = await redeemer.redeemCode(code, redirectUri, verifier, terminalOf(exchange, request));
    return this.#completed('authorization_code', exchange, request, redeemed);
  }

  async #poll(form: TokenForm, exchange: Exchange, request: ScreenedRequest): Promise<string | Denial> {
    const { deviceGrant } = this.#parts;
    if (deviceGrant === null) return OTHER_GRANT;
    const problem = clientProblem(form, request);
    if (problem !== null) return problem;
    const deviceCode = form.get('device_code');
    if (deviceCode === undefined) return NO_DEVICE_CODE;
    const polled = await deviceGrant.poll(deviceCode, terminalOf(exchange, request));
    return this.#completed('device_code', exchange, request, polled);
  }

  async #refresh(form: TokenForm, exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const problem = clientProblem(form, request);
    if (problem !== null) return problem;
    const token = form.get('refresh_token');
    if (token === undefined) return NO_REFRESH_TOKEN;
    const presented = { token, client: 'native', scope: form.get('scope') ?? null } as const;
    return this.#refreshes.answer(presented, exchange, request);
  }

  #completed(
    grant: CommandLineGrant,
    exchange: Exchange,
    request: ScreenedRequest,
    result: string | Denial,
  ): string | Denial {
    if (!(result instanceof Denial)) this.#parts.series.logins.inc({ grant, result: 'completed' });
    return this.#counted(grant, exchange, request, result);
  }

  /** Records a refusal, unless it is part of a usual login. */
  #counted(
    grant: CommandLineGrant,
    exchange: Exchange,
    request: ScreenedRequest,
    result: string | Denial,
  ): string | Denial {
    if (result instanceof Denial && !USUAL.has(result.reason)) {
      recordRefusal(this.#parts, grant, result, null, exchange, request);
    }
    return result;
  }

  /** Reads the form, and writes the result: JSON, an error, or what has been written already (`null`). */
  async #answer(
    exchange: Exchange,
    request: ScreenedRequest,
    decide: (form: TokenForm | Denial) => Promise<string | Denial | null>,
  ): Promise<null> {
    const { responder, bodyTimeoutMs } = this.#parts.login;
    try {
      const answer = await decide(await readTokenForm(exchange, request, bodyTimeoutMs));
      if (answer instanceof Denial) this.#fail(exchange, request, answer);
      else if (answer !== null) responder.json(exchange, 200, answer, NO_CACHE);
    } catch (thrown) {
      const fault = asGatewayFault(thrown);
      if (fault.reason === 'downstream_aborted') throw fault;
      this.#fail(exchange, request, fault);
    }
    return null;
  }

  #fail(exchange: Exchange, { authorization }: ScreenedRequest, why: Denial | GatewayFault): void {
    const headers = [...challengeOf(why, authorization), ...NO_CACHE];
    this.#parts.login.responder.failure(exchange, why, oauthErrorBody(why, ERRORS), headers);
  }
}

/** Answers to polls that say nothing new, or repeat a decision that was already recorded. */
const USUAL = new Set<Reason>(['device_login_pending', 'device_polled_too_often', 'device_login_denied']);

/** Whether the request is not one of the command line. */
function clientProblem(form: TokenForm | Denial, { authorization }: ScreenedRequest): Denial | null {
  if (form instanceof Denial) return form;
  if (authorization !== null) return WITH_AUTHORIZATION;
  if (form.has('client_secret') || form.has('client_assertion')) return WITH_SECRET;
  return form.get('client_id') === COMMAND_LINE_CLIENT ? null : OTHER_CLIENT;
}
