/** `publicOrigin` and `passClientHeaders`: whom requests are for, and which headers clients may send. */

import { z } from 'zod';
import { headerName, oneOrMany, origin } from '../config/fields.ts';

/** `publicOrigin`. */
export const publicOrigin = () =>
  oneOrMany(origin()).meta({
    description:
      'Origin (or origins) that browsers see, such as https://shop.example.com. Cookies, redirects and the CSRF check go by this, never by the Host header. http only on a loopback host.',
  });

/** `passClientHeaders`. */
export const passClientHeaders = () =>
  z.array(headerName()).prefault([]).meta({
    description:
      'Headers that clients may send although other proxies use them to identify a user or an address (x-internal-…, x-envoy-…, remote-…, see docs/reference/headers.md).',
  });
