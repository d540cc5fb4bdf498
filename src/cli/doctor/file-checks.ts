/** The configuration file and what it names: mistakes, signing keys, certificates, where the audit records go. */

import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { GatewayStatus } from '../../admin/control.ts';
import { withTls } from '../../gateway/configuration/contents.ts';
import type { LoadedConfig } from '../../gateway/configuration/load.ts';
import { toTimestamp } from '../../lib/text/timestamp.ts';
import { formatDuration, roughDuration } from '../../lib/text/units.ts';
import { Keyring } from '../../token/keyring.ts';
import { type DoctorFinding, fine, remark, trouble } from './finding.ts';
import type { Observation } from './observe.ts';

/** Findings of `validate` that are repeated here; more are counted. */
const MOST_PROBLEMS = 8;
const DAY_MS = 86_400_000;
/** Certificates that end sooner get a warning. */
const MIN_CERTIFICATE_MS = 14 * DAY_MS;
/** A key that nothing rotates is remarked upon when it is older. */
const OLD_KEY_MS = 180 * DAY_MS;
/** After which a rotation that is due has not happened. The gateway looks every ten seconds. */
const ROTATION_LATE_MS = 300_000;

/** Whether the configuration is valid. */
export function configurationFindings({ file, gateway }: Observation): DoctorFinding[] {
  const { path, loaded, problems, fault } = file;
  if (fault !== null) {
    return gateway.status === null
      ? [
          trouble(
            'failure',
            'configuration',
            fault,
            'A start would fail.',
            'Name the file with --config, or SALLYPORT_CONFIG.',
          ),
        ]
      : [
          remark(
            'configuration',
            fault,
            'Name the file with --config: keys, certificates and the store were not checked.',
          ),
        ];
  }
  const shown = problems
    .slice(0, MOST_PROBLEMS)
    .map(({ severity, line, message, hint, code }) =>
      trouble(
        severity === 'error' ? 'failure' : 'warning',
        'configuration',
        `${path}:${line}: ${message} [${code}]`,
        severity === 'error'
          ? 'A start or a reload with this file fails.'
          : 'The gateway starts with this file, but may do what you did not intend.',
        hint ?? 'docs/reference/problems.md says what it means.',
      ),
    );
  const more = problems.length - shown.length;
  if (more > 0) shown.push(remark('configuration', `and ${more} more: sallyport validate ${path}`));
  return shown.length === 0 && loaded !== null ? [fine('configuration', `${path} is valid`)] : shown;
}

/** The signing keys: their ages, their files, and whether the process has the same. */
export async function keyFindings({
  file: { loaded, contents },
  gateway: { status },
  atMs,
}: Observation): Promise<DoctorFinding[]> {
  if (loaded === null || contents === null) return [];
  const { keys, algorithm } = loaded.config.upstreamToken;
  if (algorithm === 'HS256') return [];
  if (keys === undefined)
    return [
      remark(
        'signing keys',
        'generated at start, in memory: each replica has its own, and a restart replaces them',
        'Set upstreamToken.keys.directory.',
      ),
    ];
  const dated = contents.signing ?? [];
  const states = new Keyring(dated, 0, () => atMs).states();
  const active = states.find(({ state }) => state === 'active') ?? null;
  const hasNext = states.some(({ state }) => state === 'next');
  return [
    ...(active === null
      ? [
          trouble(
            'failure',
            'signing keys',
            `no active key in ${keys.directory}`,
            'No request with a session can be served.',
            `sallyport keys generate --directory ${keys.directory}`,
          ),
        ]
      : ageFindings(active.activatesAtMs, hasNext, keys.rotateEvery ?? null, keys.publishBefore, atMs)),
    ...processKeyFindings(active?.signing.kid ?? null, status),
    ...(await permissionFindings(keys.directory)),
  ];
}

