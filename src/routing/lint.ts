/** Rules about single routes: what their keys say together, and with the sections above them. */

import { compileCredential } from '../authentication/credential.ts';
import type { CredentialKind } from '../authentication/kind.ts';
import type { CredentialRule } from '../authentication/kinds.ts';
import { issuersOf } from '../authentication/service-token/kind.ts';
import { defineCodes, error, type KeyPath, warning } from '../config/findings/problem.ts';
import { type DraftEntries, entryPath, type LintContext } from '../config/lint.ts';
import { reportDuplicates, reportUnknown, uses } from '../config/names.ts';
import { foldHeaderName } from '../lib/http/header-name.ts';
import { OwnedHeaders } from '../sanitize/owned-headers.ts';
import { writtenHeaders } from '../sanitize/rules.ts';
import { parsePattern, type RoutePattern } from './pattern.ts';
import { routePatterns } from './route.ts';
import type { RouteConfig } from './section.ts';

/** Codes of the findings about routes. */
export const codes = defineCodes({
  'routes/duplicate-id': error('Two routes with the same id.'),
  'routes/unknown-upstream': error('A route names an upstream that is not in `upstreams`.'),
  'routes/reserved-path': error(
    "A route below `basePath`, where it would never get a request, or on one of the gateway's own well-known documents, which the gateway answers.",
  ),
  'routes/session-host': error(
    'A route that takes a session on a host without a public origin: browsers cannot log in there, and the CSRF check has no origin to compare with.',
  ),
  'routes/pass-authorization': error(
    "`passAuthorization` on a route where the Authorization header has another use: it is the client's credential, or carries the upstream token.",
  ),
  'routes/original-token': error(
    '`upstreamToken: original` on a route that takes a session, or nothing: only a service token can be passed on.',
  ),
  'routes/identity-header': error(
    'An identity header with the name of the header that carries the upstream token or a credential.',
  ),
  'routes/identity-overwritten': error('A route sets or removes a header that it also writes identity into.'),
  'routes/owned-header': warning('A header rule for a header that only the gateway writes.'),
  'routes/identity-on-public': warning(
    'Identity headers on a public route, where the caller is unknown: they are never sent.',
  ),
  'routes/identity-issuer': warning(
    'An identity header with `subject` on a route where callers of several issuers, or users and services, can have the same name, and no header with `issuer`: the upstream cannot tell them apart.',
  ),
  'routes/provider-token': warning(
    "A route sends the access token of the user's identity provider to its upstream, which can then act for the user there.",
  ),
  'routes/provider-token-header': error(
    '`providerToken` in a header that already carries something else: the upstream token, identity, or the Authorization of the client.',
  ),
  'routes/no-provider-token': error(
    '`providerToken` on a route that takes no session, or without an identity provider in `login.oidc`: there would never be a token.',
  ),
  'routes/csrf-off': warning('The CSRF check is off on a route that takes a session.'),
  'rewrite/strip-prefix': error('A path of the route does not begin with the prefix that is stripped.'),
  'rewrite/placeholder': error('`rewrite.path` uses a placeholder that not every path of the route has.'),
});

interface RoutingDraft {
  readonly publicOrigin?: readonly string[] | undefined;
  readonly basePath?: string | undefined;
  readonly passClientHeaders?: readonly string[] | undefined;
  readonly upstreamToken?: { readonly header: string } | undefined;
  readonly login?: { readonly oidc: readonly unknown[] } | undefined;
  readonly upstreams: DraftEntries<object>;
  readonly routes: readonly (RouteConfig | undefined)[];
}

type Context = LintContext<RoutingDraft>;

interface RouteRule {
  readonly context: Context;
  readonly route: RouteConfig;
  /** What its `credential` compiles to. */
  readonly credential: CredentialRule;
  readonly path: KeyPath;
  readonly tokenHeader: string;
  readonly owned: OwnedHeaders;
}

/** Applies the rules. */
export function lint(context: Context): void {
  lintNames(context);
  const { draft } = context;
  const tokenHeader = draft.upstreamToken?.header ?? 'Authorization';
  const owned = new OwnedHeaders([...draft.routes.flatMap(writtenHeaders), tokenHeader], draft.passClientHeaders ?? []);
  for (const [index, route] of draft.routes.entries()) {
    if (route === undefined) continue;
    const credential = compileCredential(route.credential);
    const rule = {
      context,
      route,
      credential,
      path: ['routes', index],
      tokenHeader: route.tokenHeader ?? tokenHeader,
      owned,
    };
    lintCredential(rule);
    lintHosts(rule);
    lintReservedPaths(rule);
    lintRewrite(context, route, rule.path);
    lintIdentityHeaders(rule);
    lintProviderToken(rule);
    lintHeaderRules(rule);
  }
}

