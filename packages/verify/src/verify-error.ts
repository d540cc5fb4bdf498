/** Why a token is refused: one class, one closed set of reasons, and the status for the client. */

interface VerifyReasonRow {
  /** HTTP status: 401 another token may be accepted; 403 valid, but not sufficient; 503 cannot be verified now. */
  readonly status: 401 | 403 | 503;
  /** For the service's own log. The client gets one answer for every bad token. */
  readonly message: string;
}

/** The same names as in the log and the metrics of the gateway. */
const ROWS = {
  missing: { status: 401, message: 'no Authorization header' },
  not_bearer: { status: 401, message: 'Authorization is not exactly one Bearer token' },
  malformed: { status: 401, message: 'token is not a strict compact JWS' },
  issuer: { status: 401, message: 'iss is not the issuer' },
  algorithm: { status: 401, message: 'algorithm is not accepted' },
  type: { status: 401, message: 'typ is not accepted' },
  key: { status: 401, message: 'the issuer has no such key' },
  signature: { status: 401, message: 'signature does not verify' },
  audience: { status: 401, message: 'aud does not name this service: the token is for another one' },
  times: { status: 401, message: 'exp, iat or nbf is missing or not a whole number of seconds' },
  lifetime: { status: 401, message: 'lifetime is too long' },
  expired: { status: 401, message: 'token has expired' },
  not_yet_valid: { status: 401, message: 'nbf or iat is in the future' },
  subject: { status: 401, message: 'sub is missing or malformed' },
  claims: { status: 401, message: 'act, scope or sid is malformed' },
  revoked: { status: 401, message: 'isRevoked says that the token was revoked' },
  scope: { status: 403, message: 'token lacks a required scope' },
  keys_unavailable: { status: 503, message: 'the keys of the issuer are unavailable' },
  revocation_unavailable: { status: 503, message: 'isRevoked failed' },
} as const satisfies Record<string, VerifyReasonRow>;

/** Every reason. A closed set: fit for a metric label. */
export type VerifyReason = keyof typeof ROWS;

/** The table: reason → status and message. */
export const VERIFY_REASONS: Readonly<Record<VerifyReason, VerifyReasonRow>> = ROWS;

/**
 * A token is refused, or cannot be verified now. `reason` says why and `status` what to answer. No member contains any
 * part of the token, so the error can be logged as it is.
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
