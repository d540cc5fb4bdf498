/** The worked example of a limit per route: how long the query of a request may be. */

import type { Example } from './example.ts';

/** A key of a route, what it compiles to, and where it is applied. */
export const QUERY_LIMIT: Example = {
  newFiles: {
    'src/routing/query-limit.ts': `/** How long the query of a request may be on a route. */

import { Denial } from '../errors.ts';

const TOO_LONG = new Denial('target_too_long', 'query over the limit of the route');

/** Why a query is refused, \`null\` when it is not. */
export const queryProblem = (query: string, maxQueryBytes: number | null): Denial | null =>
  maxQueryBytes !== null && query.length > maxQueryBytes ? TOO_LONG : null;
`,
  },
  edits: {
    'src/routing/section.ts': [
      {
        after: 'export const ROUTE_KEYS = {\n',
        insert:
          "  queryLimit: optionalSize().meta({ description: 'Requests with a longer query get 414. Default: no limit.' }),\n",
      },
    ],
    'src/routing/route.ts': [
      { after: 'export interface Route {\n', insert: '  readonly maxQueryBytes: number | null;\n' },
      { after: 'return Object.freeze({\n', insert: '    maxQueryBytes: config.queryLimit ?? null,\n' },
    ],
    'src/routing/readings.ts': [
      {
        after: 'readonly [K in keyof Route]: Comparison } = {\n',
        insert: "  maxQueryBytes: equal('maxQueryBytes'),\n",
      },
    ],
    'src/pipeline.ts': [
      { after: "from './routing/pattern.ts';\n", insert: "import { queryProblem } from './routing/query-limit.ts';\n" },
      {
        after: 'const { spelling, query } = request.target;\n',
        insert: `  const tooLong = queryProblem(query, route.maxQueryBytes);
  if (tooLong !== null) return tooLong;
`,
      },
    ],
  },
};
