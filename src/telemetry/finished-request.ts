/** What the access log and the audit log read of a finished request. An exchange has all of it. */

import type { DenialReason, Reason } from '../errors.ts';
import type { PresentedIssuer } from '../jwt/subject.ts';
import type { PrincipalKind, RouteMetrics } from './route-series.ts';

/** A listener, as the access log knows it. */
export interface LoggedListener {
  readonly name: string;
  /** Its fields in each line, as JSON members that each follow a comma. */
  readonly logText: string;
  readonly handler: { readonly unmatched: RouteMetrics };
}

/** A request that was refused before it became an exchange. */
export interface EarlyRefusal {
  /** In the log and in the answer. */
  readonly id: string;
  readonly reason: DenialReason;
  /** The rule that refused it: fixed words, or a code of the parser. */
  readonly note: string;
  /** Address of the peer. */
  readonly client: string;
}

/** A request that is over. Times are monotonic milliseconds, `null` for what never happened. */
export interface FinishedRequest {
  readonly id: string;
  readonly method: string;
  /** `1.0`, `1.1` or `2`. */
  readonly httpVersion: string;
  readonly listener: Pick<LoggedListener, 'name' | 'logText'>;
  readonly peer: { readonly address: string };
  /** What the gateway read of it; `null` when it was refused unread. */
  readonly screened: {
    readonly method: string;
    readonly host: string;
    readonly target: { readonly path: string };
    readonly clientAddress: string;
    readonly traceparent: string | null;
    readonly fields: { readonly ownedHeaders: number };
  } | null;
  readonly route: { readonly id: string; readonly upstream: string } | null;
  readonly principal: {
    readonly kind: PrincipalKind;
    readonly subject: string | null;
    readonly credential: { readonly presentedIssuer: PresentedIssuer | null } | null;
  } | null;
  /** `null` when it is not recorded. */
  readonly trace: { readonly traceId: string; readonly spanId: string } | null;
  /** Why it was refused or failed, which rule fired, and what caused a fault. */
  readonly reason: Reason | null;
  readonly note: string | null;
  readonly cause: unknown;
  readonly reply: { readonly status: number };
  /** Status that ended a gRPC call. */
  readonly grpcStatus: number | null;
  readonly isTunnel: boolean;
  readonly startedMs: number;
  readonly dispatchedMs: number | null;
  readonly firstByteMs: number | null;
  readonly upstreamEndedMs: number | null;
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** The series of its route, or of its listener when none was found. */
  readonly series: RouteMetrics;
}
