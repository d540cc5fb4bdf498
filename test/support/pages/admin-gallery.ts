/** The pages of the admin listener, with made-up content that never changes. */

import type { ComponentHealth } from '../../../src/admin/control.ts';
import { explainPage, readExplainForm } from '../../../src/admin/page/explain.ts';
import { routesPage, upstreamsPage } from '../../../src/admin/page/lists.ts';
import { overviewPage } from '../../../src/admin/page/overview.ts';
import type { AdminAnswer } from '../../../src/admin/request.ts';
import type { ProcessStatus, RouteStatus, UpstreamStatus } from '../../../src/admin/status.ts';
import { toTimestamp } from '../../../src/lib/text/timestamp.ts';

const NOW_MS = Date.UTC(2027, 0, 15, 8);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STAMP = { requestId: '4bf92f3577b34da6a3ce929d0e0e4736', atMs: NOW_MS };
const before = (ms: number) => toTimestamp(NOW_MS - ms);
const HASH = '5d82219e8406';

const component = (name: string, detail: string, isOk = true, isRequired = true): ComponentHealth => ({
  name,
  isOk,
  isRequired,
  detail,
});

const worker = (number: number): ProcessStatus => ({
  process: `worker ${number}`,
  pid: 40 + number,
  startedAt: before(3 * DAY + 4 * HOUR),
  connections: 180 + number * 7,
  requestsInProgress: 12 + number,
  cachedSessions: 4_210 + number * 113,
  residentBytes: (118 + number) * 1_048_576,
  store: { description: 'redis at redis-1:6379', isAvailable: true },
  feed: { isConnected: true, provenAgeMs: 120 + number, unbrokenForMs: 3 * DAY },
  keySets: [
    {
      name: 'cluster',
      kind: 'issuer (kubernetes)',
      isFetched: true,
      ageMs: 4 * MINUTE,
      keys: [{ kid: 'JWnLJq0ZtZNCF3BMSg6hSl-tHgPGnGDUEqpXRyL3gKY', algorithms: ['RS256'] }],
    },
    {
      name: 'billing',
      kind: 'issuer (jwt)',
      isFetched: true,
      ageMs: 9 * HOUR,
      keys: [
        { kid: 'billing-2026-11', algorithms: ['ES256'] },
        { kid: 'billing-2027-01', algorithms: ['ES256'] },
      ],
    },
    { name: 'corporate', kind: 'identity provider', isFetched: true, ageMs: null, keys: [] },
  ],
  signingKeys: [
    {
      kid: 'fhJz5bQxsDbKjfp9',
      state: 'active',
      createdAt: before(21 * DAY),
      activatesAt: before(20 * DAY),
    },
    { kid: 'Qm3xk0aVtT2Lw8eN', state: 'next', createdAt: before(2 * HOUR), activatesAt: before(-22 * HOUR) },
  ],
});

const overview = overviewPage(
  {
    health: {
      isStarted: true,
      components: [
        component('workers', '2 of 2 ready'),
        component('listener', 'accepts requests'),
        component('store', 'redis at redis-1:6379'),
        component('signingKeys', 'ES256 keys in a directory'),
        component('provider corporate', 'metadata not fetched yet', false, false),
      ],
    },
    processes: [worker(1), worker(2)],
    configuration: { hash: HASH, loadedAt: before(2 * HOUR), needRestart: ['listeners.public.address'] },
    reloads: [
      {
        at: before(25 * MINUTE),
        result: 'rejected',
        hash: HASH,
        problems: [
          'sallyport.yaml:31:15: error: no upstream is named "orderz"; did you mean "orders"? [routes/upstream]',
        ],
        needRestart: [],
        kept: [],
        results: [],
      },
      { at: before(2 * HOUR), result: 'applied', hash: HASH, problems: [], needRestart: [], kept: [], results: [] },
    ],
    warnings: [
      { code: 'config/unused', line: 48, column: 3, message: 'issuers.legacy is not used: nothing accepts its tokens' },
    ],
    build: { version: '0.1.0', revision: '3f9c1d7' },
    node: 'v26.10.0',
  },
  STAMP,
);

const route = (
  id: string,
  pattern: string,
  credential: string,
  allow: string,
  counts: readonly [requests: number, refused: number, failed: number, inProgress: number],
): RouteStatus => {
  const [requests, refused, failed, inProgress] = counts;
  const words = { id, listener: 'public', pattern, methods: 'any', credential, allow };
  return { ...words, upstream: id, counts: { requests, refused, failed, inProgress } };
};

const ROUTES = [
  route('orders', 'shop.example.com/api/orders/…', 'session', 'role customer|admin', [482_113, 1_204, 0, 14]),
  route('payments', 'shop.example.com/api/payments/…', 'session', 'role customer, acr gold', [51_870, 312, 27, 2]),
  route(
    'internal',
    'shop.example.com/internal/…',
    'service token of cluster',
    'ServiceAccount shop/cart',
    [9_004, 3, 0, 0],
  ),
  route('shop', 'shop.example.com/…', 'none (public)', '-', [1_903_442, 0, 0, 31]),
];

const upstream = (name: string, ...origins: string[]): UpstreamStatus => ({
  name,
  protocol: 'HTTP/1.1',
  processes: 2,
  servers: origins.map((origin, index) => ({
    origin,
    ejectedIn: name === 'payments' && index === 1 ? 2 : 0,
    ejectedForMs: name === 'payments' && index === 1 ? 12_000 : 0,
    requestsInProgress: 9 - index,
    busyConnections: 9 - index,
    idleConnections: 22,
  })),
});
const UPSTREAMS = [
  upstream('orders', 'http://orders-1:8080', 'http://orders-2:8080'),
  upstream('payments', 'https://payments-1:8443', 'https://payments-2:8443'),
];

const ALL = { from: 0, count: 100, find: '' };
const query = new URLSearchParams({ method: 'GET', url: '/api/orders/7', session: 'roles=guest,subject=bob' });
const asked = readExplainForm(query);
const ANSWER = `Request     GET /api/orders/7 on shop.example.com
Read as     host shop.example.com, path /api/orders/7, query none
            from 192.0.2.1 by https; public origin https://shop.example.com
Route       orders by shop.example.com/api/orders/…
Credential  needs session; presented: the session of "bob"
Allow       no  role customer or admin
Verdict     refused: 403 Forbidden
Reason      route_forbidden: no rule of the route allows this principal
`;

/** Every page, by the name of its pictures. */
export const ADMIN_PAGES: Readonly<Record<string, AdminAnswer>> = {
  'admin-overview': overview,
  'admin-routes': routesPage({ rows: ROUTES, total: ROUTES.length }, ALL, STAMP),
  'admin-upstreams': upstreamsPage({ rows: UPSTREAMS, total: UPSTREAMS.length }, ALL, STAMP),
  'admin-explain': explainPage(query, typeof asked === 'string' ? null : asked, { text: ANSWER }, STAMP),
};
