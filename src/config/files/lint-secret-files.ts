/** Rules about files with secrets: one role each, and not readable by every user. */

import { resolve } from 'node:path';
import { codes } from '../findings/codes.ts';
import { formatPath, type KeyPath } from '../findings/problem.ts';
import type { ConfigSource } from '../text/source.ts';
import { walkKeys } from '../walk.ts';

/**
 * Roles in which several places may share one file: one certificate for several names, one password for a Redis, one
 * client of an authorization server for several destinations.
 */
const SHAREABLE = new Set(['TLS key', 'Redis password', 'client credential']);

/**
 * Reports files with secrets that have two roles, or that every user can read.
 *
 * @param baseDir          relative paths are relative to it
 * @param isWorldReadable  asked for each file with a secret
 */
export function lintSecretFiles(
  source: ConfigSource,
  schema: Parameters<typeof walkKeys>[0],
  baseDir: string,
  isWorldReadable: (path: string) => boolean,
): void {
  const first = new Map<string, { readonly role: string; readonly path: KeyPath }>();
  walkKeys(schema, source.value, (path, value, { secretFile: role }) => {
    if (role === undefined || typeof value !== 'string' || source.writtenAt(path)?.isIncomplete === true) return;
    const file = resolve(baseDir, value);
    const earlier = first.get(file);
    if (earlier === undefined) {
      first.set(file, { role, path });
      if (isWorldReadable(file)) {
        source.report(
          codes['files/world-readable'],
          path,
          `${formatPath(path)} is a secret (${role}) that every user of this machine can read`,
          `chmod o-r ${value}`,
        );
      }
    } else if (earlier.role !== role || !SHAREABLE.has(role)) {
      source.report(
        codes['files/shared-secret'],
        path,
        `${formatPath(path)} is also the file of ${formatPath(earlier.path)}: use one file for each secret`,
      );
    }
  });
}
