/** Opens a listening socket, or says in one line why that is impossible. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import type { ListenAddress } from '../../config/fields.ts';
import { ConfigFault } from '../../errors.ts';

/** `host:port`, an IPv6 host in brackets. */
const formatAddress = ({ host, port }: ListenAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** How a server listens, beyond where. */
interface Accepting {
  /** Connections that may wait to be accepted, at most `net.core.somaxconn` of the kernel. */
  readonly backlog?: number;
  /** Servers that accept connections on the same address, on sockets of their own (SO_REUSEPORT). Default: none. */
  readonly others?: readonly Server[];
  /**
   * `alone` (default): the address must be free. `shared`: other processes of the same gateway listen on it as well, and one
   * of them has checked that it was free.
   */
  readonly sharing?: 'alone' | 'shared';
}

/**
 * Lets a server accept connections on an address.
 *
 * @param key  path of the address in the configuration, for the message
 * @returns where it listens; the port is the one that was chosen where the configuration says 0
 * @throws ConfigFault when the address is unavailable
 */
export async function listenOn(
  server: Server,
  { host, port }: ListenAddress,
  key: string,
  { backlog = 511, others = [], sharing = 'alone' }: Accepting = {},
): Promise<Pick<AddressInfo, 'address' | 'port'>> {
  const reusePort = others.length > 0 || sharing === 'shared';
  try {
    // Sockets that share a port would share it with another program of this user as well, so it must be free first.
    if (reusePort && sharing === 'alone') await occupyOnce(host, port);
    const first = await open(server, { host, port, backlog, reusePort });
    for (const other of others) await open(other, { host, port: first.port, backlog, reusePort });
    return { address: first.address, port: first.port };
  } catch (cause) {
    throw unavailable({ host, port }, key, cause);
  }
}

/**
 * Makes sure that nothing listens on an address, for processes that are going to share it.
 *
 * @param key  path of the address in the configuration, for the message
 * @throws ConfigFault when it is unavailable
 */
export async function ensureFree({ host, port }: ListenAddress, key: string): Promise<void> {
  try {
    await occupyOnce(host, port);
  } catch (cause) {
    throw unavailable({ host, port }, key, cause);
  }
}

function unavailable(address: ListenAddress, key: string, cause: unknown): ConfigFault {
  const problem = problemOf(cause as NodeJS.ErrnoException);
  return new ConfigFault(`${key}: cannot listen on ${formatAddress(address)}: ${problem}`, { cause });
}

async function open(server: Server, options: ListenOptions): Promise<AddressInfo> {
  server.listen(options);
  await once(server, 'listening');
  return server.address() as AddressInfo;
}

async function occupyOnce(host: string, port: number): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await open(probe, { host, port, exclusive: true });
  await new Promise((resolve) => probe.close(resolve));
}

function problemOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'another program is listening there: stop it, or choose another port';
    case 'EACCES':
      return 'not permitted (ports below 1024 need CAP_NET_BIND_SERVICE, or a lower net.ipv4.ip_unprivileged_port_start)';
    case 'EADDRNOTAVAIL':
      return 'this machine does not have that address';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name cannot be resolved';
    default:
      return code ?? message;
  }
}
