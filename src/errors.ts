/**
 * The one table of everything that can go wrong with a request, and the two shapes it takes.
 *
 * - A {@link Denial} is a value: the request is refused as designed. No stack, frozen, cheap.
 * - A {@link GatewayFault} is thrown: something is broken (a dependency, an upstream, this program).
 *
 * Status, client text, log level, metric label and the documentation page are all derived from {@link REASONS}.
 * The client only ever sees `title` and `detail` of its row; what exactly was wrong goes to the log under the request
 * id that the client also gets. Never put a token, a cookie, a session id or a header's value into either.
 *
 * Long because every reason for which a request is refused or failed is in this one table.
 */

interface ReasonRow {
  /** HTTP status of the answer; 499 is never sent (the client has left), only logged. */
  readonly status: number;
  /** `title` of the problem document (RFC 9457 §3.1.3): the same for every occurrence. */
  readonly title: string;
  /** What the client may know, and what to do about it. */
  readonly detail: string;
  /** Level of the line in the access log. Default: `info`, at which every request has a line; of a fault `error`. */
  readonly logLevel: 'info' | 'warn' | 'error';
  /** Close the connection after the answer: the request's end cannot be trusted. */
  readonly close?: true;
  /** Seconds for `Retry-After` where the producer gives none. */
  readonly retryAfterSec?: number;
  /** Whether an operator should be woken: something that should work does not. Default: for every fault, and no denial. */
  readonly alert: boolean;
}

/** A row, as it differs from most of its kind. */
type WrittenRow = Omit<ReasonRow, 'logLevel' | 'alert'> & Partial<Pick<ReasonRow, 'logLevel' | 'alert'>>;

