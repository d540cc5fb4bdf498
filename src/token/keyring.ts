/**
 * The signing keys of this process and the state that each is in: `next → active → retired`.
 *
 * The state is not stored. It follows from the clock and from the moment at which each key becomes active, which is
 * written into the key once and never changed, so replicas that share the keys agree without talking to each other.
 * A key is published from the moment it is known and stays published until the last token that it signed has expired.
 */

import type { JWK } from 'jose';
import { DependencyFault } from '../errors.ts';
import type { VerificationKey } from '../jwt/verification-keys.ts';
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
  #verifying: { readonly keys: readonly VerificationKey[]; readonly untilMs: number } | null = null;
  readonly #wallMs: Clock;
  #tokenLifetimeMs: number;

  constructor(keys: readonly DatedKey[], tokenLifetimeMs: number, wallMs: Clock) {
    this.#wallMs = wallMs;
    this.#tokenLifetimeMs = tokenLifetimeMs;
    this.replace(keys);
  }

  /** A key that was in the list before keeps its object, by which tokens that it verified are known to hold. */
  replace(keys: readonly DatedKey[]): void {
    this.#verifying = null;
    const present = new Map(this.#keys.map(({ signing }) => [signing.kid, signing]));
    const next = keys.map((key) => ({ ...key, signing: present.get(key.signing.kid) ?? key.signing }));
    this.#keys = next.toSorted((a, b) => a.activatesAtMs - b.activatesAtMs || (a.signing.kid < b.signing.kid ? -1 : 1));
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
  verifying(): readonly VerificationKey[] {
    const nowMs = this.#wallMs();
    if (this.#verifying === null || nowMs >= this.#verifying.untilMs) {
      const keys = this.#keys.filter((key) => !this.isSpent(key)).map(({ signing }) => signing.verification);
      // Called for each request with a minted token.
      this.#verifying = { keys, untilMs: nowMs + VERIFYING_MS };
    }
    return this.#verifying.keys;
  }

  /** The JWK Set for verifiers: next, active, and retired keys that may still have live tokens. */
  published(): { readonly keys: readonly JWK[] } {
    const live = this.#keys.filter((key) => !this.isSpent(key));
    return { keys: live.map(({ signing }) => signing.publicJwk).filter((jwk) => jwk !== null) };
  }

  /** Whether every token that a key can have signed is dead: its successor has been active for long enough. */
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
