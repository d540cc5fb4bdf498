/** Which node of a Cluster serves which key, as its client currently knows. Nodes are named `host:port`. */

import { type Cluster, Command, type Redis } from 'ioredis';

/** The primary that serves a key; empty while it is unknown. */
export function primaryOf(cluster: Cluster, key: string): string {
  const slot = new Command('get', [key]).getSlot();
  return cluster.slots[slot ?? 0]?.[0] ?? '';
}

/** All primaries with their connections; `null` for one without a connection, because it does not answer. */
export function primariesOf(cluster: Cluster): ReadonlyMap<string, Redis | null> {
  const connections = new Map(
    cluster.nodes('master').map((node) => [`${node.options.host}:${node.options.port}`, node]),
  );
  const primaries = new Map<string, Redis | null>();
  let previous: readonly string[] | undefined;
  for (const owners of cluster.slots) {
    // Neighbouring slots share one list, so a few comparisons are enough.
    if (owners === previous || owners === undefined) continue;
    previous = owners;
    const [primary] = owners;
    if (primary !== undefined) primaries.set(primary, connections.get(primary) ?? null);
  }
  return primaries;
}
