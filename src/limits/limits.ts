/**
 * limits: how many requests one client, one session and one route may have in progress in this process.
 *
 * A request counts for the address of its client until it is known whose it is; then it counts for its session, or, if a
 * service makes it, for nobody: users behind one address are not one client, and a service may choose its own pace. In:
 * an exchange at three points of its way. Out: `null`, or a Denial `too_many_in_progress` | `overloaded`.
 */

import { Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { Places } from '../lib/concurrency/places.ts';
import type { Principal } from '../principal.ts';
import type { Route } from '../routing/route.ts';
import type { LimitKind, LimitSeries } from './series.ts';

const OF_CLIENT = new Denial('too_many_in_progress', 'too many requests of the client address or its network');
const OF_ROUTE = new Denial('overloaded', 'too many requests in progress on the route');
const OF_SESSION = new Denial('too_many_in_progress', 'too many requests of the session');

/** What is in progress now. It outlives configurations, as requests do. */
export class InProgress {
  readonly clients: Places = new Places();
  readonly sessions: Places = new Places();
}

/** The limits of one configuration. */
interface LimitRules {
  readonly perClient: number;
  readonly perSession: number;
  /** By `index` of the route; `undefined`: no limit. */
  readonly perRoute: readonly (number | undefined)[];
}

/** Counts requests in progress, and refuses those that are too many. */
export class Limits {
  readonly #rules: LimitRules;
  readonly #inProgress: InProgress;
  readonly #series: LimitSeries;

  constructor(rules: LimitRules, inProgress: InProgress, series: LimitSeries) {
    this.#rules = rules;
    this.#inProgress = inProgress;
    this.#series = series;
  }

  /** Counts a request for its client. */
  begun(exchange: Exchange, clientAddress: string): Denial | null {
    const { perClient } = this.#rules;
    if (perClient === Number.POSITIVE_INFINITY) return null;
    const place = this.#inProgress.clients.ofClient(clientAddress);
    if (!place.hasRoom(perClient)) return this.#refused('client', OF_CLIENT);
    place.enter();
    exchange.place = place;
    return null;
  }

  /** Judges a request on the route that it has entered, in whose series it is counted already. */
  routed({ series }: Exchange, { index }: Route): Denial | null {
    const max = this.#rules.perRoute[index];
    return max === undefined || series.inFlight.value <= max ? null : this.#refused('route', OF_ROUTE);
  }

  /** Counts a request for the principal that makes it, instead of for the client. */
  identified(exchange: Exchange, { credential }: Principal): Denial | null {
    if (credential === null) return null;
    exchange.place?.leave();
    exchange.place = null;
    if (credential.sid === null) return null;
    const place = this.#inProgress.sessions.of(credential.sid);
    if (!place.hasRoom(this.#rules.perSession)) return this.#refused('session', OF_SESSION);
    place.enter();
    exchange.place = place;
    return null;
  }

  #refused(limit: LimitKind, denial: Denial): Denial {
    this.#series.refused.inc({ limit });
    return denial;
  }
}

/** Limits nothing. */
export const NO_LIMITS: Pick<Limits, 'begun' | 'routed' | 'identified'> = {
  begun: () => null,
  routed: () => null,
  identified: () => null,
};
