/**
 * Counts a failed login at an identity provider, writes it to the audit stream, and shows a page that says so, with a
 * link to continue.
 */

import { asGatewayFault, Denial, type Reason, retryAfterSecOf } from '../../../../errors.ts';
import type { Exchange } from '../../../../exchange.ts';
import type { LoginMark } from '../../../../response/error-page.ts';
import type { ScreenedRequest } from '../../../../sanitize/sanitize.ts';
import { type EndpointParts, sourceOf } from '../../../parts.ts';
import type { IdentityProvider } from '../provider.ts';
import { failedLoginPage } from './pages.ts';
import type { WantedStepUp } from './wanted-step-up.ts';

/** What a failure has to know of its login. */
export interface ProviderAttempt {
  readonly provider: IdentityProvider;
  /** Known once the transaction is. */
  returnTo: string;
  /** What it has to show, if it is a step-up; known likewise. */
  stepUp: WantedStepUp | null;
  /** Whether the user asks to stay logged in; known likewise. */
  remember: boolean;
}

/** How reasons that have nothing to do with the provider are counted. */
const COUNTED_AS: { readonly [reason in Reason]?: 'throttled' | 'overloaded' } = {
  rate_limited: 'throttled',
  overloaded: 'overloaded',
};

/** Answers for logins that fail. */
export class LoginFailures {
  readonly #parts: EndpointParts;

  constructor(parts: EndpointParts) {
    this.#parts = parts;
  }

  /** Where a login begins. */
  startPath({ provider, returnTo, stepUp, remember }: Readonly<ProviderAttempt>, marks: readonly LoginMark[]): string {
    if (stepUp !== null) return this.#parts.responder.stepUpPath(returnTo, stepUp.route, marks);
    return this.#parts.responder.loginPath(returnTo, remember ? [...marks, 'remember'] : marks, provider.name);
  }

  /** Does something for a login. If it fails, records why, and answers with a page that says so. */
  async shown(
    exchange: Exchange,
    request: ScreenedRequest,
    attempt: Readonly<ProviderAttempt>,
    work: () => Promise<Denial | null>,
  ): Promise<null> {
    const why = await work().catch(asGatewayFault);
    if (why === null) return null;
    const { responder, series, audit } = this.#parts;
    const { name, settings } = attempt.provider;
    const { reason } = why;
    series.providers.onFailed(name, reason);
    series.failures.inc({ reason: COUNTED_AS[reason] ?? 'provider' });
    const note = why instanceof Denial ? why.note : why.message;
    audit.write({ event: 'login_failed', method: 'oidc', account: name, reason, note }, sourceOf(exchange, request));
    const page = failedLoginPage({
      reason,
      label: settings.label,
      waitSec: why instanceof Denial ? retryAfterSecOf(why) : null,
      again: this.startPath(attempt, []),
      other: this.startPath(attempt, ['switch']),
    });
    responder.failurePage(exchange, why, page);
    return null;
  }
}
