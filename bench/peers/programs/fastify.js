/**
 * The usual Fastify stack: @fastify/session with connect-redis, a JWT by fast-jwt, @fastify/http-proxy.
 *
 * Usage: node fastify.js PORT UPSTREAM-PORT REDIS-URL KEY-FILE [keeps-tokens]
 */

import cookie from '@fastify/cookie';
import proxy from '@fastify/http-proxy';
import session from '@fastify/session';
import { RedisStore } from 'connect-redis';
import { createSigner } from 'fast-jwt';
import fastify from 'fastify';
import { createClient } from 'redis';
import { claimsOf, settings, tokenFor } from './common.js';

const client = await createClient({ url: settings.redisUrl }).connect();
const sign = createSigner({
  key: settings.key.export({ type: 'pkcs8', format: 'pem' }),
  algorithm: 'ES256',
  kid: 'bench',
});
const app = fastify({ logger: false, keepAliveTimeout: 120_000 });
await app.register(cookie);
await app.register(session, {
  store: new RedisStore({ client, disableTouch: true }),
  secret: settings.sessionSecret,
  cookieName: 'sid',
  saveUninitialized: false,
  rolling: false,
  cookie: { httpOnly: true, sameSite: 'lax', secure: false, maxAge: 12 * 3_600_000 },
});
app.post('/login/:user', async (request, reply) => {
  request.session.set('user', { id: request.params.user, roles: ['customer'] });
  return reply.code(204).send();
});
await app.register(proxy, {
  upstream: settings.upstream,
  prefix: '/app',
  rewritePrefix: '/app',
  undici: { connections: 512, pipelining: 1 },
  preHandler: async (request, reply) => {
    const user = request.session.get('user');
    if (user === undefined || !user.roles.includes('customer')) return reply.code(401).send();
    request.token = tokenFor(request.session.sessionId, () => sign(claimsOf(user.id, user.roles)));
  },
  replyOptions: {
    rewriteRequestHeaders: (request, { cookie: _, ...headers }) => ({
      ...headers,
      authorization: `Bearer ${request.token}`,
    }),
  },
});
await app.listen({ port: settings.port, host: '127.0.0.1' });
