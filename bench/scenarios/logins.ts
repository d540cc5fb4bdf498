/** Logins at an identity provider: what one costs, and what many cost the people who are logged in. */

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Credentials } from '../load/generator/load.ts';
import { Browser } from '../load/login-browser.ts';
import { measure, type Target } from '../load/measure.ts';
import { openSessions } from '../load/sessions.ts';
import { cpuTimeUs } from '../support/process-figures.ts';
import { percentile, type Spread, spreadOf } from '../support/statistics.ts';
import { type Figure, type Found, MEASURED_CORE, requestText, type Scenario, type Stage } from './scenario.ts';
import { type Done, type Subject, Turns } from './turns.ts';

const PATH = '/api/orders';
/** Browsers that log in at the same time, for the cost of one login. */
const BROWSERS = 16;
/** Logins until everything on their way is compiled. */
const WARM_UPS = 3;
/** Beside warm traffic. */
const LOGINS_PER_SEC = 200;
const WARM_PER_SEC = 500;
const WARM_CONNECTIONS = 32;
const PAIR_MS = 2_000;
const PERCENTS = [50, 99] as const;

export const logins: Scenario = { name: 'logins', title: 'Logins', run };

async function run(stage: Stage): Promise<Found> {
  const provider = stage.children.node([fileURLToPath(new URL('../load/servers/provider.ts', import.meta.url))]);
  const issuer = `http://127.0.0.1:${(await provider.ask<{ port: number }>()).port}`;
  const { child, port } = await stage.gateway('logins', {
    // Browsers come from addresses of their own.
    listener: { trustedProxies: ['127.0.0.1'] },
    provider: { name: 'corporate', issuer, clientId: 'shop', roles: 'roles' },
  });
  const cookies = await openSessions(port, WARM_CONNECTIONS);
  const requests = cookies.map((cookie) => requestText('GET', PATH, { Cookie: cookie }));
  const redisUs: number[] = [];
  const subjects: readonly Subject[] = [
    {
      ...{ name: 'warm', title: 'warm request, for comparison', pid: child.pid },
      run: (durationMs) => stage.client({ do: 'ask', port, requests, connections: WARM_CONNECTIONS, durationMs }),
    },
    {
      ...{ name: 'login', title: 'a login, in five requests', pid: child.pid, warmUps: WARM_UPS },
      run: async (durationMs) => {
        const beforeUs = cpuTimeUs(stage.redis.pid) ?? Number.NaN;
        const done = await logInFor(port, durationMs);
        redisUs.push(((cpuTimeUs(stage.redis.pid) ?? Number.NaN) - beforeUs) / done.units);
        return done;
      },
    },
  ];
  const turns = await Turns.take(subjects, stage.turns);
  const figures: Figure[] = subjects.map(({ name, title }) => {
    return { title, by: 'Sallyport', value: turns.cost(name), unit: 'CPU µs' };
  });
  const value = spreadOf(redisUs.slice(-stage.turns.rounds));
  figures.push({ title: 'a login, in five requests', by: 'Redis', value, unit: 'CPU µs' });
  const beside = await besideWarm(stage, { child, port }, cookies);
  return {
    figures: [...figures, ...beside.figures],
    goals: [
      { title: 'a login ÷ a warm request', value: turns.ratio('login', 'warm'), unit: '×' },
      { title: 'warm p99: logins beside it ÷ none', value: beside.ratio, unit: '×' },
    ],
    notes: [
      `The latencies are those of ${WARM_PER_SEC} warm requests a second, with ${LOGINS_PER_SEC} logins a second beside them and without, in pairs of rounds of ${PAIR_MS / 1_000} s. \`node bench/load/logins.ts\` has harder storms.`,
    ],
  };
}

/** Logs in again and again, each time with a browser that has no cookies. */
async function logInFor(port: number, durationMs: number): Promise<Done> {
  const startedMs = performance.now();
  let units = 0;
  const person = async () => {
    do {
      if (!(await new Browser(port).logIn(PATH))) throw new Error('a login did not lead to the page');
      units += 1;
    } while (performance.now() - startedMs < durationMs);
  };
  await Promise.all(Array.from({ length: BROWSERS }, person));
  return { units, tookMs: performance.now() - startedMs };
}

/** Latency of warm requests at a fixed rate, in pairs of rounds without and with logins. */
async function besideWarm(
  stage: Stage,
  gateway: Pick<Target, 'child' | 'port'>,
  values: readonly string[],
): Promise<{ readonly figures: readonly Figure[]; readonly ratio: Spread }> {
  const credentials: Credentials = { header: 'Cookie', values, use: 'per connection' };
  const target = { name: 'warm', base: '/api', ...gateway, credentials: () => Promise.resolve(credentials) };
  const settings = {
    ...{ connections: WARM_CONNECTIONS, durationMs: PAIR_MS, rate: WARM_PER_SEC },
    ...{ expectedRequests: WARM_CONNECTIONS, core: MEASURED_CORE },
  };
  const generator = await stage.generator();
  const round = async () => {
    const sorted = (await measure(generator, target, settings)).latenciesUs.sort();
    return PERCENTS.map((percent) => percentile(sorted, percent) / 1_000);
  };
  await round();
  const [without, beside]: [number[][], number[][]] = [[], []];
  for (let pair = 0; pair < (stage.isQuick ? 4 : 12); pair += 1) {
    without.push(await round());
    const stop = logInAtRate(gateway.port);
    beside.push(await round());
    await stop();
  }
  const figures = [
    { by: 'no logins', rounds: without },
    { by: `${LOGINS_PER_SEC} logins a second`, rounds: beside },
  ].flatMap(({ by, rounds }) =>
    PERCENTS.map((percent, at): Figure => {
      const value = spreadOf(rounds.map((ms) => ms[at] as number));
      return { title: `warm requests beside ${by}, p${percent}`, by: 'Sallyport', value, unit: 'ms' };
    }),
  );
  const last = PERCENTS.length - 1;
  const ratio = spreadOf(beside.map((ms, pair) => (ms[last] as number) / (without[pair]?.[last] as number)));
  return { figures, ratio };
}

/** Logs in at a rate until it is stopped; what it returns waits for the logins under way, and fails if one did not succeed. */
function logInAtRate(port: number): () => Promise<void> {
  const begunMs = performance.now();
  const all: Promise<boolean>[] = [];
  const stopping = new AbortController();
  const loop = (async () => {
    while (!stopping.signal.aborted) {
      while (all.length < ((performance.now() - begunMs) / 1_000) * LOGINS_PER_SEC)
        all.push(new Browser(port).logIn(PATH).catch(() => false));
      await sleep(1);
    }
  })();
  return async () => {
    stopping.abort();
    await loop;
    const lost = (await Promise.all(all)).filter((isGood) => !isGood).length;
    if (lost > 0) throw new Error(`${lost} of ${all.length} logins did not lead to the page`);
  };
}
