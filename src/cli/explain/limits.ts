/** The limits that apply to an explained request. Other requests in progress are not considered. */

import type { Exchange } from '../../exchange.ts';
import { formatSize } from '../../lib/text/units.ts';
import { clientLimits, type LimitSections } from '../../limits/open.ts';

/** The limits of a request; `null` where there is none. */
export interface AppliedLimits {
  /** How many requests one process has in progress at most; a further one is refused. */
  readonly inProgress: {
    /** Per address of the client, until the request is authenticated. */
    readonly client: number | null;
    /** Of the session, instead of the client. */
    readonly session: number | null;
    readonly route: number | null;
  };
  readonly bodyBytes: number | null;
}

/** The limits of a request that found a route. On the outbound side only its body is limited. */
export function limitsOf(
  { route, principal }: Exchange,
  config: LimitSections,
  isOutbound: boolean,
): AppliedLimits | null {
  if (route === null) return null;
  const { maxBodyBytes: bodyBytes } = route;
  if (isOutbound) return { inProgress: { client: null, session: null, route: null }, bodyBytes };
  const { requests } = clientLimits(config);
  const hasSession = principal !== null && principal.credential !== null && principal.credential.sid !== null;
  return {
    inProgress: {
      client: requests === Number.POSITIVE_INFINITY ? null : requests,
      session: hasSession ? config.session.maxRequests : null,
      route: config.routes[route.index]?.maxRequests ?? null,
    },
    bodyBytes,
  };
}

/** Writes them for people, one a line. */
export function limitLines({ inProgress, bodyBytes }: AppliedLimits): string[] {
  const { client, session, route } = inProgress;
  const counts = [
    ...(client === null ? [] : [`${client} from the client's address`]),
    ...(session === null ? [] : [`${session} of the session`]),
    ...(route === null ? [] : [`${route} on the route`]),
  ];
  return [
    ...(counts.length === 0 ? [] : [`requests in progress: at most ${counts.join(', ')}`]),
    ...(bodyBytes === null ? [] : [`request body: at most ${formatSize(bodyBytes)}`]),
  ];
}
