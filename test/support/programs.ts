/** Finds programs that the tests run on this machine. */

import { createHash } from 'node:crypto';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

export const CHROMIUM_PATHS = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/sallyport');

/** The linter for GitHub workflows, where prerequisites.ts installs it. */
export const ACTIONLINT = join(CACHE, 'bin/actionlint');

/** Helm, where prerequisites.ts builds it. */
export const HELM = join(CACHE, 'bin/helm');

/** The example server of zitadel/oidc, an OpenID Provider in Go, where prerequisites.ts builds it. */
export const ZITADEL_OIDC = join(CACHE, 'zitadel-oidc/server');

/** The client and server of gRPC's own interoperability tests, in Go, where prerequisites.ts builds them. */
export const GRPC_GO_CLIENT = join(CACHE, 'grpc-interop/client');
/** See {@link GRPC_GO_CLIENT}. */
export const GRPC_GO_SERVER = join(CACHE, 'grpc-interop/server');

/** A gRPC client of the authorizer, in Go, with these sources; prerequisites.ts rebuilds it when they change. */
export const CHECK_CLIENT_SOURCES = join(import.meta.dirname, '../authorizer/grpc/go');
export const CHECK_CLIENT = join(CACHE, 'check-client', hashOf(CHECK_CLIENT_SOURCES));

function hashOf(directory: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(directory).toSorted()) hash.update(readFileSync(join(directory, name)));
  return hash.digest('hex').slice(0, 16);
}

/** The absolute path of the first of these programs that can be run; `null` if there is none. */
export function findProgram(names: readonly string[]): string | null {
  const directories = (process.env['PATH'] ?? '').split(delimiter).concat('/usr/bin', '/usr/sbin', '/usr/local/bin');
  const candidates = names.flatMap((name) =>
    isAbsolute(name) ? [name] : directories.map((directory) => join(directory, name)),
  );
  return candidates.find(isRunnable) ?? null;
}

function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
