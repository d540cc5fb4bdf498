/**
 * connection: connections to Redis in each topology, and commands on them, each within its deadline.
 *
 * This file opens connections. A client of the library lives for one connection and never reconnects by itself, so no command is
 * sent twice unnoticed, and each connection uses the current passwords and address. `Link` opens the next one.
 *
 * With its defaults, the library waits forever for a primary that stopped without closing its connections. Here,
 * `socketTimeout` ends a connection that owes an answer.
 */

import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { AnswerTimeout } from '../../networked/deadline.ts';
import { HandshakeTimeout } from './faults.ts';
import type { RedisSettings, Secrets } from './settings.ts';
import type { RedisNode } from './url.ts';

/** A connection to Redis, or to all nodes of a Cluster. */
export type Client = Redis | Cluster;

/** A connection that owes an answer for this long is closed, unless commands may take longer. */
const STALLED_MS = 1_000;
/** After `disconnect` the socket is destroyed at once: a stopped server would not close it. */
const DISCONNECT_MS = 10;
/** How soon a Cluster in a failover is asked again, within the deadline of the command. */
const CLUSTER_RETRY_MS = 50;
/** The client looks for added and promoted nodes at least this often, even if no command is redirected. */
const SLOTS_REFRESH_MS = 5_000;

/** The credentials for a server. */
type ServerLogin = Pick<RedisOptions, 'username' | 'password'>;

/** One attempt to connect. */
export interface Attempt {
  readonly settings: RedisSettings;
  readonly secrets: Secrets;
  /** Aborted when the connection is no longer needed. */
  readonly signal: AbortSignal;
}

/** An attempt with the secrets as they are now. @throws ConfigFault when a file of theirs cannot be used */
export const newAttempt = async (settings: RedisSettings, signal: AbortSignal): Promise<Attempt> => ({
  settings,
  secrets: await settings.readSecrets(),
  signal,
});

/** The options of every connection. */
function commonOptions({ settings, secrets: { tls } }: Attempt) {
  return {
    // Every server and proxy speaks version 2 of the protocol, which is all that the gateway needs.
    protocol: 2,
    connectTimeout: settings.connectTimeoutMs,
    socketTimeout: Math.max(STALLED_MS, 2 * settings.commandTimeoutMs),
    disconnectTimeout: DISCONNECT_MS,
    // The library checks with INFO, which needs a right (@dangerous) that the gateway does not need. Link checks
    // itself.
    enableReadyCheck: false,
    disableClientInfo: true,
    ...(tls !== null && { tls }),
  } as const satisfies RedisOptions;
}

/** Opens a connection to one server. Resolves when it is ready; the caller checks what it is. */
export function openNode(attempt: Attempt, node: RedisNode, login: ServerLogin): Promise<Redis> {
  const client = new Redis({
    ...commonOptions(attempt),
    ...login,
    host: node.host,
    port: node.port,
    retryStrategy: null,
    enableOfflineQueue: false,
  });
  let isConnected = attempt.secrets.tls === null;
  // With TLS, the library is connected once the handshake is complete.
  client.once('connect', () => {
    isConnected = true;
  });
  const onTimeout = () => (isConnected ? new AnswerTimeout() : new HandshakeTimeout());
  return whenReady(client, attempt.settings.connectTimeoutMs, attempt.signal, onTimeout);
}

/** Opens connections to a Cluster. Resolves when it is known who serves which slot. */
export function openCluster(attempt: Attempt): Promise<Cluster> {
  const { settings, secrets, signal } = attempt;
  const client = new Cluster([...settings.address.nodes], {
    redisOptions: { ...commonOptions(attempt), ...secrets.login },
    // The client connects to a node when it first needs it, and commands wait, within their deadline. With `false`, the
    // second command to a node would fail while the first one is still connecting.
    enableOfflineQueue: true,
    enableReadyCheck: false,
    clusterRetryStrategy: null,
    clusterNodeRetryStrategy: null,
    // The command may have been executed before the connection closed: `Commands` decides whether to send it again.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: CLUSTER_RETRY_MS,
    retryDelayOnTryAgain: CLUSTER_RETRY_MS,
    slotsRefreshTimeout: settings.connectTimeoutMs,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    scaleReads: 'master',
  });
  return whenReady(client, settings.connectTimeoutMs * (settings.address.nodes.length + 1), signal);
}

/** Resolves with the client if it passes the check; otherwise closes it and rejects. */
export async function checked<C extends Client>(client: C, check: (client: C) => Promise<unknown>): Promise<C> {
  try {
    await check(client);
    return client;
  } catch (error) {
    client.disconnect();
    throw error;
  }
}

/** Resolves when the client is ready; otherwise closes it and rejects with its first error. */
function whenReady<C extends Client>(
  client: C,
  withinMs: number,
  signal: AbortSignal,
  onTimeout: () => Error = () => new AnswerTimeout(),
): Promise<C> {
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
      reject(firstError ?? onTimeout());
    };
    const note = (error: unknown) => {
      firstError ??= rootOf(error);
    };
    const deadline = setTimeout(fail, withinMs);
    signal.addEventListener('abort', fail);
    // Stays for the life of the client: without a listener, the library prints errors.
    client.on('error', note);
    client.on('node error', note);
    client.once('end', fail);
    client.once('ready', () => {
      settle();
      resolve(client);
    });
  });
}

/** The error of the node behind the library's "all nodes failed". */
function rootOf(error: unknown): unknown {
  return error instanceof Error && 'lastNodeError' in error ? (error.lastNodeError ?? error) : error;
}
