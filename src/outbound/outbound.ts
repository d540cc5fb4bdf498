/**
 * outbound: the side on which the workload calls other services. The pipeline is that of the public listener
 * (`src/pipeline.ts`) with four differences: the credential is the workload on this loopback, the routes are destinations,
 * the token is the one that the destination accepts, and there are no endpoints of the gateway.
 *
 * In: requests on a loopback listener. Out: requests to upstreams, with a token. Fails with 503 when no token is
 * available. Never sends a call without the token of its destination, and never the workload's own Authorization.
 */

import { Authenticator } from '../authentication/authenticate.ts';
import { NO_VERIFIERS } from '../authentication/kinds.ts';
import type { KnownRevocations } from '../authentication/revocation/revoked-tokens.ts';
import { WorkloadVerifier } from '../authentication/workload/verifier.ts';
import { Authorizer } from '../authorization/authorize.ts';
import { Denial } from '../errors.ts';
import type { Clocks } from '../lib/clock.ts';
import { NO_LIMITS } from '../limits/limits.ts';
import type { Pipeline, PipelineSeries } from '../pipeline.ts';
import type { Responder } from '../response/respond.ts';
import type { Route } from '../routing/route.ts';
import type { Sanitizer } from '../sanitize/sanitize.ts';
import type { Tracer } from '../telemetry/traces/tracer.ts';
import type { Keyring } from '../token/keyring.ts';
import { TokenIssuer } from '../token/token-issuer.ts';
import type { Outlet } from '../upstream/forward.ts';
import { compileDestinations } from './destination.ts';
import { DestinationToken, DestinationTokens } from './destination-token.ts';
import type { OutboundConfig } from './section.ts';
import type { OutboundSeries } from './series.ts';
import type { TokenParts } from './token-parts.ts';

/** What the outbound side shares with the rest of the gateway. */
interface OutboundParts {
  /** Trusts no proxy and knows no public origin. */
  readonly sanitizer: Sanitizer;
  readonly outlet: Outlet;
  readonly responder: Responder;
  readonly keyring: Keyring;
  readonly revoked: KnownRevocations;
  /** The `iss` of the gateway's tokens. */
  readonly issuer: string;
  readonly clocks: Clocks;
  readonly tokenSeries: OutboundSeries;
  /** Number of routes; destinations are numbered after them. */
  readonly routeCount: number;
  readonly series: PipelineSeries;
  readonly tracer: Tracer | null;
}

const NOT_ORIGIN_FORM = new Denial('request_malformed', 'outbound request target is not origin-form');
const NO_ENDPOINTS = { match: () => null };
/** There are no sessions here, so there is nothing to forge. */
const NO_CSRF_RULES = { allowMissingOrigin: true, additionalOrigins: new Set<string>() };

/** The outbound side of one configuration. */
export class Outbound {
  readonly pipeline: Pipeline;
  /** The destinations, in the order of the configuration. */
  readonly routes: readonly Route[];
  readonly #tokens: readonly DestinationToken[];

  private constructor(pipeline: Pipeline, routes: readonly Route[], tokens: readonly DestinationToken[]) {
    this.pipeline = pipeline;
    this.routes = routes;
    this.#tokens = tokens;
  }

  /**
   * Compiles the section.
   *
   * @param cas       what {@link readOutbound} gave
   * @param previous  its tokens are reused for destinations that did not change
   */
  static compile(
    config: OutboundConfig,
    cas: readonly (string | null)[],
    parts: OutboundParts,
    previous: Outbound | null,
  ): Outbound {
    const { sanitizer, outlet, responder, routeCount, clocks, tokenSeries } = parts;
    const tokenParts: TokenParts = {
      revoked: parts.revoked,
      issuer: new TokenIssuer(parts.issuer, parts.keyring, clocks.wallMs),
      issuerName: parts.issuer,
      keyring: parts.keyring,
      workload: config.workload,
    };
    const { table, routes } = compileDestinations(config.destinations, routeCount);
    const kept = previous === null ? [] : previous.#tokens;
    const tokens = config.destinations.map((destination, index) => {
      const ca = cas[index] ?? null;
      const events = tokenSeries.of(destination.id);
      const present = kept.find((token) => token.isMadeBy(destination, ca, tokenParts));
      return present ?? new DestinationToken(destination, ca, tokenParts, clocks, events);
    });
    const pipeline: Pipeline = {
      // A target in another form is meant for a forward proxy. The listener has already refused `CONNECT`.
      sanitizer: { screen: (raw) => (raw.target.startsWith('/') ? sanitizer.screen(raw) : NOT_ORIGIN_FORM) },
      endpoints: NO_ENDPOINTS,
      routes: table,
      limits: NO_LIMITS,
      authenticator: new Authenticator({ ...NO_VERIFIERS, workload: new WorkloadVerifier(config.workload) }),
      authorizer: new Authorizer([], NO_CSRF_RULES, clocks.wallMs),
      tokens: new DestinationTokens(tokens, routeCount),
      providerTokens: null,
      outlet,
      responder,
      series: parts.series,
      tracer: parts.tracer,
    };
    return new Outbound(pipeline, routes, tokens);
  }

  /** Ends fetches of tokens, except those that one of the others has too. */
  close(others: readonly Outbound[] = []): void {
    const kept = others.flatMap((other) => other.#tokens);
    for (const token of this.#tokens) if (!kept.includes(token)) token.close();
  }
}
