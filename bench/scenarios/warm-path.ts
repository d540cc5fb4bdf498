/** The warm path under other conditions: workers, routes, connections, logs; each in turns with the usual one. */

import { get } from '../load/http.ts';
import { openSessions } from '../load/sessions.ts';
import type { Spread } from '../support/statistics.ts';
import { type Figure, type Found, requestText, type Scenario, type Stage } from './scenario.ts';
import { type Subject, Turns } from './turns.ts';

const CONNECTIONS = 64;
const UNIT = 'CPU µs per request, warm';
const SCRAPE_MS = 1_000;

interface Place {
  readonly name: string;
  readonly title: string;
  readonly port: number;
  readonly pid: number;
  readonly connections?: number;
  readonly processes?: number;
}

/** The same warm request to each of the places. */
async function takeTurns(stage: Stage, places: readonly Place[]): Promise<Turns> {
  const [first] = places;
  const cookies = await openSessions(first?.port as number, CONNECTIONS);
  const requests = cookies.map((cookie) => requestText('GET', '/api/orders', { Cookie: cookie }));
  const subjects: Subject[] = places.map(({ name, title, port, pid, connections = CONNECTIONS, processes = 1 }) => ({
    ...{ name, title, pid, processes },
    run: (durationMs) => stage.client({ do: 'ask', port, requests, connections, durationMs }),
  }));
  return Turns.take(subjects, stage.turns);
}

const start = async (stage: Stage, name: string, title: string, settings: Parameters<Stage['gateway']>[1] = {}) => {
  const gateway = await stage.gateway(name, settings);
  return { name, title, port: gateway.port, pid: gateway.child.pid, gateway };
};

const figuresOf = (turns: Turns, places: readonly Place[], x?: (place: Place) => number): Figure[] =>
  places.map((place) => ({
    ...{ title: place.title, by: 'Sallyport', value: turns.cost(place.name), unit: UNIT },
    ...(x !== undefined && { x: x(place) }),
  }));

const timesTwo = ({ min, median, max }: Spread): Spread => ({ min: 2 / max, median: 2 / median, max: 2 / min });

/**
 * As many connections for each worker as for one alone. With half as many, each finds half as many requests in a turn of its event loop,
 * and shares its system calls among fewer: this would come out as a cost of workers, and goes away with a second core.
 */
export const workers: Scenario = {
  name: 'workers',
  title: 'Workers',
  run: async (stage): Promise<Found> => {
    const places: Place[] = [];
    for (const count of [1, 2]) {
      const place = await start(stage, `${count}`, count === 1 ? '1 worker' : `${count} workers`, { workers: count });
      places.push({ ...place, connections: count * CONNECTIONS, processes: count });
    }
    const turns = await takeTurns(stage, places);
    return {
      figures: figuresOf(turns, places, ({ name }) => Number(name)),
      goals: [
        {
          title: '2 workers ÷ 1, throughput with twice the CPU',
          value: timesTwo(turns.ratio('2', '1')),
          atLeast: 1.9,
          unit: '×',
        },
      ],
      notes: [
        `All on one core, each worker with ${CONNECTIONS} busy connections: this is what requests cost with two workers, not how fast two cores are. The primary is included.`,
      ],
    };
  },
};

export const routes: Scenario = {
  name: 'routes',
  title: 'Routes',
  run: async (stage): Promise<Found> => {
    const places: Awaited<ReturnType<typeof start>>[] = [];
    for (const count of [10, 100, 1_000, 10_000]) {
      const more = Array.from({ length: count - 3 }, (_, at) => ({
        ...{ id: `route-${at}`, match: { path: `/area-${at % 100}/service-${at}` }, credential: 'session' },
        ...{ upstream: 'orders', audience: 'orders' },
      }));
      places.push(await start(stage, `${count}`, `${count.toLocaleString('en-US')} routes`, { routes: more }));
    }
    const turns = await takeTurns(stage, places);
    return {
      figures: figuresOf(turns, places, ({ name }) => Number(name)),
      goals: [
        {
          title: '10,000 routes ÷ 10, whole request',
          value: turns.ratio('10000', '10'),
          atMost: 1.02,
          unit: '×',
        },
      ],
      notes: [],
    };
  },
};

export const telemetry: Scenario = {
  name: 'telemetry',
  title: 'Access log and metrics',
  run: async (stage): Promise<Found> => {
    const places = [
      await start(stage, 'off', 'no access log, not scraped', { accessLog: 'off' }),
      await start(stage, 'on', 'access log, scraped every second'),
    ];
    const { adminPort } = (places[1] as Awaited<ReturnType<typeof start>>).gateway;
    const timer = setInterval(() => void get(adminPort, '/metrics').catch(() => {}), SCRAPE_MS);
    const turns = await takeTurns(stage, places).finally(() => clearInterval(timer));
    return {
      figures: figuresOf(turns, places),
      goals: [{ title: 'access log and metrics on ÷ off', value: turns.ratio('on', 'off'), atMost: 1.05, unit: '×' }],
      notes: ['Counting cannot be turned off; what is off is the access log and the scrape.'],
    };
  },
};

export const connections: Scenario = {
  name: 'connections',
  title: 'Connections',
  run: async (stage): Promise<Found> => {
    const idle = 10_000;
    const usual = await start(stage, 'usual', '');
    const crowded = await start(stage, 'crowded', '');
    const [cookie = ''] = await openSessions(crowded.port, 1);
    const requests = [requestText('GET', '/api/orders', { Cookie: cookie })];
    await stage.client({ do: 'hold', port: crowded.port, requests, connections: idle });
    const { port, pid } = usual;
    const busy = [8, 64, 512].map((count) => {
      return { name: `${count}`, title: `${count} busy connections`, port, pid, connections: count };
    });
    const beside = { ...crowded, title: '64 busy connections beside 10,000 idle ones' };
    const turns = await takeTurns(stage, [...busy, beside]);
    await stage.client({ do: 'release', port: crowded.port });
    return {
      figures: [...figuresOf(turns, busy, ({ name }) => Number(name)), ...figuresOf(turns, [beside])],
      goals: [{ title: '10,000 idle connections beside ÷ none', value: turns.ratio('crowded', '64'), unit: '×' }],
      notes: [],
    };
  },
};
