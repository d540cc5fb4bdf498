/**
 * `npm run bench -- report`: writes the figures of `bench/results/` into `docs/performance.md` and those of `bench/scale/` into
 * `docs/scale.md`, between marks, and draws the plots. The prose around the marks is written by hand.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ASSUMED, MEASURED } from '../scale/inputs.ts';
import { DEMANDS, growthOf, type Need, needOf, values } from '../scale/scale.ts';
import type { Figure } from '../scenarios/scenario.ts';
import type { Spread } from '../support/statistics.ts';
import { type GoalRow, goalRows, isReached } from './goals.ts';
import { draw, type Mark, type Plot, THEMES } from './plots.ts';
import { type Reports, readReports } from './reports.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGES = ['docs/performance.md', 'docs/scale.md'];
const PLOTS = 'images/performance';

const SALLYPORT = 'Sallyport';

/** Writes the pages and the plots. */
export async function writePages(): Promise<void> {
  const reports = readReports(join(ROOT, 'bench/results'));
  for (const page of PAGES) {
    const file = join(ROOT, page);
    writeFileSync(file, await filled(readFileSync(file, 'utf8'), reports, writePlot));
  }
}

/**
 * Fills the marks of a page: `<!-- figures: NAME -->` to `<!-- end -->`.
 *
 * @param plotted  draws a plot, and returns what shows it
 * @throws Error for a mark without an end or without a meaning
 */
export async function filled(
  page: string,
  reports: Reports,
  plotted: (name: string, plot: Plot) => Promise<string>,
): Promise<string> {
  const parts = page.split(/(?<=<!-- figures: [\w-]+ -->\n)/);
  const written = [parts[0] ?? ''];
  for (const [index, part] of parts.slice(1).entries()) {
    const name = /<!-- figures: ([\w-]+) -->\n$/.exec(parts[index] ?? '')?.[1] ?? '';
    const end = part.indexOf('<!-- end -->');
    if (end === -1) throw new Error(`the figures of ${name} have no end`);
    written.push(await blockOf(name, reports, plotted), part.slice(end));
  }
  return written.join('');
}

async function writePlot(name: string, plot: Plot): Promise<string> {
  mkdirSync(join(ROOT, 'docs', PLOTS), { recursive: true });
  for (const theme of Object.keys(THEMES) as (keyof typeof THEMES)[]) {
    writeFileSync(join(ROOT, 'docs', PLOTS, `${name}-${theme}.svg`), await draw(plot, theme));
  }
  return [
    '<picture>',
    `  <source media="(prefers-color-scheme: dark)" srcset="${PLOTS}/${name}-dark.svg">`,
    `  <img src="${PLOTS}/${name}-light.svg" alt="${plot.title}">`,
    '</picture>',
    '',
  ].join('\n');
}

type Plotted = (name: string, plot: Plot) => Promise<string>;

async function blockOf(name: string, reports: Reports, plotted: Plotted): Promise<string> {
  if (name === 'goals') return `\n${goalTable(goalRows(reports))}\n`;
  if (name === 'peers') return peersBlock(reports, plotted);
  if (name === 'scale') return `\n${scaleTable()}\n`;
  if (name === 'scale-inputs') return `\n${inputTable()}\n`;
  if (name === 'stages') return stagesBlock(reports, plotted);
  const report = reports.scenarios.get(name);
  if (report === undefined) return '\nNot measured yet.\n\n';
  const plot = plotOf(name, report.figures);
  const image = plot === null ? '' : `${await plotted(name, plot)}\n`;
  const notes = report.notes.map((note) => `${note}\n`).join('');
  const ratios = report.goals.length === 0 ? '' : `\n${ratioTable(report.goals)}`;
  return `\n${provenanceOf(report, `scenarios --only ${name}`)}\n\n${image}${figureTable(report.figures)}${ratios}\n${notes}\n`;
}

function provenanceOf(
  { date, machine, node, commit }: Pick<GenericReport, 'date' | 'machine' | 'node' | 'commit'>,
  command: string,
): string {
  const load = machine.loadAverage?.toFixed(1) ?? 'unknown';
  const what = `${machine.cpu}, ${machine.cores} cores, load average before ${load}`;
  return `\`npm run bench -- ${command}\`, ${date.slice(0, 10)}, ${what}, Node ${node.slice(1)}, commit ${commit}.`;
}

type GenericReport = NonNullable<Reports['peers']>;

