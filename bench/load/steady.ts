/**
 * What an attack does to people who are logged in: their requests come at a fixed rate from a process of its own, in turns
 * without and with the attack, on the same gateway in the same run. A latency counts from when the request was due.
 *
 * The ratio of two neighbouring turns is what counts: it leaves out how fast the machine is, though not what else it does.
 */

import { get } from 'node:http';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Child, Children } from '../support/children.ts';
import { cpuTimeUs } from '../support/process-figures.ts';
import { percentile, spreadOf } from '../support/statistics.ts';
import type { RunningGateway } from './gateway.ts';
import type { Load, Outcome } from './generator/load.ts';
import { HOST } from './http.ts';

/** What is done to a gateway. */
export interface Attack {
  readonly name: string;
  /** Begins it, and resolves when it is under way. What it returns ends it, and reports the outcome. */
  readonly begin: () => Promise<() => Promise<string>>;
}

export interface TurnSettings {
  readonly rounds: number;
  readonly seconds: number;
  /** Requests per second. */
  readonly rate: number;
}

const CONNECTIONS = 32;
/** Between two turns, so that what one leaves does not count for the next. */
const SETTLE_MS = 1_000;
const WARM_UP_MS = 3_000;
/** People who come on a new connection, and from where. */
const NEWCOMER = { everyMs: 50, localAddress: '127.0.0.3', timeoutMs: 5_000 };

/** The head of {@link compared}'s rows. */
export const COLUMNS = [
  '',
  'quiet p50/p99 ms',
  'with it p50/p99 ms',
  'p99 ratio (range)',
  'generator late p99 ms',
  'new connections p99 ms',
  'not served',
  'processor time',
  'outcome',
];

/** One turn: what the traffic saw, and the share of the time that the gateway worked. */
interface Turn extends Outcome {
  readonly busyShare: number;
  /** Of requests that each came on a connection of its own; milliseconds. */
  readonly newcomersMs: readonly number[];
  readonly newcomersLost: number;
}

/** People who are logged in. */
export class SteadyTraffic {
  readonly #generator: Child;
  readonly #gatewayPid: number;
  readonly #load: Omit<Load, 'durationMs'>;
  readonly #settings: TurnSettings;

  private constructor(generator: Child, gatewayPid: number, load: Omit<Load, 'durationMs'>, settings: TurnSettings) {
    this.#generator = generator;
    this.#gatewayPid = gatewayPid;
    this.#load = load;
    this.#settings = settings;
  }

  /** Starts the process that they come from, and warms the gateway up. */
  static async start(children: Children, gateway: RunningGateway, cookies: readonly string[], settings: TurnSettings) {
    const generator = children.node([fileURLToPath(new URL('generator/generator.ts', import.meta.url))]);
    await generator.ask();
    preferred(generator.pid);
    preferred(gateway.child.pid);
    const load = {
      port: gateway.port,
      path: '/api/orders',
      headers: { Host: HOST, Accept: 'application/json' },
      credentials: { header: 'Cookie', values: cookies, use: 'per connection' },
      connections: CONNECTIONS,
      rate: settings.rate,
    } as const;
    const traffic = new SteadyTraffic(generator, gateway.child.pid, load, settings);
    await traffic.#turn(WARM_UP_MS);
    return traffic;
  }

