/**
 * A relay of bytes: a connection to the upstream for each of a client, and nothing is read. It is what two sockets cost in Node, and
 * no proxy in Node can cost less.
 *
 * Usage: node raw-relay.js PORT UPSTREAM-PORT
 */

import { connect, createServer } from 'node:net';
import { settings } from './common.js';

const upstreamPort = Number(new URL(settings.upstream).port);

createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
  const upstream = connect({ port: upstreamPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
  client.pipe(upstream).pipe(client);
  client.on('error', () => upstream.destroy());
  upstream.on('error', () => client.destroy());
}).listen(settings.port, '127.0.0.1');
