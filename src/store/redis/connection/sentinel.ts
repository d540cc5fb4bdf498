/**
 * Sentinel: finds the primary, and hears of failovers.
 *
 * All sentinels are asked at once. Of the first majority that answers, the newest configuration wins: a stopped
 * sentinel costs no time, and one that was cut off does not send the gateway to an old primary.
 */

import type { Redis } from 'ioredis';
import { ConfigFault } from '../../../errors.ts';
import { answerWithin } from '../../networked/deadline.ts';
import { Link } from '../../networked/link.ts';
import { type Attempt, checked, newAttempt, openNode } from './clients.ts';
import { isRefusal, replyCode } from './faults.ts';
import type { RedisSettings } from './settings.ts';
import type { RedisNode } from './url.ts';

const CHANNEL = '+switch-master';

interface Statement {
  readonly primary: RedisNode;
  /** Number of the configuration, which increases with every failover. */
  readonly epoch: number;
}

/**
 * Finds the primary.
 *
 * @throws ConfigFault when the sentinels refuse the gateway or do not know the name; otherwise the failure of the first one
 */
export async function findPrimary(attempt: Attempt): Promise<RedisNode> {
  const { nodes } = attempt.settings.address;
  const statements: Statement[] = [];
  const failures: unknown[] = [];
  await new Promise<void>((resolve) => {
    for (const node of nodes) {
      askSentinel(attempt, node)
        .then(
          (statement) => statements.push(statement),
          (error: unknown) => failures.push(error),
        )
        .finally(() => {
          const isMajority = statements.length > nodes.length / 2;
          if (isMajority || statements.length + failures.length === nodes.length) resolve();
        });
    }
  });
  const [newest] = statements.toSorted((a, b) => b.epoch - a.epoch);
  if (newest !== undefined) return newest.primary;
  throw failures.find((failure) => failure instanceof ConfigFault) ?? failures[0];
}

async function askSentinel(attempt: Attempt, node: RedisNode): Promise<Statement> {
  const { address, commandTimeoutMs } = attempt.settings;
  const name = address.primaryName ?? '';
  const sentinel = await openSentinel(attempt, node);
  try {
    return readStatement(await answerWithin(sentinel.call('SENTINEL', 'MASTER', name), commandTimeoutMs));
  } catch (error) {
    if (isRefusal(error)) throw refused();
    if (replyCode(error) === 'ERR') throw new ConfigFault(`store.redis: the sentinels know no primary named ${name}`);
    throw error;
  } finally {
    sentinel.disconnect();
  }
}

/** Reads the flat list of names and values that `SENTINEL MASTER` answers with. */
function readStatement(reply: unknown): Statement {
  const fields = new Map<string, string>();
  if (Array.isArray(reply))
    for (let i = 0; i + 1 < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]));
  const host = fields.get('ip');
  const port = Number(fields.get('port'));
  if (host === undefined || !Number.isInteger(port))
    throw new ConfigFault('store.redis: a sentinel sent an answer that is not valid');
  return { primary: { host, port }, epoch: Number(fields.get('config-epoch') ?? 0) };
}

const refused = () => new ConfigFault('store.redis: a sentinel refuses the password, or asks for one');

async function openSentinel(attempt: Attempt, node: RedisNode): Promise<Redis> {
  const { sentinelPassword } = attempt.secrets;
  // With a user name, the server accepts a password that it does not require.
  const login = sentinelPassword === null ? {} : { username: 'default', password: sentinelPassword };
  try {
    return await openNode(attempt, node, login);
  } catch (error) {
    throw isRefusal(error) ? refused() : error;
  }
}

/** How often the sentinels are asked in case a message was missed. */
const ASK_EVERY_MS = 5_000;

/** Learns of a failover, from the first sentinel that reports it or by asking. */
export class FailoverWatch {
  readonly #settings: RedisSettings;
  readonly #onPrimary: (primary: RedisNode) => void;
  readonly #links: readonly Link<Redis>[];
  readonly #closing = new AbortController();
  #timer: NodeJS.Timeout | null = null;

  /** @param onPrimary  called with the present primary, whether or not it has changed */
  constructor(settings: RedisSettings, onPrimary: (primary: RedisNode) => void, monotonicMs: () => number) {
    this.#settings = settings;
    this.#onPrimary = onPrimary;
    const events = { onUp: () => {}, onDown: () => {} };
    this.#links = settings.address.nodes.map(
      (node) => new Link((signal) => this.#listen(node, signal), events, monotonicMs),
    );
  }

  start(): void {
    for (const link of this.#links) link.start();
    this.#timer = setInterval(() => void this.#ask(), ASK_EVERY_MS).unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#closing.abort();
    for (const link of this.#links) link.close();
  }

  async #listen(node: RedisNode, signal: AbortSignal): Promise<Redis> {
    const { address, commandTimeoutMs } = this.#settings;
    const sentinel = await openSentinel(await newAttempt(this.#settings, signal), node);
    sentinel.on('message', (_channel: string, message: string) => {
      const [name, , , host = '', port] = message.split(' ');
      if (name === address.primaryName) this.#onPrimary({ host, port: Number(port) });
    });
    return checked(sentinel, () => answerWithin(sentinel.subscribe(CHANNEL), commandTimeoutMs));
  }

  async #ask(): Promise<void> {
    const { signal } = this.#closing;
    try {
      const primary = await findPrimary(await newAttempt(this.#settings, signal));
      if (!signal.aborted) this.#onPrimary(primary);
    } catch {
      // Without an answer, the present connection is the best guess.
    }
  }
}
