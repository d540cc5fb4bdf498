/**
 * Who the client is, by address. Without `trustedProxies` it is whoever connects; with them, the nearest address in
 * X-Forwarded-For that is not one of them.
 */

import { type BlockList, isIP } from 'node:net';
import { plainAddress } from '../lib/address.ts';

export interface ClientAddress {
  /** The client's address, IPv4 or IPv6, without port or zone. */
  readonly client: string;
  /** The X-Forwarded-For value for the upstream: what trusted proxies said, and who connected to us. */
  readonly chain: string;
  /** Whether whoever connected is a trusted proxy, so that its other X-Forwarded-* are believed too. */
  readonly viaTrustedProxy: boolean;
}

/**
 * Finds the client's address.
 *
 * Reads the list from the right, because only the last entries were written by proxies that are trusted (HDR-15,
 * HDR-23). It stops at the first entry that is not an address.
 *
 * @param peer          plain address of whoever connected
 * @param forwardedFor  X-Forwarded-For as received, lines joined; `null` when absent
 * @param trusted       the trusted proxies; `null` when there are none
 */
export function clientAddress(peer: string, forwardedFor: string | null, trusted: BlockList | null): ClientAddress {
  if (trusted === null || !isTrusted(trusted, peer)) return { client: peer, chain: peer, viaTrustedProxy: false };
  if (forwardedFor === null) return { client: peer, chain: peer, viaTrustedProxy: true };

  let client = peer;
  const chain = [peer];
  for (const entry of forwardedFor.split(',').reverse()) {
    const address = plainAddress(entry.replace(/^[ \t]+|[ \t]+$/g, ''));
    if (isIP(address) === 0) break;
    chain.unshift(address);
    client = address;
    if (!isTrusted(trusted, address)) break;
  }
  return { client, chain: chain.join(', '), viaTrustedProxy: true };
}

function isTrusted(trusted: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
}
