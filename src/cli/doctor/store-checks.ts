/** What the store looks like from outside. */

import { roughDuration } from '../../lib/text/units.ts';
import type { StoreInspection } from '../../store/networked/kind.ts';
import { type CheckResult, type DoctorFinding, fine, remark, trouble } from './finding.ts';
import type { Observation } from './observe.ts';

/** Longer round trips are noticeable: most requests need none, but a login needs several. */
const SLOW_MS = 20;
/** Above this share of its memory, a server that may not evict anything will soon refuse writes. */
const FULL = 0.9;
/** Larger differences between clocks are reported: tokens are dated by this machine, sessions by Redis. */
const CLOCK_WARNING_MS = 1_000;
const CLOCK_FAILURE_MS = 10_000;

/** Whether the store can be used, and how well. */
export function storeFindings({ file: { loaded }, store }: Observation): CheckResult {
  if (store === null && loaded === null) return null;
  if (store === null)
    return remark('store', 'sessions live in the process: they end with it, and no other replica knows them');
  const { version, problem, roundTripMs, clockAheadMs } = store;
  const isUnknown = version === null && problem === null;
  return [
    useFinding(store),
    roundTripMs !== null && roundTripMs > SLOW_MS ? slowFinding(roundTripMs) : null,
    memoryFindings(store),
    isUnknown
      ? remark('store', 'its version, memory and eviction policy are unknown: the user may not use INFO')
      : null,
    storeClockFinding(clockAheadMs),
  ];
}

function useFinding({ description, problem, version }: StoreInspection): DoctorFinding {
  if (problem === null) {
    const of = version === null ? '' : ` (${version})`;
    return fine('store', `${description}: does everything that the gateway needs${of}`);
  }
  return trouble(
    'failure',
    'store',
    `${description}: ${problem}`,
    'Nobody can log in. Users who are logged in are served for as long as session.cache.outageGrace says, then they get 503.',
    cureFor(problem),
  );
}

const slowFinding = (roundTripMs: number): DoctorFinding =>
  trouble(
    'warning',
    'store',
    `a round trip takes ${roughDuration(roundTripMs)}`,
    'Each request whose session is not in the cache waits this long, and each login several times.',
    'Move Redis closer, or find out what keeps it busy: redis-cli --latency, SLOWLOG GET.',
  );

function memoryFindings({ memory, warnings }: StoreInspection): CheckResult {
  const findings = warnings.map((warning) =>
    trouble(
      'failure',
      'store',
      warning,
      'When its memory is full, Redis drops sessions and revocations at random: people are logged out, and revoked tokens are accepted again.',
      'Set maxmemory-policy noeviction, and give it enough memory.',
    ),
  );
  if (memory === null || memory.maxBytes === 0 || memory.usedBytes <= FULL * memory.maxBytes) return findings;
  const share = Math.round((100 * memory.usedBytes) / memory.maxBytes);
  const full = trouble(
    'warning',
    'store',
    `${share} % of its memory is in use`,
    'When it is full, nobody can log in.',
    'Raise maxmemory, or find out what else uses this Redis.',
  );
  return [findings, full];
}

function cureFor(problem: string): string {
  if (/WRONGPASS|NOAUTH/.test(problem))
    return 'Compare the password in store.redis (url or passwordFile) with that of Redis.';
  if (/NOPERM/.test(problem))
    return 'Give the user the permissions in docs/how-to/redis.md; a new version may need more.';
  if (/TLS/.test(problem)) return 'Compare the scheme of store.redis.url and store.redis.tls with how Redis listens.';
  if (/READONLY|MASTERDOWN/.test(problem))
    return 'This server is a replica: name the primary, or use redis+sentinel://.';
  if (/OOM|MISCONF|NOREPLICAS/.test(problem))
    return 'Redis accepts no writes: see its log for memory, disk and replicas.';
  return 'Check whether Redis runs, whether store.redis.url is right, and whether a firewall or a NetworkPolicy blocks the connection.';
}

function storeClockFinding(aheadMs: number | null): DoctorFinding | null {
  if (aheadMs === null) return null;
  const apartMs = Math.abs(aheadMs);
  if (apartMs <= CLOCK_WARNING_MS) return fine('clock', 'the store and this machine agree');
  return trouble(
    apartMs > CLOCK_FAILURE_MS ? 'failure' : 'warning',
    'clock',
    `that of the store is ${roughDuration(apartMs)} ${aheadMs > 0 ? 'ahead' : 'behind'}`,
    'Sessions go by the clock of Redis, tokens by the clock of this machine: if that one is wrong, other services refuse its tokens.',
    'Synchronize both machines (chrony, systemd-timesyncd).',
  );
}