function lintNames(context: Context): void {
  const { upstreams } = context.draft;
  const found = uses(context, ['routes'], ['upstream']);
  reportUnknown(context, found, [...upstreams.keys()], codes['routes/unknown-upstream'], 'upstream', 'upstreams');
  reportDuplicates(context, uses(context, ['routes'], ['id']), codes['routes/duplicate-id'], 'route');
}

const accepts = ({ accepts }: CredentialRule, isSuch: (kind: CredentialKind) => boolean) =>
  accepts.some(({ kind }) => isSuch(kind));

function lintCredential({ context: { source }, route, credential, path, tokenHeader }: RouteRule): void {
  const isPublic = credential.kind === 'public';
  const name = `route ${JSON.stringify(route.id)}`;
  if (route.passAuthorization) {
    const reading = credential.accepts.find(({ kind }) => kind.isInAuthorization)?.kind;
    const carriesToken = !isPublic && route.upstreamToken !== 'none' && foldHeaderName(tokenHeader) === 'authorization';
    const at = [...path, 'passAuthorization'];
    if (reading !== undefined) {
      const text = `${name} takes ${reading.noun}: its Authorization header is not passed on`;
      source.report(codes['routes/pass-authorization'], at, text, 'remove passAuthorization', 'key');
    } else if (carriesToken) {
      const text = `${name} passes the client's Authorization header on, and sends the upstream token in the same`;
      const hint = 'set tokenHeader: X-Gateway-Token, or upstreamToken: none';
      source.report(codes['routes/pass-authorization'], at, text, hint, 'key');
    }
  }
  const tokenless = credential.accepts.find(({ kind }) => !kind.isToken)?.kind;
  if (route.upstreamToken === 'original' && (isPublic || tokenless !== undefined)) {
    source.report(
      codes['routes/original-token'],
      [...path, 'upstreamToken'],
      `${name} ${tokenless === undefined ? 'is public' : `takes ${tokenless.noun}`}: it has no token to pass on`,
      'use minted, or take service tokens only',
    );
  }
  if (isPublic && route.identityHeaders !== undefined) {
    source.report(
      codes['routes/identity-on-public'],
      [...path, 'identityHeaders'],
      `${name} is public: its identity headers are never sent`,
      'use credential: { session: optional }, or remove them',
      'key',
    );
  }
  if (route.csrf === 'off' && accepts(credential, ({ isAmbient }) => isAmbient)) {
    source.report(
      codes['routes/csrf-off'],
      [...path, 'csrf'],
      `${name} takes a session and has no CSRF check: any page can make a browser send requests to it`,
      'remove csrf: off',
    );
  }
}

/** Only on a public origin can a session be opened, and a forged request with a session be recognised. */
function lintHosts({ context, route, credential, path }: RouteRule): void {
  const origins = context.draft.publicOrigin;
  if (origins === undefined || route.match.host === undefined) return;
  if (!accepts(credential, ({ comesFromLogin }) => comesFromLogin)) return;
  const publicHosts = origins.map((origin) => new URL(origin).hostname);
  for (const [index, host] of route.match.host.entries()) {
    const covers = (publicHost: string) =>
      host === '*' || host === publicHost || (host.startsWith('*.') && publicHost.endsWith(host.slice(1)));
    if (publicHosts.some(covers)) continue;
    context.source.report(
      codes['routes/session-host'],
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
      const name = `route ${JSON.stringify(route.id)}`;
      const problem = isBelow
        ? `${name} is on basePath ${basePath}, so it gets no request`
        : key === 'exactPath'
          ? `${name} is on a document of the gateway, so it gets no request`
          : `${name} is on a document of the gateway, so it gets requests for paths below it only`;
      const below = key === 'exactPath' ? '' : `, or write ${text}/* for those below it`;
      context.source.report(
        codes['routes/reserved-path'],
        entryPath(context, [...path, 'match', key], index),
        problem,
        isBelow ? 'choose another path, or another basePath' : `choose another path${below}`,
      );
    }
  }
}

