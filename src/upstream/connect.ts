/** Makes connections to one server, over TCP or TLS. */

import { isIP, type OnReadOpts, type Socket } from 'node:net';
import { buildConnector } from 'undici';

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

/**
 * Makes one connection.
 *
 * @param onread  takes what the server sends in place of the stream, which then carries nothing; default: the stream has it
 */
export type Connect = (connected: buildConnector.Callback, onread?: OnReadOpts) => void;

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
  const target = {
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    host: url.host,
    protocol: url.protocol,
    port: url.port,
    // SNI cannot carry an address; the certificate is then checked against the address itself.
    servername: isIP(serverName) === 0 ? serverName : '',
  };
  const options: buildConnector.BuildOptions = {
    timeout: connectTimeoutMs,
    allowH2: isHttp2,
    preferH2: true,
    ...(tls?.ca != null && { ca: tls.ca }),
    ...(tls?.cert != null && { cert: tls.cert }),
    ...(tls?.key != null && { key: tls.key }),
    rejectUnauthorized: true,
    // The only one is kept here, because every connection has a connector of its own.
    maxCachedSessions: 0,
  };
  let session: Buffer | undefined;
  return (connected, onread) => {
    const connect = buildConnector({
      ...options,
      ...(onread !== undefined && { onread }),
      ...(session !== undefined && { session }),
    } as buildConnector.BuildOptions);
    // What is typed as nothing is the socket.
    const socket = connect(target, connected) as unknown as Socket;
    socket.on('session', (latest: Buffer) => {
      session = latest;
    });
  };
}
