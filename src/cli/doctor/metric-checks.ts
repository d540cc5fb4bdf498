/** Counters that should be zero: limits that were reached, lines that were lost, workers that ended. */

import { type DoctorFinding, fine, trouble } from './finding.ts';
import type { Observation } from './observe.ts';

/** A counter, and what it means when it is not zero. */
interface CounterRule {
  /** Name without the prefix; of all of its series together, or of those with these labels. */
  readonly metric: string;
  readonly labels?: string;
  readonly verdict: 'warning' | 'failure';
  readonly about: string;
  /** `#` stands for the figure. */
  readonly text: string;
  readonly why: string;
  readonly cure: string;
}

const RULES: readonly CounterRule[] = [
  {
    metric: 'log_lines_lost_total',
    labels: 'output="audit_file"',
    verdict: 'failure',
    about: 'audit',
    text: 'audit records lost: #',
    why: 'The audit trail has gaps.',
    cure: 'Check whether the disk of log.auditFile is full or slow. log.onAuditFailure: refuse admits nobody while records cannot be written.',
  },
  {
    metric: 'log_lines_lost_total',
    labels: 'output="stdout"',
    verdict: 'failure',
    about: 'log',
    text: 'lines of the log lost: #',
    why: 'The reader of standard output is too slow.',
    cure: 'Check the log collector. log.access: errors writes less.',
  },
  {
    metric: 'connections_refused_total',
    labels: 'reason="limit"',
    verdict: 'warning',
    about: 'limits',
    text: 'connections refused because too many were open: #',
    why: 'Clients saw a closed connection.',
    cure: 'Add replicas, or raise limits.maxConnections of the listener if there is memory for it.',
  },
  {
    metric: 'connections_refused_total',
    labels: 'reason="client"',
    verdict: 'warning',
    about: 'limits',
    text: 'connections refused because one client had too many: #',
    why: 'That client saw a closed connection. Behind a proxy that is not in trustedProxies, all users are one client.',
    cure: 'Check whether a proxy in front is missing in trustedProxies; docs/limits.md explains the limit.',
  },
  {
    metric: 'requests_over_limit_total',
    verdict: 'warning',
    about: 'limits',
    text: 'requests refused because a client, a session or a route had too many in progress: #',
    why: 'They got 429 or 503.',
    cure: 'The label says which limit was reached; docs/limits.md explains it.',
  },
  {
    metric: 'requests_shed_total',
    verdict: 'warning',
    about: 'limits',
    text: 'requests refused because the process was overloaded: #',
    why: 'They got 503, so that others were served in time.',
    cure: 'Add replicas or workers; look at sallyport_nodejs_eventloop_utilization_ratio.',
  },
  {
    metric: 'store_errors_total',
    verdict: 'warning',
    about: 'store',
    text: 'commands to the store that failed: #',
    why: 'Requests that needed them got 503.',
    cure: 'sallyport_store_errors_total says why by label: timeout, connection, or reply. See the findings about the store.',
  },
  {
    metric: 'workers_restarts_total',
    verdict: 'failure',
    about: 'workers',
    text: 'workers that exited and were restarted: #',
    why: 'Their requests were cut.',
    cure: 'The log says how (worker exited): SIGKILL is usually the memory limit of the container.',
  },
  {
    metric: 'token_revocations_forgotten_total',
    verdict: 'failure',
    about: 'revocations',
    text: 'revocations dropped before their end, because there were too many: #',
    why: 'Revoked tokens may be accepted again.',
    cure: 'Revoke by subject or session instead of token by token.',
  },
  {
    metric: 'config_watch_errors_total',
    verdict: 'warning',
    about: 'reload',
    text: 'failures to watch a file: #',
    why: 'Until watching works again, changes are found by polling, which takes longer.',
    cure: 'Look at fs.inotify.max_user_watches, and whether the directory still exists.',
  },
];

/** Applies the rules to the metrics. */
export function metricFindings({ gateway: { metrics, silence } }: Observation): readonly DoctorFinding[] {
  if (silence !== null) return [];
  if (metrics === null) {
    const cure = 'Ask the listener for /metrics by an IP address or localhost.';
    return [trouble('warning', 'metrics', 'could not be read', 'Limits and losses were not checked.', cure)];
  }
  const findings = RULES.flatMap(({ metric, labels, verdict, about, text, why, cure }) => {
    const value = sumOf(metrics, `sallyport_${metric}`, labels ?? '');
    return value > 0 ? [trouble(verdict, about, text.replace('#', value.toLocaleString('en')), why, cure)] : [];
  });
  return findings.length > 0
    ? findings
    : [fine('limits', 'since the start, none was reached, and no log line was lost')];
}

/** The sum of the series of a metric that have these labels. */
function sumOf(metrics: string, name: string, labels: string): number {
  let sum = 0;
  for (let at = metrics.indexOf(`\n${name}`); at !== -1; at = metrics.indexOf(`\n${name}`, at + 1)) {
    const end = metrics.indexOf('\n', at + 1);
    const line = metrics.slice(at + 1, end === -1 ? undefined : end);
    const rest = line.slice(name.length);
    if (!/^[{ ]/.test(rest) || !rest.includes(labels)) continue;
    sum += Number(line.slice(line.lastIndexOf(' ') + 1));
  }
  return sum;
}
