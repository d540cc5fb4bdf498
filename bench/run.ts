/**
 * `npm run bench`: reads the command line and runs what it names.
 *
 *   npm run bench                         the load benchmark, a few minutes
 *   npm run bench -- --quick              the same in less than a minute, for a first look
 *   npm run bench -- --keep reference     writes bench/results/reference.json rather than bench/results/local/…
 *   npm run bench -- --only relay,warm    some variants; --rounds, --seconds, --connections as they say
 *   npm run bench -- profile [variant]    where the CPU time of a request goes
 *   npm run bench -- memory [--built]     resident memory: idle, 10,000 connections, 1 GiB each way
 *   npm run bench -- micro [name]         the micro-benchmarks that `perf:` comments in src/ name
 *   npm run bench -- compare --base DIR --head DIR   a Markdown table of two sides' reports
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { comparison } from './load/compare.ts';
import type { LoadReport } from './load/report.ts';
import { FULL, type LoadSettings, QUICK, runLoad } from './load/run.ts';
import { VARIANT_NAMES, type VariantName } from './load/variants.ts';

const HERE = import.meta.dirname;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    keep: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string' },
    built: { type: 'boolean', default: false },
    base: { type: 'string' },
    head: { type: 'string' },
  },
});
const [what = 'load', name] = positionals;

if (what === 'load') await load();
else if (what === 'memory') run('load/memory.ts', values.built ? ['--built'] : []);
else if (what === 'profile') {
  installGenerator();
  run('load/profile.ts', name === undefined ? [] : [name]);
} else if (what === 'micro') for (const file of microBenchmarks()) run(file);
else if (what === 'compare') console.log(comparison(reportsIn(values.base, 'base'), reportsIn(values.head, 'head')));
else fail(`there is no benchmark ${what}: load, profile, memory, micro or compare`);

async function load(): Promise<void> {
  installGenerator();
  const base = values.quick ? QUICK : FULL;
  const settings: LoadSettings = {
    ...base,
    rounds: positive(values.rounds, base.rounds),
    roundMs: positive(values.seconds, base.roundMs / 1_000) * 1_000,
    connections: positive(values.connections, base.connections),
    variants: values.only === undefined ? VARIANT_NAMES : values.only.split(',').map(variantName),
  };
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  const file = join(HERE, 'results', values.keep === undefined ? `local/${stamp}.json` : `${values.keep}.json`);
  const isRight = await runLoad(settings, file);
  console.log(`written: ${file}`);
  process.exit(isRight ? 0 : 1);
}

/** The load generator has its own lock file, because nothing that ships needs it. */
function installGenerator(): void {
  if (existsSync(join(HERE, 'node_modules/autocannon'))) return;
  console.error('installing the load generator: npm ci --prefix bench');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: HERE, stdio: 'inherit' });
  if (status !== 0) fail('the load generator could not be installed: npm ci --prefix bench');
}

/** The reports of a directory. */
function reportsIn(directory: string | undefined, option: string): LoadReport[] {
  if (directory === undefined) fail(`compare needs --${option} with a directory of reports`);
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  if (files.length === 0) fail(`no report in ${directory}`);
  return files.map((file) => JSON.parse(readFileSync(join(directory, file), 'utf8')) as LoadReport);
}

function microBenchmarks(): string[] {
  const names = readdirSync(join(HERE, 'micro'))
    .filter((file) => file.endsWith('.ts') && file !== 'compare.ts')
    .map((file) => file.slice(0, -3));
  if (name === undefined) return names.map((it) => `micro/${it}.ts`);
  return names.includes(name) ? [`micro/${name}.ts`] : fail(`there is no micro-benchmark ${name}: ${names.join(', ')}`);
}

function run(file: string, args: readonly string[] = []): void {
  const { status } = spawnSync(process.execPath, [join(HERE, file), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function variantName(text: string): VariantName {
  return VARIANT_NAMES.find((it) => it === text) ?? fail(`there is no variant ${text}: ${VARIANT_NAMES.join(', ')}`);
}

function positive(text: string | undefined, preset: number): number {
  const number = text === undefined ? preset : Number(text);
  return number > 0 ? number : fail(`${text} is not a positive number`);
}

function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}
