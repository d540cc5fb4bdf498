/**
 * logout: identity providers end sessions here.
 *
 * This file: `POST {base}/backchannel-logout/NAME` (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8). The provider itself
 * calls, without a browser, so cookies are ignored: the signed logout token is the only credential. Output: 200 once
 * every session that it names has ended, or an error as RFC 6749 §5.2 defines it; never cacheable. While the store or
 * the keys of the provider are unavailable, 503: nobody is reported as logged out, and the same token can be sent
 * again.
 */

import { asGatewayFault, Denial, type GatewayFault, type Reason } from '../../../../errors.ts';
import type { Exchange } from '../../../../exchange.ts';
import type { SessionHandle } from '../../../../jwt/names.ts';
import { USED_LEEWAY_MS } from '../../../../lib/token-limits.ts';
import type { ScreenedRequest } from '../../../../sanitize/sanitize.ts';
import { subjectAtProvider } from '../../../../store/session-record.ts';
import type { CodeStore, EndedAtProvider } from '../../../../store/store.ts';
import { readForm } from '../../../body.ts';
import { type EndpointParts, sourceOf } from '../../../parts.ts';
import { oauthErrorBody } from '../../../token/oauth-errors.ts';
import type { IdentityProvider } from '../provider.ts';
import { type LogoutToken, verifyLogoutToken } from './logout-token.ts';

declare module '../../../../telemetry/audit.ts' {
  interface AuditEvents {
    /** An identity provider has ended sessions, by a logout token. */
    readonly backchannel_logout: {
      readonly provider: string;
      /** `null` where the token names a session at the provider and no user. */
      readonly subject: string | null;
      /** Of the sessions that ended. */
      readonly handles: readonly SessionHandle[];
    };
    readonly backchannel_logout_refused: {
      readonly provider: string;
      /** A fault where something is broken, so that nobody was logged out. */
      readonly reason: Reason;
      /** Fixed words that name the rule. */
      readonly note: string;
    };
  }
}

/** What a logout token has done. */
interface Ended {
  readonly handles: readonly SessionHandle[];
  /** Here; `null` where the token names none. */
  readonly subject: string | null;
}

const refused = (note: string) => new Denial('logout_token_refused', note);
const NO_TOKEN = refused('logout_token is missing');
const USED = refused('logout token: jti was used before');
const OTHER_SUBJECT = refused('logout token: without sid, and its sub is not what names users here');

/** Takes the logout tokens of one provider. */
export class BackchannelLogout {
  readonly #provider: IdentityProvider;
  readonly #login: EndpointParts;
  readonly #codes: CodeStore;

  /** @param codes  remembers which tokens have been used */
  constructor(provider: IdentityProvider, login: EndpointParts, codes: CodeStore) {
    this.#provider = provider;
    this.#login = login;
    this.#codes = codes;
  }

  /** Ends what the token names, or says why not. */
  async answer(exchange: Exchange, request: ScreenedRequest): Promise<null> {
    try {
      const ended = await this.#end(exchange, request);
      if (ended instanceof Denial) this.#refuse(exchange, request, ended);
      else this.#confirm(exchange, request, ended);
    } catch (thrown) {
      const fault = asGatewayFault(thrown);
      if (fault.reason === 'downstream_aborted') throw fault;
      this.#refuse(exchange, request, fault);
    }
    return null;
  }

  async #end(exchange: Exchange, request: ScreenedRequest): Promise<Ended | Denial> {
    const { bodyTimeoutMs, wallMs } = this.#login;
    const form = await readForm(exchange, request, bodyTimeoutMs);
    if (form instanceof Denial) return form;
    const compact = form.get('logout_token');
    if (compact === undefined) return NO_TOKEN;
    const { issuer, idTokenAlgorithms: algorithms } = await this.#provider.metadata();
    const { clientId, clockSkewMs } = this.#provider.settings;
    const expected = { issuer, clientId, algorithms, clockSkewMs };
    const token = await verifyLogoutToken(compact, this.#provider.keys, expected, wallMs());
    return typeof token === 'string' ? refused(token) : this.#endOnce(token);
  }

  /**
   * A token that was used before ends nothing: the user may have logged in again since. It counts as used once everything has
   * ended, so that a provider that got no answer, or 503, can send it again.
   */
  async #endOnce(token: LogoutToken): Promise<Ended | Denial> {
    const { sessions, wallMs } = this.#login;
    const { name, settings } = this.#provider;
    const isNamedBySub = settings.subject === 'sub';
    const which = whichOf(token, isNamedBySub);
    if (which === null) return OTHER_SUBJECT;
    const key = JSON.stringify(['logout token', name, token.issuer, token.id]);
    const ttlMs = token.endsAtMs - wallMs() + USED_LEEWAY_MS;
    if (!(await this.#codes.add(key, 'begun', ttlMs))) return USED;
    const handles = await sessions.endByProvider(name, which);
    await this.#codes.replace(key, 'begun', 'done', ttlMs);
    const subject = token.subject === null || !isNamedBySub ? null : subjectAtProvider(name, token.subject);
    return { handles, subject };
  }

  #confirm(exchange: Exchange, request: ScreenedRequest, { handles, subject }: Ended): void {
    const { series, audit, responder } = this.#login;
    const { name: provider } = this.#provider;
    series.providerLogouts.backchannel.inc({ provider, outcome: handles.length > 0 ? 'ended' : 'none' });
    audit.write({ event: 'backchannel_logout', provider, subject, handles }, sourceOf(exchange, request));
    responder.empty(exchange, 200);
  }

  #refuse(exchange: Exchange, request: ScreenedRequest, why: Denial | GatewayFault): void {
    const { series, audit, responder } = this.#login;
    const { name: provider } = this.#provider;
    const { reason } = why;
    const [outcome, note] =
      why instanceof Denial ? (['refused', why.note] as const) : (['failed', why.message] as const);
    series.providerLogouts.backchannel.inc({ provider, outcome });
    audit.write({ event: 'backchannel_logout_refused', provider, reason, note }, sourceOf(exchange, request));
    responder.failure(exchange, why, oauthErrorBody(why), []);
  }
}

/** One session at the provider, where the token names it, and else all of the user; `null` where neither is known here. */
function whichOf({ sid, subject }: LogoutToken, isNamedBySub: boolean): EndedAtProvider | null {
  if (sid !== null) return { sid };
  return subject === null || !isNamedBySub ? null : { subject };
}
