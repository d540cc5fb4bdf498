/** Checks of the running gateway: whether it answers, is ready and runs the file, and how fresh its feed and keys are. */

import type { ComponentHealth, GatewayStatus } from '../../admin/control.ts';
import type { KeySetStatus, ProcessStatus } from '../../admin/status.ts';
import { fromTimestamp } from '../../lib/text/timestamp.ts';
import { roughDuration } from '../../lib/text/units.ts';
import { VERSION } from '../../version.ts';
import { type CheckResult, type DoctorFinding, fine, remark, trouble } from './finding.ts';
import type { Observation, ObservedFile, ObservedGateway } from './observe.ts';

/** Whether the gateway can be asked, and whether its parts work. */
export function reachFindings({ gateway }: Observation): CheckResult {
  const { url, silence, refusal, status, components } = gateway;
  if (silence !== null) {
    return trouble(
      'failure',
      'gateway',
      `cannot be asked: ${silence}`,
      url === null
        ? 'Nothing can be said about the process, only about the file.'
        : 'Nothing listens there, so nobody is served. Only the file and the store were checked.',
      'Check whether the process runs, and read the last lines of its log. If it runs, compare listeners.admin.address with --admin-url, and run this beside it: in its Pod, or through kubectl port-forward.',
    );
  }
  const api =
    refusal === null
      ? fine('gateway', `${url} answers: Sallyport ${status?.version}, ${status?.processes.length} serving`)
      : trouble(
          'warning',
          'gateway',
          `answers, but its API does not: ${refusal}`,
          'Without it, drift, feed, keys and recent requests cannot be checked.',
          'Pass the admin token of the process with --token-file. If its token file has become unusable, the process still uses the previous token.',
        );
  return [
    api,
    versionFinding(gateway),
    components.filter(({ isOk }) => !isOk).map(componentFinding),
    readyFinding(components),
  ];
}

function versionFinding({ status }: ObservedGateway): DoctorFinding | null {
  if (status === null || status.version === VERSION) return null;
  return remark('version', `the process is ${status.version}, this program is ${VERSION}: names and advice may differ`);
}

function readyFinding(components: readonly ComponentHealth[]): DoctorFinding | null {
  if (components.length === 0) return null;
  if (components.every(({ isOk, isRequired }) => isOk || !isRequired)) return fine('readiness', 'it is ready');
  return trouble(
    'failure',
    'readiness',
    'it is not ready, because of the required parts above',
    'Kubernetes and load balancers send it no requests.',
    'Fix these parts. listeners.admin.readyRequires decides which outages count.',
  );
}

/** What to do about a part that does not work, by the first word of its name. */
const CURES: Readonly<Record<string, string>> = {
  listener: 'It starts or shuts down. If that lasts, look at the last lines of its log.',
  store: 'See the findings about the store.',
  signingKeys: 'No key is active: run `sallyport keys list`, and `sallyport keys generate` if the directory is empty.',
  signingKeyFiles: 'See the findings about signing keys; the log names the file.',
  usersFile: 'Correct the users file; `sallyport users list` says what is wrong with it.',
  issuer:
    'Its keys were never fetched: check whether the URL answers from here, and whether a NetworkPolicy blocks it.',
  provider: 'Its metadata was never fetched: `sallyport check oidc NAME` says why.',
  upstream:
    'None of its servers accepts connections: check whether the service runs, and whether a NetworkPolicy blocks it.',
  workers: 'Workers keep exiting: the log says how (`worker exited`).',
};

function componentFinding({ name, isRequired, detail }: ComponentHealth): DoctorFinding {
  const kind = name.split(' ')[0] ?? '';
  return trouble(
    isRequired ? 'failure' : 'warning',
    name,
    detail,
    isRequired
      ? 'The gateway is not ready without it.'
      : 'The gateway is ready without it; what needs it gets an error.',
    CURES[kind] ?? 'The log of the process says more.',
  );
}

/** Whether the process runs what the file says. */
export function driftFindings({ file, gateway: { status } }: Observation): CheckResult {
  return status === null ? null : [hashFinding(file, status), restartFinding(status), reloadFinding(status)];
}

function hashFinding({ path, loaded }: ObservedFile, { configuration }: GatewayStatus): DoctorFinding | null {
  if (loaded === null) return null;
  if (loaded.hash === configuration.hash) return fine('drift', `the process runs what ${path} says (${loaded.hash})`);
  return trouble(
    'warning',
    'drift',
    `the process runs ${configuration.hash}, ${path} is ${loaded.hash}`,
    'The process does not do what the file says.',
    'Send SIGHUP or POST /-/reload, and read the response. If they still differ, the process uses another file or other environment variables: compare GET /-/config.',
  );
}

