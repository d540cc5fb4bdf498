/** The gateway that a person logs in to, as it is named on the command line. */

import { isLoopbackHost } from '../../lib/address.ts';
import { UsageFault } from '../command.ts';

/** The argument of the commands. */
export const ORIGIN_ARGUMENT = {
  name: 'ORIGIN',
  description: 'Public origin of the gateway, such as https://shop.example.com; http only on this machine.',
} as const;

/**
 * Reads the origin of a gateway, in its one spelling.
 *
 * @throws UsageFault for anything else, such as an address with a path or a password
 */
export function readOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new UsageFault(`${JSON.stringify(text)} is not an origin, such as https://shop.example.com`);
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw new UsageFault(`${url.origin} must stand alone, without a path, a query or a user`);
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname))
    throw new UsageFault('tokens are sent over https only, except on this machine');
  return url.origin;
}