const DENIALS = {
  request_ambiguous: {
    status: 400,
    title: 'Ambiguous request',
    detail: 'The request can be read in more than one way and was refused.',
    close: true,
  },
  request_malformed: {
    status: 400,
    title: 'Malformed request',
    detail: 'The request is not valid HTTP.',
    close: true,
  },
  request_timeout: {
    status: 408,
    title: 'Request timeout',
    detail: 'The request did not arrive in time.',
    close: true,
  },
  http_version_unsupported: {
    status: 505,
    title: 'HTTP version not supported',
    detail: 'Use HTTP/1.1.',
    close: true,
  },
  target_too_long: {
    status: 414,
    title: 'Request target too long',
    detail: 'The path and query are longer than is accepted here.',
    close: true,
  },
  headers_too_large: {
    status: 431,
    title: 'Request headers too large',
    detail: 'The request headers or cookies are larger than is accepted here.',
    close: true,
  },
  body_too_large: {
    status: 413,
    title: 'Request body too large',
    detail: 'The request body is larger than is accepted here.',
    close: true,
  },
  body_malformed: {
    status: 400,
    title: 'Malformed request body',
    detail: 'The request body could not be read. See the documentation of this endpoint for its shape.',
  },
  query_malformed: {
    status: 400,
    title: 'Malformed query',
    detail: 'A query parameter is missing, empty, given twice, or not known here.',
  },
  media_type_unsupported: {
    status: 415,
    title: 'Unsupported media type',
    detail: 'This endpoint does not accept that Content-Type.',
  },
  expectation_failed: {
    status: 417,
    title: 'Expectation failed',
    detail: 'Only "Expect: 100-continue" is supported.',
    close: true,
  },
  upgrade_unsupported: {
    status: 400,
    title: 'Unsupported upgrade',
    detail: 'Only a WebSocket upgrade (RFC 6455) is supported, on routes that allow it.',
    close: true,
  },
  websocket_version_unsupported: {
    status: 426,
    title: 'Upgrade required',
    detail: 'Use WebSocket protocol version 13.',
    close: true,
  },
  host_not_served: {
    status: 421,
    title: 'Misdirected request',
    detail: 'This host is not served here.',
  },
  route_not_found: {
    status: 404,
    title: 'Not found',
    detail: 'There is nothing at this address.',
  },
  method_not_allowed: {
    status: 405,
    title: 'Method not allowed',
    detail: 'This address does not accept this method.',
  },
  credential_conflict: {
    status: 400,
    title: 'More than one credential',
    detail:
      'Send either a session cookie or an Authorization header, not both. (If the header is meant for the application, its route needs passAuthorization.)',
  },
  credential_missing: {
    status: 401,
    title: 'Authentication required',
    detail: 'Log in, or present a credential that this address accepts.',
  },
  session_invalid: {
    status: 401,
    title: 'Authentication required',
    detail: 'Log in, or present a credential that this address accepts.',
  },
  session_unknown: {
    status: 401,
    title: 'Session ended',
    detail: 'Your session has ended. Log in again.',
  },
  session_expired: {
    status: 401,
    title: 'Session ended',
    detail: 'Your session has ended. Log in again.',
  },
  token_invalid: {
    status: 401,
    title: 'Invalid token',
    detail: 'The presented token is not accepted here.',
  },
  client_unauthorized: {
    status: 401,
    title: 'Client not recognised',
    detail: 'The presented client credential is not accepted here.',
    logLevel: 'warn',
  },
  token_request_invalid: {
    status: 400,
    title: 'Invalid token request',
    detail: 'A parameter is missing, malformed, given twice, or together with one that excludes it.',
  },
  subject_token_refused: {
    status: 400,
    title: 'Subject token refused',
    detail: 'The presented subject token is not accepted here.',
  },
  grant_unsupported: {
    status: 400,
    title: 'Unsupported grant',
    detail: 'This grant type is not supported here.',
  },
  grant_forbidden: {
    status: 400,
    title: 'Grant not allowed',
    detail: 'The client may not use this grant type.',
  },
  target_forbidden: {
    status: 400,
    title: 'Target not allowed',
    detail: 'The client may not get a token for this target.',
  },
  scope_exceeded: {
    status: 400,
    title: 'Scope not allowed',
    detail: 'The requested scope is malformed or exceeds what can be granted.',
  },
  login_failed: {
    status: 401,
    title: 'Login failed',
    detail: 'That user name and password do not match.',
  },
  login_cookie_missing: {
    status: 400,
    title: 'Cookie missing',
    detail:
      'Your browser did not send back the cookie that this login needs. Allow cookies for this site, and log in with one browser from beginning to end.',
  },
  login_expired: {
    status: 400,
    title: 'Login expired',
    detail: 'This login took too long, was completed before, or began in another browser. Log in again.',
  },
  login_declined: {
    status: 403,
    title: 'Not logged in',
    detail: 'The identity provider did not log you in: the login was cancelled there, or it does not let you in.',
  },
  login_interaction_required: {
    status: 403,
    title: 'Not logged in',
    detail:
      'The identity provider needs you to log in there, or to agree to something. Try again, and follow its pages.',
  },
  login_response_invalid: {
    status: 400,
    title: 'Login refused',
    detail:
      'The answer of the identity provider cannot be accepted, so you are not logged in. If it happens again, tell the operator of this site.',
    logLevel: 'warn',
  },
  login_clock_skew: {
    status: 400,
    title: 'Login refused',
    detail:
      'The clocks of this site and of the identity provider differ, so you are not logged in. Tell the operator of this site.',
    logLevel: 'warn',
  },
  login_not_allowed: {
    status: 403,
    title: 'Account not admitted',
    detail: 'You have logged in at the identity provider, but this account is not admitted here.',
  },
  login_attributes_too_large: {
    status: 403,
    title: 'Account not admitted',
    detail:
      'The identity provider sends more groups or attributes for this account than fit into a session. Tell the operator of this site.',
    logLevel: 'warn',
  },
  login_groups_missing: {
    status: 403,
    title: 'Account not admitted',
    detail:
      'This account is in so many groups that the identity provider leaves them out. Tell the operator of this site.',
    logLevel: 'warn',
  },
  logout_token_refused: {
    status: 400,
    title: 'Logout token refused',
    detail: 'The logout token is not accepted, so no session has ended.',
    logLevel: 'warn',
  },
  step_up_required: {
    status: 401,
    title: 'Log in again',
    detail: 'You are logged in, but this needs a more recent or a stronger login.',
  },
  step_up_insufficient: {
    status: 403,
    title: 'Login not sufficient',
    detail:
      'You have logged in at the identity provider again, but not as recently or as strongly as this needs. Your session is unchanged.',
  },
  step_up_other_account: {
    status: 403,
    title: 'Another account',
    detail:
      'You have logged in at the identity provider with another account than before. Your session is unchanged. Log in with the same account.',
  },
  refresh_token_refused: {
    status: 400,
    title: 'Refresh token refused',
    detail: 'The refresh token is not accepted. Log in again.',
  },
  refresh_token_reused: {
    status: 400,
    title: 'Refresh token refused',
    detail: 'The refresh token is not accepted. Log in again.',
    logLevel: 'warn',
  },
  authorization_request_invalid: {
    status: 400,
    title: 'Login of a program refused',
    detail:
      'The program that sent you here requested a login in a way that is not accepted. It received nothing. Start its login again.',
  },
  consent_not_by_person: {
    status: 403,
    title: 'Not opened by a person',
    detail:
      'Only a person can let a terminal in, and this request does not show that one made it. Open the page in a browser from 2023 or later.',
    logLevel: 'warn',
  },
  consent_outdated: {
    status: 403,
    title: 'Decide again',
    detail:
      'You have logged in again since this page was shown, or it was not made for you. Read it, and decide again.',
    logLevel: 'warn',
  },
  code_refused: {
    status: 400,
    title: 'Code refused',
    detail: 'The code is unknown, expired or used, or belongs to another request. Log in again.',
  },
  code_reused: {
    status: 400,
    title: 'Code refused',
    detail: 'The code is unknown, expired or used, or belongs to another request. Log in again.',
    logLevel: 'warn',
  },
  device_login_pending: {
    status: 400,
    title: 'Not decided yet',
    detail: 'The user has not decided yet. Ask again after the interval.',
  },
  device_polled_too_often: {
    status: 400,
    title: 'Not decided yet',
    detail: 'The user has not decided yet. Ask less often.',
  },
  device_login_denied: {
    status: 400,
    title: 'Login refused by the user',
    detail: 'The user refused the login.',
  },
  device_login_expired: {
    status: 400,
    title: 'Login not confirmed in time',
    detail: 'The user did not confirm the login in time. Start it again.',
  },
  user_code_unknown: {
    status: 400,
    title: 'Unknown code',
    detail:
      'No terminal is waiting for this code. Compare it with the one on the terminal, or start the login there again.',
  },
  login_unavailable: {
    status: 404,
    title: 'No login here',
    detail: 'This gateway has no login page of its own. Log in where you usually do, then come back.',
    logLevel: 'warn',
  },
  origin_forbidden: {
    status: 403,
    title: 'Cross-origin request refused',
    detail:
      'A request that changes something must come from a page of this site. Programs must send an Origin header that names this site.',
    logLevel: 'warn',
  },
  admin_disabled: {
    status: 403,
    title: 'Admin API not enabled',
    detail: 'Set listeners.admin.tokenFile to use this.',
  },
  route_forbidden: {
    status: 403,
    title: 'Forbidden',
    detail: 'You are logged in, but not allowed to do this.',
  },
  scope_insufficient: {
    status: 403,
    title: 'Insufficient scope',
    detail: 'The presented token does not allow this.',
  },
  browser_forbidden: {
    status: 403,
    title: 'Not for browsers',
    detail: 'Only the program beside this gateway may call here.',
    logLevel: 'warn',
  },
  peer_forbidden: {
    status: 403,
    title: 'Not a listed proxy',
    detail: 'Only the proxies that the configuration lists may ask here.',
    logLevel: 'warn',
  },
  exchange_refused: {
    status: 403,
    title: 'No token for this destination',
    detail: 'The authorization server refuses the caller a token for this destination.',
    logLevel: 'warn',
  },
  rate_limited: {
    status: 429,
    title: 'Too many attempts',
    detail: 'Wait before you try again.',
    retryAfterSec: 1,
  },
  too_many_in_progress: {
    status: 429,
    title: 'Too many requests at once',
    detail: 'Too many of your requests are in progress. Wait for some of them to finish.',
    retryAfterSec: 1,
  },
  deadline_exceeded: {
    status: 504,
    title: 'Deadline exceeded',
    detail: 'The call did not finish in the time that its client allowed.',
  },
  overloaded: {
    status: 503,
    title: 'Busy',
    detail: 'There are more requests than can be served right now. Try again shortly.',
    logLevel: 'warn',
    retryAfterSec: 1,
    alert: true,
  },
} as const satisfies Record<string, WrittenRow>;

