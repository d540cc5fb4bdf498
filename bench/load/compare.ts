/**
 * Two commits of Sallyport in one run: `npm run bench -- compare BASE`, before every change to the path of a request.
 *
 * BASE is checked out into a temporary folder; its own benchmark starts its gateway, and this one the present
 * gateway. Both and the relay stay up, on the same core, and are measured in short rounds in random order. A ratio is computed
 * within its round, so that whatever else the machine does affects both sides alike. It never says whether a change is
 * good.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { RedisServer } from '../../test/support/redis.ts';
import { type Child, Children, pinSelf } from '../support/children.ts';
import { type Quartiles, quartilesOf } from '../support/statistics.ts';
import { check } from './checks.ts';
import { measure } from './measure.ts';
import type { Variant, VariantName } from './variants.ts';

export interface CompareSettings {
  readonly variants: readonly VariantName[];
  readonly connections: number;
  readonly warmUpMs: number;
  readonly rounds: number;
  readonly roundMs: number;
}

const HEAD = fileURLToPath(new URL('../../', import.meta.url));
const [MEASURED_CORE, OTHER_CORE] = [0, 1];

/** CPU time per request of one variant on both sides. */
interface Compared {
  readonly title: string;
  readonly baseUs: Quartiles;
  readonly headUs: Quartiles;
  readonly baseTimesRelay: Quartiles;
  readonly headTimesRelay: Quartiles;
  readonly headTimesBase: Quartiles;
}

/**
 * Measures the working tree against a commit.
 *
 * @param base  what Git calls it: a branch, a tag, a hash
 * @returns a Markdown table
 * @throws Error when the commit does not exist, cannot be installed or gives a wrong answer
 */
export async function compareWith(base: string, settings: CompareSettings): Promise<string> {
  using checkout = new Checkout(base);
  pinSelf(OTHER_CORE);
  using children = new Children();
  await using baseRedis = await RedisServer.start();
  await using headRedis = await RedisServer.start();
  const temporary = mkdtempSync(join(tmpdir(), 'sallyport-bench-'));
  try {
    say(`starting ${base} and the working tree …`);
    using baseSide = await Side.start(checkout.path, children, join(temporary, 'base'), baseRedis.url, settings);
    using headSide = await Side.start(HEAD, children, join(temporary, 'head'), headRedis.url, settings);
    const generator = children.node([fileURLToPath(new URL('generator/generator.ts', import.meta.url))]);
    await generator.ask();
    return table(checkout, await new Comparison(generator, baseSide, headSide, settings).run(), settings);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** A commit in a folder of its own, with the packages of its lock file. */
class Checkout implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'sallyport-base-'));
  readonly commit: string;

  constructor(base: string) {
    this.commit = git('rev-parse', '--short', '--verify', `${base}^{commit}`);
    git('worktree', 'add', '--detach', '--force', this.path, this.commit);
    const lockFile = (root: string) => readFileSync(join(root, 'package-lock.json'), 'utf8');
    if (lockFile(this.path) === lockFile(HEAD)) {
      symlinkSync(join(HEAD, 'node_modules'), join(this.path, 'node_modules'), 'dir');
    } else {
      say(`installing the packages of ${this.commit} …`);
      execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--omit=dev'], { cwd: this.path, stdio: 'ignore' });
    }
  }

  [Symbol.dispose](): void {
    git('worktree', 'remove', '--force', this.path);
  }
}

/** The processes of one of the two. */
class Side implements Disposable {
  readonly #variants: readonly Variant[];
  readonly #seeder: Disposable;

  private constructor(variants: readonly Variant[], seeder: Disposable) {
    this.#variants = variants;
    this.#seeder = seeder;
  }

  /** Runs the benchmark's code of that tree, because only that writes a configuration that its gateway reads. */
  static async start(
    root: string,
    children: Children,
    directory: string,
    redisUrl: string,
    { connections }: CompareSettings,
  ): Promise<Side> {
    const load = (file: string) => import(pathToFileURL(join(root, 'bench/load', file)).href);
    const { startVariants } = (await load('variants.ts')) as typeof import('./variants.ts');
    const { SessionSeeder } = (await load('sessions.ts')) as typeof import('./sessions.ts');
    const seeder = new SessionSeeder(redisUrl);
    const settings = { directory, redisUrl, seeder, connections, core: MEASURED_CORE };
    return new Side(await startVariants(children, settings), seeder);
  }

