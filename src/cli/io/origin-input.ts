/** Origins that people type. */

import { ConfigFault } from '../../errors.ts';

/**
 * Reads an origin; without a scheme it is one of http. A port alone (`3000`, `:3000`) is one of this machine, which URLs
 * would read as an IPv4 address (0.0.11.184).
 *
 * @param what  whose origin, for the message
 * @param here  the name of this machine where only a port is given
 * @throws ConfigFault when it has a path, a user or another scheme
 */
export function originOf(typed: string, what: string, here: '127.0.0.1' | 'localhost'): string {
  const [, port] = /^:?(\d{1,5})$/.exec(typed) ?? [];
  const place = port === undefined ? typed : `${here}:${port}`;
  const url = URL.parse(/^[a-z]+:\/\//i.test(place) ? place : `http://${place}`);
  const isOrigin =
    url !== null && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search + url.hash === '';
  if (!isOrigin || url.username + url.password !== '')
    throw new ConfigFault(`${what} must be an origin such as http://localhost:8080, not ${JSON.stringify(typed)}`);
  return url.origin;
}