function restartFinding({ configuration: { needRestart } }: GatewayStatus): DoctorFinding | null {
  if (needRestart.length === 0) return null;
  return trouble(
    'warning',
    'drift',
    `changed, but in use only after a restart: ${needRestart.join(', ')}`,
    'A reload cannot apply these keys.',
    'Restart the process.',
  );
}

function reloadFinding({ reloads: [last] }: GatewayStatus): DoctorFinding | null {
  if (last === undefined || last.result === 'applied') return null;
  return trouble(
    'failure',
    'reload',
    `the last one was rejected at ${last.at}: ${last.problems.slice(0, 3).join('; ')}`,
    'The process keeps its previous configuration. A restart would fail, or start with another one.',
    'Correct these mistakes; sallyport validate lists all of them.',
  );
}

/** A feed is late after this time without proof. Its heartbeat comes every second. */
const FEED_LATE_MS = 5_000;

/** How far the feed of revocations is, in each process. */
export function feedFindings({ gateway: { status } }: Observation): CheckResult {
  if (status === null || status.processes.length === 0) return null;
  const late = status.processes.filter(
    ({ feed }) => !feed.isConnected || feed.provenAgeMs === null || feed.provenAgeMs > FEED_LATE_MS,
  );
  if (late.length === 0) return fine('feed', 'revocations arrive everywhere');
  return late.map((it) =>
    trouble(
      'failure',
      'feed',
      `${it.process}: ${feedState(it)}`,
      'It cannot know which sessions have ended, so it reads the store for each request. Without the store, it serves sessions from memory for session.cache.outageGrace only.',
      'See the findings about the store. If the store answers: may the user of Redis subscribe (&PREFIX* channels), and does a proxy in between cut idle connections?',
    ),
  );
}

const feedState = ({ feed: { isConnected, provenAgeMs } }: ProcessStatus): string => {
  const proven =
    provenAgeMs === null ? 'never proven complete' : `last proven complete ${roughDuration(provenAgeMs)} ago`;
  return `${isConnected ? 'late' : 'interrupted'}; ${proven}`;
};

/** Finds old keys of issuers and identity providers. Keys that were never fetched are failing components. */
export function keySetFindings({ file, gateway: { status } }: Observation): CheckResult {
  if (status === null) return null;
  const sets = status.processes.flatMap(({ process, keySets }) => keySets.map((it) => ({ ...it, process })));
  const old = sets.filter((it) => it.isFetched && it.ageMs !== null && it.ageMs > 1.5 * refreshEveryMs(it, file));
  const findings = old.map(({ name, kind, process, ageMs }) =>
    trouble(
      'warning',
      `${kind.split(' ')[0] === 'issuer' ? 'issuer' : 'provider'} ${name}`,
      `${process} has fetched its keys ${roughDuration(ageMs ?? 0)} ago, and not since`,
      'This process does not notice that the issuer replaces or withdraws a key; eventually its tokens get 503.',
      'The log says why fetches fail. Check whether the URL answers from here.',
    ),
  );
  return sets.some(({ isFetched }) => isFetched) && findings.length === 0
    ? fine('issuers', 'the keys of issuers and identity providers are up to date, where they were fetched')
    : findings;
}

/** By the configuration; the longest default where it is not known. */
function refreshEveryMs({ name, kind }: KeySetStatus, { loaded }: ObservedFile): number {
  const config = loaded?.config;
  const provider = config?.login.oidc?.find((it) => it.name === name);
  const ofIssuer = config?.issuers[name]?.fetch.refreshEvery;
  return (kind.startsWith('issuer') ? ofIssuer : provider?.refreshEvery) ?? 600_000;
}

/** Whether the clock of the process is that of this machine. */
export function processClockFinding({ gateway: { status }, atMs }: Observation): DoctorFinding | null {
  if (status === null) return null;
  const apartMs = fromTimestamp(status.at) - atMs;
  if (Math.abs(apartMs) <= 10_000) return null;
  const apart = `${roughDuration(Math.abs(apartMs))} ${apartMs > 0 ? 'ahead of' : 'behind'}`;
  return remark('clock', `that of the gateway is ${apart} this machine's: run this beside it`);
}
