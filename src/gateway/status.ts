/** The status of a gateway, for the admin page and `sallyport doctor`. Read-only; opens no connections. */

import type {
  FeedStatus,
  KeySetStatus,
  Listed,
  PageOf,
  ProcessStatus,
  RouteStatus,
  ServerStatus,
  SigningKeyStatus,
  UpstreamStatus,
} from '../admin/status.ts';
import type { KeySet } from '../jwt/key-set.ts';
import { LoopShare } from '../lib/concurrency/loop-share.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import type { Route } from '../routing/route.ts';
import type { RouteEntry } from '../routing/table.ts';
import type { Upstream } from '../upstream/servers/upstream.ts';
import { describeDestination, describeRoute } from './configuration/describe.ts';
import type { Gateway } from './gateway.ts';

/** The process, its store and its keys. @param startedAtMs  wall-clock time of its start */
export function processStatus(gateway: Gateway, startedAtMs: number): ProcessStatus {
  const { longLived, runtime } = gateway;
  const { store, sessions, signingKeys } = longLived;
  return {
    process: 'gateway',
    pid: process.pid,
    startedAt: toTimestamp(startedAtMs),
    connections: gateway.connectionCount(),
    requestsInProgress: gateway.requestsInFlight,
    cachedSessions: sessions.cachedCount,
    residentBytes: process.memoryUsage.rss(),
    store: { description: store.description, isAvailable: store.isAvailable() },
    feed: feedStatus(gateway),
    keySets: [
      ...[...runtime.issuers.values()].map(({ name, rules, keys }) =>
        keySetStatus(name, `issuer (${rules.kind})`, keys),
      ),
      ...[...runtime.providers.values()].map(({ provider: { name, keys } }) =>
        keySetStatus(name, 'identity provider', keys),
      ),
    ],
    signingKeys: signingKeys.keyring.states().map(
      ({ signing: { kid }, state, createdAtMs, activatesAtMs }): SigningKeyStatus => ({
        kid,
        state,
        // A key in memory, or a secret, has always been there.
        createdAt: createdAtMs === 0 ? null : toTimestamp(createdAtMs),
        activatesAt: activatesAtMs === 0 ? null : toTimestamp(activatesAtMs),
      }),
    ),
  };
}

function feedStatus({ store, longLived: { clocks } }: Gateway): FeedStatus {
  const nowMs = clocks.monotonicMs();
  const provenAtMs = store.feed.provenAtMs();
  const provenAgeMs = nowMs - (provenAtMs ?? store.feed.lastProvenAtMs());
  const isConnected = provenAtMs !== null;
  const unbrokenForMs = nowMs - store.feed.unbrokenSinceMs();
  return {
    isConnected,
    provenAgeMs: Number.isFinite(provenAgeMs) ? Math.max(0, provenAgeMs) : null,
    unbrokenForMs: isConnected && Number.isFinite(unbrokenForMs) ? Math.max(0, unbrokenForMs) : null,
  };
}

const keySetStatus = (name: string, kind: string, keys: KeySet): KeySetStatus => ({
  name,
  kind,
  isFetched: keys.isFetched,
  ageMs: keys.ageMs,
  keys: keys.list().map(({ kid, byAlgorithm }) => ({ kid, algorithms: [...byAlgorithm.keys()] })),
});

/** Routes in the order of matching, then destinations, with what was counted of them. In slices: there may be thousands. */
export async function routeStatuses({ runtime }: Gateway, page: PageOf): Promise<Listed<RouteStatus>> {
  const { config, pipelines, outbound } = runtime;
  const { series } = pipelines.public;
  const destinations = config.outbound?.destinations ?? [];
  const described = (entry: RouteEntry<Route>) => describeRoute(entry, config.routes[entry.route.index] ?? {});
  const countsOf = ({ index }: Route) => series.routes[index]?.counts ?? NOTHING;
  const ofRoutes = pipelines.public.routes.entries.map((entry) => (): RouteStatus => {
    const { audience: _, ...words } = described(entry);
    return { ...words, listener: 'public', counts: countsOf(entry.route) };
  });
  const ofDestinations = (outbound?.pipeline.routes.entries ?? []).flatMap((entry) => {
    const written = destinations[entry.route.index - config.routes.length];
    if (written === undefined) return [];
    return [
      (): RouteStatus => {
        const { audience: _, token, ...words } = describeDestination(entry, written);
        return { ...words, credential: token, allow: '-', counts: countsOf(entry.route) };
      },
    ];
  });
  return listed([...ofRoutes, ...ofDestinations], page, ({ id, pattern, upstream }) => [id, pattern, upstream]);
}

const NOTHING = { requests: 0, refused: 0, failed: 0, inProgress: 0 };

/** Upstreams by name. Nothing is connected to: this is what requests have found. */
export async function upstreamStatuses(
  { runtime, longLived: { clocks } }: Gateway,
  page: PageOf,
): Promise<Listed<UpstreamStatus>> {
  const nowMs = clocks.monotonicMs();
  const sorted = [...runtime.upstreams.values()].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const rows = sorted.map((upstream) => () => upstreamStatus(upstream, nowMs));
  return listed(rows, page, ({ name, servers }) => [name, ...servers.map(({ origin }) => origin)]);
}

const upstreamStatus = ({ name, isHttp2, servers }: Upstream, nowMs: number): UpstreamStatus => ({
  name,
  protocol: isHttp2 ? 'HTTP/2' : 'HTTP/1.1',
  processes: 1,
  servers: servers.map((server): ServerStatus => {
    const { origin, load, connections } = server;
    const isEjected = !server.isEligible();
    return {
      origin,
      ejectedIn: isEjected ? 1 : 0,
      ejectedForMs: isEjected ? server.ejectedUntilMs - nowMs : 0,
      requestsInProgress: load,
      busyConnections: connections.busy,
      idleConnections: connections.idle,
    };
  }),
});

/** The wanted rows. Only they are made where nothing is looked for. */
async function listed<Row>(
  rows: readonly (() => Row)[],
  { from, count, find }: PageOf,
  textsOf: (row: Row) => readonly string[],
): Promise<Listed<Row>> {
  if (find === '') return { rows: rows.slice(from, from + count).map((make) => make()), total: rows.length };
  const wanted = find.toLowerCase();
  const share = new LoopShare();
  const found: Row[] = [];
  for (const make of rows) {
    const row = make();
    if (textsOf(row).some((text) => text.toLowerCase().includes(wanted))) found.push(row);
    if (share.isUsed) await share.next();
  }
  return { rows: found.slice(from, from + count), total: found.length };
}