const FAULTS = {
  store_unavailable: {
    status: 503,
    title: 'Temporarily unavailable',
    detail:
      'Sessions cannot be checked, opened or ended right now. Nothing has changed: users who were logged in still are. Try again shortly.',
    retryAfterSec: 2,
  },
  store_full: {
    status: 503,
    title: 'Temporarily unavailable',
    detail: 'No more sessions can be opened right now. Try again later.',
    retryAfterSec: 30,
  },
  signing_key_unavailable: {
    status: 503,
    title: 'Temporarily unavailable',
    detail: 'The gateway cannot sign a token for the request right now. Try again shortly.',
    retryAfterSec: 5,
  },
  audit_unavailable: {
    status: 503,
    title: 'Temporarily unavailable',
    detail: 'Logins and tokens cannot be recorded right now, so none are granted. Try again shortly.',
    retryAfterSec: 5,
  },
  provider_unavailable: {
    status: 503,
    title: 'Temporarily unavailable',
    detail:
      'The identity provider does not answer as it should, so nobody can log in with it right now. Users who are logged in still are. Try again shortly.',
    retryAfterSec: 5,
  },
  jwks_unavailable: {
    status: 503,
    title: 'Temporarily unavailable',
    detail: 'The presented token cannot be checked right now. Try again shortly.',
    retryAfterSec: 2,
  },
  token_unavailable: {
    status: 503,
    title: 'Temporarily unavailable',
    detail: 'The token for this destination is unavailable right now. Try again shortly.',
    retryAfterSec: 2,
  },
  upstream_connect_failed: {
    status: 502,
    title: 'Bad gateway',
    detail: 'The service behind this address cannot be reached.',
  },
  upstream_reset: {
    status: 502,
    title: 'Bad gateway',
    detail: 'The service behind this address closed the connection.',
  },
  upstream_protocol: {
    status: 502,
    title: 'Bad gateway',
    detail: 'The service behind this address gave an answer that is not valid.',
  },
  upstream_timeout: {
    status: 504,
    title: 'Gateway timeout',
    detail: 'The service behind this address did not answer in time.',
  },
  downstream_aborted: {
    status: 499,
    title: 'Client closed request',
    detail: 'The client left before the answer was complete.',
    logLevel: 'info',
    alert: false,
  },
  bug: {
    status: 500,
    title: 'Internal error',
    detail: 'Something went wrong here. The request id helps the operator to find out what.',
  },
} as const satisfies Record<string, WrittenRow>;

