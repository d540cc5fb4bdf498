/** The configuration file and what it names: mistakes, signing keys, certificates, where the audit records go. */

import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { GatewayStatus } from '../../admin/control.ts';
import type { Problem } from '../../config/findings/problem.ts';
import { withTls } from '../../gateway/configuration/contents.ts';
import type { LoadedConfig } from '../../gateway/configuration/load.ts';
import { toTimestamp } from '../../lib/text/timestamp.ts';
import { formatDuration, roughDuration } from '../../lib/text/units.ts';
import { Keyring } from '../../token/keyring.ts';
import { type CheckResult, type DoctorFinding, fine, remark, trouble } from './finding.ts';
import type { Observation } from './observe.ts';

/** Findings of `validate` that are repeated here; more are counted. */
const MOST_PROBLEMS = 8;
const DAY_MS = 86_400_000;
/** Certificates that end sooner get a warning. */
const MIN_CERTIFICATE_MS = 14 * DAY_MS;
/** A key that nothing rotates is mentioned when it is older. */
const OLD_KEY_MS = 180 * DAY_MS;
/** How late a rotation may be before it counts as missed. The gateway looks every ten seconds. */
const ROTATION_LATE_MS = 300_000;

/** Whether the configuration is valid. */
export function configurationFindings({ file, gateway }: Observation): CheckResult {
  const { path, loaded, problems, fault } = file;
  const about = 'configuration';
  if (fault !== null && gateway.status === null)
    return trouble('failure', about, fault, 'A start would fail.', 'Name the file with --config, or SALLYPORT_CONFIG.');
  if (fault !== null)
    return remark(about, fault, 'Name the file with --config: keys, certificates and the store were not checked.');
  if (problems.length === 0 && loaded !== null) return fine(about, `${path} is valid`);
  const more = problems.length - MOST_PROBLEMS;
  return [
    problems.slice(0, MOST_PROBLEMS).map((problem) => problemFinding(path, problem)),
    more > 0 ? remark(about, `and ${more} more: sallyport validate ${path}`) : null,
  ];
}

function problemFinding(path: string, { severity, line, message, hint, code }: Problem): DoctorFinding {
  const isError = severity === 'error';
  return trouble(
    isError ? 'failure' : 'warning',
    'configuration',
    `${path}:${line}: ${message} [${code}]`,
    isError
      ? 'A start or a reload with this file fails.'
      : 'The gateway starts with this file, but may do what you did not intend.',
    hint ?? 'docs/reference/problems.md says what it means.',
  );
}

/** The signing keys: their ages, their files, and whether the process has the same. */
export async function keyFindings({
  file: { loaded, contents },
  gateway: { status },
  atMs,
}: Observation): Promise<CheckResult> {
  if (loaded === null || contents === null) return null;
  const { keys, algorithm } = loaded.config.upstreamToken;
  if (algorithm === 'HS256') return null;
  if (keys === undefined)
    return remark(
      'signing keys',
      'generated at start, in memory: each replica has its own, and a restart replaces them',
      'Set upstreamToken.keys.directory.',
    );
  const dated = contents.signing ?? [];
  const states = new Keyring(dated, 0, () => atMs).states();
  const active = states.find(({ state }) => state === 'active') ?? null;
  const hasNext = states.some(({ state }) => state === 'next');
  return [
    active === null
      ? trouble(
          'failure',
          'signing keys',
          `no active key in ${keys.directory}`,
          'No request with a session can be served.',
          `sallyport keys generate --directory ${keys.directory}`,
        )
      : ageFinding(active.activatesAtMs, hasNext, keys.rotateEvery ?? null, keys.publishBefore, atMs),
    processKeyFinding(active?.signing.kid ?? null, status),
    await permissionFinding(keys.directory),
  ];
}

function ageFinding(
  activeSinceMs: number,
  hasNext: boolean,
  rotateEveryMs: number | null,
  publishBeforeMs: number,
  atMs: number,
): DoctorFinding {
  const about = 'signing keys';
  const ageMs = atMs - activeSinceMs;
  const age = `the active key has been active for ${roughDuration(ageMs)}`;
  if (rotateEveryMs === null && ageMs > OLD_KEY_MS) {
    const cure = 'Set upstreamToken.keys.rotateEvery, or run sallyport keys rotate.';
    return remark(about, `${age}, and nothing rotates it`, cure);
  }
  if (rotateEveryMs === null) return fine(about, `${age}; nothing rotates it`);
  const dueAtMs = activeSinceMs + rotateEveryMs;
  const publishedAtMs = dueAtMs - publishBeforeMs;
  if (hasNext || atMs <= publishedAtMs + ROTATION_LATE_MS)
    return fine(about, `${age}; the next one signs from ${toTimestamp(dueAtMs)}`);
  return trouble(
    'failure',
    about,
    `${age}; its successor should have been published by ${toTimestamp(publishedAtMs)}`,
    `The configuration says to rotate every ${formatDuration(rotateEveryMs)}, but this key still signs.`,
    'Make the directory writable for the gateway; its log says why it could not rotate. A file rotation.lock that is older than a minute is harmless.',
  );
}

