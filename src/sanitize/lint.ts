/** Rules about public origins, and about headers of clients that pass. */

import { defineCodes, error, type KeyPath, warning } from '../config/findings/problem.ts';
import { entryPath, type LintContext } from '../config/lint.ts';
import { OwnedHeaders } from './owned-headers.ts';
import { type WritingRoute, writtenHeaders } from './rules.ts';

/** Codes of the findings about public origins and passed headers. */
export const codes = defineCodes({
  'origin/duplicate-host': error('Two public origins with the same host: requests are distinguished only by host.'),
  'headers/pass-ineffective': warning(
    '`passClientHeaders` names a header that the gateway always controls, or one that passes anyway.',
  ),
});

interface SanitizeDraft {
  readonly publicOrigin?: readonly string[] | undefined;
  readonly passClientHeaders?: readonly string[] | undefined;
  readonly upstreamToken?: { readonly header: string } | undefined;
  readonly routes: readonly (WritingRoute | undefined)[];
}

type Context = LintContext<SanitizeDraft>;

/** Applies the rules. */
export function lint(context: Context): void {
  lintOrigins(context);
  lintPassedHeaders(context);
}

function lintOrigins(context: Context): void {
  const { draft, source } = context;
  const hosts = new Map<string, KeyPath>();
  for (const [index, origin] of (draft.publicOrigin ?? []).entries()) {
    const path = entryPath(context, ['publicOrigin'], index);
    const { hostname } = new URL(origin);
    const earlier = hosts.get(hostname);
    if (earlier === undefined) hosts.set(hostname, path);
    else
      source.report(
        codes['origin/duplicate-host'],
        path,
        `publicOrigin already has the host ${hostname}, on line ${source.lineOf(earlier)}`,
      );
  }
}

function lintPassedHeaders({ draft, source }: Context): void {
  const passed = draft.passClientHeaders ?? [];
  const written = draft.routes.flatMap(writtenHeaders);
  const tokenHeader = draft.upstreamToken?.header ?? 'Authorization';
  const strict = new OwnedHeaders([...written, tokenHeader], passed);
  const withoutPass = new OwnedHeaders([], []);
  for (const [index, name] of passed.entries()) {
    const at = ['passClientHeaders', index];
    if (strict.owns(name)) {
      source.report(
        codes['headers/pass-ineffective'],
        at,
        `${name} is written by the gateway itself: copies from clients are removed anyway`,
        'remove it',
      );
    } else if (!withoutPass.owns(name)) {
      source.report(codes['headers/pass-ineffective'], at, `${name} is not removed from requests anyway`, 'remove it');
    }
  }
}
