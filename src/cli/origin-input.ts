/** Origins that people type. */

import { ConfigFault } from '../errors.ts';

/**
 * Reads an origin; without a scheme it is one of http.
 *
 * @param what  whose origin, for the message
 * @throws ConfigFault when it has a path, a user or another scheme
 */
export function originOf(typed: string, what: string): string {
  const url = URL.parse(/^[a-z]+:\/\//i.test(typed) ? typed : `http://${typed}`);
  const isOrigin =
    url !== null && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search + url.hash === '';
  if (!isOrigin || url.username + url.password !== '')
    throw new ConfigFault(`${what} must be an origin such as http://localhost:8080, not ${JSON.stringify(typed)}`);
  return url.origin;
}
