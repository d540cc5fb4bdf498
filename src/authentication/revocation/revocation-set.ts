/**
 * The revocations that this process knows of. Asked on every request: a few look-ups in maps, without promises, hashes or
 * allocations.
 *
 * Bounded per kind. When a kind is full, the oldest session is forgotten, or of the other kinds what ends first, and that is
 * counted. What has ended is never found, whether or not it has been dropped yet.
 */

import type { Claims } from '../../jwt/names.ts';
import { isWordOf } from '../../jwt/subject.ts';
import type { Clock } from '../../lib/clock.ts';
import type { TokenRevocation } from '../../store/store.ts';
import type { RevokedTokens } from './revoked-tokens.ts';

/** How many of each kind are known. */
export type RevocationCounts = Readonly<Record<TokenRevocation['kind'], number>>;

/** Sessions end by themselves and by the thousand; the other kinds are made by operators. */
const MAX_REVOCATIONS: RevocationCounts = { token: 50_000, session: 200_000, subject: 50_000 };

/** What has ended is dropped this often, and when there is no room. perf: 200,000 sessions take milliseconds. */
const SWEEP_EVERY_MS = 10_000;

interface Entry {
  /** `null` is every issuer. */
  readonly issuer: string | null;
  /** Tokens issued before this; infinite where it does not matter when. */
  readonly notBeforeMs: number;
  readonly endsAtMs: number;
}

/** What operators make: some for the same name, of several issuers. */
type NamedKind = Exclude<TokenRevocation['kind'], 'session'>;