  /** A row of the table: turns without and with an attack. */
  async compared({ name, begin }: Attack): Promise<string[]> {
    const { rounds, seconds } = this.#settings;
    const [quiet, attacked]: [Turn[], Turn[]] = [[], []];
    let note = '';
    for (let round = 0; round < rounds; round += 1) {
      quiet.push(await this.#turn(seconds * 1_000));
      const end = await begin();
      attacked.push(await this.#turn(seconds * 1_000));
      note = await end();
      await sleep(SETTLE_MS);
    }
    const ratio = spreadOf(attacked.map((turn, at) => msAt(turn, 99) / msAt(quiet[at] as Turn, 99)));
    const range = `${ratio.min.toFixed(1)}–${ratio.max.toFixed(1)}`;
    const lost = [...quiet, ...attacked].map(
      ({ failures, newcomersLost }) => sum(Object.values(failures)) + newcomersLost,
    );
    const notServed = `${sum(lost.slice(0, rounds))} / ${sum(lost.slice(rounds))}`;
    const busy = [quiet, attacked].map((turns) => spreadOf(turns.map(({ busyShare }) => busyShare)).median);
    const percents = busy.map((share) => `${(100 * share).toFixed(0)} %`).join(' / ');
    const newcomers = [quiet, attacked].map((turns) => newcomersP99(turns).toFixed(1)).join(' / ');
    const late = [quiet, attacked].map((turns) => latenessMs(turns).toFixed(1)).join(' / ');
    const ratios = `${ratio.median.toFixed(2)} (${range})`;
    // The table comes at the end, and some runs do not get there.
    console.error(`${name}: p99 ratio ${ratios}`);
    return [name, shown(quiet), shown(attacked), ratios, late, newcomers, notServed, percents, note];
  }

  async #turn(durationMs: number): Promise<Turn> {
    const newcomers = new Newcomers(this.#load);
    const before = { cpuUs: cpuTimeUs(this.#gatewayPid) ?? Number.NaN, ms: performance.now() };
    const answer = await this.#generator.ask<{ outcome?: Outcome; error?: string }>({ ...this.#load, durationMs });
    if (answer.outcome === undefined) throw new Error(`the traffic could not be made: ${answer.error}`);
    const cpuUs = (cpuTimeUs(this.#gatewayPid) ?? Number.NaN) - before.cpuUs;
    const busyShare = cpuUs / 1_000 / (performance.now() - before.ms);
    return { ...answer.outcome, busyShare, ...(await newcomers.end()) };
  }
}

/** Requests that each come on a connection of its own, from an address of their own, until they are told to end. */
class Newcomers {
  readonly #tookMs: number[] = [];
  readonly #pending = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #lost = 0;

  constructor(load: Omit<Load, 'durationMs'>) {
    this.#timer = setInterval(() => {
      const one = this.#come(load);
      this.#pending.add(one);
      void one.finally(() => this.#pending.delete(one));
    }, NEWCOMER.everyMs);
  }

  async end() {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    return { newcomersMs: this.#tookMs, newcomersLost: this.#lost };
  }

  async #come({ port, path, headers, credentials }: Omit<Load, 'durationMs'>): Promise<void> {
    const startedMs = performance.now();
    const credential = { [credentials.header]: credentials.values[0] as string };
    const { localAddress, timeoutMs } = NEWCOMER;
    const status = await new Promise<number>((resolve) => {
      const options = { host: '127.0.0.1', port, path, headers: { ...headers, ...credential }, localAddress };
      get({ ...options, agent: false, timeout: timeoutMs }, (response) => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0));
      })
        .on('timeout', () => resolve(0))
        .on('error', () => resolve(0));
    });
    if (status === 200) this.#tookMs.push(performance.now() - startedMs);
    else this.#lost += 1;
  }
}

/**
 * Lets a process of the benchmark have its core before the attack, which is made on the same one, and before other programs; needs
 * root.
 */
export function preferred(pid: number): void {
  try {
    setPriority(pid, -10);
  } catch {
    console.error(
      'without root, the attack and those who are measured share a core as equals: ratios come out too high',
    );
  }
}

const msAt = ({ latenciesUs }: Outcome, percent: number) => percentile(latenciesUs.toSorted(), percent) / 1_000;
const shown = (turns: readonly Turn[]) =>
  [50, 99].map((percent) => spreadOf(turns.map((turn) => msAt(turn, percent))).median.toFixed(2)).join(' / ');
const newcomersP99 = (turns: readonly Turn[]) =>
  spreadOf(
    turns.map(({ newcomersMs }) =>
      percentile(
        newcomersMs.toSorted((a, b) => a - b),
        99,
      ),
    ),
  ).median;
/** How late the generator itself was with requests. No latency includes that, but as late it may be to read answers. */
const latenessMs = (turns: readonly Turn[]) =>
  spreadOf(turns.map(({ latenessP99Us }) => (latenessP99Us ?? Number.NaN) / 1_000)).median;
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