/** What a route, or what is written like one, says about the path that the upstream sees. */
export function lintRewrite(
  { source }: Pick<Context, 'source'>,
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
      source.report(
        codes['rewrite/strip-prefix'],
        at('stripPrefix'),
        'rewrite.stripPrefix must consist of whole segments, without "*"',
      );
    } else if (!patterns.every((pattern) => beginsWith(pattern, prefix))) {
      source.report(
        codes['rewrite/strip-prefix'],
        at('stripPrefix'),
        `not every path of route ${JSON.stringify(route.id)} begins with ${rewrite.stripPrefix}`,
      );
    }
  }
  if (rewrite.addPrefix !== undefined && placeholders(rewrite.addPrefix).length > 0) {
    source.report(
      codes['rewrite/placeholder'],
      at('addPrefix'),
      'rewrite.addPrefix must consist of fixed segments',
      'use rewrite.path for ":name" and "*"',
    );
  }
  for (const placeholder of rewrite.path === undefined ? [] : placeholders(rewrite.path)) {
    if (patterns.every((pattern) => provides(pattern, placeholder))) continue;
    source.report(
      codes['rewrite/placeholder'],
      at('path'),
      `not every path of route ${JSON.stringify(route.id)} has a value for ${JSON.stringify(placeholder)}`,
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

function lintIdentityHeaders({ context: { source }, route, credential, path, tokenHeader }: RouteRule): void {
  const named = Object.entries(route.identityHeaders ?? {}).find(([, value]) => value === 'subject')?.[0];
  const saysIssuer = Object.values(route.identityHeaders ?? {}).includes('issuer');
  const namespaces = issuersOf(credential).length + (accepts(credential, ({ isToken }) => !isToken) ? 1 : 0);
  if (named !== undefined && !saysIssuer && namespaces > 1) {
    source.report(
      codes['routes/identity-issuer'],
      [...path, 'identityHeaders', named],
      `route ${JSON.stringify(route.id)} accepts callers of several issuers, and ${named} does not say whose subject it has`,
      'add X-Issuer: issuer, which only subjects of other issuers have',
      'key',
    );
  }
  const seen = new Set<string>();
  for (const name of Object.keys(route.identityHeaders ?? {})) {
    const folded = foldHeaderName(name);
    const at = [...path, 'identityHeaders', name];
    if (folded === foldHeaderName(tokenHeader) || WRITTEN_HEADERS.includes(folded)) {
      source.report(
        codes['routes/identity-header'],
        at,
        `${name} is a header that the gateway writes with something else in it`,
        'choose another name, such as X-User',
        'key',
      );
    } else if (seen.has(folded)) {
      source.report(codes['routes/identity-header'], at, `${name} is set twice, in different spellings`, null, 'key');
    }
    seen.add(folded);
  }
}

function lintProviderToken({ context, route, credential, path, tokenHeader }: RouteRule): void {
  const { providerToken: header } = route;
  if (header === undefined) return;
  const { source, draft } = context;
  const at = [...path, 'providerToken'];
  const name = `route ${JSON.stringify(route.id)}`;
  const folded = foldHeaderName(header);
  const isWritten = (other: string) => foldHeaderName(other) === folded;
  const carriesToken = credential.kind !== 'public' && route.upstreamToken !== 'none' && isWritten(tokenHeader);
  const passes = route.passAuthorization && folded === 'authorization';
  if (carriesToken || passes || Object.keys(route.identityHeaders ?? {}).some(isWritten)) {
    source.report(
      codes['routes/provider-token-header'],
      at,
      `${name} already sends ${carriesToken ? 'the upstream token' : 'something else'} in ${header}`,
      carriesToken ? 'choose another header, or set tokenHeader: X-Gateway-Token' : 'choose another header',
    );
  }
  if ((draft.login?.oidc.length ?? 0) === 0 || !accepts(credential, ({ comesFromLogin }) => comesFromLogin)) {
    const text = `${name} has no sessions of an identity provider, so there is no token to send`;
    source.report(codes['routes/no-provider-token'], at, text, 'remove providerToken', 'key');
    return;
  }
  const text = `${name} sends the identity provider's access token to upstream ${route.upstream}, which can act for users at the provider`;
  source.report(codes['routes/provider-token'], at, text, 'leave it out unless the upstream calls the provider', 'key');
}

/** The headers that a section sets or removes, each with its place. */
export function changedHeaders(
  changes: RouteConfig['requestHeaders'],
  base: KeyPath,
): readonly (readonly [string, KeyPath])[] {
  const { set = {}, remove = [] } = changes ?? {};
  return [
    ...Object.keys(set).map((name) => [name, [...base, 'set', name]] as const),
    ...remove.map((name, index) => [name, [...base, 'remove', index]] as const),
  ];
}

function lintHeaderRules({ context, route, credential, path, tokenHeader, owned }: RouteRule): void {
  const identity = new Set(Object.keys(route.identityHeaders ?? {}).map(foldHeaderName));
  const carriesToken = route.upstreamToken !== 'none' && credential.kind !== 'public';
  if (carriesToken) identity.add(foldHeaderName(tokenHeader));
  if (route.providerToken !== undefined) identity.add(foldHeaderName(route.providerToken));
  for (const [name, at] of changedHeaders(route.requestHeaders, [...path, 'requestHeaders'])) {
    const folded = foldHeaderName(name);
    if (identity.has(folded)) {
      context.source.report(
        codes['routes/identity-overwritten'],
        at,
        `${name} carries identity on route ${JSON.stringify(route.id)}: a header rule must not touch it`,
        'remove the rule',
        'key',
      );
    } else if (owned.owns(name) && (carriesToken || folded !== foldHeaderName(tokenHeader))) {
      context.source.report(
        codes['routes/owned-header'],
        at,
        `${name} is a header that only the gateway writes; copies from clients are removed anyway`,
        'remove the rule',
        'key',
      );
    }
  }
}
