/**
 * The two services of chain.test.ts, each in its own process: `cart`, which calls `orders` through the outbound side
 * beside it, and `orders`, which answers who calls. Prints its port, and exits when its standard input closes.
 *
 * Usage: node test/e2e/chain-service.ts cart ORIGIN_OF_THE_OUTBOUND_SIDE
 *        node test/e2e/chain-service.ts orders URL_OF_THE_KEYS
 */

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createVerifier } from '../../packages/verify/src/index.ts';

const [role, address = ''] = process.argv.slice(2);

type Answer = (request: IncomingMessage) => Promise<unknown>;

/** A service that only forwards the token that it was called with. */
const cart: Answer = async ({ url = '/', headers: { authorization = '' } }) => {
  if (url === '/cart/token') return { token: authorization };
  const answer = await fetch(`${address}${url.replace(/^\/cart/, '')}`, { headers: { authorization } });
  return { status: answer.status, answer: await answer.json() };
};

const verifier =
  role === 'orders'
    ? createVerifier({ issuer: 'https://shop.example.com', audience: 'orders', jwksUrl: address })
    : null;

/** A service that also verifies the token itself. */
const orders: Answer = async ({ url, headers }) => {
  const token = await verifier?.verify(headers.authorization);
  return {
    url,
    told: { user: headers['x-user'], actor: headers['x-actor'] },
    verified: { subject: token?.subject, actors: token?.actors, sid: token?.sid, audiences: token?.audiences },
    token: headers.authorization,
  };
};

const answer = role === 'cart' ? cart : orders;
const server = createServer((request, response) => {
  answer(request).then(
    (body) => response.end(JSON.stringify(body)),
    (error: Error) => response.writeHead(500).end(JSON.stringify({ error: error.message })),
  );
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
process.stdin.resume();
process.stdin.once('end', () => process.exit(0));
