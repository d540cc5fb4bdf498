/**
 * @sallyport/verify: verifies tokens that the gateway sent to a Node service.
 *
 *   const { verify } = createVerifier({ issuer: 'https://shop.example.com', audience: 'orders' });
 *   const { subject, actor, scopes } = await verify(request.headers.authorization);
 *
 * Checked: the strict compact form, the algorithm, `typ`, the signature by a key of the issuer's own set, `iss`, `aud`,
 * `exp`, `iat`, `nbf`, the lifetime, `sub`, and the form of `act` and `scope`.
 *
 * NOT checked: whether the session behind the token has been revoked in the meantime. A token that was sent before its
 * session ended is accepted until its `exp` (two minutes by default). If that is too long, pass
 * {@link VerifierOptions.isRevoked}, or put a sidecar gateway in front, which follows the revocation feed. Nor is it
 * checked whether a token was seen before: within its lifetime it can be presented again, to the audience that it
 * names.
 *
 * Imports jose and Node's own modules; neither the gateway nor its configuration.
 */

export { expressVerify } from './express.ts';
export { fastifyVerify } from './fastify.ts';
export type { GuardOptions } from './refusal.ts';
export { verifiedTokenOf } from './request-token.ts';
export type { VerifiedToken } from './verified-token.ts';
export { createVerifier, type Verifier, type VerifierOptions } from './verifier.ts';
export { VERIFY_REASONS, VerifyError, type VerifyReason } from './verify-error.ts';
