/**
 * store/networked: what any store in another process needs, whatever its protocol: one connection that is kept alive
 * (`link.ts`), answers that come in time (`deadline.ts`), parts that are refused at once while they do not answer
 * (`breaker.ts`), sessions that ended recently (`recent-ends.ts`), the written form of a session (`session-format.ts`),
 * a rehearsal of every right (`rehearsal.ts`), and the events that are counted and logged (here).
 *
 * Nothing here knows a client library. Faults are {@link DependencyFault} `store_unavailable`; a {@link StoreRefusal}
 * says that the configuration is wrong.
 */

import { DependencyFault } from '../../errors.ts';

/** What is done to a store; a closed set, since it is a metric label. */
export const STORE_OPERATIONS = [
  'read',
  'create',
  'touch',
  'update',
  'end',
  'revoke',
  'index',
  'attempt',
  'once',
  'login',
  'sealed',
  'refresh',
  'code',
  'heartbeat',
] as const;
/** See {@link STORE_OPERATIONS}. */
export type StoreOperation = (typeof STORE_OPERATIONS)[number];

/** Why a command failed: no answer in time, no connection, or an answer that refuses it. */
export const STORE_ERROR_REASONS = ['timeout', 'connection', 'reply'] as const;
/** See {@link STORE_ERROR_REASONS}. */
export type StoreErrorReason = (typeof STORE_ERROR_REASONS)[number];

/** What a networked store reports, to be counted and logged. */
export interface StoreEvents {
  onAnswered(operation: StoreOperation, durationMs: number): void;
  onError(reason: StoreErrorReason): void;
  /** It answers again. */
  onAvailable(): void;
  /** It does not answer. Called again when the reason changes. @param why  fixed words, safe to log */
  onUnavailable(why: string): void;
  /** It works, but an operator should know this. */
  onWarning(what: string): void;
}

/**
 * The store answers, and refuses what the gateway does: wrong password, or a right that is missing. To a request that
 * is an outage like any other; at start it is a mistake in the configuration.
 */
export class StoreRefusal extends DependencyFault {}
