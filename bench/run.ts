/**
 * `npm run bench`: reads the command line and runs what it names.
 *
 *   npm run bench                         the load benchmark, a few minutes
 *   npm run bench -- --quick              the same in less than a minute, for a first look
 *   npm run bench -- --keep reference     writes bench/results/reference.json rather than bench/results/local/…
 *   npm run bench -- --only relay,warm    some variants; --rounds, --seconds, --connections as they say
 *   npm run bench -- peers [--quick]      beside what others would pick; --only nginx,express, --tool autocannon
 *   npm run bench -- scenarios [--quick]  bodies, TLS, WebSockets, memory, tokens, replicas …; --only bodies,tls
 *   npm run bench -- report               docs/performance.md and its plots, from what is kept in bench/results
 *   npm run bench -- profile [variant]    where the CPU time of a request goes; --allocations: its memory
 *   npm run bench -- memory [--built]     resident memory: idle, 10,000 connections, 1 GiB each way
 *   npm run bench -- micro [name]         the micro-benchmarks that `perf:` comments in src/ name
 *   npm run bench -- compare BASE         the working tree against a commit, in one run; --quick, --only, --rounds, …
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type CompareSettings, compareWith } from './load/compare.ts';
import type { LoadSettings } from './load/report.ts';
import { FULL, QUICK, runLoad } from './load/run.ts';
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
    allocations: { type: 'boolean', default: false },
    tool: { type: 'string' },
  },
});
const [what = 'load', name] = positionals;

if (what === 'load') await load();
else if (what === 'peers') await peers();
else if (what === 'scenarios') await scenarios();
else if (what === 'report') await report();
else if (what === 'memory') run('load/memory.ts', values.built ? ['--built'] : []);
else if (what === 'profile') {
  installGenerator();
  run('load/profile.ts', [...(name === undefined ? [] : [name]), ...(values.allocations ? ['--allocations'] : [])]);
} else if (what === 'micro') for (const file of microBenchmarks()) run(file);
else if (what === 'compare') await compare(name);
else fail(`there is no benchmark ${what}: load, peers, scenarios, report, profile, memory, micro or compare`);

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
  const file = reportFile();
  const isRight = await runLoad(settings, file);
  console.log(`written: ${file}`);
  process.exit(isRight ? 0 : 1);
}

async function peers(): Promise<void> {
  installGenerator();
  const { defaultTool, PEERS_FULL, PEERS_QUICK, runPeers } = await import('./peers/run.ts');
  const base = values.quick ? PEERS_QUICK : PEERS_FULL;
  const tool = (['wrk', 'autocannon'] as const).find((it) => it === (values.tool ?? defaultTool()));
  if (tool === undefined) fail(`there is no tool ${values.tool}: wrk or autocannon`);
  const settings = {
    ...base,
    tool,
    rounds: positive(values.rounds, base.rounds),
    roundMs: positive(values.seconds, base.roundMs / 1_000) * 1_000,
    connections: positive(values.connections, base.connections),
    only: values.only?.split(',') ?? null,
  };
  const file = reportFile();
  const isRight = await runPeers(settings, file);
  console.log(`written: ${file}`);
  process.exit(isRight ? 0 : 1);
}

async function scenarios(): Promise<void> {
  installGenerator();
  const { runScenarios, SCENARIOS } = await import('./scenarios/run.ts');
  const names = values.only?.split(',') ?? SCENARIOS.map((it) => it.name);
  const chosen = names.map(
    (it) => SCENARIOS.find((scenario) => scenario.name === it) ?? fail(`there is no scenario ${it}`),
  );
  // `--keep` writes one file for each: its name follows the given one.
  const fileOf = (it: string) => reportFile(`-${it}`);
  const failed = await runScenarios(chosen, values.quick, fileOf);
  if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`);
  process.exit(failed.length === 0 ? 0 : 1);
}

async function report(): Promise<void> {
  installGenerator();
  const { writePages } = await import('./report/page.ts');
  await writePages();
}

/** Where the report goes. */
function reportFile(suffix = ''): string {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  return join(
    HERE,
    'results',
    values.keep === undefined ? `local/${stamp}${suffix}.json` : `${values.keep}${suffix}.json`,
  );
}

/** The load generator has its own lock file, because nothing that ships needs it; so do the packages of peers and plots. */
function installGenerator(): void {
  const { dependencies } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8')) as { dependencies: object };
  if (Object.keys(dependencies).every((it) => existsSync(join(HERE, 'node_modules', it)))) return;
  console.error('installing what the benchmarks need: npm ci --prefix bench');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: HERE, stdio: 'inherit' });
  if (status !== 0) fail('what the benchmarks need could not be installed: npm ci --prefix bench');
}

async function compare(base: string | undefined): Promise<void> {
  if (base === undefined) fail('compare needs a commit: npm run bench -- compare main');
  installGenerator();
  const settings: CompareSettings = {
    variants:
      values.only === undefined ? ['warm', 'service', 'public', 'cold'] : values.only.split(',').map(variantName),
    connections: positive(values.connections, 64),
    warmUpMs: 4_000,
    rounds: positive(values.rounds, values.quick ? 10 : 40),
    roundMs: positive(values.seconds, 0.5) * 1_000,
  };
  console.log(await compareWith(base, settings));
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
