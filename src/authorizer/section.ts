/** `listeners.authorizer`: where proxies ask whether a request may pass, and which of them are trusted. */

import { z } from 'zod';
import { cidrList, listenAddress } from '../config/fields.ts';

/** Who may ask. */
export const askingPeers = () =>
  cidrList().min(1, 'needs the address of at least one proxy').meta({
    description:
      'Addresses of the proxies that ask. The gateway trusts their description of a request, and its answers contain upstream tokens: everyone else gets 403.',
  });

/** The section. Limits and timeouts of the listener are those of `listeners.public`. */
export const authorizerListener = () =>
  z.strictObject({
    address: listenAddress().meta({ description: 'host:port, plain HTTP, for proxies only.', restart: true }),
    peers: askingPeers(),
  });
