/**
 * Rules about single routes: what their keys say together, and with the sections above them.
 */

import { foldHeaderName } from '../../lib/header-name.ts';
import { parsePattern, type RoutePattern } from '../../routing/pattern.ts';
import { routePatterns } from '../../routing/route.ts';
import { OwnedHeaders } from '../../sanitize/owned-headers.ts';
import type { KeyPath } from '../problem.ts';
import type { RouteConfig } from '../schema.ts';
import { entryPath, type LintContext } from './draft.ts';

interface RouteRule {
  readonly context: LintContext;
  readonly route: RouteConfig;
  readonly path: KeyPath;
  readonly tokenHeader: string;
  readonly owned: OwnedHeaders;
}

/** @see PROBLEM_CODES for what each finding means */
export function lintRoutes(context: LintContext): void {
  const { draft } = context;
  const tokenHeader = draft.upstreamToken?.header ?? 'Authorization';
  const identityHeaders = draft.routes.flatMap((route) => Object.keys(route?.identityHeaders ?? {}));
  const owned = new OwnedHeaders([...identityHeaders, tokenHeader], draft.passClientHeaders ?? []);
  for (const [index, route] of draft.routes.entries()) {
    if (route === undefined) continue;
    const rule = { context, route, path: ['routes', index], tokenHeader, owned };
    lintCredential(rule);
    lintHosts(rule);
    lintReservedPaths(rule);
    lintRewrite(context, route, rule.path);
    lintIdentityHeaders(rule);
    lintHeaderRules(rule);
  }
  lintPassedHeaders(context, identityHeaders, tokenHeader);
}

const isPublic = ({ credential }: RouteConfig) => credential === 'none';
const takesSession = ({ credential }: RouteConfig) =>
  credential === 'session' || Array.isArray(credential) || (typeof credential === 'object' && 'session' in credential);

function lintCredential({ context: { draft, source }, route, path }: RouteRule): void {
  const name = `route ${JSON.stringify(route.id)}`;
  if (isPublic(route) && route.allow !== undefined) {
    source.report(
      'routes/allow-on-public',
      [...path, 'allow'],
      `${name} is public and has an allow rule, which nobody can pass`,
      'give it a credential, or remove allow',
      'key',
    );
  }
  if (!isPublic(route) && route.passAuthorization) {
    source.report(
      'routes/pass-authorization',
      [...path, 'passAuthorization'],
      `${name} takes a credential: its Authorization header is not passed on`,
      'remove passAuthorization',
      'key',
    );
  }
  if (route.upstreamToken === 'original' && (isPublic(route) || takesSession(route))) {
    source.report(
      'routes/original-token',
      [...path, 'upstreamToken'],
      `${name} ${isPublic(route) ? 'is public' : 'takes a session'}: it has no token that could be passed on`,
      'use minted, or take service tokens only',
    );
  }
  if (isPublic(route) && route.identityHeaders !== undefined) {
    source.report(
      'routes/identity-on-public',
      [...path, 'identityHeaders'],
      `${name} is public: its identity headers are never sent`,
      'use credential: { session: optional }, or remove them',
      'key',
    );
  }
  if (route.csrf === 'off' && takesSession(route)) {
    source.report(
      'routes/csrf-off',
      [...path, 'csrf'],
      `${name} takes a session and has no CSRF check: any page can make a browser send requests to it`,
      'remove csrf: off',
    );
    if (draft.session?.cookie.sameSite === 'none') {
      source.report(
        'cookie/same-site-none',
        [...path, 'csrf'],
        `${name} has no CSRF check while session.cookie.sameSite is none`,
        'remove csrf: off',
      );
    }
  }
}

/** A session can only be opened, and requests with one only be told from forged ones, on a public origin. */
function lintHosts({ context, route, path }: RouteRule): void {
  const origins = context.draft.publicOrigin;
  if (origins === undefined || route.match.host === undefined || !takesSession(route)) return;
  const publicHosts = origins.map((origin) => new URL(origin).hostname);
  for (const [index, host] of route.match.host.entries()) {
    const covers = (publicHost: string) =>
      host === '*' || host === publicHost || (host.startsWith('*.') && publicHost.endsWith(host.slice(1)));
    if (publicHosts.some(covers)) continue;
    context.source.report(
      'routes/session-host',
      entryPath(context, [...path, 'match', 'host'], index),
      `route ${JSON.stringify(route.id)} takes a session on ${host}, which is not the host of a publicOrigin`,
      `add https://${host.replace(/^\*\./, 'name.')} to publicOrigin`,
    );
  }
}

const WELL_KNOWN = ['/.well-known/jwks.json', '/.well-known/openid-configuration'];

function lintReservedPaths({ context, route, path }: RouteRule): void {
  const { basePath } = context.draft;
  for (const key of ['path', 'exactPath'] as const) {
    for (const [index, text] of (route.match[key] ?? []).entries()) {
      const isBelow = basePath !== undefined && `${text}/`.startsWith(`${basePath}/`);
      if (!isBelow && !WELL_KNOWN.includes(text)) continue;
      const owner = isBelow ? `basePath ${basePath}` : 'a document of the gateway';
      context.source.report(
        'routes/reserved-path',
        entryPath(context, [...path, 'match', key], index),
        `route ${JSON.stringify(route.id)} is on ${owner}, so it gets no request`,
        isBelow ? 'choose another path, or another basePath' : 'choose another path',
      );
    }
  }
}

