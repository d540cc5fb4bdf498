/**
 * http-proxy-3 alone, with connections that stay open: forwards, and checks nothing.
 *
 * Usage: node http-proxy-3.js PORT UPSTREAM-PORT
 */

import { Agent, createServer } from 'node:http';
import { createProxyServer } from 'http-proxy-3';
import { settings } from './common.js';

const proxy = createProxyServer({
  target: settings.upstream,
  agent: new Agent({ keepAlive: true, maxSockets: 512 }),
});
proxy.on('error', (_error, _request, response) => response.writeHead(502).end());
createServer({ keepAliveTimeout: 120_000 }, (request, response) => proxy.web(request, response)).listen(
  settings.port,
  '127.0.0.1',
);
