/**
 * The load benchmark: what a request costs through the gateway, in comparison with the bare relay and the upstream
 * itself, measured side by side in many short rounds. See bench/README.md for the method.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RedisServer } from '../../test/support/redis.ts';
import { type Child, Children, canPin, pinSelf } from '../support/children.ts';
import { provenance } from '../support/machine.ts';
import { spreadOf } from '../support/statistics.ts';
import { check } from './checks.ts';
import { measure, type Round } from './measure.ts';
import { failuresOf, type LoadReport, type LoadSettings, print, summarise } from './report.ts';
import { SessionSeeder } from './sessions.ts';
import { startVariants, type Variant, type VariantName } from './variants.ts';

/** A few minutes. */
export const FULL: Omit<LoadSettings, 'variants'> = {
  connections: 64,
  warmUpMs: 4_000,
  rounds: 6,
  roundMs: 2_000,
  shares: [0.5, 0.7],
  roundsAtRate: 3,
};

/** Less than a minute. */
export const QUICK: Omit<LoadSettings, 'variants'> = {
  connections: 64,
  warmUpMs: 1_500,
  rounds: 3,
  roundMs: 1_000,
  shares: [0.5],
  roundsAtRate: 1,
};

/** The core of the measured processes, and that of everything else. */
const MEASURED_CORE = 0;
const OTHER_CORE = 1;

/**
 * Runs the benchmark and writes its report.
 *
 * @param file  of the report, JSON
 * @returns whether every answer was right
 */
export async function runLoad(settings: LoadSettings, file: string): Promise<boolean> {
  const measured = provenance();
  const isPinned = canPin && availableParallelism() > OTHER_CORE;
  if (isPinned) pinSelf(OTHER_CORE);
  using children = new Children();
  await using directory = await temporaryDirectory();
  await using redis = await RedisServer.start();
  using seeder = new SessionSeeder(redis.url);
  say('starting …');
  const all = await startVariants(children, {
    directory: directory.path,
    redisUrl: redis.url,
    seeder,
    connections: settings.connections,
    core: MEASURED_CORE,
  });
  const variants = all.filter(({ name }) => settings.variants.includes(name));
  const generator = children.node([fileURLToPath(new URL('generator/generator.ts', import.meta.url))]);
  await generator.ask();

  say('verifying the answers …');
  for (const variant of variants) await check(variant);
  const bench = new LoadBenchmark(generator, variants, settings, seeder);
  await bench.warmUp();
  await bench.findMaximum();
  for (const share of settings.shares) await bench.holdRate(share);
  say('verifying the answers again …');
  for (const variant of variants) await check(variant);

  const report: LoadReport = {
    kind: 'load',
    ...measured,
    settings: { ...settings, isPinned },
    ...summarise(variants, bench.atMaximum, bench.atRates),
  };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
  print(report);
  return failuresOf(report).length === 0;
}

type Rounds = Map<VariantName, Round[]>;

class LoadBenchmark {
  readonly atMaximum: Rounds = new Map();
  readonly atRates: { readonly share: number; readonly rates: Map<VariantName, number>; readonly rounds: Rounds }[] =
    [];
  readonly #generator: Child;
  readonly #variants: readonly Variant[];
  readonly #settings: LoadSettings;
  readonly #seeder: SessionSeeder;
  /** Requests per second, by what has been seen so far. */
  readonly #pace = new Map<VariantName, number>();

  constructor(generator: Child, variants: readonly Variant[], settings: LoadSettings, seeder: SessionSeeder) {
    this.#generator = generator;
    this.#variants = variants;
    this.#settings = settings;
    this.#seeder = seeder;
  }

  /** Warms up until the measured code is compiled; nothing of it counts. */
  async warmUp(): Promise<void> {
    const { warmUpMs } = this.#settings;
    for (const variant of this.#variants) {
      say(`warming up: ${variant.name}`);
      for (let part = 0; part < 2; part++) await this.#round(variant, warmUpMs / 2, null);
    }
  }

  /** Rounds without a rate. Their order rotates, so that no variant always follows the same one. */
  async findMaximum(): Promise<void> {
    const { rounds, roundMs } = this.#settings;
    for (let round = 0; round < rounds; round++) {
      say(`maximum: round ${round + 1} of ${rounds}`);
      for (const variant of rotated(this.#variants, round)) {
        add(this.atMaximum, variant, await this.#round(variant, roundMs, null));
      }
    }
  }

  /** Rounds at a share of the maximum: the warm path's for all, so that latencies compare; the cold path's for itself. */
  async holdRate(share: number): Promise<void> {
    const { roundsAtRate, roundMs } = this.#settings;
    const maximum = (name: VariantName) =>
      spreadOf((this.atMaximum.get(name) ?? []).map((it) => it.requestsPerSec)).median;
    const common = maximum(this.atMaximum.has('warm') ? 'warm' : (this.#variants[0] as Variant).name);
    const rates = new Map<VariantName, number>();
    for (const { name, isCold } of this.#variants)
      rates.set(name, Math.round(share * (isCold ? maximum(name) : common)));
    const rounds: Rounds = new Map();
    for (let round = 0; round < roundsAtRate; round++) {
      say(`${share * 100} % of the maximum: round ${round + 1} of ${roundsAtRate}`);
      for (const variant of rotated(this.#variants, round)) {
        add(rounds, variant, await this.#round(variant, roundMs, rates.get(variant.name) as number));
      }
    }
    this.atRates.push({ share, rates, rounds });
  }

  async #round(variant: Variant, durationMs: number, rate: number | null): Promise<Round> {
    const { name } = variant;
    const expectedRequests = ((rate ?? this.#pace.get(name) ?? 2_000) * durationMs) / 1_000;
    const { connections } = this.#settings;
    const readsSessions = name === 'cold';
    const readBefore = readsSessions ? await this.#seeder.readCount() : 0;
    const round = await measure(this.#generator, variant, {
      connections,
      durationMs,
      rate,
      expectedRequests,
      core: MEASURED_CORE,
    });
    if (readsSessions && (await this.#seeder.readCount()) - readBefore < round.requests) {
      throw new Error('a cold request did not read its session from Redis: it was not cold');
    }
    this.#pace.set(name, round.requestsPerSec);
    return round;
  }
}

function add(rounds: Rounds, { name }: Variant, round: Round): void {
  const present = rounds.get(name);
  if (present === undefined) rounds.set(name, [round]);
  else present.push(round);
}

const rotated = <T>(values: readonly T[], by: number): T[] =>
  values.map((_, index) => values[(index + by) % values.length] as T);

async function temporaryDirectory() {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

function say(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else console.error(text);
}
