/** Starts a gateway's listeners and reports where it listens and what it uses, as data that can cross processes. */

import type { Gateway } from '../gateway/gateway.ts';
import type { ListenerAddresses } from '../listener/listener.ts';

/** Where a gateway listens and what it uses. */
export interface Started {
  readonly addresses: ListenerAddresses;
  /** Describes its store. */
  readonly store: string;
  /** Describes its signing keys. */
  readonly signing: string;
}

/**
 * Starts listening.
 *
 * @throws ConfigFault when an address is unavailable
 */
export const listen = async (gateway: Gateway): Promise<Started> => ({
  addresses: await gateway.listen(),
  store: gateway.store.description,
  signing: gateway.signingKeys.description,
});
