/**
 * The last requests of this process, which an operator can look up by id. In memory only, with no more than the access log: no query,
 * header or token.
 */

import { REASONS, type Reason } from '../errors.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import type { EarlyRefusal, FinishedRequest } from './finished-request.ts';
import { errorFields } from './log.ts';
import type { PrincipalKind } from './route-series.ts';

/** How many are kept. At some 300 bytes each, little more than a megabyte. */
export const RECENT_REQUESTS = 4_096;

/** What happened to a request. `null` for what there was not, or what was never found out. */
export type RecentRequest = Readonly<Omit<Slot, 'wallMs'>> & {
  /** When it ended; ISO 8601. */
  readonly time: string;
};

/** How often a request was refused or failed for a reason, among those that are remembered. */
export interface RecentReason {
  readonly reason: Reason;
  readonly count: number;
  /** Of the last one: when it ended (ISO 8601), its id, and its route. */
  readonly lastAt: string;
  readonly lastId: string;
  readonly lastRoute: string | null;
}

/** A place for one request, written again and again, so that keeping a request allocates nothing. */
class Slot {
  id = '';
  /** When it ended. */
  wallMs = 0;
  listener = '';
  /** Address of the client. */
  client = '';
  method: string | null = null;
  host: string | null = null;
  /** Without the query. */
  path: string | null = null;
  route: string | null = null;
  /** Where it was sent, or would have been. */
  upstream: string | null = null;
  kind: PrincipalKind | null = null;
  subject: string | null = null;
  status = 0;
  reason: Reason | null = null;
  /** Which rule fired, in fixed words. */
  note: string | null = null;
  fault: Readonly<Record<string, string>> | null = null;
  durationMs = 0;
  /** From sending the request to the first byte of the answer. */
  upstreamFirstByteMs: number | null = null;
}

const asRecent = ({ wallMs, ...kept }: Slot): RecentRequest => ({ ...kept, time: toTimestamp(wallMs) });

/** A request that got no connection was never sent, but its upstream is what matters. */
const isOfUpstream = (reason: Reason | null): boolean => reason?.startsWith('upstream_') === true;

/** Keeps the last requests. */
export class RecentRequests {
  readonly #slots: Slot[] = [];
  #next = 0;

  /** Keeps a request that is over. @param wallMs  wall-clock time of its end */
  keep(exchange: FinishedRequest, durationMs: number, wallMs: number): void {
    const { screened, route, principal, dispatchedMs, firstByteMs, cause } = exchange;
    const slot = this.#slot();
    slot.id = exchange.id;
    slot.wallMs = wallMs;
    slot.listener = exchange.listener.name;
    slot.client = screened?.clientAddress ?? exchange.peer.address;
    slot.method = screened?.method ?? exchange.method;
    slot.host = screened?.host ?? null;
    slot.path = screened?.target.path ?? null;
    slot.route = route?.id ?? null;
    slot.upstream = dispatchedMs === null && !isOfUpstream(exchange.reason) ? null : (route?.upstream ?? null);
    slot.kind = principal?.kind ?? null;
    slot.subject = principal?.subject ?? null;
    slot.status = exchange.isTunnel ? 101 : exchange.reply.status;
    slot.reason = exchange.reason;
    slot.note = exchange.note;
    slot.fault = cause === null ? null : errorFields(cause);
    slot.durationMs = durationMs;
    slot.upstreamFirstByteMs = dispatchedMs === null || firstByteMs === null ? null : firstByteMs - dispatchedMs;
  }

  /** Keeps what was refused unread. */
  keepUnread({ id, reason, note, client }: EarlyRefusal, listener: string, wallMs: number): void {
    const { status } = REASONS[reason];
    Object.assign(this.#slot(), new Slot(), { id, status, reason, note, client, listener, wallMs });
  }

  /** The last request with this id, if it is still remembered. */
  find(id: string): RecentRequest | null {
    for (let back = 1; back <= this.#slots.length; back += 1) {
      const slot = this.#slots.at((this.#next - back) % this.#slots.length);
      if (slot?.id === id) return asRecent(slot);
    }
    return null;
  }

  /** The last requests, the newest first. @param count  at most */
  last(count: number): readonly RecentRequest[] {
    return this.#newestFirst(count).map(asRecent);
  }

  /** Why requests were refused or failed, the most frequent reason first. */
  reasons(): readonly RecentReason[] {
    const found = new Map<Reason, RecentReason>();
    for (const { reason, wallMs, id, route } of this.#newestFirst(this.#slots.length)) {
      if (reason === null) continue;
      const last = found.get(reason) ?? { reason, count: 0, lastAt: toTimestamp(wallMs), lastId: id, lastRoute: route };
      found.set(reason, { ...last, count: last.count + 1 });
    }
    return byCount(found.values());
  }

  #newestFirst(count: number): readonly Slot[] {
    const length = Math.min(count, this.#slots.length);
    return Array.from({ length }, (_, back) => this.#slots.at((this.#next - 1 - back) % this.#slots.length) as Slot);
  }

  #slot(): Slot {
    const index = this.#next;
    this.#next = (index + 1) % RECENT_REQUESTS;
    let slot = this.#slots[index];
    if (slot === undefined) {
      slot = new Slot();
      this.#slots.push(slot);
    }
    return slot;
  }
}

/** Merges what several processes remember. */
export function mergedReasons(all: readonly RecentReason[]): readonly RecentReason[] {
  const merged = new Map<Reason, RecentReason>();
  for (const one of all) {
    const other = merged.get(one.reason);
    const last = other === undefined || one.lastAt > other.lastAt ? one : other;
    merged.set(one.reason, { ...last, count: one.count + (other?.count ?? 0) });
  }
  return byCount(merged.values());
}

const byCount = (reasons: Iterable<RecentReason>): readonly RecentReason[] =>
  [...reasons].toSorted((one, other) => other.count - one.count);
