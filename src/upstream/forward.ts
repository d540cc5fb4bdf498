/**
 * upstream: a Permit and its token in, the request streamed to a server and the answer streamed back.
 *
 * Bodies are streamed with backpressure both ways and never buffered. When one side goes away, the other side learns of
 * it: a client that disconnects aborts the upstream request; an upstream that fails means 502 or 504, or a cut connection
 * once the answer has begun. `retry.ts` decides which requests are retried, on another server if there is one.
 */

import type { Permit } from '../authorization/permit.ts';
import { asGatewayFault, Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { clientNetwork } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import { isGrpcType } from '../lib/http/grpc.ts';
import type { Sanitizer, ScreenedRequest } from '../sanitize/sanitize.ts';
import { Deadline } from './deadline.ts';
import { type ForwardHooks, Forwarding, type ForwardingOwner, type TokenOrigin } from './forwarding.ts';
import { RequestBody } from './request-body.ts';
import { upstreamRequestHeaders } from './request-headers.ts';
import type { Upstream } from './servers/upstream.ts';
import type { Tunnel } from './websocket/tunnel.ts';

interface ForwardSettings {
  /** By name. */
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** Cookies that only the gateway sets, and that no upstream gets. */
  readonly ownCookies: readonly string[];
  readonly tokenHeader: string;
  /** Reads the trailers of requests. */
  readonly sanitizer: Pick<Sanitizer, 'trailers'>;
  /** A client is given this long for each part of its request body. */
  readonly bodyIdleTimeoutMs: number;
  /** The average rate at which a request body has to come in each such time; 0: none. */
  readonly minBodyBytesPerSec: number;
  /** Whether requests without a credential come from clients that can be told apart by their addresses. */
  readonly areClientsKnown: boolean;
}

const LENGTH_OVER_LIMIT = new Denial('body_too_large', 'Content-Length over the limit of the route');

/** Where permitted requests leave a pipeline: to their upstreams, or into what `explain` writes down. */
export type Outlet = Pick<Forwarder, 'forward' | 'tunnels'>;
/** An outlet that can say what it would send, without sending it. */
export type PreparingOutlet = Outlet & Pick<Forwarder, 'prepare'>;

/** Forwards permitted requests to their upstreams. */
export class Forwarder implements ForwardingOwner {
  readonly settings: ForwardSettings;
  readonly ownCookies: readonly string[];
  readonly hooks: ForwardHooks;
  readonly monotonicMs: Clock;
  /** Open tunnels, for shutdown and the gauge. */
  readonly tunnels: Set<Tunnel> = new Set();
  /** Forwards whose request has a body, or whose response head has come, in this turn of the event loop. */
  #unsettled: Forwarding[] = [];

  constructor(settings: ForwardSettings, hooks: ForwardHooks, monotonicMs: Clock) {
    this.settings = settings;
    this.ownCookies = settings.ownCookies;
    this.hooks = hooks;
    this.monotonicMs = monotonicMs;
  }

  /**
   * Forwards a permitted request. Returns at once; the answer, or the failure, is written when it comes.
   *
   * @param target  path and query for the upstream: the canonical one, rewritten if the route says so
   * @param token   compact upstream token; `null` when the request carries none
   * @param tokens  the source of the token: asked for another one when the server refuses it
   */
  forward(
    exchange: Exchange,
    request: ScreenedRequest,
    permit: Permit,
    target: string,
    token: CompactToken | null,
    tokens: TokenOrigin,
  ): void {
    // The client may have left while its credential was looked up; nothing later would abort the upstream request.
    if (exchange.isOver) return;
    const upstream = this.settings.upstreams.get(permit.route.upstream) as Upstream;
    const headers = this.prepare(exchange, request, permit, token);
    if (headers instanceof Denial) {
      this.hooks.onFailure(exchange, headers);
      return;
    }
    const { route } = permit;
    // Not over HTTP/1.1, where a body without a minimum pace would hold a connection.
    const isCall =
      upstream.isHttp2 &&
      exchange.httpVersion === '2' &&
      !request.isWebSocket &&
      isGrpcType(request.fields.contentType);
    const deadline = isCall ? Deadline.of(headers, exchange.startedMs) : null;
    const { bodyIdleTimeoutMs, minBodyBytesPerSec } = this.settings;
    const body =
      request.body === 0
        ? null
        : new RequestBody(exchange.reply, {
            maxBytes: route.maxBodyBytes,
            windowMs: isCall ? null : bodyIdleTimeoutMs,
            minBytesPerWindow: Math.max(1, (minBodyBytesPerSec * bodyIdleTimeoutMs) / 1_000),
            // A route that turns the idle timeout off does so for its answers only.
            takeTimeoutMs: route.idleTimeoutMs || upstream.config.timeouts.idle,
            sanitizer: this.settings.sanitizer,
            rules: route.requestHeaders,
          });
    const forward = { exchange, request, permit, upstream, target, headers, body, token, tokens, isCall, deadline };
    new Forwarding(this, forward).start();
  }

  /** The session, or else the client, that the request counts for. Services may choose their own pace. */
  holderOf({ clientAddress }: ScreenedRequest, { principal: { credential } }: Permit): string | null {
    if (credential !== null) return credential.sid;
    return this.settings.areClientsKnown ? clientNetwork(clientAddress) : null;
  }

  /**
   * Decides what is sent, before any connection is needed.
   *
   * @returns flat name, value list; or a Denial `body_too_large`
   */
  prepare(exchange: Exchange, request: ScreenedRequest, permit: Permit, token: CompactToken | null): string[] | Denial {
    const { route } = permit;
    if (typeof request.body === 'number' && route.maxBodyBytes !== null && request.body > route.maxBodyBytes) {
      return LENGTH_OVER_LIMIT;
    }
    const { config } = this.settings.upstreams.get(route.upstream) as Upstream;
    return upstreamRequestHeaders(exchange, request, permit, token, {
      forwardedHeaders: route.namesClient ? config.forwardedHeaders : 'none',
      tokenHeader: this.settings.tokenHeader,
      ownCookies: this.settings.ownCookies,
    });
  }

  /** Settles a forward at the end of this turn of the event loop, with one callback for all of them. */
  settleSoon(forwarding: Forwarding): void {
    if (this.#unsettled.length === 0) setImmediate(Forwarder.#settleAll, this);
    this.#unsettled.push(forwarding);
  }

  static #settleAll(forwarder: Forwarder): void {
    const unsettled = forwarder.#unsettled;
    forwarder.#unsettled = [];
    for (const forwarding of unsettled) {
      try {
        forwarding.settle();
      } catch (thrown) {
        // Nothing else catches it, and the others have to be settled as well.
        forwarding.breakOff(asGatewayFault(thrown));
      }
    }
  }
}
