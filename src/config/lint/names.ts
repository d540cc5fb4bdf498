/**
 * Names: what is named must exist, ids are given once. Asked of the text as written, so that a mistake elsewhere in a
 * route does not hide a wrong name in it.
 */

import { nearest } from '../../lib/nearest.ts';
import type { KeyPath, ProblemCode } from '../problem.ts';
import { valueAt } from '../schema-problems.ts';
import type { LintContext } from './draft.ts';

/** One place where a name is used. */
interface Use {
  readonly path: KeyPath;
  readonly name: string;
}

/** @see PROBLEM_CODES for what each finding means */
export function lintNames(context: LintContext): void {
  const upstreamUses = uses(context, ['routes'], ['upstream']);
  const destinationUses = uses(context, ['outbound', 'destinations'], ['upstream']);
  const issuerUses = credentialIssuers(context);
  const backendUses = uses(context, ['login', 'trustedBackends'], ['service', 'issuer']);
  const clientUses = [
    ...usesByName(context, ['tokenEndpoint', 'clients'], ['service', 'issuer']),
    ...uses(context, ['tokenEndpoint', 'subjectIssuers'], ['issuer']),
  ];
  const { upstreams, issuers } = context.draft;

  reportUnknown(context, upstreamUses, [...upstreams.keys()], 'routes/unknown-upstream', 'upstream', 'upstreams');
  reportUnknown(context, destinationUses, [...upstreams.keys()], 'outbound/unknown-upstream', 'upstream', 'upstreams');
  reportUnknown(context, issuerUses, [...issuers.keys()], 'routes/unknown-issuer', 'issuer', 'issuers');
  reportUnknown(context, backendUses, [...issuers.keys()], 'login/unknown-issuer', 'issuer', 'issuers');
  reportUnknown(context, clientUses, [...issuers.keys()], 'token-endpoint/unknown-issuer', 'issuer', 'issuers');
  const upstreamUsers = [...upstreamUses, ...destinationUses];
  reportUnused(context, 'upstreams', [...upstreams.keys()], upstreamUsers, 'no route goes to it');
  const issuerUsers = [...issuerUses, ...backendUses, ...clientUses];
  reportUnused(context, 'issuers', [...issuers.keys()], issuerUsers, 'nothing accepts its tokens');
  const routeIds = uses(context, ['routes'], ['id']);
  reportDuplicates(context, routeIds, 'routes/duplicate-id', 'route');
  const destinationIds = uses(context, ['outbound', 'destinations'], ['id']);
  reportDuplicates(context, [...routeIds, ...destinationIds], 'outbound/duplicate-id', 'id', destinationIds);
  reportDuplicates(context, uses(context, ['login', 'trustedBackends'], ['id']), 'login/duplicate-id', 'backend');
}

/** The texts at the same place in each entry of a list. */
function uses(context: LintContext, list: KeyPath, place: KeyPath): Use[] {
  const entries = valueAt(context.source.value, list);
  return Array.isArray(entries) ? entries.flatMap((_, index) => use(context, [...list, index, ...place])) : [];
}

/** The same for a map by name. */
function usesByName(context: LintContext, map: KeyPath, place: KeyPath): Use[] {
  const entries = valueAt(context.source.value, map);
  if (typeof entries !== 'object' || entries === null || Array.isArray(entries)) return [];
  return Object.keys(entries).flatMap((name) => use(context, [...map, name, ...place]));
}

function use({ source }: LintContext, path: KeyPath): Use[] {
  const name = valueAt(source.value, path);
  return typeof name === 'string' && source.writtenAt(path)?.isIncomplete !== true ? [{ path, name }] : [];
}

/** The issuers in `credential: { service: […] }` and `credential: [session, { service: […] }]`. */
function credentialIssuers(context: LintContext): Use[] {
  const { source } = context;
  const routes = valueAt(source.value, ['routes']);
  if (!Array.isArray(routes)) return [];
  const lists = routes.flatMap((_, index) => [
    ['routes', index, 'credential', 'service'],
    ['routes', index, 'credential', 1, 'service'],
  ]);
  return lists.flatMap((list) => uses(context, list, []));
}

function reportUnknown(
  { source }: LintContext,
  found: readonly Use[],
  known: readonly string[],
  code: ProblemCode,
  what: string,
  key: string,
): void {
  for (const { path, name } of found) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    const hint =
      meant === null ? `${key} has ${known.length === 0 ? 'none' : known.join(', ')}` : `did you mean "${meant}"?`;
    source.report(code, path, `${what} ${JSON.stringify(name)} is not one of "${key}"`, hint);
  }
}

function reportUnused(
  { source }: LintContext,
  key: string,
  known: readonly string[],
  found: readonly Use[],
  why: string,
): void {
  const used = new Set(found.map(({ name }) => name));
  for (const name of known) {
    if (!used.has(name)) source.report('config/unused', [key, name], `${key}.${name} is not used: ${why}`, null, 'key');
  }
}

/** @param reported  those of which it is said, where the others are only what they are compared with */
function reportDuplicates(
  { source }: LintContext,
  found: readonly Use[],
  code: ProblemCode,
  what: string,
  reported: readonly Use[] = found,
): void {
  const first = new Map<string, KeyPath>();
  for (const use of found) {
    const { path, name } = use;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, path);
    else if (reported.includes(use))
      source.report(code, path, `${what} ${JSON.stringify(name)} is there already, on line ${source.lineOf(earlier)}`);
  }
}
