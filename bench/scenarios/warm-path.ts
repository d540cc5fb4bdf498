/** The warm path under other conditions: workers, routes, connections, logs, traces; each in turns with the usual one. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
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
  /** Another gateway that has half of the connections. */
  readonly beside?: { readonly port: number; readonly pid: number };
}

/** The same warm request to each of the places. */
async function takeTurns(stage: Stage, places: readonly Place[], settings = stage.turns): Promise<Turns> {
  const [first] = places;
  const cookies = await openSessions(first?.port as number, CONNECTIONS);
  const requests = cookies.map((cookie) => requestText('GET', '/api/orders', { Cookie: cookie }));
  const subjects: Subject[] = places.map(({ name, title, port, pid, beside, ...place }) => {
    const { connections = CONNECTIONS, processes = 1 } = place;
    const portBeside = beside?.port ?? port;
    return {
      ...{ name, title, pid, processes, ...(beside !== undefined && { pidBeside: beside.pid }) },
      run: (durationMs) => stage.client({ do: 'ask', port, portBeside, requests, connections, durationMs }),
    };
  });
  return Turns.take(subjects, settings);
}

const start = async (stage: Stage, name: string, title: string, settings: Parameters<Stage['gateway']>[1] = {}) => {
  const gateway = await stage.gateway(name, { upstreamPort: await stage.cheapUpstreamPort(), ...settings });
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
 * and shares its system calls among fewer: this would come out as a cost of workers, and goes away with a second core. Two gateways of
 * one process each show what it costs alone that two processes share the caches of one core.
 */
export const workers: Scenario = {
  name: 'workers',
  title: 'Workers',
  run: async (stage): Promise<Found> => {
    const one = await start(stage, '1', '1 worker');
    const two = await start(stage, '2', '2 workers', { workers: 2 });
    const [first, beside] = [await start(stage, 'first', ''), await start(stage, 'second', '')];
    const double = { connections: 2 * CONNECTIONS, processes: 2 };
    const places: readonly Place[] = [
      one,
      { ...two, ...double },
      { ...first, ...double, name: 'apart', title: '2 gateways of one process', beside },
    ];
    const turns = await takeTurns(stage, places);
    return {
      figures: [
        ...figuresOf(turns, places.slice(0, 2), ({ name }) => Number(name)),
        ...figuresOf(turns, places.slice(2)),
      ],
      goals: [
        {
          title: '2 workers ÷ 1, throughput with twice the CPU',
          value: timesTwo(turns.ratio('2', '1')),
          atLeast: 1.9,
          unit: '×',
        },
        { title: '2 workers ÷ 2 gateways of one process, CPU', value: turns.ratio('2', 'apart'), unit: '×' },
      ],
      notes: [
        `All on one core, each process with ${CONNECTIONS} busy connections: this is what requests cost with two workers, not how fast two cores are. The primary is included.`,
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

/** How many requests are recorded before any counts: what records them has to be compiled, too, and at 1 % that takes hours. */
const RECORDED_FIRST = 10_000;

/** The twin is configured like the first: how far apart the two come is what the others may come apart by chance. */
export const traces: Scenario = {
  name: 'traces',
  title: 'Traces',
  run: async (stage): Promise<Found> => {
    const collector = createServer((request, response) => request.resume().on('end', () => response.end()));
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;
    // More than the gateway can reach, so that the ratio alone decides; and the client may have its requests recorded.
    const section = { url, sampleRatio: 0.01, maxPerSecond: 100_000, trustParent: 'all' };
    const places = [
      await start(stage, 'without', 'no traces'),
      await start(stage, 'twin', 'no traces, in a second gateway'),
      await start(stage, 'recording', 'traces of 1 % of requests', { sections: { traces: section } }),
    ];
    const { port, gateway } = places[2] as (typeof places)[number];
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const [cookie = ''] = await openSessions(port, 1);
    const requests = [requestText('GET', '/api/orders', { Cookie: cookie, Traceparent: traceparent })];
    for (let done = 0; done < RECORDED_FIRST; )
      done += (await stage.client({ do: 'ask', port, requests, connections: CONNECTIONS, durationMs: 1_000 })).units;
    const sentBefore = await exportedSpans(gateway.adminPort);
    // Many short turns: what a neighbour on the machine adds to one is more than the difference that is looked for.
    const { rounds, roundMs, warmUpMs } = stage.turns;
    const short = { rounds: 10 * rounds, roundMs: roundMs / 10, warmUpMs };
    const turns = await takeTurns(stage, places, short).finally(() => collector.close());
    const sent = (await exportedSpans(gateway.adminPort)) - sentBefore;
    if (sent === 0) throw new Error('the collector has no span');
    return {
      figures: figuresOf(turns, places),
      goals: [
        { title: 'traces of 1 % ÷ none', value: turns.ratio('recording', 'without'), atMost: 1.03, unit: '×' },
        { title: 'twin without traces ÷ the other', value: turns.ratio('twin', 'without'), unit: '×' },
      ],
      notes: [`${sent.toLocaleString('en-US')} spans were sent, over HTTP to a collector on the other core.`],
    };
  },
};

async function exportedSpans(adminPort: number): Promise<number> {
  const { body } = await get(adminPort, '/metrics');
  return Number(/^sallyport_trace_spans_exported_total (\d+)/m.exec(body)?.[1] ?? 0);
}

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
