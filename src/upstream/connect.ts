/** Makes connections to one server, over TCP or TLS. */

import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect as connectTls } from 'node:tls';
import { hostAndPort } from '../lib/address.ts';

/** TLS towards an upstream, with the files read. */
export interface UpstreamTls {
  readonly ca: string | null;
  readonly serverName: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

interface ConnectorSettings {
  /** Whether the server has to agree to HTTP/2. */
  readonly isHttp2: boolean;
  /** Until TCP and TLS are there, milliseconds. */
  readonly connectTimeoutMs: number;
  readonly tls: UpstreamTls | null;
}

/** Takes the result of one attempt to connect. */
type Connected = (...result: [error: Error, socket: null] | [error: null, socket: Socket]) => void;

/**
 * Makes one connection.
 *
 * @param onread  takes what the server sends in place of the stream, which then carries nothing; default: the stream
 *   gets it
 */
export type Connect = (connected: Connected, onread?: OnReadOpts) => void;

/** A request that finds its pool closed, or is closed with it. */
export class PoolClosedError extends Error {
  override readonly name = 'PoolClosedError';
  readonly code = 'ERR_POOL_CLOSED';
}

/** TCP probes a connection that has been silent for this long. */
const KEEP_ALIVE_MS = 60_000;

/**
 * The way to connect to a server. For https the certificate is verified against the name that the configuration gives, never
 * against the Host header of a request (TLS-04, TLS-06, UPS-12), and the last session is resumed.
 *
 * @param url         `http:` or `https:`, with host and port
 * @param serverName  for SNI and to expect in the certificate
 */
export function connector(
  url: URL,
  serverName: string,
  { tls, isHttp2, connectTimeoutMs }: ConnectorSettings,
): Connect {
  const isSecure = url.protocol === 'https:';
  const target = { ...hostAndPort(url), noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  const secure: ConnectionOptions = {
    // SNI cannot carry an address.
    ...(isIP(serverName) === 0 && { servername: serverName }),
    checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    ...(tls?.ca != null && { ca: tls.ca }),
    ...(tls?.cert != null && { cert: tls.cert }),
    ...(tls?.key != null && { key: tls.key }),
    ALPNProtocols: isHttp2 ? ['h2', 'http/1.1'] : ['http/1.1'],
    rejectUnauthorized: true,
  };
  let session: Buffer | undefined;
  return (connected, onread) => {
    const options = { ...target, ...(onread !== undefined && { onread }) };
    const socket = isSecure
      ? connectTls({ ...options, ...secure, ...(session !== undefined && { session }) })
      : connectTcp(options);
    socket.on('session', (latest: Buffer) => {
      session = latest;
    });
    tellOnce(socket, isSecure ? 'secureConnect' : 'connect', connectTimeoutMs, connected);
  };
}

/** Reports once whether a connection is made in time, and nothing that happens to it later. */
function tellOnce(socket: Socket, made: 'connect' | 'secureConnect', timeoutMs: number, connected: Connected): void {
  let isTold = false;
  // In a long turn of the event loop, the connection may have been made although its event has not fired yet.
  const timer = setTimeout(() => setImmediate(() => isTold || socket.destroy(timedOut())), timeoutMs);
  socket.once(made, () => {
    isTold = true;
    clearTimeout(timer);
    connected(null, socket);
  });
  socket.on('error', (error) => {
    clearTimeout(timer);
    if (isTold) return;
    isTold = true;
    connected(error, null);
  });
}

const timedOut = () => Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' });
