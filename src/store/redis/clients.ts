/**
 * How connections are opened. A client of the library is used for the life of one connection and then thrown away: it
 * never reconnects by itself, so that a command is never sent twice behind our back and each connection begins with the
 * passwords and the address of the moment. `Link` opens the next one.
 *
 * With its defaults the library waits for ever on a primary that stopped without closing its connections. Here
 * `socketTimeout` ends a connection that owes an answer.
 */

import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { AnswerTimeout } from '../networked/deadline.ts';
import type { RedisSettings, Secrets } from './settings.ts';
import type { RedisNode } from './url.ts';

/** A connection to Redis, or to all nodes of a Cluster. */
export type Client = Redis | Cluster;

/** A connection that owes an answer for this long is given up, unless commands may take longer. */
const STALLED_MS = 1_000;
/** After `disconnect` the socket is destroyed at once: the other side may be stopped, and would not close it. */
const DISCONNECT_MS = 10;
/** How soon a Cluster that is failing over is asked again, within the time of the command. */
const CLUSTER_RETRY_MS = 50;
/** Nodes that were added or promoted are noticed at least this often, also when no command is redirected. */
const SLOTS_REFRESH_MS = 5_000;

/** How a server is logged in to. */
export type Login = Pick<RedisOptions, 'username' | 'password'>;

/** What one attempt to connect is made with. */
export interface Attempt {
  readonly settings: RedisSettings;
  readonly secrets: Secrets;
  /** Aborted when nobody wants the connection any more. */
  readonly signal: AbortSignal;
}

/** Options that every connection has. */
function commonOptions({ settings, secrets: { tls } }: Attempt) {
  return {
    // Version 2 of the protocol is what every server and proxy speaks, and it has all that is needed here.
    protocol: 2,
    connectTimeout: settings.connectTimeoutMs,
    socketTimeout: Math.max(STALLED_MS, 2 * settings.commandTimeoutMs),
    disconnectTimeout: DISCONNECT_MS,
    // INFO, by which the library checks, needs a right (@dangerous) that the gateway does not. Link has its own check.
    enableReadyCheck: false,
    disableClientInfo: true,
    ...(tls !== null && { tls }),
  } as const satisfies RedisOptions;
}

/** Opens a connection to one server. Resolves when it is ready; the caller checks what it is. */
export function openNode(attempt: Attempt, node: RedisNode, login: Login): Promise<Redis> {
  const client = new Redis({
    ...commonOptions(attempt),
    ...login,
    host: node.host,
    port: node.port,
    retryStrategy: null,
    enableOfflineQueue: false,
  });
  return whenReady(client, attempt.settings.connectTimeoutMs, attempt.signal);
}

/** Opens connections to a Cluster. Resolves when it is known who serves which slot. */
export function openCluster(attempt: Attempt): Promise<Cluster> {
  const { settings, secrets, signal } = attempt;
  const client = new Cluster([...settings.address.nodes], {
    redisOptions: { ...commonOptions(attempt), ...(secrets.login ?? {}) },
    // A node is connected to when it is first needed. Commands wait for that, no longer than their own deadline; with
    // `false`, the second command to a node would fail because the first one is still connecting.
    enableOfflineQueue: true,
    enableReadyCheck: false,
    clusterRetryStrategy: null,
    clusterNodeRetryStrategy: null,
    // A connection that closed may have carried the command out: whether to send it again is decided in `Commands`.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: CLUSTER_RETRY_MS,
    retryDelayOnTryAgain: CLUSTER_RETRY_MS,
    slotsRefreshTimeout: settings.connectTimeoutMs,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    scaleReads: 'master',
  });
  return whenReady(client, settings.connectTimeoutMs * (settings.address.nodes.length + 1), signal);
}

/** Resolves with the client when it passes the check; otherwise gives it up. */
export async function checked<C extends Client>(client: C, check: (client: C) => Promise<unknown>): Promise<C> {
  try {
    await check(client);
    return client;
  } catch (error) {
    client.disconnect();
    throw error;
  }
}

/** Resolves when the client is ready; otherwise rejects with the first thing that went wrong, and gives it up. */
function whenReady<C extends Client>(client: C, withinMs: number, signal: AbortSignal): Promise<C> {
  return new Promise((resolve, reject) => {
    let firstError: unknown = null;
    const settle = () => {
      clearTimeout(deadline);
      client.off('end', fail);
      signal.removeEventListener('abort', fail);
    };
    const fail = () => {
      settle();
      client.disconnect();
      reject(firstError ?? new AnswerTimeout());
    };
    const note = (error: unknown) => {
      firstError ??= rootOf(error);
    };
    const deadline = setTimeout(fail, withinMs);
    signal.addEventListener('abort', fail);
    // These stay for the life of the client: without a listener the library prints errors.
    client.on('error', note);
    client.on('node error', note);
    client.once('end', fail);
    client.once('ready', () => {
      settle();
      resolve(client);
    });
  });
}

/** The error of the node behind "all nodes failed". */
function rootOf(error: unknown): unknown {
  return error instanceof Error && 'lastNodeError' in error ? (error.lastNodeError ?? error) : error;
}
