/**
 * @sallyport/verify: what a Node service needs to believe a token that the gateway sent, and nothing else.
 *
 *   const { verify } = createVerifier({ issuer: 'https://shop.example.com', audience: 'orders' });
 *   const { subject, actor, scopes } = await verify(request.headers.authorization);
 *
 * Checked: the strict compact form, the algorithm, `typ`, the signature by a key of the issuer's own set, `iss`, `aud`,
 * `exp`, `iat`, `nbf`, the lifetime, `sub`, and the form of `act` and `scope`.
 *
 * NOT checked: whether the session behind the token has been revoked in the meantime. A token that was sent before its
 * session ended is believed until its `exp` (two minutes by default). A service for which that is too long gives
 * {@link VerifierOptions.isRevoked}, or stands behind a sidecar gateway that follows the revocation feed. Nor is it
 * checked whether a token was seen before: within its life it may be presented again, to the audience that it names.
 *
 * Imports jose and Node's own modules; neither the gateway nor its configuration. docs/verify.md has recipes.
 */

export { expressVerify } from './express.ts';
export { fastifyVerify } from './fastify.ts';
export type { GuardOptions } from './refusal.ts';
export { verifiedTokenOf } from './request-token.ts';
export type { VerifiedToken } from './verified-token.ts';
export { createVerifier, type Verifier, type VerifierOptions } from './verifier.ts';
export { VERIFY_REASONS, VerifyError, type VerifyReason } from './verify-error.ts';