async function peersBlock({ peers }: Reports, plotted: Plotted): Promise<string> {
  if (peers === null) return '\nNot measured yet.\n\n';
  const jobs = { forward: 'forwards only', session: 'session', service: 'service token' };
  const marks = peers.peers
    .map(({ title, job, name, cpuUsPerRequest }): Mark => {
      const isOurs = name === 'warm' || name === 'service';
      return { at: title, value: cpuUsPerRequest, group: isOurs ? SALLYPORT : jobs[job] };
    })
    .toSorted((a, b) => a.value.median - b.value.median);
  const title = 'Cost of a request';
  const image = await plotted('peers', { title, kind: 'bars', marks, measure: 'CPU µs per request' });
  const rows = peers.peers.map((it) => [
    it.title,
    jobs[it.job],
    shown(it.cpuUsPerRequest.median),
    range(it.cpuUsPerRequest),
    shown(it.timesRelay.median),
    shown(it.timesSallyport.median),
    shown(it.redisUsPerRequest.median),
    it.note,
  ]);
  const head = ['program', 'job', 'CPU µs', 'lowest–highest', '× relay', '× Sallyport', 'Redis µs', 'note'];
  const versions = peers.peers.map(({ title, version }) => `${title}: ${version}`).join('; ');
  const absent = peers.absent.map(({ title, why }) => `Left out: ${title} (${why}).\n`).join('');
  const { tool, connections, rounds, roundMs } = peers.settings;
  const how = `${tool}, ${connections} connections, ${rounds} rounds of ${roundMs / 1_000} s; upstream: ${peers.upstream}.`;
  return `\n${provenanceOf(peers, 'peers')}\n${how}\n\n${image}\n${table(head, rows)}\n${absent}Versions: ${versions}.\n\n`;
}

/** What each stage adds, from the variants of the load benchmark that differ by it. */
async function stagesBlock({ load }: Reports, plotted: Plotted): Promise<string> {
  if (load === null) return '\nNot measured yet.\n\n';
  const cost = (name: string) => load.atMaximum.find(({ variant }) => variant === name)?.cpuUsPerRequest?.median;
  const steps = [
    ['bare relay', 'relay', null],
    ['+ route, checks of the request, metrics, access log', 'public', 'relay'],
    ['+ session and token that are known', 'warm', 'public'],
    ['+ session from Redis, and a new token', 'cold', 'warm'],
    ['service token: known, and a known token', 'service', 'public'],
    ['service token: verified, and a new token', 'service-cold', 'service'],
  ] as const;
  const rows = steps.flatMap(([title, name, before]) => {
    const [own, less] = [cost(name), before === null ? 0 : cost(before)];
    if (own === undefined || less === undefined) return [];
    return [{ title, added: own - less, whole: own }];
  });
  const marks = rows.map(({ title, added }): Mark => {
    return { at: title, value: { min: added, median: added, max: added }, group: SALLYPORT };
  });
  const image = await plotted('stages', { title: 'What each stage adds', kind: 'bars', marks, measure: 'CPU µs' });
  const cells = rows.map(({ title, added, whole }) => [title, shown(added), shown(whole)]);
  const text = table(['stage', 'adds, CPU µs', 'the request then costs'], cells);
  return `\n${provenanceOf(load, '--keep reference')}\n\n${image}\n${text}\n`;
}

/** The scenarios that have a plot. */
function plotOf(name: string, figures: readonly Figure[]): Plot | null {
  const marksOf = (some: readonly Figure[], group?: (figure: Figure) => string): Mark[] =>
    some.map((figure) => ({ at: figure.x ?? figure.title, value: figure.value, group: group?.(figure) ?? figure.by }));
  const cpu = 'CPU µs per request';
  if (name === 'latency') {
    const marks = figures.map(({ title, by, value }): Mark => ({ at: title, value, group: by }));
    return { title: 'Latency at half load', kind: 'line', marks, measure: 'ms', axis: 'percentile' };
  }
  const lines = {
    routes: { title: 'Cost against routes', axis: 'routes' },
    connections: { title: 'Cost against busy connections', axis: 'busy connections' },
    sessions: { title: 'Cost against sessions', axis: 'sessions in use (warm), in Redis (never seen)' },
    'fan-out': { title: 'A logout against replicas', axis: 'replicas' },
  } as const;
  if (name in lines) {
    const chosen = figures.filter(
      (figure) => figure.x !== undefined && (name !== 'fan-out' || figure.title.endsWith('a logout')),
    );
    const group = (figure: Figure) =>
      name === 'sessions' ? `${figure.by}, ${figure.unit.includes('never') ? 'never seen' : 'warm'}` : figure.by;
    const measure = name === 'fan-out' ? 'CPU µs per logout' : cpu;
    return { ...lines[name as keyof typeof lines], kind: 'line', marks: marksOf(chosen, group), measure };
  }
  if (name === 'workers') {
    const marks = figures.map(({ title, by, value }): Mark => ({ at: title, value, group: by }));
    return { title: 'Cost against workers', kind: 'bars', marks, measure: cpu };
  }
  return null;
}

