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

import type { BlockList } from 'node:net';
import { Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Responder } from '../response/respond.ts';
import type { Sanitizer } from '../sanitize/sanitize.ts';
import type { Outlet } from '../upstream/forward.ts';
import type { DescribedBy } from './description.ts';
import { formOf, statusFor } from './form.ts';
import { DescribedSanitizer } from './sanitizer.ts';

/** What the authorizer does not share with the public listener. */
interface AuthorizerParts {
  /** Trusts the peers as proxies. */
  readonly sanitizer: Sanitizer;
  /** Who may ask. */
  readonly peers: BlockList | null;
  readonly describedBy: DescribedBy;
  /** Sends {@link sentStatus}. */
  readonly responder: Responder;
  readonly outlet: Outlet;
}

const OWN_ENDPOINT = new Denial(
  'route_not_found',
  'an endpoint of the gateway: the proxy has to send this path to the public listener without asking',
);

/** The status of an answer as the proxy that asked understands it. */
export const sentStatus = ({ target }: Exchange, status: number): number => statusFor(formOf(target), status);

/** Makes the authorizer's pipeline from that of the public listener. */
export function authorizerPipeline(
  front: Pipeline,
  { sanitizer, peers, describedBy, responder, outlet }: AuthorizerParts,
): Pipeline {
  return {
    ...front,
    sanitizer: new DescribedSanitizer(sanitizer, peers, describedBy),
    endpoints: { match: (request) => (front.endpoints.match(request) === null ? null : OWN_ENDPOINT) },
    responder,
    outlet,
  };
}
