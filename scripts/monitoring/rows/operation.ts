/** Panels about what the gateway depends on: store, upstreams, files, the process. */

import { named, type PanelSpec, PROCESS, quantile, quantiles, rate, rateBy, rateOfSome, series } from '../panels.ts';

/** The session store and the feed of revocations. */
export const STORE: readonly PanelSpec[] = [
  {
    title: 'Store answers',
    description: '1: yes. While it does not, known sessions are served, unknown ones get 503.',
    unit: 'short',
    queries: [[`min by (instance, pod) (${series('store_up')})`, PROCESS]],
  },
  {
    title: 'Commands',
    description: 'Answered, by what they do.',
    unit: 'ops',
    queries: [[rateBy('command', 'store_command_duration_seconds_count'), '{{command}}']],
    isStacked: true,
  },
  {
    title: 'Time of a command',
    description: 'From sending it to its answer.',
    unit: 's',
    queries: quantiles('store_command_duration_seconds'),
  },
  {
    title: 'Failed commands',
    description: 'timeout: no answer in time. connection: none. reply: the store refuses.',
    unit: 'ops',
    queries: [[rateBy('reason', 'store_errors_total'), '{{reason}}']],
  },
  {
    title: 'Age of the revocation feed',
    description: 'Since it was last proven that no revocation is missing. It beats four times a second.',
    unit: 's',
    queries: [[`max by (instance, pod) (${series('token_revocations_age_seconds')} < +Inf)`, PROCESS]],
  },
  {
    title: 'Served during an outage',
    description: 'Requests whose session came from memory while the store did not answer.',
    unit: 'reqps',
    queries: [[`sum(${rate('sessions_served_during_outage_total')})`, 'served']],
  },
];

/** The services behind the gateway. */
export const UPSTREAMS: readonly PanelSpec[] = [
  {
    title: 'Upstreams with a server',
    description: '0: every server of the upstream is ejected, because no connection to it can be made.',
    unit: 'short',
    queries: [[`min by (upstream) (${series('upstream_healthy')})`, '{{upstream}}']],
  },
  {
    title: 'Time to the first byte, p50 and p99',
    description: 'Of the upstream, from sending the request.',
    unit: 's',
    queries: [
      [quantile(0.5, 'upstream_request_duration_seconds', 'upstream, '), '{{upstream}} p50'],
      [quantile(0.99, 'upstream_request_duration_seconds', 'upstream, '), '{{upstream}} p99'],
    ],
  },
  {
    title: 'Answers of upstreams by class of status',
    description: '5xx here is what the application answered.',
    unit: 'reqps',
    queries: [
      [rateBy('upstream, code_class', 'upstream_request_duration_seconds_count'), '{{upstream}} {{code_class}}'],
    ],
  },
  {
    title: 'Failed forwards by reason',
    description: 'The client got 502 or 504.',
    unit: 'reqps',
    queries: [[rateBy('upstream, reason', 'upstream_errors_total'), '{{upstream}} {{reason}}']],
  },
  {
    title: 'Retries by reason',
    description: 'Sent again, because the server had taken nothing of the request.',
    unit: 'reqps',
    queries: [[rateBy('upstream, reason', 'upstream_retries_total'), '{{upstream}} {{reason}}']],
  },
  {
    title: 'Requests at upstreams',
    description: 'Those that wait for a connection included.',
    unit: 'short',
    queries: [[`sum by (upstream) (${series('upstream_requests_in_flight')})`, '{{upstream}}']],
  },
  {
    title: 'Connections to upstreams',
    description: 'Busy with a request, or idle.',
    unit: 'short',
    queries: [[`sum by (upstream, state) (${series('upstream_connections')})`, '{{upstream}} {{state}}']],
  },
  {
    title: 'WebSockets',
    description: 'Open now.',
    unit: 'short',
    queries: [[`sum(${series('open_websockets')})`, 'open']],
  },
  {
    title: 'gRPC calls by status',
    description: 'What the client got, from the service or from the gateway.',
    unit: 'reqps',
    queries: [[rateOfSome('upstream, grpc_code', 'upstream_grpc_calls_total'), '{{upstream}} {{grpc_code}}']],
  },
];

