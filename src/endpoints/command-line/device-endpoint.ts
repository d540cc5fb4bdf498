/**
 * `POST {base}/device_authorization` (RFC 8628 §3.1), where a terminal asks for its codes, and `GET` and `POST {base}/device`
 * (§3.3), where its user types one of them, sees who asks, and decides.
 */

import { Denial, retryAfterSecOf } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import { clientNetwork } from '../../lib/address.ts';
import type { Words } from '../../pages/words/words.ts';
import type { UserPrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { keepUp, requireUser } from '../parts.ts';
import { consentSeal, isAllowedBy, isSealed, NOT_SEALED, readConsentForm, scriptProblem } from './consent.ts';
import type { DeviceGrant, PendingLogin } from './device-grant.ts';
import { decidedPage, deviceConsentPage, userCodePage } from './pages.ts';
import { type CommandLineParts, recordDecision, recordRefusal, terminalOf } from './parts.ts';
import { readUserCode, shownUserCode } from './user-code.ts';

const GRANT = 'device_code';

/** The pages for a user code. */
export class DevicePages {
  readonly #parts: CommandLineParts;
  readonly #grant: DeviceGrant;
  readonly #path: string;

  constructor(parts: CommandLineParts, grant: DeviceGrant) {
    this.#parts = parts;
    this.#grant = grant;
    this.#path = `${parts.login.basePath}/device`;
  }

  /**
   * Asks for the code. It is not taken from the address: a link with the code would spare a phisher the hardest part.
   */
  async ask(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const script = scriptProblem(request);
    if (script !== null) return script;
    const user = await requireUser(this.#parts.login, exchange, request);
    if (user instanceof Denial) return user;
    this.#parts.login.responder.page(exchange, 200, userCodePage(this.#path));
    return null;
  }

  /** Takes the code, or the decision about it. */
  async answer(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { login } = this.#parts;
    const form = await readConsentForm(login, exchange, request);
    if (form instanceof Denial) return form;
    await keepUp(login, request);
    const user = await requireUser(login, exchange, request);
    if (user instanceof Denial) return user;
    const userCode = readUserCode(form.get('user_code') ?? '');
    if (userCode === null || !form.has('decision')) return this.#look(userCode, user, exchange, request);
    if (!isSealed(form.get('seal') ?? '', request, about(userCode)))
      return this.#refuse(NOT_SEALED, user, exchange, request);
    const isAllowed = isAllowedBy(form);
    return isAllowed instanceof Denial ? isAllowed : this.#decide(userCode, isAllowed, user, exchange, request);
  }

  async #look(
    userCode: string | null,
    user: UserPrincipal,
    exchange: Exchange,
    request: ScreenedRequest,
  ): Promise<null> {
    const pending = await this.#grant.find(userCode, user, request.clientAddress);
    if (userCode === null || pending instanceof Denial) {
      return this.#refuse(pending as Denial, user, exchange, request);
    }
    this.#parts.login.responder.page(exchange, 200, this.#page(userCode, pending, user, request));
    return null;
  }

  async #decide(
    userCode: string,
    isAllowed: boolean,
    user: UserPrincipal,
    exchange: Exchange,
    request: ScreenedRequest,
  ): Promise<null> {
    const problem = await this.#grant.decide(userCode, user, isAllowed);
    if (problem !== null) return this.#refuse(problem, user, exchange, request);
    recordDecision(this.#parts, GRANT, isAllowed, user, exchange, request);
    const { responder, basePath } = this.#parts.login;
    responder.page(exchange, 200, decidedPage(isAllowed, basePath));
    return null;
  }

  #refuse(denial: Denial, user: UserPrincipal, exchange: Exchange, request: ScreenedRequest): null {
    recordRefusal(this.#parts, GRANT, denial, user, exchange, request);
    const page = userCodePage(this.#path, (words) => problemText(denial, words));
    this.#parts.login.responder.failurePage(exchange, denial, page);
    return null;
  }

  #page(userCode: string, pending: PendingLogin, { subject, session }: UserPrincipal, request: ScreenedRequest) {
    const { address, device, askedAtMs } = pending;
    const consent = {
      host: new URL(request.publicOrigin as string).host,
      subject,
      scopes: [...this.#parts.refresh.accessTokens.allScopes],
      expiresAtMs: session.expiresAtMs,
      action: this.#path,
      fields: { user_code: userCode, seal: consentSeal(request, about(userCode)) },
    };
    const isElsewhere = clientNetwork(address) !== clientNetwork(request.clientAddress);
    return deviceConsentPage(consent, { shownCode: shownUserCode(userCode), device, askedAtMs, isElsewhere });
  }
}

function problemText(denial: Denial, { login, commandLine, reasons }: Words): string {
  const waitSec = retryAfterSecOf(denial);
  if (waitSec !== null) return login.tooManyAttempts(waitSec);
  const { reason } = denial;
  return reason === 'consent_outdated' ? commandLine.typeAgain : reasons[reason].detail;
}

const about = (userCode: string) => ['device', userCode];

/** The answer to a terminal that asks for codes (RFC 8628 §3.2), or a Denial `rate_limited`. */
export async function beginDeviceLogin(
  { series, login }: CommandLineParts,
  grant: DeviceGrant,
  exchange: Exchange,
  request: ScreenedRequest,
): Promise<string | Denial> {
  const begun = await grant.begin(terminalOf(exchange, request));
  if (begun instanceof Denial) return begun;
  series.logins.inc({ grant: GRANT, result: 'asked' });
  return JSON.stringify({
    device_code: begun.deviceCode,
    user_code: shownUserCode(begun.userCode),
    verification_uri: `${request.publicOrigin}${login.basePath}/device`,
    expires_in: begun.expiresInMs / 1_000,
    interval: begun.intervalMs / 1_000,
  });
}