/** What a route, or what is written like one, says about the path that the upstream sees. */
export function lintRewrite(
  { source }: LintContext,
  route: Pick<RouteConfig, 'id' | 'match' | 'rewrite'>,
  path: KeyPath,
): void {
  const { rewrite } = route;
  if (rewrite === undefined) return;
  const patterns = routePatterns(route, ['*']);
  const at = (key: string): KeyPath => [...path, 'rewrite', key];
  if (rewrite.stripPrefix !== undefined) {
    const prefix = parsePattern('*', rewrite.stripPrefix, false);
    if (prefix.end === 'rest') {
      source.report('rewrite/strip-prefix', at('stripPrefix'), 'rewrite.stripPrefix takes whole segments, not "*"');
    } else if (!patterns.every((pattern) => beginsWith(pattern, prefix))) {
      source.report(
        'rewrite/strip-prefix',
        at('stripPrefix'),
        `not every path of route ${JSON.stringify(route.id)} begins with ${rewrite.stripPrefix}`,
      );
    }
  }
  if (rewrite.addPrefix !== undefined && placeholders(rewrite.addPrefix).length > 0) {
    source.report(
      'rewrite/placeholder',
      at('addPrefix'),
      'rewrite.addPrefix takes fixed segments',
      'use rewrite.path for ":name" and "*"',
    );
  }
  for (const placeholder of rewrite.path === undefined ? [] : placeholders(rewrite.path)) {
    if (patterns.every((pattern) => provides(pattern, placeholder))) continue;
    source.report(
      'rewrite/placeholder',
      at('path'),
      `not every path of route ${JSON.stringify(route.id)} has something for ${JSON.stringify(placeholder)}`,
    );
  }
}

const beginsWith = (pattern: RoutePattern, prefix: RoutePattern): boolean =>
  prefix.segments.every((segment, index) => {
    const own = pattern.segments[index];
    return (
      own !== undefined &&
      (segment.kind === 'literal' ? own.kind === 'literal' && own.text === segment.text : own.kind === 'parameter')
    );
  });

const placeholders = (path: string) => path.split('/').filter((segment) => segment.startsWith(':') || segment === '*');

const provides = (pattern: RoutePattern, placeholder: string): boolean =>
  placeholder === '*'
    ? pattern.end !== 'exact'
    : pattern.segments.some((segment) => segment.kind === 'parameter' && segment.name === placeholder.slice(1));

/** Headers that the gateway writes on every request: an identity header of that name would be a second one. */
const WRITTEN_HEADERS = [
  'authorization',
  'forwarded',
  'traceparent',
  'tracestate',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-request-id',
];

function lintIdentityHeaders({ context: { source }, route, path, tokenHeader }: RouteRule): void {
  const seen = new Set<string>();
  for (const name of Object.keys(route.identityHeaders ?? {})) {
    const folded = foldHeaderName(name);
    const at = [...path, 'identityHeaders', name];
    if (folded === foldHeaderName(tokenHeader) || WRITTEN_HEADERS.includes(folded)) {
      source.report(
        'routes/identity-header',
        at,
        `${name} is a header that the gateway writes with something else in it`,
        'choose another name, such as X-User',
        'key',
      );
    } else if (seen.has(folded)) {
      source.report('routes/identity-header', at, `${name} is there already in another spelling`, null, 'key');
    }
    seen.add(folded);
  }
}

function lintHeaderRules({ context, route, path, tokenHeader, owned }: RouteRule): void {
  const { set = {}, remove = [] } = route.requestHeaders ?? {};
  const base = [...path, 'requestHeaders'];
  const places: (readonly [string, KeyPath])[] = [
    ...Object.keys(set).map((name) => [name, [...base, 'set', name]] as const),
    ...remove.map((name, index) => [name, [...base, 'remove', index]] as const),
  ];
  const identity = new Set(Object.keys(route.identityHeaders ?? {}).map(foldHeaderName));
  const carriesToken = route.upstreamToken !== 'none' && !isPublic(route);
  if (carriesToken) identity.add(foldHeaderName(tokenHeader));
  for (const [name, at] of places) {
    const folded = foldHeaderName(name);
    if (identity.has(folded)) {
      context.source.report(
        'routes/identity-overwritten',
        at,
        `${name} carries identity on route ${JSON.stringify(route.id)}: a header rule must not touch it`,
        'remove the rule',
        'key',
      );
    } else if (owned.owns(name) && (carriesToken || folded !== foldHeaderName(tokenHeader))) {
      context.source.report(
        'routes/owned-header',
        at,
        `${name} is a header that only the gateway writes; clients' copies are removed anyhow`,
        'remove the rule',
        'key',
      );
    }
  }
}

function lintPassedHeaders(
  { draft, source }: LintContext,
  identityHeaders: readonly string[],
  tokenHeader: string,
): void {
  const passed = draft.passClientHeaders ?? [];
  const strict = new OwnedHeaders([...identityHeaders, tokenHeader], passed);
  const withoutPass = new OwnedHeaders([], []);
  for (const [index, name] of passed.entries()) {
    const at = ['passClientHeaders', index];
    if (strict.owns(name)) {
      source.report(
        'headers/pass-ineffective',
        at,
        `${name} is written by the gateway itself: a client's copy is removed all the same`,
        'remove it',
      );
    } else if (!withoutPass.owns(name)) {
      source.report('headers/pass-ineffective', at, `${name} is not removed from requests anyhow`, 'remove it');
    }
  }
}
