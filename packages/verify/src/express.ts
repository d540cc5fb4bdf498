/** @sallyport/verify for Express, and for other frameworks with the same kind of middleware. */

import { type GuardOptions, type RequestHeaders, refusalOf, verifyRequest } from './refusal.ts';
import { rememberToken } from './request-token.ts';

/** The part of a response that is used. */
interface ExpressResponse {
  writeHead(status: number, headers: Record<string, string>): { end(body: string): unknown };
}

/**
 * Middleware that passes only requests with a valid token on; their handlers read it with `verifiedTokenOf(request)`.
 * Others are answered here: 401 or 403 with a challenge, or 503 with Retry-After when the keys are unavailable.
 */
export function expressVerify(
  options: GuardOptions,
): (request: RequestHeaders, response: ExpressResponse, next: (error?: unknown) => void) => void {
  return (request, response, next) => {
    verifyRequest(request, options).then(
      (token) => {
        rememberToken(request, token);
        next();
      },
      (error: unknown) => {
        try {
          const { status, headers, body } = refusalOf(error, options);
          response.writeHead(status, { ...headers }).end(body);
        } catch (unexpected) {
          next(unexpected);
        }
      },
    );
  };
}
