/**
 * Ports for programs that need a given port. None is in the range that the kernel uses for outgoing connections (32,768
 * and above on Linux), where another test's connection could occupy it before the program listens.
 */

import { createServer } from 'node:net';

/** Each test process has its own ports, so that two do not choose the same one. */
const PORTS_OF_A_PROCESS = 50;
const [FIRST, LAST] = [22_100, 32_600];
const first = FIRST + (process.pid % Math.floor((LAST - FIRST) / PORTS_OF_A_PROCESS)) * PORTS_OF_A_PROCESS;

/** A node of a Redis Cluster also listens 10,000 ports higher, which is still below all ports above. */
const [CLUSTER_FIRST, CLUSTER_PORTS, BUS_OFFSET] = [11_000, 1_000, 10_000];

let given = 0;

/** A loopback port on which nothing listens. */
export const freePort = async (): Promise<number> => (await freePorts(1))[0] as number;

/** Several different ports, for a program that needs all of them before it listens on any. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; attempt < LAST - FIRST && ports.size < count; attempt++) {
    // Ports of other processes only if its own are in use.
    const offset = attempt < PORTS_OF_A_PROCESS ? given++ % PORTS_OF_A_PROCESS : attempt;
    const port = FIRST + ((first - FIRST + offset) % (LAST - FIRST));
    if (await isFree(port)) ports.add(port);
  }
  if (ports.size < count) throw new Error(`no ${count} free ports from ${first} on`);
  return [...ports];
}

/** A port for a node of a Redis Cluster. */
export async function freeClusterPort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = CLUSTER_FIRST + Math.floor(Math.random() * CLUSTER_PORTS);
    if ((await isFree(port)) && (await isFree(port + BUS_OFFSET))) return port;
  }
  throw new Error('no free port for a node of a Cluster');
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
