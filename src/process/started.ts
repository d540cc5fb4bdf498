/** Starts a gateway's listeners and reports where it listens and what it uses, as data that can cross processes. */

import type { AddressInfo } from 'node:net';
import type { Gateway } from '../gateway/gateway.ts';

type Place = Pick<AddressInfo, 'address' | 'port'>;

/** Where a gateway listens and what it uses. */
export interface Started {
  readonly public: Place;
  /** `null` when there is no such listener. */
  readonly redirect: Place | null;
  /** `null` when there is no outbound side. */
  readonly outbound: Place | null;
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
export async function listen(gateway: Gateway): Promise<Started> {
  const { address, port } = await gateway.listen();
  return {
    public: { address, port },
    redirect: gateway.redirectAddress,
    outbound: gateway.outboundAddress,
    store: gateway.store.description,
    signing: gateway.signingKeys.description,
  };
}
