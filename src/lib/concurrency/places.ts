/**
 * Counts what is in progress by a key that clients choose, such as their address. A key costs memory only while something of
 * it is in progress: those at zero are dropped whenever the map has doubled.
 */

import { clientNetwork } from '../address.ts';

/** What is in progress of one key. */
export class Place {
  /** That of the wider network, which counts everything of this one, too; `null` where there is none. */
  readonly #wider: Place | null;
  count = 0;

  constructor(wider: Place | null) {
    this.#wider = wider;
  }

  /** Whether there is room for one more: in the wider network for {@link WIDER_FACTOR} times as many. */
  hasRoom(max: number): boolean {
    return this.count < max && (this.#wider === null || this.#wider.count < max * WIDER_FACTOR);
  }

  enter(): void {
    this.count += 1;
    if (this.#wider !== null) this.#wider.count += 1;
  }

  leave(): void {
    this.count -= 1;
    if (this.#wider !== null) this.#wider.count -= 1;
  }
}

/** A /48 may have this many times what a /64 of it may: a site of several networks is not one client. */
const WIDER_FACTOR = 4;
const FIRST_SWEEP_AT = 1_024;

/** The places of many keys. */
export class Places {
  readonly #places = new Map<string, Place>();
  #sweepAt = FIRST_SWEEP_AT;

  /** The place of a key. */
  of(key: string): Place {
    const present = this.#places.get(key);
    if (present !== undefined) return present;
    this.#sweepIfFull();
    return this.#add(key, null);
  }

  /**
   * The place of a client: its IPv4 address, or the /64 of its IPv6 address inside of the /48.
   *
   * @param address  in plain form
   */
  ofClient(address: string): Place {
    const network = clientNetwork(address);
    const present = this.#places.get(network);
    if (present !== undefined) return present;
    // Not between the two: the wider place would be dropped while its first network is about to be counted in it.
    this.#sweepIfFull();
    return this.#add(network, network === address ? null : this.of(`${clientNetwork(address, 48)}/48`));
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#places.size;
  }

  #add(key: string, wider: Place | null): Place {
    const place = new Place(wider);
    this.#places.set(key, place);
    return place;
  }

  /** A wider network is at zero only when everything inside of it is, which is dropped in the same sweep. */
  #sweepIfFull(): void {
    if (this.#places.size < this.#sweepAt) return;
    for (const [key, { count }] of this.#places) if (count === 0) this.#places.delete(key);
    this.#sweepAt = Math.max(FIRST_SWEEP_AT, 2 * this.#places.size);
  }
}
