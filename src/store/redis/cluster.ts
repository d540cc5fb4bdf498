/** Who serves what in a Cluster, as its client knows it at the moment. Nodes are named `host:port`. */

import { type Cluster, Command, type Redis } from 'ioredis';

/** The primary that serves a key; empty while that is not known. */
export function primaryOf(cluster: Cluster, key: string): string {
  const slot = new Command('get', [key]).getSlot();
  return cluster.slots[slot ?? 0]?.[0] ?? '';
}

/** All primaries, with their connection; `null` for one that is not connected to, because it does not answer. */
export function primariesOf(cluster: Cluster): ReadonlyMap<string, Redis | null> {
  const connections = new Map(
    cluster.nodes('master').map((node) => [`${node.options.host}:${node.options.port}`, node]),
  );
  const primaries = new Map<string, Redis | null>();
  let previous: readonly string[] | undefined;
  for (const owners of cluster.slots) {
    // Neighbouring slots share one list, so that a few comparisons are all that there is to do.
    if (owners === previous || owners === undefined) continue;
    previous = owners;
    const [primary] = owners;
    if (primary !== undefined) primaries.set(primary, connections.get(primary) ?? null);
  }
  return primaries;
}
