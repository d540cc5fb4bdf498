/**
 * A route, compiled from its configuration: everything about it that can be known at start is worked out here, so
 * that the path of a request only reads.
 */

import type { WrittenCredential } from '../authentication/credential.ts';
import type { CredentialRule } from '../authentication/kinds.ts';
import { CorsRule } from '../cors/rule.ts';
import { foldHeaderName } from '../lib/http/header-name.ts';
import { parsePattern, type RoutePattern } from './pattern.ts';
import { compileRewrite, type Rewrite } from './rewrite.ts';
import { ROUTE_METHODS, type RouteConfig } from './section.ts';
import { type RouteEntry, RouteTable } from './table.ts';

/** Headers to set and to remove, compiled. */
export interface HeaderRules {
  /** Flat name, value list. */
  readonly set: readonly string[];
  /** Folded names of headers that must not pass because they are removed or replaced. */
  readonly dropped: ReadonlySet<string>;
}

/** A compiled, frozen route. */
export interface Route {
  readonly id: string;
  /** Position in the configuration: index into arrays that other stages keep per route. */
  readonly index: number;
  readonly methods: ReadonlySet<string>;
  readonly hasOwnMethods: boolean;
  readonly leavesOtherMethods: boolean;
  readonly credential: CredentialRule;
  /** `allow` as it is written, only to be compared with that of another route; `null` where there is none. */
  readonly allow: unknown;
  /** `require` as it is written, for the same; `null` where there is none. */
  readonly require: unknown;
  readonly upstream: string;
  readonly audience: string;
  /** Which Host the upstream gets; `null` takes the rule of the upstream. */
  readonly hostHeader: 'preserve' | 'endpoint' | null;
  /** Whether the headers that name the client are sent, as the upstream's rule says; not where the client is the workload. */
  readonly namesClient: boolean;
  /** What the upstream gets for the principal: a minted token, the service token as it was presented, or nothing. */
  readonly upstreamToken: RouteConfig['upstreamToken'];
  /** Which header carries it; `null` for the one that all have. */
  readonly tokenHeader: string | null;
  /** Which header carries the access token of the identity provider; `null` where none does. */
  readonly providerToken: string | null;
  /** Flat header name, source list. */
  readonly identityHeaders: readonly string[];
  readonly rewrite: Rewrite | null;
  readonly requestHeaders: HeaderRules | null;
  readonly responseHeaders: HeaderRules | null;
  readonly firstByteTimeoutMs: number | null;
  /** 0 disables the timeout; `null` uses the one of the upstream. */
  readonly idleTimeoutMs: number | null;
  /** `null` for no limit. */
  readonly maxBodyBytes: number | null;
  readonly allowsWebSocket: boolean;
  readonly checksOrigin: boolean;
  readonly allowsEncodedSlash: boolean;
  readonly allowsSemicolon: boolean;
  /** Which other origins may read answers; `null` leaves that to the upstream. */
  readonly cors: CorsRule | null;
  readonly passesAuthorization: boolean;
  readonly relaysSessionCookie: boolean;
  readonly onUnauthenticated: 'auto' | 'redirect' | 'challenge';
  /** The identity provider that people log in with; `null` leaves the choice to them. */
  readonly login: string | null;
}

const ALL_METHODS: ReadonlySet<string> = new Set(ROUTE_METHODS);

/** What the table is made from. */
interface RoutesConfig {
  readonly publicOrigin: readonly string[];
  readonly routes: readonly (RouteConfig & WithRules)[];
}

/** The keys of a route that are authorization's. */
interface WithRules {
  readonly allow?: unknown;
  readonly require?: unknown;
}

/** Compiles the `credential` of a route: `compileCredential` of authentication, which knows the kinds. */
type CompileCredential = (written: WrittenCredential) => CredentialRule;

/** Compiles the routes of a configuration into their table. */
export function compileRoutes(config: RoutesConfig, compileCredential: CompileCredential): RouteTable<Route> {
  const publicHosts = config.publicOrigin.map((origin) => new URL(origin).hostname);
  return new RouteTable(
    config.routes.flatMap((routeConfig, index) => {
      const route = compileRoute(routeConfig, index, compileCredential(routeConfig.credential));
      return routePatterns(routeConfig, publicHosts).map((pattern): RouteEntry<Route> => ({ pattern, route }));
    }),
  );
}

/** All patterns of a route: each of its hosts with each of its paths. */
export function routePatterns(config: Pick<RouteConfig, 'match'>, publicHosts: readonly string[]): RoutePattern[] {
  return (config.match.host ?? publicHosts).flatMap((host) => [
    ...(config.match.path ?? []).map((path) => parsePattern(host, path, false)),
    ...(config.match.exactPath ?? []).map((path) => parsePattern(host, path, true)),
  ]);
}

/** Compiles one route, or something that is written like one and has its own credential rule. */
export function compileRoute(
  config: Omit<RouteConfig, 'credential'> & WithRules,
  index: number,
  credential: CredentialRule,
): Route {
  const requestHeaders = compileHeaderRules(config.requestHeaders);
  return Object.freeze({
    id: config.id,
    index,
    methods: compileMethods(config.match.methods),
    hasOwnMethods: config.match.methods !== undefined,
    leavesOtherMethods: config.match.otherMethods === 'nextRoute',
    credential:
      credential.kind === 'public' || !config.passAuthorization
        ? credential
        : Object.freeze({ ...credential, leavesAuthorization: true }),
    allow: config.allow ?? null,
    require: config.require ?? null,
    upstream: config.upstream,
    audience: config.audience ?? config.upstream,
    hostHeader: null,
    namesClient: true,
    upstreamToken: credential.kind === 'public' ? 'none' : config.upstreamToken,
    tokenHeader: config.tokenHeader ?? null,
    providerToken: config.providerToken ?? null,
    identityHeaders: Object.entries(config.identityHeaders ?? {}).flat(),
    rewrite: compileRewrite(config.rewrite),
    requestHeaders,
    responseHeaders: compileHeaderRules(config.responseHeaders),
    firstByteTimeoutMs: config.timeouts.firstByte ?? null,
    idleTimeoutMs: config.timeouts.idle ?? null,
    maxBodyBytes: config.maxBodyBytes ?? null,
    allowsWebSocket: config.webSocket,
    checksOrigin: config.csrf === 'origin',
    allowsEncodedSlash: config.pathExceptions.includes('encodedSlash'),
    allowsSemicolon: config.pathExceptions.includes('semicolon'),
    cors: config.cors === undefined ? null : new CorsRule(config.cors),
    passesAuthorization: config.passAuthorization && requestHeaders?.dropped.has('authorization') !== true,
    relaysSessionCookie: config.relaySessionCookie,
    onUnauthenticated: config.onUnauthenticated,
    login: config.login ?? null,
  });
}

/** GET includes HEAD (RFC 9110 §9.3.2): a route that answers one answers the other. */
function compileMethods(methods: readonly string[] | undefined): ReadonlySet<string> {
  if (methods === undefined) return ALL_METHODS;
  return new Set(methods.includes('GET') ? [...methods, 'HEAD'] : methods);
}

function compileHeaderRules(config: RouteConfig['requestHeaders']): HeaderRules | null {
  if (config === undefined) return null;
  const names = [...Object.keys(config.set ?? {}), ...(config.remove ?? [])];
  return { set: Object.entries(config.set ?? {}).flat(), dropped: new Set(names.map(foldHeaderName)) };
}
