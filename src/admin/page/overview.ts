/** The first page: whether the gateway is ready, what runs, keys, store and feed, the configuration and its reloads. */

import { type Html, html } from '../../lib/text/html.ts';
import { fromTimestamp } from '../../lib/text/timestamp.ts';
import { formatSize, roughDuration } from '../../lib/text/units.ts';
import type { PageStamp } from '../../pages/page.ts';
import type { ComponentHealth, ConfigurationReport, ConfigurationWarning, Health, PastReload } from '../control.ts';
import type { AdminAnswer, Build } from '../request.ts';
import type { FeedStatus, KeySetStatus, ProcessStatus, SigningKeyStatus } from '../status.ts';
import { adminPage, figure, state, table } from './frame.ts';

/** Everything that the page shows. */
export interface Overview {
  readonly health: Health;
  readonly processes: readonly ProcessStatus[];
  readonly configuration: Omit<ConfigurationReport, 'config'>;
  readonly reloads: readonly PastReload[];
  readonly warnings: readonly ConfigurationWarning[];
  readonly build: Build;
  /** Version of Node. */
  readonly node: string;
}

/** Writes the page. */
export function overviewPage(overview: Overview, stamp: PageStamp): AdminAnswer {
  const { health, processes, configuration, reloads, warnings, build, node } = overview;
  const isReady = health.components.every(({ isOk, isRequired }) => isOk || !isRequired);
  const body = html`<h2>State</h2>
<p>${state(isReady, 'Ready.', 'Not ready.')} Sallyport ${build.version} (${build.revision}) on Node ${node}.</p>
${componentTable(health.components)}<h2>Configuration</h2>
${configurationPart(configuration, warnings, stamp)}<h2>Reloads</h2>
${reloadTable(reloads, stamp)}<h2>Processes</h2>
${processTable(processes, stamp)}<h2>Store and feed of revocations</h2>
${storeTable(processes)}<h2>Issuers and identity providers</h2>
${keySetTable(processes)}<h2>Signing keys</h2>
${signingKeyTable(processes[0]?.signingKeys ?? [], stamp)}`;
  return adminPage('/', { title: 'Overview', body }, stamp);
}

const componentTable = (components: readonly ComponentHealth[]) =>
  table(
    'Components',
    components,
    [
      { heading: 'Component', cell: ({ name }) => name },
      { heading: 'State', cell: ({ isOk }) => state(isOk, 'works', 'fails') },
      { heading: 'Needed to be ready', cell: ({ isRequired }) => (isRequired ? 'yes' : 'no') },
      { heading: 'Detail', cell: ({ detail }) => detail },
    ],
    'No process has answered.',
  );

function configurationPart(
  { hash, loadedAt, needRestart }: Overview['configuration'],
  warnings: readonly ConfigurationWarning[],
  stamp: PageStamp,
): Html {
  const restart =
    needRestart.length === 0
      ? null
      : html`<p><strong class="bad">Changed, but in use only after a restart:</strong> ${needRestart.join(', ')}</p>\n`;
  return html`<p>Hash <code>${hash}</code>, put in use ${ago(loadedAt, stamp)}.</p>
${restart}${table(
  'Warnings about the configuration',
  warnings,
  [
    { heading: 'Warning', cell: ({ code }) => html`<code>${code}</code>` },
    { heading: 'Place', cell: ({ line, column }) => `line ${line}, column ${column}` },
    { heading: 'Meaning', cell: ({ message }) => message },
  ],
  'No warnings.',
)}`;
}

const reloadTable = (reloads: readonly PastReload[], stamp: PageStamp) =>
  table(
    'Reloads',
    reloads,
    [
      { heading: 'When', cell: ({ at }) => ago(at, stamp) },
      { heading: 'Result', cell: ({ result }) => state(result === 'applied', 'applied', 'rejected') },
      { heading: 'In use after it', cell: ({ hash }) => html`<code>${hash}</code>` },
      { heading: 'Findings', cell: reloadFindings },
    ],
    'No reload since the start.',
  );