function processKeyFinding(activeKid: string | null, status: GatewayStatus | null): DoctorFinding | null {
  const other = (status?.processes ?? []).filter(
    ({ signingKeys }) => !signingKeys.some(({ kid, state }) => state === 'active' && kid === activeKid),
  );
  if (activeKid === null || other.length === 0) return null;
  return trouble(
    'failure',
    'signing keys',
    `${other.map((it) => it.process).join(', ')} does not sign with the active key of the directory`,
    "Replicas with different keys do not accept each other's tokens.",
    'The process reads the directory every ten seconds. Look in its log for why it cannot, and check that it uses the same directory.',
  );
}

async function permissionFinding(directory: string): Promise<DoctorFinding | null> {
  const names = await readdir(directory).catch(() => []);
  const open: string[] = [];
  for (const name of names.filter((it) => it.endsWith('.key.json'))) {
    const mode = (await stat(join(directory, name)).catch(() => null))?.mode ?? 0;
    if ((mode & 0o007) !== 0) open.push(name);
  }
  if (open.length === 0) return null;
  return trouble(
    'failure',
    'signing keys',
    `everybody on this machine can read ${open.join(', ')}`,
    'Anyone with a signing key can forge tokens for every user and every service.',
    'chmod 600, then rotate: sallyport keys rotate. In Kubernetes set defaultMode: 0400 on the volume.',
  );
}

/** Certificates of the listeners: their dates. One that has expired, or lacks a name, is a finding of the configuration. */
export function certificateFindings({ file: { loaded, contents }, atMs }: Observation): CheckResult {
  if (loaded === null || contents === null) return null;
  return [...withTls(loaded.config, contents)].flatMap(([listener, { files }]) =>
    files.pairs.map((pair, index) => certificateFinding(`certificate ${listener}.${index}`, pair, atMs)),
  );
}

function certificateFinding(
  about: string,
  pair: { readonly names: readonly string[]; readonly expiresAtMs: number; readonly validFromMs: number } | null,
  atMs: number,
): DoctorFinding {
  if (pair === null) return remark(about, 'cannot be read: see the findings about the configuration');
  const { names, expiresAtMs, validFromMs } = pair;
  if (atMs < validFromMs) {
    const early = `of ${names.join(', ')} is not valid before ${toTimestamp(validFromMs)}`;
    return trouble('failure', about, early, 'Clients refuse the connection.', 'Compare the clocks, or wait.');
  }
  const until = `of ${names.join(', ')} is valid until ${toTimestamp(expiresAtMs)}`;
  if (expiresAtMs - atMs >= MIN_CERTIFICATE_MS) return fine(about, until);
  return trouble(
    'warning',
    about,
    `${until}, for ${roughDuration(expiresAtMs - atMs)}`,
    'After that, clients refuse the connection.',
    'Renew it, and find out why the automatic renewal failed. The gateway picks up the new files within seconds.',
  );
}

/** Whether audit records can be written. */
export async function auditFinding({ file: { loaded } }: Observation): Promise<DoctorFinding | null> {
  const auditFile = loaded?.config.log.auditFile;
  if (loaded === null || auditFile === undefined) return null;
  const path = await existing(auditFile);
  const isWritable = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (isWritable) return fine('audit', `${auditFile} can be written to`);
  return trouble(
    'failure',
    'audit',
    `${path} cannot be written to by this user`,
    consequence(loaded),
    'Give the user of the gateway write permission, or set another log.auditFile. If you are another user than the gateway, try again as that one.',
  );
}

/** The file, or the directory that it would be made in. */
const existing = (path: string): Promise<string> =>
  stat(path).then(
    () => path,
    () => dirname(path),
  );

const consequence = ({ config }: LoadedConfig): string =>
  config.log.onAuditFailure === 'refuse'
    ? 'Logins and tokens are refused with 503 (log.onAuditFailure).'
    : 'Audit records are not written; 4 MiB are kept in memory, and the rest is lost.';
