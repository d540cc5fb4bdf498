/** Upstreams and routes. */

import { formatDuration } from '../../../lib/text/units.ts';
import type { WantedRule } from './access.ts';
import type { ConfigDraft, ImportOutput } from './draft.ts';
import type { NewHeaders } from './headers.ts';
import { placeOf, placesBelow, type UpstreamPlace } from './places.ts';
import { type PathMatch, readPublicPath } from './public-paths.ts';
import type { Origin } from './report.ts';
import type { Settings } from './settings.ts';

interface RouteParts extends Omit<ImportOutput, 'secrets'> {
  readonly settings: Settings;
  readonly places: readonly UpstreamPlace[];
  readonly rule: WantedRule | null;
  /** Of requests that the gateway forwards. */
  readonly forwarded: NewHeaders;
  /** Of requests about which another proxy asks. */
  readonly asked: NewHeaders;
  /** Headers of answers, fixed. */
  readonly answers: NewHeaders;
  /** Names in `issuers` whose tokens are accepted. */
  readonly issuers: readonly string[];
}

/** Writes `upstreams` and `routes`. */
export function writeRoutes(parts: RouteParts): void {
  const { settings, places, draft } = parts;
  for (const place of places) writeUpstream(place, draft);
  const publicMatches = readPublic(parts);
  let index = 0;
  for (const [place, groups] of publicMatches)
    for (const [method, group] of groups) {
      const at = ['routes', index];
      index += 1;
      draft.set(
        [...at, 'id'],
        `${place.name}-public${method === '' ? '' : `-${method.toLowerCase()}`}`,
        ...group.origins,
      );
      writeMatch(draft, at, group.matches);
      if (method !== '') writeMethod(draft, at, method);
      draft.set([...at, 'credential'], 'none');
      writeRest(parts, at, place, true);
    }
  const preflight = settings.get('skip_auth_preflight');
  for (const place of places) {
    const whole = publicMatches.get(place)?.get('')?.matches ?? [];
    const matches = place.matches.filter((match) => !whole.some((one) => isSame(one, match)));
    if (matches.length === 0) continue;
    if (preflight?.value === true) {
      const at = ['routes', index];
      index += 1;
      draft.set([...at, 'id'], `${place.name}-preflight`, preflight);
      writeMatch(draft, at, matches);
      writeMethod(draft, at, 'OPTIONS');
      draft.set([...at, 'credential'], 'none');
      writeRest(parts, at, place, true);
    }
    writeProtected(parts, ['routes', index], place, matches);
    index += 1;
  }
}

function writeUpstream(place: UpstreamPlace, draft: ConfigDraft): void {
  const { name, endpoint, standsFor, old } = place;
  const at = ['upstreams', name];
  draft.set([...at, 'endpoints'], [endpoint], old.origin, standsFor);
  if (place.isAsked) return;
  if (!old.passesHost) draft.set([...at, 'hostHeader'], 'endpoint', old.origins.host);
  if (old.timeoutMs !== null && old.timeoutMs >= 10)
    draft.set([...at, 'timeouts', 'firstByte'], formatDuration(old.timeoutMs), old.origins.timeout);
}

interface PublicGroup {
  readonly matches: PathMatch[];
  readonly origins: Origin[];
}

/** Public patterns by place and method; the empty method stands for all of them. */
class PublicPatterns {
  readonly groups = new Map<UpstreamPlace, Map<string, PublicGroup>>();

  add(place: UpstreamPlace, method: string, match: PathMatch, origin: Origin): void {
    const methods = this.groups.get(place) ?? new Map<string, PublicGroup>();
    const group = methods.get(method) ?? { matches: [], origins: [] };
    if (!group.matches.some((one) => isSame(one, match))) group.matches.push(match);
    if (!group.origins.includes(origin)) group.origins.push(origin);
    this.groups.set(place, methods.set(method, group));
  }
}

function readPublic(parts: RouteParts): PublicPatterns['groups'] {
  const { settings, report } = parts;
  const patterns = new PublicPatterns();
  for (const key of ['skip_auth_routes', 'skip_auth_regex'] as const) {
    const origin = settings.get(key);
    if (origin === null) continue;
    for (const written of settings.list(key)) addPublic(written, origin, patterns, parts);
    report.different(
      origin,
      'A public route does not know who is logged in, and sends no identity headers. `credential: { session: optional }` does.',
    );
  }
  return patterns.groups;
}

