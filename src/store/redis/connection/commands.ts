/**
 * Sends commands to Redis, each within its deadline, and turns every failure into a `DependencyFault`
 * `store_unavailable`. Neither an error nor silence ever means "there is no such key".
 *
 * When a connection has just been lost, a command waits for the next one until its deadline; during a longer outage it
 * fails at once.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { DependencyFault } from '../../../errors.ts';
import type { Clock } from '../../../lib/clock.ts';
import { inStoreSpan } from '../../../telemetry/traces/request-trace.ts';
import { Breakers } from '../../networked/breaker.ts';
import { answerWithin, isFulfilled } from '../../networked/deadline.ts';
import type { StoreEvents, StoreOperation } from '../../networked/events.ts';
import type { Link } from '../../networked/link.ts';
import type { Client } from './clients.ts';
import { primariesOf, primaryOf } from './cluster.ts';
import { commandFault, errorReason, isElsewhere, replyCode, unavailable } from './faults.ts';
import { TurnWrites } from './turn-writes.ts';

/** A command, or a script, about one key. */
export interface RedisCommand {
  readonly operation: StoreOperation;
  /** Its one key, which decides on the node of a Cluster. */
  readonly key: string;
  readonly words: readonly [string, ...Word[]];
  /** Running it twice has the same effect as running it once. */
  readonly isRepeatable: boolean;
  /** Answered with bytes instead of strings. */
  readonly isBinary?: true;
}

/** A word of a command. */
export type Word = string | number | Buffer;

type CommandEvents = Pick<StoreEvents, 'onAnswered' | 'onError'>;

/** Commands in progress; more are refused (RDS-14). */
const MAX_PENDING = 10_000;
/** How long a command waits before it is sent again. */
const REPEAT_AFTER_MS = 20;

/** Sends commands by way of a link. */
export class Commands {
  readonly #link: Link<Client>;
  readonly #timeoutMs: number;
  readonly #monotonicMs: Clock;
  readonly #events: CommandEvents;
  readonly #breakers: Breakers;
  readonly #turnWrites = new TurnWrites();
  #pending = 0;

  /** @param onChange  called when a part of the store stops or begins to answer */
  constructor(link: Link<Client>, timeoutMs: number, monotonicMs: Clock, events: CommandEvents, onChange: () => void) {
    this.#link = link;
    this.#timeoutMs = timeoutMs;
    this.#monotonicMs = monotonicMs;
    this.#events = events;
    this.#breakers = new Breakers(onChange);
  }

  /** Whether at least one part of the store answers. */
  get isAvailable(): boolean {
    const client = this.#link.client;
    if (client === null) return false;
    return this.#breakers.openCount < (client instanceof Cluster ? Math.max(1, primariesOf(client).size) : 1);
  }

  /**
   * Sends a command.
   *
   * @returns the answer of Redis; never an error reply
   * @throws DependencyFault `store_unavailable`
   */
  async send(command: RedisCommand): Promise<unknown> {
    if (this.#pending >= MAX_PENDING) throw unavailable('too many commands wait for Redis');
    this.#pending += 1;
    const startedMs = this.#monotonicMs();
    try {
      const deadlineMs = startedMs + this.#timeoutMs;
      const answer = await inStoreSpan('redis', command.operation, () => this.#sendBefore(deadlineMs, command));
      this.#events.onAnswered(command.operation, this.#monotonicMs() - startedMs);
      return answer;
    } catch (error) {
      if (error instanceof DependencyFault) throw error;
      this.#events.onError(errorReason(error));
      throw commandFault(error);
    } finally {
      this.#pending -= 1;
    }
  }

  /**
   * Publishes a heartbeat through every server that revocations are published through.
   *
   * @param messageFor  the message, which names the server
   * @returns every server, and whether it accepted the message; `false` for a server that cannot be reached
   */
  async publishEverywhere(
    channel: string,
    messageFor: (node: string) => string,
  ): Promise<ReadonlyMap<string, boolean>> {
    const client = this.#link.client;
    if (!(client instanceof Cluster)) {
      const words = ['PUBLISH', channel, messageFor('')] as const;
      const sent = this.send({ operation: 'heartbeat', key: channel, words, isRepeatable: true });
      return new Map([['', await isFulfilled(sent)]]);
    }
    const published = [...primariesOf(client)].map(async ([name, node]) => {
      const sent = node === null ? Promise.reject(new Error()) : node.call('PUBLISH', channel, messageFor(name));
      return [name, await isFulfilled(answerWithin(sent, this.#timeoutMs))] as const;
    });
    return new Map(await Promise.all(published));
  }

  close(): void {
    this.#breakers.stop();
  }

  async #sendBefore(deadlineMs: number, command: RedisCommand): Promise<unknown> {
    for (;;) {
      const client = await this.#liveClient(deadlineMs);
      if (this.#breakers.openCount > 0 && this.#breakers.isOpen(partOf(client, command.key))) throw NO_ANSWER();
      try {
        const { words, isBinary } = command;
        this.#turnWrites.hold(client);
        const answer = isBinary === true ? client.callBuffer(...words) : client.call(...words);
        return await answerWithin(answer, deadlineMs - this.#monotonicMs());
      } catch (error) {
        const isTimeLeft = this.#monotonicMs() + REPEAT_AFTER_MS < deadlineMs;
        if (isElsewhere(error)) this.#link.drop(client, error);
        if (!isTimeLeft || !isWorthRepeating(error, command)) {
          this.#giveUpOn(client, command.key, error);
          throw error;
        }
        await pause(REPEAT_AFTER_MS);
      }
    }
  }

  /** The live connection. Waits for it while it has been missing for less time than a command may take. */
  async #liveClient(deadlineMs: number): Promise<Client> {
    for (;;) {
      const { client, downForMs } = this.#link;
      if (client !== null) return client;
      const leftMs = deadlineMs - this.#monotonicMs();
      if (leftMs <= 0 || downForMs > this.#timeoutMs) throw NO_CONNECTION();
      await answerWithin(this.#link.changed(), leftMs).catch(() => {});
    }
  }

  /** Opens the breaker of a part of the store that did not answer. */
  #giveUpOn(client: Client, key: string, error: unknown): void {
    // A single server that is lost is noticed anyway. A Cluster stays connected to its other nodes.
    const isSilent =
      errorReason(error) === 'timeout' || (client instanceof Cluster && errorReason(error) === 'connection');
    if (isSilent) this.#breakers.open(partOf(client, key), () => this.#probe(key));
  }

  async #probe(key: string): Promise<void> {
    const { client } = this.#link;
    if (client === null) throw NO_CONNECTION();
    await answerWithin(client.call('GET', key), this.#timeoutMs).catch((error: unknown) => {
      // A refusal is an answer, too.
      if (replyCode(error) === null) throw error;
    });
  }
}

const NO_ANSWER = () => unavailable('Redis does not answer');
const NO_CONNECTION = () => unavailable('no connection to Redis');

const partOf = (client: Client, key: string): string => (client instanceof Cluster ? primaryOf(client, key) : '');

/** A command is sent again only when it was not executed, or when executing it twice does no harm. */
function isWorthRepeating(error: unknown, command: RedisCommand): boolean {
  return isElsewhere(error) || (command.isRepeatable && errorReason(error) === 'connection');
}