/** Revoked tokens, sessions and subjects in memory, each until nothing it concerns can be alive. */
export class RevocationSet implements RevokedTokens {
  /** When the revocation of each session ends; what was heard of first comes first. */
  readonly #sessions = new Map<string, number>();
  readonly #named: Readonly<Record<NamedKind, Map<string, readonly Entry[]>>> = {
    token: new Map(),
    subject: new Map(),
  };
  readonly #namedCounts = { token: 0, subject: 0 };
  readonly #wallMs: Clock;
  readonly #max: RevocationCounts;
  readonly #onForgotten: () => void;
  #sweepAtMs = Number.NEGATIVE_INFINITY;

  /** @param onForgotten  called for each revocation that had not ended and had to make room */
  constructor(wallMs: Clock, onForgotten: () => void, max: RevocationCounts = MAX_REVOCATIONS) {
    this.#wallMs = wallMs;
    this.#onForgotten = onForgotten;
    this.#max = max;
  }

  /** How many are known and have not ended. */
  get counts(): RevocationCounts {
    this.#sweep(this.#wallMs());
    return { ...this.#namedCounts, session: this.#sessions.size };
  }

  add(revocation: TokenRevocation): void {
    const nowMs = this.#wallMs();
    if (revocation.expiresAtMs <= nowMs) return;
    if (nowMs >= this.#sweepAtMs) this.#sweep(nowMs);
    if (revocation.kind === 'session') this.#addSession(revocation.handle, revocation.expiresAtMs, nowMs);
    else if (revocation.kind === 'token') this.#addNamed('token', revocation.tokenId, entryOf(revocation), nowMs);
    else this.#addNamed('subject', revocation.subject, entryOf(revocation), nowMs);
  }

  isRevoked(claims: Claims): boolean {
    const { token, subject } = this.#named;
    if (this.#sessions.size + token.size + subject.size === 0) return false;
    const { jti, sid, sub, act, presented_iss: passedOn } = claims;
    // Who acts now; those before in the chain are for information only (RFC 8693 §4.1).
    const actor = typeof act === 'object' ? (act as Claims | null) : null;
    return (
      this.#hasSession(sid) ||
      (token.size > 0 && this.#has(token, jti, undefined, claims)) ||
      (subject.size > 0 &&
        (this.#has(subject, sub, passedOn, claims) || this.#has(subject, actor?.['sub'], actor?.['iss'], claims)))
    );
  }

  #hasSession(sid: unknown): boolean {
    const endsAtMs = typeof sid === 'string' ? this.#sessions.get(sid) : undefined;
    return endsAtMs !== undefined && endsAtMs > this.#wallMs();
  }

  /** @param wordOf  whose name it is, where it is not the token's issuer's */
  #has(named: ReadonlyMap<string, readonly Entry[]>, name: unknown, wordOf: unknown, { iss, iat }: Claims): boolean {
    const entries = typeof name === 'string' ? named.get(name) : undefined;
    if (entries === undefined) return false;
    const nowMs = this.#wallMs();
    // A token that does not say when it was issued may be one of those before.
    const issuedAtMs = typeof iat === 'number' ? iat * 1_000 : Number.NEGATIVE_INFINITY;
    return entries.some(
      ({ issuer, notBeforeMs, endsAtMs }) =>
        endsAtMs > nowMs && issuedAtMs < notBeforeMs && (issuer === null || isWordOf(issuer, wordOf, iss)),
    );
  }

  #addSession(handle: string, endsAtMs: number, nowMs: number): void {
    const known = this.#sessions.get(handle);
    if (known !== undefined && known >= endsAtMs) return;
    this.#sessions.delete(handle);
    this.#sessions.set(handle, endsAtMs);
    for (const [oldest, oldestEndsAtMs] of this.#sessions) {
      if (this.#sessions.size <= this.#max.session) return;
      this.#sessions.delete(oldest);
      if (oldestEndsAtMs > nowMs) this.#onForgotten();
    }
  }

  #addNamed(kind: NamedKind, name: string, entry: Entry, nowMs: number): void {
    const present = this.#named[kind].get(name) ?? [];
    if (present.some((other) => covers(other, entry))) return;
    const kept = present.filter((other) => !covers(entry, other));
    this.#named[kind].set(name, [...kept, entry]);
    this.#namedCounts[kind] += 1 + kept.length - present.length;
    if (this.#namedCounts[kind] > this.#max[kind]) this.#makeRoom(kind, nowMs);
  }

  #makeRoom(kind: NamedKind, nowMs: number): void {
    this.#sweep(nowMs);
    const excess = this.#namedCounts[kind] - this.#max[kind];
    if (excess <= 0) return;
    // Some more than necessary, so that the next additions need not sort again.
    const all = [...this.#named[kind]].flatMap(([name, entries]) => entries.map((entry) => ({ name, entry })));
    all.sort((a, b) => a.entry.endsAtMs - b.entry.endsAtMs);
    for (const { name, entry } of all.slice(0, excess + Math.floor(this.#max[kind] / 50))) {
      this.#keep(kind, name, (other) => other !== entry);
      this.#onForgotten();
    }
  }

  #sweep(nowMs: number): void {
    this.#sweepAtMs = nowMs + SWEEP_EVERY_MS;
    for (const [handle, endsAtMs] of this.#sessions) if (endsAtMs <= nowMs) this.#sessions.delete(handle);
    for (const kind of ['token', 'subject'] as const) {
      for (const name of this.#named[kind].keys()) this.#keep(kind, name, ({ endsAtMs }) => endsAtMs > nowMs);
    }
  }

  #keep(kind: NamedKind, name: string, isKept: (entry: Entry) => boolean): void {
    const entries = this.#named[kind].get(name) ?? [];
    const kept = entries.filter(isKept);
    if (kept.length === entries.length) return;
    this.#namedCounts[kind] += kept.length - entries.length;
    if (kept.length === 0) this.#named[kind].delete(name);
    else this.#named[kind].set(name, kept);
  }
}

const entryOf = (revocation: Exclude<TokenRevocation, { kind: 'session' }>): Entry => ({
  issuer: revocation.issuer,
  notBeforeMs: revocation.kind === 'subject' ? revocation.notBeforeMs : Number.POSITIVE_INFINITY,
  endsAtMs: revocation.expiresAtMs,
});

/** Whether one revokes all that the other revokes, for as long. */
const covers = (one: Entry, other: Entry): boolean =>
  (one.issuer === null || one.issuer === other.issuer) &&
  one.notBeforeMs >= other.notBeforeMs &&
  one.endsAtMs >= other.endsAtMs;
