/**
 * The address of the client. Without `trustedProxies` it is the peer of the connection; with them, the nearest address
 * in X-Forwarded-For that does not belong to one of them.
 */

import { type BlockList, isIP } from 'node:net';
import { isInList, plainAddress } from '../lib/address.ts';
import { trim } from '../lib/text/trim.ts';

/** Where a request came from. */
interface ClientAddress {
  /** The client's address, IPv4 or IPv6, without port or zone. */
  readonly client: string;
  /** The X-Forwarded-For value for the upstream: the entries of trusted proxies, then the peer. */
  readonly chain: string;
  /** Whether the peer is a trusted proxy, so that its other X-Forwarded-* headers count too. */
  readonly viaTrustedProxy: boolean;
}

/**
 * Finds the client's address.
 *
 * Reads the list from the right, because only the last entries were written by trusted proxies (HDR-15, HDR-23). Stops at
 * the first entry that is not an address.
 *
 * @param peer          plain address of the peer
 * @param forwardedFor  X-Forwarded-For as received, lines joined; `null` when absent
 * @param trusted       the trusted proxies; `null` when there are none
 */
export function clientAddress(peer: string, forwardedFor: string | null, trusted: BlockList | null): ClientAddress {
  if (trusted === null || !isInList(trusted, peer)) return { client: peer, chain: peer, viaTrustedProxy: false };
  if (forwardedFor === null) return { client: peer, chain: peer, viaTrustedProxy: true };

  let client = peer;
  const chain = [peer];
  for (const entry of forwardedFor.split(',').reverse()) {
    const address = plainAddress(withoutPort(trim(entry)));
    if (isIP(address) === 0) break;
    chain.push(address);
    client = address;
    if (!isInList(trusted, address)) break;
  }
  return { client, chain: chain.reverse().join(', '), viaTrustedProxy: true };
}

/**
 * Removes the port that some load balancers add: `203.0.113.7:4711`, `[2001:db8::7]:4711`. Accepts brackets without a port
 * as well. Returns anything else unchanged.
 */
function withoutPort(entry: string): string {
  const [, bracketed, dotted] = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::\d{1,5})?$/.exec(entry) ?? [];
  return bracketed ?? dotted ?? entry;
}
