/** Addresses: their plain form, the network of a client, and whether they stay on this machine. */

import { type BlockList, isIP } from 'node:net';

/** The plain form of a socket's address: without a zone, and an IPv4 address mapped into IPv6 as the IPv4 address. */
export function plainAddress(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  const zone = plain.indexOf('%');
  return zone === -1 ? plain : plain.slice(0, zone);
}

/**
 * The network that one client can choose its addresses from: an IPv4 address itself, the /64 of an IPv6 address
 * (RFC 4291 §2.5.4), written as its groups without leading zeros.
 *
 * @param address  in plain form
 * @param bits     of an IPv6 address: 48 is what one site may be given (RFC 6177 §2)
 */
export function clientNetwork(address: string, bits: 48 | 64 = 64): string {
  if (!address.includes(':')) return address;
  const [front = '', back] = address.split('::');
  const leading = front === '' ? [] : front.split(':');
  const trailing = back === undefined || back === '' ? [] : back.split(':');
  const zeros = back === undefined ? 0 : Math.max(0, 8 - leading.length - trailing.length);
  const groups = [...leading, ...Array<string>(zeros).fill('0'), ...trailing].slice(0, bits / 16);
  return groups.map((group) => group.toLowerCase().replace(/^0+(?=.)/, '')).join(':');
}

/**
 * The names under which clients share a queue ({@link FairQueue}): networks take turns, and the clients in each.
 *
 * @param address  in plain form
 */
export function clientPath(address: string): readonly string[] {
  const network = clientNetwork(address);
  return network === address ? [address] : [clientNetwork(address, 48), network];
}

/** Where the server of an http or https URL is: its host, without the brackets of an IPv6 address, and its port. */
export const hostAndPort = ({ hostname, port, protocol }: URL): { readonly host: string; readonly port: number } => ({
  host: hostname.replace(/^\[|\]$/g, ''),
  port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
});

/** Whether a list has an address, which is in plain form. */
export function isInList(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether a CIDR block is larger than the largest private network there is: 10.0.0.0/8, fc00::/7. */
export function coversMoreThanPrivate(cidr: string): boolean {
  const [address = '', bits] = cidr.split('/');
  return bits !== undefined && Number(bits) < (address.includes(':') ? 7 : 8);
}

/**
 * Whether an address never leaves this machine (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
 *
 * @param address  in plain form
 */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/**
 * Whether traffic to a host stays on this machine, so that plain HTTP to it leaks nothing: a loopback address, `localhost`,
 * or a name below it. RFC 6761 §6.3 reserves `localhost.` and everything below it for the loopback, so that software may
 * rely on all of them alike. Nothing is resolved.
 *
 * @param host  a name or an address, with or without the brackets of an IPv6 address
 */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (isIP(bare) !== 0) return isLoopbackAddress(bare);
  const name = bare.endsWith('.') ? bare.slice(0, -1) : bare;
  return name === 'localhost' || name.endsWith('.localhost');
}
