/** Opens a listening socket, or says in one line why that is impossible. */

import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net';
import type { ListenAddress } from '../../config/fields.ts';
import { ConfigFault } from '../../errors.ts';

/** `host:port`, an IPv6 host in brackets. */
const formatAddress = ({ host, port }: ListenAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** How a server listens, beyond where. */
interface Accepting {
  /** Connections that may wait to be accepted; the kernel has a limit of its own (`net.core.somaxconn`). */
  readonly backlog?: number;
  /** Servers that accept connections on the same address by sockets of their own (SO_REUSEPORT). Default: none. */
  readonly others?: readonly Server[];
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
  { backlog = 511, others = [] }: Accepting = {},
): Promise<Pick<AddressInfo, 'address' | 'port'>> {
  const reusePort = others.length > 0;
  try {
    // Sockets that share a port would share it with another program of this user, too. So it has to be free first.
    if (reusePort && port !== 0) await occupyOnce(host, port);
    const first = await open(server, { host, port, backlog, reusePort });
    for (const other of others) await open(other, { host, port: first.port, backlog, reusePort });
    return { address: first.address, port: first.port };
  } catch (cause) {
    const problem = problemOf(cause as NodeJS.ErrnoException);
    throw new ConfigFault(`${key}: cannot listen on ${formatAddress({ host, port })}: ${problem}`, { cause });
  }
}

function open(server: Server, options: ListenOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
}

async function occupyOnce(host: string, port: number): Promise<void> {
  const probe = createServer();
  await open(probe, { host, port, exclusive: true });
  await new Promise((resolve) => probe.close(resolve));
}

function problemOf({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'something else is listening there';
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
