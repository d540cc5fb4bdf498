/**
 * The revocation feed and the number of replicas: real processes that share a Redis. What idle replicas cost it, what a logout costs it
 * and them, and how long it takes until all of them refuse the session.
 */

import { PUBLIC_ORIGIN, type RunningGateway } from '../load/gateway.ts';
import { get, send } from '../load/http.ts';
import { SessionSeeder } from '../load/sessions.ts';
import { cpuTimeUs, residentBytes } from '../support/process-figures.ts';
import { type Spread, spreadOf } from '../support/statistics.ts';
import { type Figure, type Found, OTHER_CORE, once, requestText, type Scenario, type Stage } from './scenario.ts';

/** How many there are when the figures are taken. */
const REPLICAS = { quick: [1, 5, 10, 20], full: [1, 5, 10, 20, 35, 50] };
/** Long, because the kernel counts CPU time in hundredths of a second. */
const IDLE_MS = 10_000;
const LOGOUTS = 1_000;
const TIMED = 10;
const TTL_MS = 3_600_000;
const CONNECTIONS = 8;
/** Of a replica: what else the machine needs stays free. */
const ROOM_BYTES = 150 * 2 ** 20;

export const fanOut: Scenario = { name: 'fan-out', title: 'Replicas and the revocation feed', run };

async function run(stage: Stage): Promise<Found> {
  using seeder = new SessionSeeder(stage.redis.url);
  const replicas: RunningGateway[] = [];
  const figures: Figure[] = [];
  for (const wanted of REPLICAS[stage.isQuick ? 'quick' : 'full']) {
    if (!hasRoom(wanted - replicas.length)) break;
    while (replicas.length < wanted) {
      console.error(`starting replica ${replicas.length + 1}`);
      // On both cores, so that the start of fifty does not take minutes; the figures are CPU time.
      const core = replicas.length % 2 === 0 ? OTHER_CORE : 0;
      replicas.push(await stage.gateway(`replica-${replicas.length}`, {}, { core }));
    }
    const at = (title: string, by: string, value: Spread, unit: string) =>
      figures.push({ title: `${wanted} replicas: ${title}`, by, x: wanted, value, unit });
    const pids = replicas.map(({ child }) => child.pid);
    const idle = await spent(stage, pids, () => new Promise((resolve) => setTimeout(resolve, IDLE_MS)));
    const seconds = idle.tookMs / 1_000;
    at('idle', 'Redis', once(idle.redisUs / seconds), 'CPU µs per second');
    at('idle', 'each replica', once(idle.replicasUs / seconds / wanted), 'CPU µs per second');
    const logouts = await logOutMany(stage, seeder, replicas);
    // Without what all of them do anyway.
    const idleTimes = logouts.tookMs / idle.tookMs;
    at('a logout', 'Redis', once((logouts.redisUs - idleTimes * idle.redisUs) / LOGOUTS), 'CPU µs');
    at('a logout', 'all replicas', once((logouts.replicasUs - idleTimes * idle.replicasUs) / LOGOUTS), 'CPU µs');
    at('refused by all after', 'Sallyport', await timeUntilRefused(seeder, replicas), 'ms');
    const mib = pids.map((pid) => (residentBytes(pid) ?? Number.NaN) / 2 ** 20);
    at('memory', 'each replica', spreadOf(mib), 'MiB');
  }
  return { figures, goals: [], notes: [`${replicas.length} replicas at most, on two cores with Redis.`] };
}

function hasRoom(more: number): boolean {
  return process.availableMemory() > more * ROOM_BYTES;
}

/** What Redis and the replicas spend while something is done. */
async function spent({ redis }: Stage, pids: readonly number[], act: () => Promise<unknown>) {
  const replicasUs = () => pids.reduce((sum, pid) => sum + (cpuTimeUs(pid) ?? Number.NaN), 0);
  const before = { redisUs: cpuTimeUs(redis.pid) ?? Number.NaN, replicasUs: replicasUs(), ms: performance.now() };
  await act();
  return {
    redisUs: (cpuTimeUs(redis.pid) ?? Number.NaN) - before.redisUs,
    replicasUs: replicasUs() - before.replicasUs,
    tookMs: performance.now() - before.ms,
  };
}

/** Logs many sessions out at one replica; all others hear of it. */
async function logOutMany(stage: Stage, seeder: SessionSeeder, replicas: readonly RunningGateway[]) {
  const { port } = replicas[0] as RunningGateway;
  const cookies = await seeder.seed(LOGOUTS, TTL_MS);
  const requests = cookies.map((cookie) => {
    return requestText('POST', '/auth/logout', { Cookie: cookie, Origin: PUBLIC_ORIGIN, 'Content-Length': '0' });
  });
  const pids = replicas.map(({ child }) => child.pid);
  return spent(stage, pids, async () => {
    await stage.client({ do: 'ask', port, requests, connections: CONNECTIONS, status: 204 });
    // News that are still on their way.
    await new Promise((resolve) => setTimeout(resolve, 500));
  });
}

/** From the answer to a logout until no replica lets the session in; milliseconds. */
async function timeUntilRefused(seeder: SessionSeeder, replicas: readonly RunningGateway[]): Promise<Spread> {
  const tookMs: number[] = [];
  for (const cookie of await seeder.seed(TIMED, TTL_MS)) {
    const ask = ({ port }: RunningGateway) => get(port, '/api/orders', { cookie });
    for (const replica of replicas) {
      const { status } = await ask(replica);
      if (status !== 200) throw new Error(`a session was refused: ${status}`);
    }
    const { status } = await send(
      (replicas[0] as RunningGateway).port,
      'POST',
      '/auth/logout',
      { cookie, origin: PUBLIC_ORIGIN },
      '',
    );
    if (status !== 204) throw new Error(`a logout was refused: ${status}`);
    const startedMs = performance.now();
    await Promise.all(
      replicas.map(async (replica) => {
        while ((await ask(replica)).status !== 401) await new Promise(setImmediate);
      }),
    );
    tookMs.push(performance.now() - startedMs);
  }
  return spreadOf(tookMs);
}