/** What each demand needs: a column for each. */
function scaleTable(): string {
  const given = values();
  const needs = DEMANDS.map((demand) => needOf(demand, given));
  const row = (title: string, of: (need: Need) => string) => [title, ...needs.map(of)];
  const share = (value: number) => `${(100 * value).toFixed(1)} %`;
  const whole = (value: number) => Math.round(value).toLocaleString('en-US');
  return table(
    ['need', ...DEMANDS.map(({ title }) => title)],
    [
      ['requests a second', ...DEMANDS.map(({ requestsPerSec }) => whole(requestsPerSec))],
      row('read their session from Redis', ({ readShare }) => share(readShare)),
      row('need a new token', ({ mintShare }) => share(mintShare)),
      row('CPU of a request, µs', ({ requestUs }) => whole(requestUs)),
      row('**replicas**, each with a core', ({ replicas }) => `**${whole(replicas)}**`),
      row('memory of a replica, MiB', ({ replicaMib }) => whole(replicaMib)),
      row('sessions in Redis, GiB', ({ redisGib }) => shown(redisGib)),
      row('commands of Redis a second', ({ commandsPerSec }) => whole(commandsPerSec)),
      row('shards for the memory', ({ shardsForMemory }) => whole(shardsForMemory)),
      row('shards for the commands', ({ shardsForCommands }) => whole(shardsForCommands)),
      row('**shards**', ({ shards }) => `**${whole(shards)}**`),
      row('logins a second', ({ loginsPerSec }) => whole(loginsPerSec)),
      row('ends that all hear of, a second', ({ endsPerSec }) => whole(endsPerSec)),
      row('a shard is busy with the feed', ({ feedShare }) => share(feedShare)),
      row('a replica is busy with news', ({ hearingShare }) => share(hearingShare)),
      row('**dollars a month**', ({ dollarsPerMonth }) => `**${whole(dollarsPerMonth)}**`),
      ['can grow, until one Cluster is not enough', ...DEMANDS.map((demand) => `${shown(growthOf(demand, given))} ×`)],
    ],
  );
}

const inputTable = () =>
  table(
    ['input', 'value', 'from'],
    Object.values({ ...MEASURED, ...ASSUMED }).map(({ value, unit, title, source }) => [
      title,
      `${value.toLocaleString('en-US')} ${unit}`.trim(),
      source,
    ]),
  );

const figureTable = (figures: readonly Figure[]) =>
  table(
    ['what', 'by', 'median', 'lowest–highest', 'unit'],
    figures.map(({ title, by, value, unit }) => [title, by, shown(value.median), range(value), unit]),
  );

const ratioTable = (goals: readonly Omit<GoalRow, 'from' | 'obstacle'>[]) =>
  table(
    ['ratio', 'median', 'lowest–highest', 'goal'],
    goals.map((goal) => [goal.title, `${shown(goal.value.median)} ${goal.unit}`, range(goal.value), goalText(goal)]),
  );

const goalTable = (rows: readonly GoalRow[]) =>
  table(
    ['figure', 'goal', 'reached', 'lowest–highest', 'met', 'what stands in the way'],
    rows.map((row) => [
      row.title,
      goalText(row),
      `${shown(row.value.median)} ${row.unit}`,
      range(row.value),
      isReached(row) ? 'yes' : 'no',
      row.obstacle,
    ]),
  );

function goalText({ atMost, atLeast }: Pick<GoalRow, 'atMost' | 'atLeast'>): string {
  if (atMost !== undefined) return `at most ${atMost}`;
  return atLeast === undefined ? '' : `at least ${atLeast}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

const range = ({ min, max }: Spread) => (min === max ? '' : `${shown(min)}–${shown(max)}`);

/** Three digits that count. */
function shown(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}
