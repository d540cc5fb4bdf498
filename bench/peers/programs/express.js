/**
 * The usual Express stack: express-session with connect-redis, a JWT by jsonwebtoken, http-proxy-middleware with keep-alive.
 *
 * Usage: node express.js PORT UPSTREAM-PORT REDIS-URL KEY-FILE [keeps-tokens]
 */

import { Agent } from 'node:http';
import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { createProxyMiddleware } from 'http-proxy-middleware';
import jsonwebtoken from 'jsonwebtoken';
import { createClient } from 'redis';
import { claimsOf, settings, tokenFor } from './common.js';

const client = await createClient({ url: settings.redisUrl }).connect();
const app = express().disable('x-powered-by').disable('etag');
app.use(
  session({
    store: new RedisStore({ client, disableTouch: true }),
    secret: settings.sessionSecret,
    name: 'sid',
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: 'lax' },
  }),
);
app.post('/login/:user', (request, response) => {
  request.session.user = { id: request.params.user, roles: ['customer'] };
  response.status(204).end();
});
app.use('/app', (request, response, next) => {
  const { user } = request.session;
  if (user === undefined || !user.roles.includes('customer')) return response.status(401).end();
  const mint = () =>
    jsonwebtoken.sign(claimsOf(user.id, user.roles), settings.key, { algorithm: 'ES256', keyid: 'bench' });
  const { cookie: _, ...headers } = request.headers;
  request.headers = { ...headers, authorization: `Bearer ${tokenFor(request.sessionID, mint)}` };
  next();
});
app.use(
  createProxyMiddleware({
    target: settings.upstream,
    agent: new Agent({ keepAlive: true, maxSockets: 512 }),
    pathFilter: '/app',
  }),
);
const server = app.listen(settings.port, '127.0.0.1');
server.keepAliveTimeout = 120_000;
