/**
 * The signing keys of this process and the state that each is in: `next → active → retired`.
 *
 * The state is not stored. It follows from the clock and from the moment at which each key becomes active, which is
 * written into the key once and never changed, so replicas that share the keys agree without talking to each other.
 * A key is published from the moment it is known and stays published until the last token that it signed is dead.
 */

import type { JWK } from 'jose';
import { DependencyFault } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { SigningKey } from './signing-key.ts';

/** A signing key and the time from which it signs. */
export interface DatedKey {
  readonly signing: SigningKey;
  /** From when it signs; wall clock. */
  readonly activatesAtMs: number;
  readonly createdAtMs: number;
}

/** Where a key is in its life: published, signing, or only verifying. */
type KeyState = 'next' | 'active' | 'retired';

/** Slack for clocks that differ, and for verifiers' leeway. */
const RETIRED_SLACK_MS = 60_000;

/** How long the list of verifying keys is used before it is put together again. */
const VERIFYING_MS = 1_000;

/** Holds the keys. A reload replaces the list as a whole. */
export class Keyring {
  /** The earliest to become active first. */
  #keys: readonly DatedKey[] = [];
  #verifying: { readonly keys: readonly SigningKey[]; readonly untilMs: number } | null = null;
  readonly #wallMs: Clock;
  #tokenLifetimeMs: number;

  constructor(keys: readonly DatedKey[], tokenLifetimeMs: number, wallMs: Clock) {
    this.#wallMs = wallMs;
    this.#tokenLifetimeMs = tokenLifetimeMs;
    this.replace(keys);
  }

  replace(keys: readonly DatedKey[]): void {
    this.#verifying = null;
    this.#keys = keys.toSorted((a, b) => a.activatesAtMs - b.activatesAtMs || (a.signing.kid < b.signing.kid ? -1 : 1));
  }

  /** Tokens may live this long from now on. What was signed before may live as long as it could then. */
  allowLifetime(tokenLifetimeMs: number): void {
    this.#tokenLifetimeMs = Math.max(this.#tokenLifetimeMs, tokenLifetimeMs);
  }

  /**
   * The key that signs now.
   *
   * @throws DependencyFault `signing_key_unavailable` when no key is active
   */
  active(): SigningKey {
    const active = this.#activeEntry();
    if (active === null) throw new DependencyFault('signing_key_unavailable', 'no active signing key');
    return active.signing;
  }

  /** Since when the active key could have been replaced, for the age gauge; `null` when there is none. */
  activeSinceMs(): number | null {
    return this.#activeEntry()?.activatesAtMs ?? null;
  }

  /** Every key with its state, the earliest first. */
  states(): readonly (DatedKey & { readonly state: KeyState })[] {
    const active = this.#activeEntry();
    return this.#keys.map((key) => ({
      ...key,
      state:
        key === active ? 'active' : active !== null && key.activatesAtMs <= active.activatesAtMs ? 'retired' : 'next',
    }));
  }

  /** The keys that a live token can be signed with: those that are {@link published}, and a secret, which never is. */
  verifying(): readonly SigningKey[] {
    const nowMs = this.#wallMs();
    if (this.#verifying === null || nowMs >= this.#verifying.untilMs) {
      const keys = this.states().filter((key) => key.state !== 'retired' || !this.isSpent(key));
      // Called for each request with a minted token; a key is dropped a minute later than necessary.
      this.#verifying = { keys: keys.map(({ signing }) => signing), untilMs: nowMs + VERIFYING_MS };
    }
    return this.#verifying.keys;
  }

  /** The JWK Set for verifiers: next, active, and retired keys that may still have live tokens. */
  published(): { readonly keys: readonly JWK[] } {
    const states = this.states();
    const keys = states
      .filter((key) => key.state !== 'retired' || !this.isSpent(key))
      .map((key) => key.signing.publicJwk)
      .filter((jwk) => jwk !== null);
    return { keys };
  }

  /** Whether every token that a retired key can have signed is dead: its successor has been active for long enough. */
  isSpent(key: DatedKey): boolean {
    const nowMs = this.#wallMs();
    const successor = this.#keys.find(
      (other) => other.activatesAtMs > key.activatesAtMs && other.activatesAtMs <= nowMs,
    );
    return successor !== undefined && nowMs > successor.activatesAtMs + this.#tokenLifetimeMs + RETIRED_SLACK_MS;
  }

  #activeEntry(): DatedKey | null {
    const nowMs = this.#wallMs();
    for (let index = this.#keys.length - 1; index >= 0; index -= 1) {
      const key = this.#keys[index];
      if (key !== undefined && key.activatesAtMs <= nowMs) return key;
    }
    return null;
  }
}
