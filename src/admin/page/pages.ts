/** The pages of the admin listener, one row each. */

import type { PageStamp } from '../../pages/page.ts';
import type { AdminEndpoint } from '../endpoints.ts';
import type { AdminParts, AdminRequest } from '../request.ts';
import { EXPLAIN_FIELDS, explainPage, readExplainForm } from './explain.ts';
import { pageOf, routesPage, upstreamsPage } from './lists.ts';
import { overviewPage } from './overview.ts';

const stampOf = ({ id }: AdminRequest, { clocks }: AdminParts): PageStamp => ({
  requestId: id,
  atMs: clocks.wallMs(),
});

const PAGED = ['find', 'page'];

/** Every page. */
export const PAGES: readonly AdminEndpoint[] = [
  {
    method: 'GET',
    path: '/',
    summary: 'A page for people: whether it is ready, processes, store, keys, configuration and reloads.',
    guard: 'page',
    answer: async (request, parts) => {
      const { control, reloader, build } = parts;
      const [health, processes] = await Promise.all([control.health(false), control.status()]);
      const { config: _, ...configuration } = reloader.report();
      return overviewPage(
        { health, processes, configuration, ...reloader.history(), build, node: process.version },
        stampOf(request, parts),
      );
    },
  },
  {
    method: 'GET',
    path: '/routes',
    summary: 'A page for people: the routes in the order in which they are tried, with live counts.',
    form: PAGED,
    guard: 'page',
    answer: async (request, parts) => {
      const asked = pageOf(request.query);
      return routesPage(await parts.control.routes(asked), asked, stampOf(request, parts));
    },
  },
  {
    method: 'GET',
    path: '/upstreams',
    summary: 'A page for people: the upstreams and their servers.',
    form: PAGED,
    guard: 'page',
    answer: async (request, parts) => {
      const asked = pageOf(request.query);
      return upstreamsPage(await parts.control.upstreams(asked), asked, stampOf(request, parts));
    },
  },
  {
    method: 'GET',
    path: '/explain',
    summary: 'A page for people: `sallyport explain`, as a form.',
    form: EXPLAIN_FIELDS,
    guard: 'page',
    answer: async (request, parts) => {
      const { query } = request;
      const read = readExplainForm(query);
      const asked = typeof read === 'string' ? null : read;
      const answer = typeof read === 'string' ? { problem: read } : read === null ? null : await parts.explain(read);
      return explainPage(query, asked, answer, stampOf(request, parts));
    },
  },
];
