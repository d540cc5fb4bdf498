/**
 * outbound: the side on which the workload calls others. The same line as in front of services (`src/pipeline.ts`), with
 * something else in four of its places: the credential is the workload on this loopback, the routes are destinations, the
 * token is the one that the destination accepts, and there are no endpoints of the gateway.
 *
 * In: requests on a loopback listener. Out: requests to upstreams, with a token. Fails with 503 when no token is
 * available; never sends a call without the token of its destination, and never what the workload sent as Authorization.
 */

import { Authenticator } from '../authentication/authenticate.ts';
import { NO_VERIFIERS } from '../authentication/kinds.ts';
import type { KnownRevocations } from '../authentication/revocation/revoked-tokens.ts';
import { WorkloadVerifier } from '../authentication/workload/verifier.ts';
import { Authorizer } from '../authorization/authorize.ts';
import type { Clocks } from '../lib/clock.ts';
import type { Pipeline, PipelineSeries } from '../pipeline.ts';
import type { Responder } from '../response/respond.ts';
import type { Route } from '../routing/route.ts';
import type { Sanitizer } from '../sanitize/sanitize.ts';
import type { Keyring } from '../token/keyring.ts';
import { TokenIssuer } from '../token/token-issuer.ts';
import type { Outlet } from '../upstream/forward.ts';
import { compileDestinations } from './destination.ts';
import { DestinationToken, DestinationTokens } from './destination-token.ts';
import { OutboundSanitizer } from './origin-form.ts';
import type { OutboundConfig } from './section.ts';
import type { OutboundSeries } from './series.ts';
import type { TokenParts } from './token-parts.ts';

/** What the outbound side shares with the rest of the gateway. */
interface OutboundParts {
  /** For a listener on which nobody is a proxy that is trusted, and no host has a public origin. */
  readonly sanitizer: Sanitizer;
  readonly outlet: Outlet;
  readonly responder: Responder;
  readonly keyring: Keyring;
  readonly revoked: KnownRevocations;
  /** The `iss` of our tokens. */
  readonly issuer: string;
  readonly clocks: Clocks;
  readonly tokenSeries: OutboundSeries;
  /** How many routes there are: the destinations are numbered after them. */
  readonly routeCount: number;
  readonly series: PipelineSeries;
}

const NO_ENDPOINTS = { match: () => null };
/** No session comes here, so nothing is forged with one. */
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
   * @param previous  tokens of destinations that did not change are sent again
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
    const tokens = config.destinations.map((destination, index) => {
      const ca = cas[index] ?? null;
      const events = tokenSeries.of(destination.id);
      const present = previous?.tokenThatIs((token) => token.isMadeBy(destination, ca, tokenParts));
      return present ?? new DestinationToken(destination, ca, tokenParts, clocks, events);
    });
    const pipeline: Pipeline = {
      sanitizer: new OutboundSanitizer(sanitizer),
      endpoints: NO_ENDPOINTS,
      routes: table,
      authenticator: new Authenticator({ ...NO_VERIFIERS, workload: new WorkloadVerifier(config.workload) }),
      authorizer: new Authorizer([], NO_CSRF_RULES),
      tokens: new DestinationTokens(tokens, routeCount),
      outlet,
      responder,
      series: parts.series,
    };
    return new Outbound(pipeline, routes, tokens);
  }

  /** A token that one finds to be the one it wants. */
  tokenThatIs(isWanted: (token: DestinationToken) => boolean): DestinationToken | undefined {
    return this.#tokens.find(isWanted);
  }

  /** Ends fetches of tokens, but for those that a successor goes on using. */
  async close(successor: Outbound | null = null): Promise<void> {
    const own = this.#tokens.filter((token) => successor?.tokenThatIs((other) => other === token) === undefined);
    await Promise.all(own.map((token) => token.close()));
  }
}
