/** @sallyport/verify for Fastify. */

import { type GuardOptions, type RequestHeaders, refusalOf, verifyRequest } from './refusal.ts';
import { rememberToken } from './request-token.ts';

/** The part of Fastify that is used. */
interface FastifyRequest {
  readonly raw: RequestHeaders;
}
interface FastifyReply {
  code(status: number): FastifyReply;
  headers(headers: Record<string, string>): FastifyReply;
  send(body: string): FastifyReply;
}
interface FastifyScope {
  addHook(name: 'onRequest', hook: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>): unknown;
}

/**
 * A plugin that passes only requests with a valid token on, in the scope where it is registered and below; their handlers
 * read it with `verifiedTokenOf(request)`. Others are answered before their body is read: 401 or 403 with a challenge, or
 * 503 with Retry-After when the keys are unavailable.
 */
export function fastifyVerify(scope: FastifyScope, options: GuardOptions, done: () => void): void {
  scope.addHook('onRequest', async (request, reply) => {
    try {
      rememberToken(request, await verifyRequest(request.raw, options));
      return undefined;
    } catch (error) {
      const { status, headers, body } = refusalOf(error, options);
      return reply
        .code(status)
        .headers({ ...headers })
        .send(body);
    }
  });
  done();
}

// The same as the package fastify-plugin does: otherwise the hook would guard only the plugin's own, empty scope.
Object.assign(fastifyVerify, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'sallyport-verify',
});
