/**
 * Why a service token is refused. The client always gets the same answer (`invalid_token`, RFC 6750 §3.1); this is
 * for the log and for the metric, whose label it is.
 */

import { Denial } from '../../errors.ts';
import type { TokenProblem } from '../../jwt/claims.ts';

/** Why a service token is refused: a rule of its profile, or one of the gateway. */
export type ServiceTokenProblem = TokenProblem | 'not_bearer' | 'revoked';

const NOTES: Readonly<Record<ServiceTokenProblem, string>> = {
  not_bearer: 'Authorization is not exactly one Bearer token',
  malformed: 'token is not a strict compact JWS',
  issuer: 'issuer is not one that the route accepts',
  algorithm: 'algorithm is not one of the issuer’s',
  type: 'typ is not one of the issuer’s',
  key: 'the issuer has no such key',
  signature: 'signature does not verify',
  audience: 'aud is missing, malformed, or does not mean us',
  times: 'exp, iat or nbf missing, or not a number of seconds',
  lifetime: 'lifetime is longer than is accepted',
  expired: 'token has expired',
  not_yet_valid: 'nbf or iat is in the future',
  subject: 'sub is missing, or not of the form that the issuer’s have',
  party: 'azp or client_id is not one that is accepted',
  claims: 'a claim is missing or malformed',
  revoked: 'token was revoked',
};

/** Every problem that a service token can have: the values of a metric label. No profile of an issuer asks for more claims. */
export const SERVICE_TOKEN_PROBLEMS: readonly ServiceTokenProblem[] = (
  Object.keys(NOTES) as readonly ServiceTokenProblem[]
).filter((problem) => problem !== 'claims');

/** The Denial for each problem, made once. */
export const REFUSALS = Object.fromEntries(
  Object.entries(NOTES).map(([problem, note]) => [problem, new Denial('token_invalid', note)]),
) as Readonly<Record<ServiceTokenProblem, Denial>>;
