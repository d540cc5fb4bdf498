/** Panels about requests and what bounds them. */

import { type PanelSpec, PROCESS, quantile, quantiles, rate, rateBy, rateOfSome, series } from '../panels.ts';

const ROUTE = 'route=~"$route"';

/** The first line: a few numbers that say whether anything is wrong. */
export const OVERVIEW: readonly PanelSpec[] = [
  {
    title: 'Gateways',
    description: 'Processes, or groups of workers, that Prometheus scrapes.',
    unit: 'short',
    queries: [[`count(${series('build_info')})`, '']],
    stat: { redBelow: 1 },
  },
  {
    title: 'Requests',
    description: 'Requests per second of all routes.',
    unit: 'reqps',
    queries: [[`sum(${rate('http_requests_total')})`, '']],
    stat: {},
  },
  {
    title: 'Failed by the gateway',
    description: 'Share of requests that the gateway could not check or forward. The alerts allow 0.1 %.',
    unit: 'percentunit',
    queries: [[`sum(${rate('auth_decisions_total', 'outcome="error"')}) / sum(${rate('http_requests_total')})`, '']],
    stat: { orangeFrom: 0.001, redFrom: 0.01 },
  },
  {
    title: 'Own part, p99',
    description: 'What the gateway itself adds to a request, without the upstream.',
    unit: 's',
    queries: [[quantile(0.99, 'overhead_seconds'), '']],
    stat: { orangeFrom: 0.025, redFrom: 0.1 },
  },
  {
    title: 'Store',
    description: 'Gateways whose session store answers. Others serve what they have in memory.',
    unit: 'short',
    queries: [[`sum(${series('store_up')})`, '']],
    stat: { redBelow: 1 },
  },
  {
    title: 'Next certificate expires in',
    description: 'The one that expires first. Without TLS there is none.',
    unit: 's',
    queries: [[`min(${series('tls_certificate_expiry_timestamp_seconds')}) - time()`, '']],
    stat: { redBelow: 172_800 },
  },
];

/** Requests, by route and by outcome. */
export const TRAFFIC: readonly PanelSpec[] = [
  {
    title: 'Requests by route',
    description: '_gateway: its own endpoints, such as the login. _none: nothing matched.',
    unit: 'reqps',
    queries: [[rateBy('route', 'http_requests_total', ROUTE), '{{route}}']],
    isStacked: true,
  },
  {
    title: 'Answers by class of status',
    description: 'What clients get, from upstreams and from the gateway.',
    unit: 'reqps',
    queries: [[rateBy('code_class', 'http_requests_total', ROUTE), '{{code_class}}']],
    isStacked: true,
  },
  {
    title: 'Requests by method',
    description: 'Needs metrics.labels: [method], the default.',
    unit: 'reqps',
    queries: [[rateBy('method', 'http_requests_total', ROUTE), '{{method}}']],
    isStacked: true,
  },
  {
    title: 'Allowed, by kind of caller',
    description: 'Requests that passed authorization: of users, of services, or on routes without a credential.',
    unit: 'reqps',
    queries: [[rateBy('reason', 'auth_decisions_total', `${ROUTE}, outcome="allow"`), '{{reason}}']],
    isStacked: true,
  },
  {
    title: 'Refused, by reason',
    description:
      'As designed: the client, not the gateway, is at fault. docs/reference/reasons.md explains each reason.',
    unit: 'reqps',
    queries: [[rateOfSome('reason', 'auth_decisions_total', `${ROUTE}, outcome="deny"`), '{{reason}}']],
  },
  {
    title: 'Failed, by reason',
    description:
      'Something is broken: the store, an upstream, a provider, or the gateway. These count against the objective.',
    unit: 'reqps',
    queries: [[rateOfSome('reason', 'auth_decisions_total', `${ROUTE}, outcome="error"`), '{{reason}}']],
  },
  {
    title: 'Duration',
    description: 'From the request head to the end of the answer, upstream included. Streams and WebSockets last long.',
    unit: 's',
    queries: quantiles('http_request_duration_seconds', ROUTE),
  },
  {
    title: 'Duration by route, p99',
    description: 'The slowest routes, upstream included.',
    unit: 's',
    queries: [[quantile(0.99, 'http_request_duration_seconds', 'route, ', ROUTE), '{{route}}']],
  },
  {
    title: "The gateway's own part",
    description: 'Duration without the upstream: store look-ups, signatures, waiting for a turn.',
    unit: 's',
    queries: quantiles('overhead_seconds', ROUTE),
  },
  {
    title: 'In progress by route',
    description: 'Requests between their first and their last byte, WebSockets included.',
    unit: 'short',
    queries: [[`sum by (route) (${series('http_requests_in_flight', ROUTE)})`, '{{route}}']],
  },
  {
    title: 'Bytes',
    description: 'Bodies from clients, and to them.',
    unit: 'Bps',
    queries: [
      [`sum(${rate('http_request_bytes_total', ROUTE)})`, 'requests'],
      [`sum(${rate('http_response_bytes_total', ROUTE)})`, 'answers'],
    ],
  },
];

/** What is refused because it is too much. */
export const LIMITS: readonly PanelSpec[] = [
  {
    title: 'Requests shed',
    description: 'Refused with 503 because the process is overloaded.',
    unit: 'reqps',
    queries: [[rateBy('when', 'requests_shed_total'), '{{when}}']],
  },
  {
    title: 'Requests that wait for their turn',
    description: 'More than a few for long: the process is at its capacity.',
    unit: 'short',
    queries: [[`sum by (instance, pod) (${series('requests_queued')})`, PROCESS]],
  },
  {
    title: 'Requests over a limit',
    description: 'Too many in progress of one client address, of one session, or on one route.',
    unit: 'reqps',
    queries: [[rateBy('limit', 'requests_over_limit_total'), '{{limit}}']],
  },
  {
    title: 'Open connections of clients',
    description: 'limits.maxConnections bounds them: 20,000 in each process by default.',
    unit: 'short',
    queries: [[`sum by (instance, pod) (${series('open_connections')})`, PROCESS]],
  },
  {
    title: 'Connections refused',
    description: 'limit: too many. client: too many of one client. tls: no handshake. peer: not a listed proxy.',
    unit: 'ops',
    queries: [[rateBy('reason', 'connections_refused_total'), '{{reason}}']],
  },
  {
    title: 'Connections cut',
    description: 'Their clients were too slow, or flooded.',
    unit: 'ops',
    queries: [[rateBy('reason', 'connections_cut_total'), '{{reason}}']],
  },
  {
    title: 'Forged headers removed',
    description: 'Headers from clients that only the gateway may write. A few come from mistakes, many from an attack.',
    unit: 'ops',
    queries: [[rateBy('route', 'owned_headers_removed_total', ROUTE), '{{route}}']],
  },
];