/** A reason for which a request is refused, rather than failed. */
export type DenialReason = keyof typeof DENIALS;
/** Reasons of faults: something is broken. */
export type FaultReason = keyof typeof FAULTS;
/** Every reason that a request can end with, other than success. A closed set: it is a metric label. */
export type Reason = DenialReason | FaultReason;

/** The table. Keys are stable: they appear in problem documents, logs, metrics and alerts. */
export const REASONS = {
  ...completed(DENIALS, { logLevel: 'info', alert: false }),
  ...completed(FAULTS, { logLevel: 'error', alert: true }),
} as Readonly<Record<Reason, ReasonRow>>;

function completed(rows: Readonly<Record<string, WrittenRow>>, defaults: Pick<ReasonRow, 'logLevel' | 'alert'>) {
  return Object.fromEntries(Object.entries(rows).map(([reason, row]) => [reason, { ...defaults, ...row }]));
}

/** Media type of a problem document (RFC 9457 §3). */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/**
 * The body of a problem document (RFC 9457): what a program gets. `reason` is stable and meant for programs; `title`
 * and `detail` are for people. `type` leads to a page about the reason (§3.1.1).
 *
 * @param requestId  the id under which the log knows more; `null` when the request never got one
 * @param typeBase   what precedes the reason in `type`; `null` for `about:blank`
 * @param detail     fixed words, where they say more than the table
 */