function reloadFindings({ problems, kept, needRestart }: PastReload): Html | string {
  const lines = [
    ...problems,
    ...kept.map((line) => `kept: ${line}`),
    ...needRestart.map((key) => `after a restart: ${key}`),
  ];
  return lines.length === 0 ? 'none' : html`<ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}

const MIB = 1_048_576;

const processTable = (processes: readonly ProcessStatus[], stamp: PageStamp) =>
  table(
    'Processes',
    processes,
    [
      { heading: 'Process', cell: (it) => it.process },
      { heading: 'PID', cell: ({ pid }) => String(pid), isNumber: true },
      { heading: 'Started', cell: ({ startedAt }) => ago(startedAt, stamp) },
      {
        heading: 'Requests in progress',
        cell: ({ requestsInProgress }) => figure(requestsInProgress),
        isNumber: true,
      },
      { heading: 'Connections', cell: ({ connections }) => figure(connections), isNumber: true },
      { heading: 'Sessions in the cache', cell: ({ cachedSessions }) => figure(cachedSessions), isNumber: true },
      {
        heading: 'Memory',
        cell: ({ residentBytes }) => formatSize(Math.round(residentBytes / MIB) * MIB),
        isNumber: true,
      },
    ],
    'No process has answered.',
  );

const storeTable = (processes: readonly ProcessStatus[]) =>
  table(
    'Store and feed, by process',
    processes,
    [
      { heading: 'Process', cell: (it) => it.process },
      { heading: 'Store', cell: ({ store }) => store.description },
      { heading: 'Answers', cell: ({ store }) => state(store.isAvailable, 'yes', 'no') },
      { heading: 'Feed', cell: ({ feed }) => state(feed.isConnected, 'connected', 'cut') },
      { heading: 'All news until', cell: ({ feed }) => provenText(feed) },
      {
        heading: 'Without a gap',
        cell: ({ feed }) => (feed.isConnected ? unbrokenText(feed) : '-'),
      },
    ],
    'No process has answered.',
  );

const unbrokenText = ({ unbrokenForMs }: FeedStatus): string =>
  unbrokenForMs === null ? 'since the start' : `for ${roughDuration(unbrokenForMs)}`;

const provenText = ({ provenAgeMs }: FeedStatus): string =>
  provenAgeMs === null ? 'never' : `${roughDuration(provenAgeMs)} ago`;

/** The keys of all processes together: the oldest fetch, and every key that one of them has. */
function keySetTable(processes: readonly ProcessStatus[]): Html {
  const named = Map.groupBy(
    processes.flatMap(({ keySets }) => keySets),
    ({ name, kind }) => JSON.stringify([name, kind]),
  );
  return table(
    'Issuers and identity providers',
    [...named.values()],
    [
      { heading: 'Name', cell: ([first]) => first?.name ?? '' },
      { heading: 'Kind', cell: ([first]) => first?.kind ?? '' },
      { heading: 'Keys fetched', cell: fetchedText },
      { heading: 'Key ids', cell: keyIds },
    ],
    'None is configured.',
  );
}

function fetchedText(sets: readonly KeySetStatus[]): Html | string {
  if (sets.every(({ isFetched }) => !isFetched)) return 'not fetched: they are configured';
  const ages = sets.map(({ ageMs }) => ageMs);
  const missing = ages.filter((age) => age === null).length;
  if (missing > 0) return state(false, '', missing === sets.length ? 'never' : `never in ${missing} processes`);
  return `${roughDuration(Math.max(...ages.map((age) => age ?? 0)))} ago`;
}

function keyIds(sets: readonly KeySetStatus[]): Html | string {
  const ids = new Set(
    sets.flatMap(({ keys }) => keys.map(({ kid, algorithms }) => `${kid ?? '(no id)'} ${algorithms.join(' ')}`)),
  );
  return ids.size === 0 ? 'none' : html`<ul>${[...ids].map((id) => html`<li><code>${id}</code></li>`)}</ul>`;
}

const signingKeyTable = (keys: readonly SigningKeyStatus[], stamp: PageStamp) =>
  table(
    'Signing keys',
    keys,
    [
      { heading: 'Key id', cell: ({ kid }) => html`<code>${kid}</code>` },
      { heading: 'State', cell: (key) => key.state },
      {
        heading: 'Created',
        cell: ({ createdAt }) => (createdAt === null ? 'with the process' : ago(createdAt, stamp)),
      },
      {
        heading: 'Signs from',
        cell: ({ activatesAt }) => (activatesAt === null ? 'the start' : ago(activatesAt, stamp)),
      },
    ],
    'No signing key.',
  );

/** `3m 20s ago`, with the exact time for those who need it. */
function ago(time: string, { atMs }: PageStamp): Html {
  const sinceMs = atMs - fromTimestamp(time);
  const words = sinceMs >= 0 ? `${roughDuration(sinceMs)} ago` : `in ${roughDuration(-sinceMs)}`;
  return html`<time datetime="${time}" title="${time}">${words}</time>`;
}