  variant(name: VariantName): Variant {
    const found = this.#variants.find((it) => it.name === name);
    if (found === undefined) throw new Error(`this commit has no variant ${name}`);
    return found;
  }

  [Symbol.dispose](): void {
    this.#seeder[Symbol.dispose]();
  }
}

class Comparison {
  readonly #generator: Child;
  readonly #base: Side;
  readonly #head: Side;
  readonly #settings: CompareSettings;
  /** Requests per second seen so far, for loads that need a credential for each. */
  readonly #pace = new Map<Variant, number>();

  constructor(generator: Child, base: Side, head: Side, settings: CompareSettings) {
    this.#generator = generator;
    this.#base = base;
    this.#head = head;
    this.#settings = settings;
  }

  async run(): Promise<Compared[]> {
    const { variants: names, warmUpMs, rounds, roundMs } = this.#settings;
    const relay = this.#head.variant('relay');
    const pairs = names.map((name) => ({ base: this.#base.variant(name), head: this.#head.variant(name) }));
    const all = [relay, ...pairs.flatMap(({ base, head }) => [base, head])];
    for (const variant of all) {
      await check(variant);
      for (let part = 0; part < 2; part++) await this.#costUs(variant, warmUpMs / 2);
    }
    const costs = new Map<Variant, number[]>(all.map((variant) => [variant, []]));
    for (let round = 0; round < rounds; round++) {
      say(`round ${round + 1} of ${rounds}`);
      for (const variant of shuffled(all)) costs.get(variant)?.push(await this.#costUs(variant, roundMs));
    }
    const of = (variant: Variant) => costs.get(variant) as number[];
    return pairs.map(({ base, head }) => ({
      title: head.title,
      baseUs: quartilesOf(of(base)),
      headUs: quartilesOf(of(head)),
      baseTimesRelay: quartilesOf(ratios(of(base), of(relay))),
      headTimesRelay: quartilesOf(ratios(of(head), of(relay))),
      headTimesBase: quartilesOf(ratios(of(head), of(base))),
    }));
  }

  async #costUs(variant: Variant, durationMs: number): Promise<number> {
    const { connections } = this.#settings;
    const expectedRequests = ((this.#pace.get(variant) ?? 2_000) * durationMs) / 1_000;
    const settings = { connections, durationMs, rate: null, expectedRequests, core: MEASURED_CORE };
    const { cpuUsPerRequest, requestsPerSec, failures } = await measure(this.#generator, variant, settings);
    const wrong = Object.values(failures).reduce((sum: number, count: number) => sum + count, 0);
    if (wrong > 0) throw new Error(`${variant.name}: ${wrong} wrong answers`);
    if (cpuUsPerRequest === null) throw new Error('CPU time can only be read on Linux');
    this.#pace.set(variant, requestsPerSec);
    return cpuUsPerRequest;
  }
}

function table(checkout: Checkout, rows: readonly Compared[], { rounds, roundMs }: CompareSettings): string {
  const cell = ({ low, median, high }: Quartiles, digits: number) =>
    `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
  return [
    `CPU time per request, ${rounds} rounds of ${roundMs} ms in random order: median (quartiles).`,
    '',
    `| | ${checkout.commit}, µs | working tree, µs | ${checkout.commit} ÷ relay | working tree ÷ relay | working tree ÷ ${checkout.commit} |`,
    '| --- | --- | --- | --- | --- | --- |',
    ...rows.map(
      ({ title, baseUs, headUs, baseTimesRelay, headTimesRelay, headTimesBase }) =>
        `| ${title} | ${cell(baseUs, 1)} | ${cell(headUs, 1)} | ${cell(baseTimesRelay, 2)} | ${cell(headTimesRelay, 2)} | **${cell(headTimesBase, 2)}** |`,
    ),
  ].join('\n');
}

const ratios = (above: readonly number[], below: readonly number[]) =>
  above.map((value, index) => value / (below[index] as number));

/** Fisher and Yates. */
function shuffled<T>(values: readonly T[]): T[] {
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: HEAD, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

function say(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else console.error(text);
}
