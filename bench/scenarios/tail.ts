/**
 * The longest waits: warm requests at a fixed rate, in pairs of rounds without and with something that may hold the event loop up. The
 * machine's own noise hits both rounds of a pair alike.
 */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { addKey } from '../../src/token/key-directory.ts';
import { until } from '../../test/support/until.ts';
import type { RunningGateway } from '../load/gateway.ts';
import type { Credentials } from '../load/generator/load.ts';
import { get } from '../load/http.ts';
import { measure } from '../load/measure.ts';
import { openSessions } from '../load/sessions.ts';
import { percentile, type Spread, spreadOf } from '../support/statistics.ts';
import { type Figure, type Found, MEASURED_CORE, type Scenario, type Stage } from './scenario.ts';

const CONNECTIONS = 64;
const PER_SEC = 2_000;
const ROUND_MS = 1_000;
/** Into a round. */
const EVENT_AT_MS = 300;
const IDLE_MS = 5_000;
const ROUTES = 300;
const MOST_ADDED_MS = 5;

export const tail: Scenario = { name: 'tail', title: 'Longest waits', run };

/** What happens once in a round: before it begins, or in its midst. */
interface Event {
  readonly title: string;
  readonly before?: () => Promise<unknown>;
  readonly amid?: () => Promise<unknown>;
  /** After all rounds. @throws Error unless it has really happened */
  readonly check?: () => Promise<unknown>;
}

/** Latencies of a round, milliseconds. */
interface Round {
  readonly p99: number;
  readonly longest: number;
}

const routesNamed = (name: string) =>
  Array.from({ length: ROUTES }, (_, at) => ({
    ...{ id: `${name}-${at}`, match: { path: `/services/${at}/api` }, credential: 'session' },
    ...{ upstream: 'orders', audience: 'orders' },
  }));

async function run(stage: Stage): Promise<Found> {
  const upstreamPort = await stage.cheapUpstreamPort();
  const settings = { upstreamPort, routes: routesNamed('first'), hasKeyDirectory: true };
  const gateway = await stage.gateway('tail', settings);
  const values = await openSessions(gateway.port, CONNECTIONS);
  const credentials: Credentials = { header: 'Cookie', values, use: 'per connection' };
  const target = { ...gateway, name: 'sallyport', base: '/api', credentials: () => Promise.resolve(credentials) };
  const generator = await stage.generator();
  const round = async (event: Event, rate: number | null = PER_SEC, durationMs = ROUND_MS): Promise<Round> => {
    await event.before?.();
    const happening = event.amid === undefined ? null : sleep(EVENT_AT_MS).then(event.amid);
    const { latenciesUs } = await measure(generator, target, {
      ...{ connections: CONNECTIONS, durationMs, rate, expectedRequests: CONNECTIONS, core: MEASURED_CORE },
    });
    await happening;
    const sorted = latenciesUs.sort();
    return { p99: percentile(sorted, 99) / 1_000, longest: (sorted.at(-1) ?? Number.NaN) / 1_000 };
  };
  const quiet: Event = { title: 'nothing' };
  const events = eventsOn(stage, gateway);
  await round(quiet, null, stage.turns.warmUpMs);
  for (const event of events) await round(event);
  const pairs = stage.isQuick ? 4 : 16;
  const measured: { readonly title: string; readonly without: Round[]; readonly withIt: Round[] }[] = [];
  for (const event of events) {
    const [without, withIt]: [Round[], Round[]] = [[], []];
    for (let pair = 0; pair < pairs; pair += 1) {
      without.push(await round(quiet));
      withIt.push(await round(event));
    }
    await event.check?.();
    measured.push({ title: event.title, without, withIt });
  }
  return found(measured, pairs);
}

