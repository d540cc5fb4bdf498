/** Why a token is not believed: one class, one closed set of reasons, and what the client is told. */

interface VerifyReasonRow {
  /** HTTP status: 401 another token may do; 403 this one is good, but not for this; 503 it cannot be judged now. */
  readonly status: 401 | 403 | 503;
  /** For the service's own log. The client gets one answer for every bad token. */
  readonly message: string;
}

/** Where the gateway has a word for it, in its log and its metrics, it is the same word. */
const ROWS = {
  missing: { status: 401, message: 'no Authorization header' },
  not_bearer: { status: 401, message: 'Authorization is not exactly one Bearer token' },
  malformed: { status: 401, message: 'token is not a strict compact JWS' },
  issuer: { status: 401, message: 'iss is not the issuer' },
  algorithm: { status: 401, message: 'algorithm is not one of those that are accepted' },
  type: { status: 401, message: 'typ is not one of those that are accepted' },
  key: { status: 401, message: 'the issuer has no such key' },
  signature: { status: 401, message: 'signature does not verify' },
  audience: { status: 401, message: 'aud does not name this service: the token is for another one' },
  times: { status: 401, message: 'exp, iat or nbf missing, or no whole number of seconds' },
  lifetime: { status: 401, message: 'lifetime is longer than is accepted' },
  expired: { status: 401, message: 'token has expired' },
  not_yet_valid: { status: 401, message: 'nbf or iat is in the future' },
  subject: { status: 401, message: 'sub is missing or malformed' },
  claims: { status: 401, message: 'act, scope or sid is malformed' },
  revoked: { status: 401, message: 'token was revoked, says isRevoked' },
  scope: { status: 403, message: 'token does not have a scope that is needed' },
  keys_unavailable: { status: 503, message: 'the keys of the issuer cannot be had' },
  revocation_unavailable: { status: 503, message: 'isRevoked failed' },
} as const satisfies Record<string, VerifyReasonRow>;

/** Every reason. A closed set: fit for a metric label. */
export type VerifyReason = keyof typeof ROWS;

/** The table: reason → status and message. */
export const VERIFY_REASONS: Readonly<Record<VerifyReason, VerifyReasonRow>> = ROWS;

/**
 * A token is not believed, or cannot be judged. `reason` says why and `status` what to answer; neither the message nor
 * any other member has anything of the token in it, so that it can be logged as it is.
 */
export class VerifyError extends Error {
  override readonly name = 'VerifyError';
  readonly reason: VerifyReason;
  readonly status: 401 | 403 | 503;

  constructor(reason: VerifyReason, options?: ErrorOptions) {
    super(ROWS[reason].message, options);
    this.reason = reason;
    this.status = ROWS[reason].status;
  }
}
