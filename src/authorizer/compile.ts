/** Compiles the authorizer of a configuration. */

import { toBlockList } from '../config/fields.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Responder } from '../response/respond.ts';
import { sanitizeRules, writtenHeaders } from '../sanitize/rules.ts';
import { Sanitizer } from '../sanitize/sanitize.ts';
import type { Outlet, PreparingOutlet } from '../upstream/forward.ts';
import { ProxyAnswers } from './answer.ts';
import type { DescribedBy } from './description.ts';
import { CheckOutlet } from './grpc/outlet.ts';
import { AnswerOutlet } from './outlet.ts';
import { authorizerPipeline } from './pipeline.ts';

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
  /** Sends the statuses that proxies understand. */
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

/**
 * Makes its pipelines from that of the public listener: the same for HTTP and gRPC, but for who may ask and for how leave is
 * given.
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
    return authorizerPipeline(front, {
      sanitizer: new Sanitizer({ ...sanitizeRules(config), trustedProxies }),
      peers: toBlockList(peers),
      describedBy,
      responder,
      outlet: outletOf?.(outlet) ?? outlet,
    });
  };
  return {
    ...(authorizer && { authorizer: pipelineOf(authorizer, new AnswerOutlet(answers, responder), 'headers') }),
    ...(grpcAuthorizer && { grpcAuthorizer: pipelineOf(grpcAuthorizer, new CheckOutlet(answers), 'message') }),
  };
}
