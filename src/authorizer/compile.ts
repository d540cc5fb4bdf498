/** Compiles the authorizer of a configuration. */

import { toBlockList } from '../config/fields.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Responder } from '../response/respond.ts';
import { sanitizeRules, writtenHeaders } from '../sanitize/rules.ts';
import { Sanitizer } from '../sanitize/sanitize.ts';
import type { Outlet } from '../upstream/forward.ts';
import { AnswerOutlet } from './outlet.ts';
import { authorizerPipeline } from './pipeline.ts';

/** The sections that it is compiled from. */
type AuthorizerSections = Parameters<typeof sanitizeRules>[0] & {
  readonly listeners: { readonly authorizer?: { readonly peers: readonly string[] } | undefined };
};

/** What the rest of the gateway gives it. */
interface AuthorizerSurroundings {
  /** Sends the statuses that proxies understand. */
  readonly responder: Responder;
  readonly ownCookies: readonly string[];
  /** Replaces the outlet, for `explain`. */
  readonly outletOf: ((outlet: AnswerOutlet) => Outlet) | undefined;
}

/**
 * Makes its pipeline from that of the public listener.
 *
 * @returns `null` when the configuration has none
 */
export function compileAuthorizer(
  config: AuthorizerSections,
  front: Pipeline,
  { responder, ownCookies, outletOf }: AuthorizerSurroundings,
): Pipeline | null {
  const { authorizer, public: listener } = config.listeners;
  if (authorizer === undefined) return null;
  const answers = new AnswerOutlet(
    {
      tokenHeader: config.upstreamToken.header,
      ownCookies,
      writtenHeaders: config.routes.flatMap(writtenHeaders),
    },
    responder,
  );
  // Peers are proxies too: the client is the nearest address that belongs to none.
  const trustedProxies = toBlockList([...listener.trustedProxies, ...authorizer.peers]);
  return authorizerPipeline(front, {
    sanitizer: new Sanitizer({ ...sanitizeRules(config), trustedProxies }),
    peers: toBlockList(authorizer.peers),
    responder,
    outlet: outletOf?.(answers) ?? answers,
  });
}
