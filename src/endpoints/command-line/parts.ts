/** What the endpoints of the command line share. */

import { type Denial, GatewayFault, type Reason } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { UserPrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { describeDevice } from '../device.ts';
import { type EndpointParts, sourceOf } from '../parts.ts';
import type { Refresh } from '../refresh/open-refresh.ts';
import type { Approvals } from './approvals.ts';
import type { DeviceGrant } from './device-grant.ts';
import type { Redeemer, Terminal } from './redeemer.ts';
import type { CommandLineGrant, CommandLineSeries } from './series.ts';

declare module '../../telemetry/audit.ts' {
  interface AuditEvents {
    /** A user allowed a login of the command line, in a browser. */
    readonly command_line_approved: {
      readonly subject: string;
      /** The session of the browser. */
      readonly handle: SessionHandle;
      /** `authorization_code`, `device_code`. */
      readonly grant: string;
    };
    readonly command_line_denied: {
      readonly subject: string;
      /** The session of the browser. */
      readonly handle: SessionHandle;
      /** `authorization_code`, `device_code`. */
      readonly grant: string;
    };
    readonly command_line_refused: {
      readonly grant: string;
      /** `null` where no user is known. */
      readonly subject: string | null;
      readonly reason: Reason;
      /** Fixed words that name the rule. */
      readonly note: string;
    };
  }
}

/** One set per configuration. */
export interface CommandLineParts {
  readonly login: EndpointParts;
  readonly refresh: Refresh;
  readonly approvals: Approvals;
  readonly redeemer: Redeemer;
  /** `null` where terminals without a browser cannot log in. */
  readonly deviceGrant: DeviceGrant | null;
  readonly series: CommandLineSeries;
  /** `iss` of our tokens. */
  readonly issuer: string;
}

/** The terminal that sends a request. */
export const terminalOf = (exchange: Exchange, request: ScreenedRequest): Terminal => ({
  address: request.clientAddress,
  device: describeDevice(request.fields.userAgent, request.clientAddress),
  source: sourceOf(exchange, request),
  assertPresent: () => {
    if (exchange.isOver) throw new GatewayFault('downstream_aborted', 'client left during the login');
  },
});

/** Counts and records a refusal. */
export function recordRefusal(
  { login, series }: CommandLineParts,
  grant: CommandLineGrant,
  { reason, note }: Denial,
  user: UserPrincipal | null,
  exchange: Exchange,
  request: ScreenedRequest,
): void {
  series.logins.inc({ grant, result: RESULTS[reason] ?? 'refused' });
  const subject = user?.subject ?? null;
  login.audit.write({ event: 'command_line_refused', grant, subject, reason, note }, sourceOf(exchange, request));
}

const RESULTS: Partial<Record<Denial['reason'], 'replayed' | 'throttled' | 'denied' | 'expired'>> = {
  code_reused: 'replayed',
  rate_limited: 'throttled',
  device_login_expired: 'expired',
};

/** Counts and records the decision of a user. */
export function recordDecision(
  { login, series }: CommandLineParts,
  grant: CommandLineGrant,
  isAllowed: boolean,
  { subject, session }: UserPrincipal,
  exchange: Exchange,
  request: ScreenedRequest,
): void {
  series.logins.inc({ grant, result: isAllowed ? 'approved' : 'denied' });
  const event = isAllowed ? 'command_line_approved' : 'command_line_denied';
  login.audit.write({ event, subject, handle: session.handle, grant }, sourceOf(exchange, request));
}
