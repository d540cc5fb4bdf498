/** Asks issuers and identity providers from here: whether they answer, and whether their clocks agree. */

import { readCa, readPair } from '../../config/files/named-files.ts';
import { metadataUrl } from '../../endpoints/login/oidc/metadata.ts';
import { withPreset } from '../../endpoints/login/oidc/settings.ts';
import type { LoadedConfig } from '../../gateway/configuration/load.ts';
import type { Clocks } from '../../lib/clock.ts';
import { roughDuration } from '../../lib/text/units.ts';
import { get } from '../check/provider-fetch.ts';
import { type CheckResult, type DoctorFinding, fine, trouble } from './finding.ts';
import type { Observation } from './observe.ts';

/** A server that is asked. */
interface Asked {
  readonly about: string;
  readonly url: string;
  readonly timeoutMs: number;
  readonly caFile: string | undefined;
  /** What the gateway presents there. */
  readonly certificate?: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly clockSkewMs: number;
}

/** Asks each once. The API server of a cluster and SPIFFE bundles are left out: the former wants the token of the Pod. */
export async function remoteFindings({ file: { loaded } }: Observation, clocks: Clocks): Promise<CheckResult> {
  return loaded === null ? null : Promise.all(askedOf(loaded).map((asked) => findingsAbout(asked, clocks)));
}

function askedOf({ config }: LoadedConfig): Asked[] {
  const issuers = Object.entries(config.issuers).flatMap(([name, { jwksUrl, discovery, fetch, clockSkew }]) => {
    const url = jwksUrl ?? discovery;
    if (url === undefined) return [];
    const { timeout: timeoutMs, caFile } = fetch;
    return [{ about: `issuer ${name}`, url, timeoutMs, caFile, clockSkewMs: clockSkew }];
  });
  const providers = (config.login.oidc ?? []).flatMap((written) => {
    const { name, issuer, endpoints, timeoutMs, clockSkewMs } = withPreset(written);
    if (endpoints !== null || issuer === null) return [];
    const { caFile, clientCertificate: certificate } = written;
    return [{ about: `provider ${name}`, url: metadataUrl(issuer), timeoutMs, caFile, certificate, clockSkewMs }];
  });
  return [...issuers, ...providers];
}

async function findingsAbout(
  { about, url, timeoutMs, caFile, certificate: files, clockSkewMs }: Asked,
  clocks: Clocks,
): Promise<CheckResult> {
  const { origin } = new URL(url);
  try {
    const ca = caFile === undefined ? null : await readCa(caFile);
    const certificate = files === undefined ? null : await readPair([], files);
    const beganMs = clocks.wallMs();
    const { status, dateMs } = await get(url, { timeoutMs, ca, certificate }, 'application/json');
    const endedMs = clocks.wallMs();
    const answers =
      status === 200
        ? fine(about, `${origin} answers from here`)
        : trouble('warning', about, `${origin} answers ${status} from here`, KEYS_AGE, CHECK_URL);
    return [answers, dateMs === null ? null : clockFinding(about, apartFrom(dateMs, beganMs, endedMs), clockSkewMs)];
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : 'no answer';
    return trouble(
      'warning',
      about,
      `${origin} does not answer from here: ${why}`,
      KEYS_AGE,
      'Check whether it runs, whether a firewall or a NetworkPolicy blocks the connection, and for a private CA whether caFile is set. Beside the gateway the result may differ.',
    );
  }
}

const CHECK_URL = 'Check the URL in the configuration.';
const KEYS_AGE = 'Its keys cannot be fetched: new ones stay unknown, and eventually all its tokens get 503.';

/** By how much a `Date` lies outside of the time of its request. It has whole seconds, rounded down. */
function apartFrom(dateMs: number, beganMs: number, endedMs: number): number {
  if (dateMs + 1_000 < beganMs) return dateMs + 1_000 - beganMs;
  return dateMs > endedMs ? dateMs - endedMs : 0;
}

const CLOCK_TOLERANCE_MS = 2_000;

function clockFinding(about: string, aheadMs: number, clockSkewMs: number): DoctorFinding | null {
  const apartMs = Math.abs(aheadMs);
  if (apartMs <= CLOCK_TOLERANCE_MS) return null;
  const isBeyond = apartMs > clockSkewMs;
  return trouble(
    isBeyond ? 'failure' : 'warning',
    'clock',
    `that of ${about} is ${roughDuration(apartMs)} ${aheadMs > 0 ? 'ahead' : 'behind'}`,
    isBeyond
      ? `More than its clockSkew (${roughDuration(clockSkewMs)}): its tokens count as expired, or as not valid yet.`
      : 'Within its clockSkew; if it grows, its tokens are refused.',
    'Synchronize this machine first (chrony, systemd-timesyncd): it is more often the one that is wrong.',
  );
}