function addPublic(
  written: string,
  origin: Origin,
  patterns: PublicPatterns,
  { places, draft, report }: RouteParts,
): void {
  const read = readPublicPath(written);
  if (typeof read === 'string') {
    report.dropped(origin, `\`${written}\` stays protected. ${read}`);
    return;
  }
  draft.carry(origin);
  const { matches, isNarrower, method } = read;
  if (isNarrower) {
    const shown = matches.map(({ kind, pattern }) => (kind === 'path' ? `${pattern} and below` : pattern)).join(', ');
    report.different(
      origin,
      `\`${written}\` also matches other paths that begin with these letters or have them elsewhere. Public now: ${shown}.`,
    );
  }
  for (const match of matches) {
    const place = placeOf(match, places);
    const below = placesBelow(match, places);
    if (place === null && below.length === 0) report.dropped(origin, `\`${written}\`: no upstream serves it.`);
    if (place !== null) patterns.add(place, method ?? '', match, origin);
    for (const other of below) patterns.add(other.place, method ?? '', other.match, origin);
  }
}

const isSame = (a: PathMatch, b: PathMatch) => a.kind === b.kind && a.pattern === b.pattern;

function writeMatch(draft: ConfigDraft, at: readonly (string | number)[], matches: readonly PathMatch[]): void {
  for (const kind of ['path', 'exactPath'] as const) {
    const patterns = matches.filter((match) => match.kind === kind).map(({ pattern }) => pattern);
    if (patterns.length > 0) draft.set([...at, 'match', kind], patterns.length === 1 ? (patterns[0] ?? '') : patterns);
  }
}

function writeMethod(draft: ConfigDraft, at: readonly (string | number)[], method: string): void {
  draft.set([...at, 'match', 'methods'], [method]);
  draft.set([...at, 'match', 'otherMethods'], 'nextRoute', 'other methods need a login');
}

function writeProtected(
  parts: RouteParts,
  at: readonly (string | number)[],
  place: UpstreamPlace,
  matches: readonly PathMatch[],
): void {
  const { settings, draft, rule, issuers } = parts;
  draft.set([...at, 'id'], place.name);
  writeMatch(draft, at, matches);
  if (issuers.length === 0) draft.set([...at, 'credential'], 'session');
  else draft.set([...at, 'credential'], ['session', { service: issuers }], settings.get('skip_jwt_bearer_tokens'));
  if (rule !== null) draft.set([...at, 'allow'], rule.allow, ...rule.from);
  writeRest(parts, at, place, false);
  const json = settings.get('force_json_errors');
  if (json?.value === true) draft.set([...at, 'onUnauthenticated'], 'challenge', json);
}

/** What public and protected routes have alike, and for protected ones the identity. */
function writeRest(
  { draft, forwarded, asked, answers }: RouteParts,
  at: readonly (string | number)[],
  place: UpstreamPlace,
  isPublic: boolean,
): void {
  draft.set([...at, 'upstream'], place.name);
  if (!isPublic) {
    const from = place.isAsked ? asked.tokenOrigins : [...forwarded.tokenOrigins, ...asked.tokenOrigins];
    if (from.length > 0) draft.set([...at, 'upstreamToken'], 'minted', ...from);
    else draft.set([...at, 'upstreamToken'], 'none', 'remove this line for a signed token in Authorization');
    const token = place.isAsked ? asked.providerToken : (forwarded.providerToken ?? asked.providerToken);
    if (token !== null && draft.get(['login', 'oidc']) !== undefined)
      draft.set([...at, 'providerToken'], token.header, token.origin);
    const identity = place.isAsked ? asked.identity : { ...forwarded.identity, ...asked.identity };
    if (Object.keys(identity).length > 0) draft.set([...at, 'identityHeaders'], identity);
  }
  if (place.rewrite !== null) draft.set([...at, 'rewrite'], place.rewrite as Record<string, string>);
  if (!place.isAsked && Object.keys(forwarded.fixed).length > 0)
    draft.set([...at, 'requestHeaders', 'set'], forwarded.fixed);
  if (!place.isAsked && Object.keys(answers.fixed).length > 0)
    draft.set([...at, 'responseHeaders', 'set'], answers.fixed);
  if (!place.isAsked && !place.old.proxiesWebSockets)
    draft.set([...at, 'webSocket'], false, place.old.origins.webSockets);
}
