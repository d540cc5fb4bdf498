/** The plain form of a socket's address: without a zone, and an IPv4 address mapped into IPv6 as the IPv4 address. */
export function plainAddress(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  const zone = plain.indexOf('%');
  return zone === -1 ? plain : plain.slice(0, zone);
}

/**
 * The network that one client can choose its addresses from: an IPv4 address itself, the /64 of an IPv6 address
 * (RFC 4291 §2.5.4), written as four groups without leading zeros.
 *
 * @param address  in plain form
 */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address;
  const [front = '', back] = address.split('::');
  const leading = front === '' ? [] : front.split(':');
  const trailing = back === undefined || back === '' ? [] : back.split(':');
  const zeros = back === undefined ? 0 : Math.max(0, 8 - leading.length - trailing.length);
  const groups = [...leading, ...Array<string>(zeros).fill('0'), ...trailing].slice(0, 4);
  return groups.map((group) => group.toLowerCase().replace(/^0+(?=.)/, '')).join(':');
}

/**
 * Whether an address never leaves this machine (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
 *
 * @param address  in plain form
 */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