function eventsOn(
  { directory }: Stage,
  { child, port, adminPort }: Pick<RunningGateway, 'adminPort' | 'child' | 'port'>,
): readonly Event[] {
  const own = join(directory, 'tail');
  const config = join(own, 'gateway.yaml');
  const reloads = async () => {
    const { body } = await get(adminPort, '/metrics');
    return Number(/^sallyport_config_reloads_total\{result="applied"\} (\d+)/m.exec(body)?.[1] ?? 0);
  };
  let generation = 0;
  let expected = 0;
  const reload = () => {
    expected += 1;
    process.kill(child.pid, 'SIGHUP');
  };
  /** The count is read between rounds, so that no scrape falls into one. */
  const reloaded = () => until(async () => (await reloads()) >= expected, 'the last reload is done');
  const settled = async () => {
    await reloaded();
    await sleep(EVENT_AT_MS);
  };
  return [
    scrapeOf(adminPort),
    { title: 'a reload, nothing changed', before: settled, amid: async () => reload(), check: reloaded },
    {
      title: `a reload, ${ROUTES} routes renamed`,
      before: async () => {
        await settled();
        const [from, to] = generation++ % 2 === 0 ? ['first', 'renamed'] : ['renamed', 'first'];
        await writeFile(config, (await readFile(config, 'utf8')).replaceAll(`"id":"${from}-`, `"id":"${to}-`));
      },
      amid: async () => reload(),
      check: reloaded,
    },
    {
      title: 'a new signing key',
      before: settled,
      amid: async () => {
        await addKey(join(own, 'keys'), 'ES256', Date.now(), Date.now());
        reload();
      },
      check: async () => {
        await reloaded();
        const { keys } = JSON.parse((await get(port, '/.well-known/jwks.json')).body) as { keys: unknown[] };
        if (keys.length < 2) throw new Error('the gateway has no new key');
      },
    },
    { title: `${IDLE_MS / 1_000} s without a request before`, before: () => sleep(IDLE_MS) },
  ];
}

/**
 * A scrape by another process of the lowest priority, started before the round: five megabytes that this one reads would hold up the
 * generator on the same core.
 */
function scrapeOf(adminPort: number): Event {
  const scrape = `sleep ${EVENT_AT_MS / 1_000}; exec curl -sf -o /dev/null http://127.0.0.1:${adminPort}/metrics`;
  let scraping: Promise<unknown> = Promise.resolve();
  return {
    title: 'a scrape',
    before: async () => {
      await scraping;
      scraping = promisify(execFile)('nice', ['-n', '19', 'sh', '-c', scrape]);
    },
    check: () => scraping,
  };
}

function found(
  measured: readonly {
    readonly title: string;
    readonly without: readonly Round[];
    readonly withIt: readonly Round[];
  }[],
  pairs: number,
): Found {
  const of = (rounds: readonly Round[], what: keyof Round) => spreadOf(rounds.map((round) => round[what]));
  const all = measured.flatMap(({ without }) => without);
  const rows = [{ title: 'nothing', withIt: all as readonly Round[] }, ...measured];
  const figures = rows.flatMap(({ title, withIt }): Figure[] => [
    { title: `${title}: p99`, by: 'Sallyport', value: of(withIt, 'p99'), unit: 'ms' },
    { title: `${title}: longest`, by: 'Sallyport', value: of(withIt, 'longest'), unit: 'ms' },
  ]);
  const added = ({ without, withIt }: (typeof measured)[number]): Spread =>
    spreadOf(withIt.map(({ longest }, pair) => longest - (without[pair]?.longest ?? Number.NaN)));
  const goals = measured.map((one) => {
    return { title: `longest wait added by ${one.title}`, value: added(one), atMost: MOST_ADDED_MS, unit: 'ms' };
  });
  const note = `${PER_SEC} warm requests a second; ${pairs} pairs of rounds of ${ROUND_MS / 1_000} s, ${ROUTES} routes`;
  return { figures, goals, notes: [`${note}. The longest wait is that of one request in a round.`] };
}