function ageFindings(
  activeSinceMs: number,
  hasNext: boolean,
  rotateEveryMs: number | null,
  publishBeforeMs: number,
  atMs: number,
): DoctorFinding[] {
  const ageMs = atMs - activeSinceMs;
  const age = `the active key has been active for ${roughDuration(ageMs)}`;
  if (rotateEveryMs === null) {
    return ageMs > OLD_KEY_MS
      ? [
          remark(
            'signing keys',
            `${age}, and nothing rotates it`,
            'Set upstreamToken.keys.rotateEvery, or run sallyport keys rotate.',
          ),
        ]
      : [fine('signing keys', `${age}; nothing rotates it`)];
  }
  const dueAtMs = activeSinceMs + rotateEveryMs;
  const nextDueMs = dueAtMs - publishBeforeMs + ROTATION_LATE_MS;
  if (!hasNext && atMs > nextDueMs) {
    return [
      trouble(
        'failure',
        'signing keys',
        `${age}; its successor should have been published by ${toTimestamp(dueAtMs - publishBeforeMs)}`,
        `The configuration says to rotate every ${formatDuration(rotateEveryMs)}, but this key still signs.`,
        'Make the directory writable for the gateway; its log says why it could not rotate. A file rotation.lock that is older than a minute is harmless.',
      ),
    ];
  }
  return [fine('signing keys', `${age}; the next one signs from ${toTimestamp(dueAtMs)}`)];
}

function processKeyFindings(activeKid: string | null, status: GatewayStatus | null): DoctorFinding[] {
  const other = (status?.processes ?? []).filter(
    ({ signingKeys }) => !signingKeys.some(({ kid, state }) => state === 'active' && kid === activeKid),
  );
  if (activeKid === null || other.length === 0) return [];
  return [
    trouble(
      'failure',
      'signing keys',
      `${other.map((it) => it.process).join(', ')} does not sign with the active key of the directory`,
      "Replicas with different keys do not accept each other's tokens.",
      'The process reads the directory every ten seconds. Look in its log for why it cannot, and check that it uses the same directory.',
    ),
  ];
}

async function permissionFindings(directory: string): Promise<DoctorFinding[]> {
  const names = await readdir(directory).catch(() => []);
  const open: string[] = [];
  for (const name of names.filter((it) => it.endsWith('.key.json'))) {
    const mode = (await stat(join(directory, name)).catch(() => null))?.mode ?? 0;
    if ((mode & 0o007) !== 0) open.push(name);
  }
  return open.length === 0
    ? []
    : [
        trouble(
          'failure',
          'signing keys',
          `everybody on this machine can read ${open.join(', ')}`,
          'Anyone with a signing key can forge tokens for every user and every service.',
          'chmod 600, then rotate: sallyport keys rotate. In Kubernetes set defaultMode: 0400 on the volume.',
        ),
      ];
}

/** Certificates of the listeners: their dates. One that has expired, or lacks a name, is a finding of the configuration. */
export function certificateFindings({ file: { loaded, contents }, atMs }: Observation): DoctorFinding[] {
  if (loaded === null || contents === null) return [];
  return [...withTls(loaded.config, contents)].flatMap(([listener, { files }]) =>
    files.pairs.map((pair, index) => {
      const about = `certificate ${listener}.${index}`;
      if (pair === null) return remark(about, 'cannot be read: see the findings about the configuration');
      const { names, expiresAtMs, validFromMs } = pair;
      const of = names.join(', ');
      const why = 'Clients refuse the connection.';
      const renew =
        'Renew it, and find out why the automatic renewal failed. The gateway picks up the new files within seconds.';
      if (atMs < validFromMs)
        return trouble(
          'failure',
          about,
          `of ${of} is not valid before ${toTimestamp(validFromMs)}`,
          why,
          'Compare the clocks, or wait.',
        );
      const until = `of ${of} is valid until ${toTimestamp(expiresAtMs)}`;
      return expiresAtMs - atMs < MIN_CERTIFICATE_MS
        ? trouble(
            'warning',
            about,
            `${until}, for ${roughDuration(expiresAtMs - atMs)}`,
            'After that, clients refuse the connection.',
            renew,
          )
        : fine(about, until);
    }),
  );
}

/** Whether audit records can be written. */
export async function auditFindings({ file: { loaded } }: Observation): Promise<DoctorFinding[]> {
  const auditFile = loaded?.config.log.auditFile;
  if (loaded === null || auditFile === undefined) return [];
  const path = await existing(auditFile);
  const isWritable = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (isWritable) return [fine('audit', `${auditFile} can be written to`)];
  return [
    trouble(
      'failure',
      'audit',
      `${path} cannot be written to by this user`,
      consequence(loaded),
      'Give the user of the gateway write permission, or set another log.auditFile. If you are another user than the gateway, try again as that one.',
    ),
  ];
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