/** Configuration, keys, certificates, logs. */
export const FILES: readonly PanelSpec[] = [
  {
    title: 'Last reload applied',
    description: '0: the last configuration was refused, and the one before is in use.',
    unit: 'short',
    queries: [[`min by (instance, pod) (${series('config_last_reload_successful')})`, PROCESS]],
  },
  {
    title: 'Age of the configuration',
    description: 'Since it was applied.',
    unit: 's',
    queries: [[`time() - max by (instance, pod) (${series('config_last_reload_success_timestamp_seconds')})`, PROCESS]],
  },
  {
    title: 'Reloads',
    description: 'By result.',
    unit: 'ops',
    queries: [[rateBy('result', 'config_reloads_total'), '{{result}}']],
  },
  {
    title: 'Configurations in use',
    description: 'Gateways by the hash of their configuration. More than one for long: some have not reloaded.',
    unit: 'short',
    queries: [[`count by (hash) (${series('config_info')})`, '{{hash}}']],
    isStacked: true,
  },
  {
    title: 'Versions',
    description: 'Gateways by version.',
    unit: 'short',
    queries: [[`count by (version, revision, node) (${series('build_info')})`, '{{version}} {{revision}} {{node}}']],
    isStacked: true,
  },
  {
    title: 'Certificates expire in',
    description: 'By position in the configuration. The line should jump up long before it reaches zero.',
    unit: 's',
    queries: [
      [
        `min by (certificate) (${series('tls_certificate_expiry_timestamp_seconds')}) - time()`,
        'certificate {{certificate}}',
      ],
      [
        `min by (certificate) (${series('tls_certificate_expiry_timestamp_seconds')} - ${series('tls_certificate_not_before_timestamp_seconds')})`,
        'whole lifetime of {{certificate}}',
      ],
    ],
  },
  {
    title: 'Files can be read',
    description: '0: the last good version is in use, and the gateway would not start.',
    unit: 'short',
    queries: [
      [`min(${series('tls_certificates_last_read_successful')})`, 'certificates'],
      [`min(${series('signing_keys_last_refresh_successful')})`, 'signing keys'],
      [`min(${series('users_file_last_read_successful')})`, 'users file'],
    ],
  },
  {
    title: 'Age of signing keys',
    description: 'active: since it signs. next: since it is published.',
    unit: 's',
    queries: [[`max by (state) (${series('signing_key_age_seconds')})`, '{{state}}']],
  },
  {
    title: 'Files that could not be watched',
    description: 'They are polled instead; usually the limit of inotify watches is reached.',
    unit: 'ops',
    queries: [
      [`sum(${rate('config_watch_errors_total')})`, 'configuration'],
      [`sum(${rate('tls_certificates_watch_errors_total')})`, 'certificates'],
      [`sum(${rate('admin_token_watch_errors_total')})`, 'admin token'],
    ],
  },
  {
    title: 'Log lines lost',
    description: 'Of logs and of the audit stream, because their output could not be written.',
    unit: 'ops',
    queries: [[rateBy('output', 'log_lines_lost_total'), '{{output}}']],
  },
  {
    title: 'Spans',
    description: 'Sent to the collector, dropped by reason, and requests not recorded because of traces.maxPerSecond.',
    unit: 'ops',
    queries: [
      [`sum(${rate('trace_spans_exported_total')})`, 'sent'],
      [rateBy('reason', 'trace_spans_dropped_total'), '{{reason}}'],
      [`sum(${rate('traces_over_limit_total')})`, 'over the limit'],
    ],
  },
];

/** Node and the operating system. */
export const PROCESSES: readonly PanelSpec[] = [
  {
    title: 'Event loop busy',
    description: 'Share of the time; of the busiest worker. Above 0.9 requests wait.',
    unit: 'percentunit',
    queries: [[`max by (instance, pod) (${series('nodejs_eventloop_utilization_ratio')})`, PROCESS]],
  },
  {
    title: 'Event loop late, p99',
    description: 'How late its turns come. Long ones hold up every request.',
    unit: 's',
    queries: [[`max by (instance, pod) (${named('nodejs_eventloop_lag_p99_seconds')})`, PROCESS]],
  },
  {
    title: 'Processor',
    description: 'In cores; one gateway process uses little more than one.',
    unit: 'short',
    queries: [[`sum by (instance, pod) (rate(${named('process_cpu_seconds_total')}[$__rate_interval]))`, PROCESS]],
  },
  {
    title: 'Memory',
    description: 'Resident.',
    unit: 'bytes',
    queries: [[`sum by (instance, pod) (${named('process_resident_memory_bytes')})`, PROCESS]],
  },
  {
    title: 'Heap',
    description: 'JavaScript objects in use.',
    unit: 'bytes',
    queries: [[`sum by (instance, pod) (${named('nodejs_heap_size_used_bytes')})`, PROCESS]],
  },
  {
    title: 'Garbage collection',
    description: 'Seconds per second.',
    unit: 'percentunit',
    queries: [[`sum by (kind) (rate(${named('nodejs_gc_duration_seconds_sum')}[$__rate_interval]))`, '{{kind}}']],
  },
  {
    title: 'Open files',
    description: 'Sockets included.',
    unit: 'short',
    queries: [[`sum by (instance, pod) (${named('process_open_fds')})`, PROCESS]],
  },
  {
    title: 'Workers',
    description: 'That serve; none where the gateway is one process.',
    unit: 'short',
    queries: [[`sum by (instance, pod) (${series('workers_ready')})`, PROCESS]],
  },
  {
    title: 'Restarts of workers',
    description: 'Each cuts the connections of one worker.',
    unit: 'ops',
    queries: [[`sum by (instance, pod) (${rate('workers_restarts_total')})`, PROCESS]],
  },
];
