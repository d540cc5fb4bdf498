/**
 * Rules between keys. Each finding goes to the source, with its place.
 */

import type { configSchema } from '../schema.ts';
import type { ConfigSource } from '../source.ts';
import { lintCoverage } from './coverage.ts';
import type { Draft } from './draft.ts';
import { lintSecretFiles } from './files.ts';
import { lintIssuers } from './issuers.ts';
import { lintNames } from './names.ts';
import { lintOutbound } from './outbound.ts';
import { lintRefresh } from './refresh.ts';
import { lintRoutes } from './routes.ts';
import { lintSections } from './sections.ts';
import { lintTokenEndpoint } from './token-endpoint.ts';

export interface LintSettings {
  readonly schema: ReturnType<typeof configSchema>;
  readonly baseDir: string;
  readonly isWorldReadable: (path: string) => boolean;
}

/** Applies every rule to what is valid of a configuration. */
export function lint(draft: Draft, source: ConfigSource, { schema, baseDir, isWorldReadable }: LintSettings): void {
  const context = { draft, source };
  lintNames(context);
  lintSections(context);
  lintRoutes(context);
  lintCoverage(context);
  lintIssuers(context);
  lintOutbound(context);
  lintTokenEndpoint(context);
  lintRefresh(context);
  lintSecretFiles(context, schema, baseDir, isWorldReadable);
}
