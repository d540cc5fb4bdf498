/** Opens a listening socket, or says in one line why that is impossible. */

import type { AddressInfo, Server } from 'node:net';
import type { ListenAddress } from '../../config/fields.ts';
import { ConfigFault } from '../../errors.ts';

/** `host:port`, an IPv6 host in brackets. */
const formatAddress = ({ host, port }: ListenAddress): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

/**
 * Lets a server accept connections on an address.
 *
 * @param key  path of the address in the configuration, for the message
 * @returns where it listens; the port is the one that was chosen where the configuration says 0
 * @throws ConfigFault when the address is unavailable
 */
export function listenOn(
  server: Server,
  address: ListenAddress,
  key: string,
): Promise<Pick<AddressInfo, 'address' | 'port'>> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException) =>
      reject(new ConfigFault(`${key}: cannot listen on ${formatAddress(address)}: ${problemOf(cause)}`, { cause }));
    server.once('error', onError);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', onError);
      const { address: host, port } = server.address() as AddressInfo;
      resolve({ address: host, port });
    });
  });
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
