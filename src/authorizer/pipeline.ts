/**
 * authorizer: answers proxies that ask whether a request may pass. The pipeline is that of the public listener
 * (`src/pipeline.ts`) with three differences: the request is the one that the proxy describes, the gateway's own endpoints
 * are not answered, and the last step answers with headers instead of forwarding.
 *
 * In: questions of listed peers, in the form that their path names (`form.ts`). Out: 200 with headers to write and to remove,
 * or the refusal that the client would get from the gateway itself; 503 when it cannot decide. What concerns the sending of a
 * request does not apply: bodies and their limits, `rewrite`, `responseHeaders`, timeouts, CORS preflights.
 *
 * Answers are not to be kept (`Cache-Control: no-store`), so a revocation holds for the next question. A stream or WebSocket
 * that a proxy has opened is the proxy's: it is not cut when its session ends.
 */

import { toBlockList } from '../config/fields.ts';
import { Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Responder } from '../response/respond.ts';
import { sanitizeRules, writtenHeaders } from '../sanitize/rules.ts';
import { Sanitizer } from '../sanitize/sanitize.ts';
import type { Outlet, PreparingOutlet } from '../upstream/forward.ts';
import { ProxyAnswers } from './answer.ts';
import type { DescribedBy } from './description.ts';
import { formOf, statusFor } from './form.ts';
import { CheckOutlet } from './grpc/outlet.ts';
import { AnswerOutlet } from './outlet.ts';
import { DescribedSanitizer } from './sanitizer.ts';

/** A listener for questions. */
interface Asked {
  readonly peers: readonly string[];
}

/** The sections that it is compiled from. */
type AuthorizerSections = Parameters<typeof sanitizeRules>[0] & {
  readonly listeners: { readonly authorizer?: Asked | undefined; readonly grpcAuthorizer?: Asked | undefined };
};

/** What the rest of the gateway gives it. */
interface AuthorizerSurroundings {
  /** Sends {@link sentStatus}. */
  readonly responder: Responder;
  readonly ownCookies: readonly string[];
  /** Replaces the outlet, for `explain`. */
  readonly outletOf: ((outlet: PreparingOutlet) => Outlet) | undefined;
}

/** A pipeline for each listener on which proxies ask. */
interface AuthorizerPipelines {
  readonly authorizer?: Pipeline;
  readonly grpcAuthorizer?: Pipeline;
}

const OWN_ENDPOINT = new Denial(
  'route_not_found',
  'an endpoint of the gateway: the proxy has to send this path to the public listener without asking',
);

/** The status of an answer as the proxy that asked understands it. */
export const sentStatus = ({ target }: Exchange, status: number): number => statusFor(formOf(target), status);

/**
 * Makes the authorizer's pipelines from that of the public listener. Those for HTTP and gRPC differ only in who may ask and
 * in how the request is allowed.
 */
export function compileAuthorizer(
  config: AuthorizerSections,
  front: Pipeline,
  { responder, ownCookies, outletOf }: AuthorizerSurroundings,
): AuthorizerPipelines {
  const { authorizer, grpcAuthorizer, public: listener } = config.listeners;
  const answers = new ProxyAnswers({
    tokenHeader: config.upstreamToken.header,
    ownCookies,
    writtenHeaders: config.routes.flatMap(writtenHeaders),
  });
  const pipelineOf = ({ peers }: Asked, outlet: PreparingOutlet, describedBy: DescribedBy): Pipeline => {
    // Peers are proxies too: the client is the nearest address that belongs to none.
    const trustedProxies = toBlockList([...listener.trustedProxies, ...peers]);
    const sanitizer = new Sanitizer({ ...sanitizeRules(config), trustedProxies });
    return {
      ...front,
      sanitizer: new DescribedSanitizer(sanitizer, toBlockList(peers), describedBy),
      endpoints: { match: (request) => (front.endpoints.match(request) === null ? null : OWN_ENDPOINT) },
      responder,
      outlet: outletOf?.(outlet) ?? outlet,
    };
  };
  return {
    ...(authorizer && { authorizer: pipelineOf(authorizer, new AnswerOutlet(answers, responder), 'headers') }),
    ...(grpcAuthorizer && { grpcAuthorizer: pipelineOf(grpcAuthorizer, new CheckOutlet(answers), 'message') }),
  };
}
