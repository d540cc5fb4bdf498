/**
 * `GET {base}/frontchannel-logout/NAME?iss=…&sid=…` (OpenID Connect Front-Channel Logout 1.0 §2, §3): the logout page of a
 * provider opens it in a frame. Browsers send no cookie there, so `sid` alone says whose session ends. Every party of the same
 * login at the provider knows it, so the endpoint exists only where the configuration asks for it. The answer is the same whether
 * or not there was a session. Fails with 400 for another query, and with 503 while the store does not answer.
 */

import { Denial } from '../../../../errors.ts';
import type { Exchange } from '../../../../exchange.ts';
import type { SessionHandle } from '../../../../jwt/names.ts';
import type { ScreenedRequest } from '../../../../sanitize/sanitize.ts';
import { type EndpointParts, sourceOf } from '../../../parts.ts';
import type { StartThrottle } from '../flow/start-throttle.ts';
import type { ProviderMetadata } from '../metadata.ts';
import type { IdentityProvider } from '../provider.ts';
import { MAX_KEPT_LENGTH } from '../provider-login.ts';

declare module '../../../../telemetry/audit.ts' {
  interface AuditEvents {
    /** The logout page of an identity provider has ended sessions, by a frame. */
    readonly frontchannel_logout: {
      readonly provider: string;
      readonly handles: readonly SessionHandle[];
    };
  }
}

const refused = (note: string) => new Denial('query_malformed', note);
const OTHER_QUERY = refused('needs iss and sid, once each, and nothing else');
const OTHER_ISSUER = refused('iss is not the issuer of the provider');

/** Takes the front-channel logouts of one provider. */
export class FrontchannelLogout {
  readonly #provider: IdentityProvider;
  readonly #login: EndpointParts;
  readonly #throttle: StartThrottle;

  /** @param throttle  of requests: anyone can send them, and each costs the store a write */
  constructor(provider: IdentityProvider, login: EndpointParts, throttle: StartThrottle) {
    this.#provider = provider;
    this.#login = login;
    this.#throttle = throttle;
  }

  /** Ends the session that the query names. */
  async answer(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { sessions, audit, responder, series } = this.#login;
    const { name: provider } = this.#provider;
    const query = new URLSearchParams(request.target.query);
    const [iss, sid] = [query.get('iss'), query.get('sid')];
    if (query.size !== 2 || iss === null || sid === null || sid === '' || sid.length > MAX_KEPT_LENGTH)
      return OTHER_QUERY;
    const metadata = await this.#provider.metadata();
    if (iss !== metadata.issuer) return OTHER_ISSUER;
    const tooMany = this.#throttle.begin(request.clientAddress);
    if (tooMany !== null) return tooMany;
    const handles = await sessions.endByProvider(provider, { sid });
    series.providerLogouts.frontchannel.inc({ provider, outcome: handles.length > 0 ? 'ended' : 'none' });
    if (handles.length > 0)
      audit.write({ event: 'frontchannel_logout', provider, handles }, sourceOf(exchange, request));
    responder.empty(exchange, 200, ['Content-Security-Policy', policyFor(metadata)]);
    return null;
  }
}

/** Frames of the provider only: the pages from which it logs people out. */
function policyFor({ issuer, authorizationEndpoint, endSessionEndpoint }: ProviderMetadata): string {
  const urls = [issuer, authorizationEndpoint, ...(endSessionEndpoint === null ? [] : [endSessionEndpoint])];
  const origins = new Set(urls.map((url) => new URL(url).origin));
  return `default-src 'none'; frame-ancestors ${[...origins].join(' ')}`;
}
