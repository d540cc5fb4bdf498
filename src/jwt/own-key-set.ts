/** The key set for our own tokens: reads the signing keyring directly, so nothing is fetched. */

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import { LocalKeySet, pickKey } from './key-set.ts';
import type { VerificationKey } from './verification-keys.ts';

/** One of our signing keys, as the keyring has it. */
export interface OwnKey {
  readonly kid: string;
  readonly algorithm: string;
  /** `null` for HS256, whose only key is `key`. */
  readonly publicJwk: JWK | null;
  readonly key: KeyObject;
}

/** Verifies with the keys that sign. */
export class OwnKeySet extends LocalKeySet {
  readonly #published: () => readonly OwnKey[];
  readonly #known = new Map<string, VerificationKey>();

  /** @param published  the keys of live tokens, the present signing key included */
  constructor(published: () => readonly OwnKey[]) {
    super();
    this.#published = published;
  }

  find(kid: string | null, algorithm: string): VerificationKey | null {
    return pickKey(this.list(), kid, algorithm);
  }

  list(): readonly VerificationKey[] {
    return this.#published().map((key) => this.#verifying(key));
  }

  holds(key: VerificationKey): boolean {
    return this.#published().some(({ kid }) => kid === key.kid);
  }

  #verifying(key: OwnKey): VerificationKey {
    const present = this.#known.get(key.kid);
    if (present !== undefined) return present;
    const { kid, algorithm } = key;
    const made = { kid, thumbprint: kid, byAlgorithm: new Map([[algorithm, publicPartOf(key)]]) };
    // We have few keys and make one every few weeks, so none is ever removed.
    this.#known.set(kid, made);
    return made;
  }
}

const publicPartOf = ({ publicJwk, key }: OwnKey): KeyObject =>
  publicJwk === null ? key : createPublicKey({ key: publicJwk, format: 'jwk' });
