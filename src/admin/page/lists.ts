/** The pages of routes and of upstreams. There may be thousands of either, so the lists are paged and searchable. */

import { type Html, html } from '../../lib/text/html.ts';
import { roughDuration } from '../../lib/text/units.ts';
import type { PageStamp } from '../../pages/page.ts';
import type { AdminAnswer } from '../request.ts';
import type { Listed, PageOf, RouteStatus, ServerStatus, UpstreamStatus } from '../status.ts';
import { adminPage, badFigure, figure, type PagePath, state, table } from './frame.ts';

/** Rows on one page. */
const ROWS_PER_PAGE = 100;
/** Longest text to search for. */
const MAX_FIND = 200;

/** The rows that a query asks for. Without a valid number, the first page. */
export function pageOf(query: URLSearchParams): PageOf {
  const written = query.get('page') ?? '';
  const page = /^[1-9]\d{0,5}$/.test(written) ? Number(written) : 1;
  return { from: (page - 1) * ROWS_PER_PAGE, count: ROWS_PER_PAGE, find: (query.get('find') ?? '').slice(0, MAX_FIND) };
}

/** Writes the page of routes. */
export function routesPage(listed: Listed<RouteStatus>, asked: PageOf, stamp: PageStamp): AdminAnswer {
  const body = html`<p>In the order in which they are tried. Requests are counted by route, all of its patterns together, since the
processes that serve now started, or since the route was added. <code>/metrics</code> has more.</p>
${searchForm('/routes', 'Pattern, id or upstream', asked)}${table(
  'Routes',
  listed.rows,
  [
    { heading: 'Pattern', cell: ({ pattern }) => html`<code>${pattern}</code>` },
    { heading: 'Methods', cell: ({ methods }) => methods },
    { heading: 'Route', cell: ({ id, listener }) => (listener === 'public' ? id : `${id} (${listener})`) },
    { heading: 'Credential', cell: ({ credential }) => credential },
    { heading: 'Allow', cell: ({ allow }) => allow },
    { heading: 'Upstream', cell: ({ upstream }) => upstream },
    { heading: 'Requests', cell: ({ counts }) => figure(counts.requests), isNumber: true },
    { heading: 'Refused', cell: ({ counts }) => figure(counts.refused), isNumber: true },
    { heading: 'Failed', cell: ({ counts }) => badFigure(counts.failed), isNumber: true },
    { heading: 'In progress', cell: ({ counts }) => figure(counts.inProgress), isNumber: true },
  ],
  'No route.',
)}${pager('/routes', 'routes', listed, asked)}`;
  return adminPage('/routes', { title: 'Routes', body }, stamp);
}

interface ServerRow extends ServerStatus {
  readonly upstream: UpstreamStatus;
}

/** Writes the page of upstreams. */
export function upstreamsPage(listed: Listed<UpstreamStatus>, asked: PageOf, stamp: PageStamp): AdminAnswer {
  const servers = listed.rows.flatMap((upstream): ServerRow[] =>
    upstream.servers.map((server) => ({ ...server, upstream })),
  );
  const body = html`<p>As the last requests have found them: nothing is connected to for this page.
<code>/readyz?include=upstream</code> connects to each upstream of a route.</p>
${searchForm('/upstreams', 'Name or address', asked)}${table(
  'Servers of upstreams',
  servers,
  [
    { heading: 'Upstream', cell: ({ upstream }) => upstream.name },
    { heading: 'Server', cell: ({ origin }) => html`<code>${origin}</code>` },
    { heading: 'Protocol', cell: ({ upstream }) => upstream.protocol },
    { heading: 'State', cell: serverState },
    {
      heading: 'Requests in progress',
      cell: ({ requestsInProgress }) => figure(requestsInProgress),
      isNumber: true,
    },
    { heading: 'Busy connections', cell: ({ busyConnections }) => figure(busyConnections), isNumber: true },
    { heading: 'Idle connections', cell: ({ idleConnections }) => figure(idleConnections), isNumber: true },
  ],
  'No upstream.',
)}${pager('/upstreams', 'upstreams', listed, asked)}`;
  return adminPage('/upstreams', { title: 'Upstreams', body }, stamp);
}

function serverState({ ejectedIn, ejectedForMs, upstream: { processes } }: ServerRow): Html {
  const where = processes === 1 ? '' : ` in ${ejectedIn} of ${processes} processes`;
  return state(ejectedIn === 0, 'takes requests', `ejected${where}, tried again in ${roughDuration(ejectedForMs)}`);
}

const searchForm = (
  path: PagePath,
  label: string,
  { find }: PageOf,
): Html => html`<form class="search" action="${path}">
<div><label for="find">${label}</label>
<input id="find" name="find" value="${find}" maxlength="${MAX_FIND}"></div>
<button>Find</button>
</form>
`;

function pager(path: PagePath, what: string, { rows, total }: Listed<unknown>, { from, find }: PageOf): Html {
  const link = (to: number, words: string) => {
    const query = new URLSearchParams({ ...(find !== '' && { find }), page: String(to) });
    return html`<a href="${path}?${query.toString()}">${words}</a> `;
  };
  const page = Math.floor(from / ROWS_PER_PAGE) + 1;
  const shown = rows.length === 0 ? 'None' : `${figure(from + 1)} to ${figure(from + rows.length)}`;
  return html`<p class="links">${shown} of ${figure(total)} ${what}${find === '' ? '' : ` with “${find}”`}.
${page > 1 ? link(page - 1, 'Previous page') : null}${from + rows.length < total ? link(page + 1, 'Next page') : null}</p>
`;
}
