/** Where the adapters put a request's token for its handlers. */

import type { VerifiedToken } from './verified-token.ts';

/** Not a property of the request, so that nothing else can put a token there and no type has to be widened. */
const tokens = new WeakMap<object, VerifiedToken>();

/**
 * The token that {@link expressVerify} or {@link fastifyVerify} verified for this request.
 *
 * @param request  the request object that the handler was given
 * @throws Error when the adapter did not run for it: a handler without its guard must not serve
 */
export function verifiedTokenOf(request: object): VerifiedToken {
  const token = tokens.get(request);
  if (token === undefined)
    throw new Error('no verified token: the @sallyport/verify adapter did not run for this request');
  return token;
}

/** Stores a token for {@link verifiedTokenOf}. Not exported by the package. */
export function rememberToken(request: object, token: VerifiedToken): void {
  tokens.set(request, token);
}
