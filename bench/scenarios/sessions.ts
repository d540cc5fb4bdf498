/**
 * Sessions: warm ones, the more of them the less they share; known ones that are read again; and never-seen ones at random out of up to a
 * million in a real Redis.
 */

import { SessionSeeder } from '../load/sessions.ts';
import { cpuTimeUs } from '../support/process-figures.ts';
import { type Spread, spreadOf } from '../support/statistics.ts';
import { type Figure, type Found, once, requestText, type Scenario, type Stage } from './scenario.ts';
import { type Done, Turns } from './turns.ts';

const CONNECTIONS = 64;
const TTL_MS = 3_600_000;
const WARM = [64, 1_000, 10_000] as const;
/** How many there are in Redis when some of them are asked for. */
const IN_REDIS = [50_000, 200_000, 1_000_000];
/** Asked for in a round, each once. */
const ASKED = 4_000;
/** Longer than a session that was read is trusted (`session.cache.recheckAfter`), and far shorter than a token lasts. */
const READ_AGAIN_AFTER_MS = 1_200;
const COLD_GOAL = 2.5;

export const sessions: Scenario = { name: 'sessions', title: 'Sessions', run };

const requestOf = (cookie: string) => requestText('GET', '/api/orders', { Cookie: cookie });

async function run(stage: Stage): Promise<Found> {
  using seeder = new SessionSeeder(stage.redis.url);
  const gateway = await stage.gateway('sessions');
  const { pid } = gateway.child;
  const emptyBytes = await usedBytes(stage);
  const cookies = await seeder.seed(Math.max(...WARM), TTL_MS);
  const warm = WARM.map((count) => ({
    ...{ name: `warm-${count}`, title: `${count}`, pid },
    run: (durationMs: number) => {
      const requests = cookies.slice(0, count).map(requestOf);
      return stage.client({ do: 'ask', port: gateway.port, requests, connections: CONNECTIONS, durationMs });
    },
  }));
  // Each has to be seen before it is warm.
  const all = cookies.map(requestOf);
  await stage.client({ do: 'ask', port: gateway.port, requests: all, connections: CONNECTIONS });
  const turns = await Turns.take(warm, stage.turns);
  const figures: Figure[] = WARM.map((count) => ({
    ...{ title: `${shown(count)} sessions in use`, by: 'Sallyport', x: count },
    ...{ value: turns.cost(`warm-${count}`), unit: 'CPU µs per request, warm' },
  }));
  figures.push(...(await readAgain(stage, gateway, all)));
  const warmRequests = Array.from({ length: ASKED }, (_, at) => all[at % WARM[0]] as string);
  const value = await neverSeen(stage, seeder, gateway, { seeded: cookies.length, warmRequests, figures });
  const bytes = ((await usedBytes(stage)) - emptyBytes) / Math.max(...IN_REDIS);
  const title = 'a session in Redis, without its index entries';
  figures.push({ title, by: 'Redis', value: once(bytes), unit: 'bytes' });
  return {
    figures,
    goals: [{ title: 'a session not seen before ÷ warm', value, atMost: COLD_GOAL, unit: '×' }],
    notes: [
      `Never-seen sessions are chosen at random among those in Redis: ${shown(ASKED)} in a round, each once. The ratio compares each round with as many warm requests just before.`,
    ],
  };
}

/** Asks for sessions that the gateway knows, each once in a round, after a pause in which it has ceased to trust what it read: their tokens are kept. */
async function readAgain(
  stage: Stage,
  { child, port }: { readonly child: { readonly pid: number }; readonly port: number },
  requests: readonly string[],
): Promise<readonly Figure[]> {
  const [costs, redisCosts]: [number[], number[]] = [[], []];
  for (let round = 0; round < stage.turns.rounds; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, READ_AGAIN_AFTER_MS));
    const before = [cpuTimeUs(child.pid), cpuTimeUs(stage.redis.pid)] as const;
    const { units } = await stage.client({ do: 'ask', port, requests, connections: CONNECTIONS });
    costs.push(perUnit(child.pid, before[0], units));
    redisCosts.push(perUnit(stage.redis.pid, before[1], units));
  }
  const [title, unit] = [`${shown(requests.length)} sessions, read again`, 'CPU µs per request, token kept'];
  return [
    { title, by: 'Sallyport', value: spreadOf(costs), unit },
    { title, by: 'Redis', value: spreadOf(redisCosts), unit },
  ];
}

/** Fills Redis in steps and asks for sessions that the gateway has not seen; what they cost, against warm ones, with most of them there. */
async function neverSeen(
  stage: Stage,
  seeder: SessionSeeder,
  { child, port }: { readonly child: { readonly pid: number }; readonly port: number },
  given: { readonly seeded: number; readonly warmRequests: readonly string[]; readonly figures: Figure[] },
): Promise<Spread> {
  const { warmRequests, figures } = given;
  let present = given.seeded;
  let ratios: number[] = [];
  const ask = async (requests: readonly string[]) => {
    const before = [cpuTimeUs(child.pid), cpuTimeUs(stage.redis.pid)] as const;
    const { units } = await stage.client({ do: 'ask', port, requests, connections: CONNECTIONS });
    return { costUs: perUnit(child.pid, before[0], units), redisUs: perUnit(stage.redis.pid, before[1], units) };
  };
  for (const wanted of IN_REDIS) {
    const fresh: string[] = [];
    const rounds = stage.turns.rounds + 1;
    for (; present < wanted || fresh.length < rounds * ASKED; present += 10_000) {
      fresh.push(...(await seeder.seed(10_000, TTL_MS)));
    }
    ratios = [];
    const costs: number[] = [];
    const redisCosts: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const warm = await ask(warmRequests);
      const cold = await ask(taken(fresh, ASKED).map(requestOf));
      // The first one warms up.
      if (round === 0) continue;
      costs.push(cold.costUs);
      redisCosts.push(cold.redisUs);
      ratios.push(cold.costUs / warm.costUs);
    }
    const title = `${shown(wanted)} in Redis`;
    const of = (by: string, value: Spread): Figure => {
      return { title, by, x: wanted, value, unit: 'CPU µs per request, never seen' };
    };
    figures.push(of('Sallyport', spreadOf(costs)), of('Redis', spreadOf(redisCosts)));
  }
  return spreadOf(ratios);
}

const perUnit = (pid: number, beforeUs: number | null, units: Done['units']) =>
  ((cpuTimeUs(pid) ?? Number.NaN) - (beforeUs ?? Number.NaN)) / units;

/** Takes some at random out of a list. */
function taken(from: string[], count: number): string[] {
  const some: string[] = [];
  while (some.length < count) {
    const at = Math.floor(Math.random() * from.length);
    some.push(from[at] as string);
    from[at] = from.at(-1) as string;
    from.pop();
  }
  return some;
}

async function usedBytes({ redis }: Stage): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.cli('INFO', 'memory'))?.[1]);
}

const shown = (count: number) => count.toLocaleString('en-US');