export function problemDocument(
  reason: Reason,
  requestId: string | null,
  typeBase: string | null,
  detail = REASONS[reason].detail,
): string {
  const { status, title } = REASONS[reason];
  return JSON.stringify({
    type: typeBase === null ? 'about:blank' : `${typeBase}${reason}`,
    title,
    status,
    detail,
    reason,
    ...(requestId !== null && { requestId }),
  });
}

/**
 * A request refused as designed. A value, never thrown.
 *
 * @see docs/reference/reasons.md (generated from {@link REASONS})
 */
export class Denial {
  readonly reason: DenialReason;
  /** For the log only: which rule fired, in fixed words. */
  readonly note: string;
  /** Extra response headers, as a flat name, value list: `Allow` for 405, `Retry-After` for 429. */
  readonly headers: readonly string[];

  /**
   * Make the ones that carry no request data once, as constants: refusing is on the hot path.
   *
   * @param note     fixed words that say which rule fired; never a value from the request
   * @param headers  flat name, value list; values come from configuration or arithmetic, never from the request
   */
  constructor(reason: DenialReason, note: string, headers: readonly string[] = []) {
    this.reason = reason;
    this.note = note;
    this.headers = headers;
    Object.freeze(this);
  }
}

/** A refusal that ends by itself (429). @param waitMs  until the client may try again */
export const rateLimited = (note: string, waitMs: number): Denial =>
  new Denial('rate_limited', note, ['Retry-After', String(Math.ceil(waitMs / 1_000))]);

/** What a refusal says in `Retry-After`; `null` where it says nothing. */
export function retryAfterSecOf({ headers }: Denial): number | null {
  const at = headers.indexOf('Retry-After');
  return at === -1 ? null : Number(headers[at + 1]);
}

/** Something is broken. Carries the reason and the cause; the request is answered by one place, which also logs it. */
export class GatewayFault extends Error {
  override readonly name: string = 'GatewayFault';
  readonly reason: FaultReason;

  constructor(reason: FaultReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** A dependency (Redis, a key set, …) is unavailable. Always 503, never "logged out". */
export class DependencyFault extends GatewayFault {
  override readonly name = 'DependencyFault';
}

/** The service behind the route is at fault. */
export class UpstreamFault extends GatewayFault {
  override readonly name = 'UpstreamFault';
}

/**
 * The configuration, a file it names, or the environment is wrong. Never reaches a request: the command line prints
 * `message` as it is (one clear line, or one line per mistake) and exits with code 1, without a stack.
 */
export class ConfigFault extends Error {
  override readonly name = 'ConfigFault';
  /** The way to the key of the configuration that it is about; `null` where it does not know. */
  readonly key: readonly (string | number)[] | null;

  constructor(
    message: string,
    options: { readonly cause?: unknown; readonly key?: readonly (string | number)[] } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.key = options.key ?? null;
  }
}

/** The fault to answer with for anything that was thrown: itself when it is a GatewayFault, otherwise a `bug`. */
export function asGatewayFault(thrown: unknown): GatewayFault {
  if (thrown instanceof GatewayFault) return thrown;
  return new GatewayFault('bug', thrown instanceof Error ? thrown.message : 'non-error thrown', { cause: thrown });
}
