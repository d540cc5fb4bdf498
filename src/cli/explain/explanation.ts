/** explain: the outcome of a request in the pipeline of a stand-in, and the reasons, as plain data. */

import { describeCredential } from '../../authentication/credential.ts';
import { type CredentialRule, KINDS } from '../../authentication/kinds.ts';
import { compileRule, plainSubjectsOf } from '../../authorization/rule.ts';
import type { AllowConfig } from '../../authorization/section.ts';
import { lackOf } from '../../authorization/step-up.ts';
import { GRPC_FORM } from '../../authorizer/form.ts';
import { HEADERS_TO_REMOVE } from '../../authorizer/grpc/outlet.ts';
import { REMOVE_HEADERS } from '../../authorizer/outlet.ts';
import { Denial, REASONS, type Reason } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import { describeList, describeSubject, requirementParts } from '../../gateway/configuration/describe.ts';
import type { Config } from '../../gateway/configuration/schema.ts';
import { decodeCompact } from '../../jwt/compact.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { JSONType } from '../../lib/text/json.ts';
import { formatDuration } from '../../lib/text/units.ts';
import { handle } from '../../pipeline.ts';
import { authenticationOf } from '../../principal.ts';
import { formatPattern } from '../../routing/pattern.ts';
import type { Route } from '../../routing/route.ts';
import { type RouteEntry, RouteTable } from '../../routing/table.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { arrivingExchange } from './arriving.ts';
import { type Field, fieldsOf } from './fields.ts';
import { type AppliedLimits, limitsOf } from './limits.ts';
import type { Question } from './question.ts';
import { type Forwarded, type Side, StandIn } from './stand-in.ts';
import { WrittenReply } from './written-reply.ts';

/** A more specific route that did not take the request. */
export interface PassedOver {
  readonly route: string;
  readonly pattern: string;
  readonly because: 'host' | 'path' | 'method';
  /** It missed only the method, or begins like the path of the request: a likely candidate. */
  readonly isNear: boolean;
}

/** One criterion of an `allow` rule. */
export interface CriterionResult {
  readonly criterion: string;
  readonly holds: boolean;
  readonly parts: readonly CriterionResult[];
}

/** The outcome of a request, and the reasons: what `explain` prints. */
export interface Explanation {
  readonly outcome: 'forwarded' | 'allowed' | 'denied' | 'own endpoint';
  readonly request: {
    readonly method: string;
    readonly host: string;
    readonly target: string;
    /** Headers were added as a browser adds them on a page of the gateway's origin. */
    readonly assumesOwnPage: boolean;
    /** Left out: that of HTTP/1.1. */
    readonly httpVersion?: '2';
  };
  /** The one reading of the request; `null` when it has none. */
  readonly canonical: {
    readonly host: string;
    readonly path: string;
    readonly query: string;
    readonly client: string;
    readonly scheme: string;
    readonly publicOrigin: string | null;
    /** The origin at which people log in; `null` for hosts that only machines call. */
    readonly loginOrigin: string | null;
  } | null;
  readonly route: { readonly id: string; readonly pattern: string } | null;
  readonly passedOver: readonly PassedOver[];
  readonly credential: { readonly needed: string; readonly presented: string } | null;
  /** When WebSockets and other streams that the token opens end; `null` when no token opens any. */
  readonly streams: string | null;
  readonly allow: readonly CriterionResult[] | null;
  /** What the route requires of the login; `null` when it was not asked. */
  readonly require: readonly CriterionResult[] | null;
  /** The limits that apply to it; `null` when it found no route. */
  readonly limits: AppliedLimits | null;
  readonly upstream: {
    readonly name: string;
    readonly endpoints: readonly string[];
    readonly method: string;
    readonly target: string;
    readonly host: string;
  } | null;
  readonly headers: { readonly removed: readonly string[]; readonly added: Readonly<Record<string, string>> } | null;
  /** The token, decoded; never the token itself. */
  readonly token: {
    readonly kind: 'minted' | 'as presented' | 'of somebody else';
    readonly header: string;
    readonly protectedHeader: unknown;
    readonly claims: unknown;
  } | null;
  readonly response: {
    readonly status: number;
    readonly reason: Reason | null;
    readonly title: string | null;
    /** Which rule refused it, as the log names it; the client does not see it. */
    readonly note: string | null;
    readonly headers: Readonly<Record<string, string>>;
  } | null;
}

/** Runs the request through a stand-in of the gateway, and collects what each stage decided. */
export async function explainRequest(question: Question, config: Config, clocks: Clocks): Promise<Explanation> {
  const asked = question.credential;
  const { askedAs } = question;
  await using standIn = await StandIn.open(config, asked?.issuer ?? null, clocks, sideOf(question));
  const { pipeline } = standIn;
  const presented = asked === null ? [] : await asked.present(standIn);
  const sent = ['Host', question.hostHeader, ...question.headers, ...presented];
  const { exchange, denial } = arrivingExchange(question, sent, config, clocks, pipeline);

  const screened = denial ?? pipeline.sanitizer.screen(exchange);
  // A proxy gets a refusal for them, which is explained.
  const isOwn = askedAs === null && !(screened instanceof Denial) && pipeline.endpoints.match(screened) !== null;
  // What an endpoint of the gateway answers depends on forms and files, so the explanation stops at its name.
  if (denial !== null) pipeline.responder.denial(exchange, denial);
  else if (!isOwn) await handle(exchange, pipeline);

  const request = screened instanceof Denial ? null : screened;
  const { route } = exchange;
  const entry = request === null || isOwn ? null : entryOf(pipeline.routes, request, route);
  const { forwarded } = standIn;
  return {
    outcome: isOwn ? 'own endpoint' : outcomeOf(question, forwarded),
    request: {
      method: question.method,
      host: question.hostHeader,
      target: question.target,
      assumesOwnPage: question.assumesOwnPage,
      ...(question.isOverHttp2 && { httpVersion: '2' as const }),
    },
    canonical: request === null ? null : canonicalOf(request, config),
    route: entry === null ? null : { id: entry.route.id, pattern: formatPattern(entry.pattern) },
    passedOver: request === null || isOwn ? [] : passedOver(pipeline.routes, request, entry),
    credential: route === null || request === null ? null : credentialOf(route, question, request),
    allow: verdictsOf(exchange, config),
    require: requirementsOf(exchange, config, clocks.wallMs()),
    limits: isOwn ? null : limitsOf(exchange, config, question.isOutbound),
    ...sentOf(forwarded, question, sent, config),
    response: isOwn || forwarded !== null ? null : responseOf(exchange),
  };
}

function sideOf({ askedAs, isOutbound }: Question): Side {
  if (askedAs !== null) return askedAs === GRPC_FORM ? 'grpcAuthorizer' : 'authorizer';
  return isOutbound ? 'outbound' : 'public';
}

function outcomeOf({ askedAs }: Question, forwarded: Forwarded | null): Explanation['outcome'] {
  if (forwarded === null) return 'denied';
  return askedAs === null ? 'forwarded' : 'allowed';
}

/** What is sent, by the gateway or by the proxy that asks. */
function sentOf(
  forwarded: Forwarded | null,
  question: Question,
  sent: readonly string[],
  config: Config,
): Pick<Explanation, 'streams' | 'upstream' | 'headers' | 'token'> {
  if (forwarded === null) return { streams: null, upstream: null, headers: null, token: null };
  const { token, permit } = forwarded;
  const isAsked = question.askedAs !== null;
  const tokenHeader = question.isOutbound ? 'Authorization' : (permit.route.tokenHeader ?? config.upstreamToken.header);
  return {
    // A proxy does not cut what it has opened.
    streams: isAsked ? null : streamsOf(forwarded),
    upstream: isAsked ? null : upstreamOf(forwarded, question, config),
    headers: isAsked ? answeredChanges(forwarded, tokenHeader) : headerChanges(sent, forwarded, tokenHeader),
    token: token === null ? null : tokenOf(token, permit.route, tokenHeader, config),
  };
}

/** The criteria of the route's `allow` rule for the principal; `null` when the rule was not asked. */
function verdictsOf({ route, principal }: Exchange, config: Config): Explanation['allow'] {
  const allow = route === null ? undefined : config.routes[route.index]?.allow;
  if (allow === undefined || route === null || principal === null || principal.credential === null) return null;
  const plain = plainSubjectsOf(route.credential);
  return verdicts(allow, (rule) => compileRule(rule, plain)(principal) === null);
}

/** The criteria of the route's `require` rule for the principal; `null` when there is no rule, or no principal. */
function requirementsOf({ route, principal }: Exchange, config: Config, nowMs: number): Explanation['require'] {
  const requirement = route === null ? undefined : config.routes[route.index]?.require;
  if (requirement === undefined || principal === null || principal.credential === null) return null;
  const authentication = authenticationOf(principal);
  return requirementParts(requirement).map(({ words, rule }) => ({
    criterion: words,
    holds: lackOf(rule, authentication, nowMs) === null,
    parts: [],
  }));
}

function credentialOf(
  { credential }: Route,
  question: Question,
  request: ScreenedRequest,
): NonNullable<Explanation['credential']> {
  return { needed: describeCredential(credential), presented: presentedBy(question, request, credential) };
}

function streamsOf({ permit }: Forwarded): string | null {
  const { credential } = permit.principal;
  if (credential === null || credential.compact === null || credential.kind.ending === null) return null;
  const { streamsEndAtMs, endsAtMs } = credential;
  return streamsEndAtMs === Number.POSITIVE_INFINITY
    ? 'outlive the token; its revocation ends them'
    : `end ${formatDuration(streamsEndAtMs - endsAtMs)} after the token expires`;
}

function canonicalOf(
  { host, target, clientAddress: client, scheme, publicOrigin }: ScreenedRequest,
  { login }: Config,
): NonNullable<Explanation['canonical']> {
  const loginOrigin = publicOrigin === null ? null : (login.origin ?? publicOrigin);
  return { host, path: target.path, query: target.query, client, scheme, publicOrigin, loginOrigin };
}

/** The entry that took the request: of the path as it is written, or as the upstream may read it. */
function entryOf(table: RouteTable<Route>, request: ScreenedRequest, route: Route | null): RouteEntry<Route> | null {
  const found = table.match(request.host, request.target.path, request.method);
  if (found instanceof Denial) return null;
  return found.route === route ? found : (table.entries.find((entry) => entry.route === route) ?? null);
}

/** Every entry that was tried before the one that took the request, and why it did not match. */
function passedOver(table: RouteTable<Route>, request: ScreenedRequest, taker: RouteEntry<Route> | null): PassedOver[] {
  const end = taker === null ? table.entries.length : table.entries.indexOf(taker);
  const firstSegment = request.target.path.split('/')[1];
  return table.entries.slice(0, end).flatMap((entry) => {
    const alone = new RouteTable([entry]).match(request.host, request.target.path, request.method);
    const because = alone instanceof Denial ? MISSES[alone.reason] : undefined;
    if (because === undefined) return [];
    const [first] = entry.pattern.segments;
    const isNear = because === 'method' || (first?.kind === 'literal' && first.text === firstSegment);
    return [{ route: entry.route.id, pattern: formatPattern(entry.pattern), because, isNear }];
  });
}

const MISSES: Readonly<Partial<Record<Reason, PassedOver['because']>>> = {
  host_not_served: 'host',
  route_not_found: 'path',
  method_not_allowed: 'method',
};

/** The credential of the question, and any other that its headers present. */
function presentedBy({ credential }: Question, request: ScreenedRequest, rule: CredentialRule): string {
  const leavesAuthorization = rule.kind !== 'public' && rule.leavesAuthorization === true;
  const fromHeaders = Object.values(KINDS).flatMap((kind) =>
    kind.name !== credential?.kind && kind.carrier !== null && kind.isPresentedIn(request)
      ? [`${kind.carrier} ${leavesAuthorization && kind.isInAuthorization ? 'for the application' : 'from --header'}`]
      : [],
  );
  return [...(credential === null ? [] : [credential.words]), ...fromHeaders].join(' and ') || 'nothing';
}

type Leaf = Omit<AllowConfig, 'any' | 'all'>;

/** Whether a rule, compiled as the gateway compiles it, holds for the principal. */
type Holds = (rule: AllowConfig) => boolean;

/** Each criterion separately. */
function verdicts(allow: AllowConfig, holds: Holds): CriterionResult[] {
  const { any, all, ...leaf } = allow;
  const group = (criterion: string, leaves: readonly Leaf[], rule: AllowConfig): CriterionResult => ({
    criterion,
    holds: holds(rule),
    parts: leaves.map((part) => {
      const parts = leafVerdicts(part, holds);
      const [only] = parts;
      return parts.length === 1 && only !== undefined ? only : { criterion: 'all of', holds: holds(part), parts };
    }),
  });
  return [
    ...leafVerdicts(leaf, holds),
    ...(any === undefined ? [] : [group('one of', any, { any })]),
    ...(all === undefined ? [] : [group('all of', all, { all })]),
  ];
}

function leafVerdicts({ roles, scopes, subjects, serviceAccounts, claims }: Leaf, holds: Holds): CriterionResult[] {
  const verdict = (criterion: string, rule: Leaf): CriterionResult => ({
    criterion,
    holds: holds(rule),
    parts: [],
  });
  return [
    ...(roles === undefined ? [] : [verdict(`role ${describeList(roles)}`, { roles })]),
    ...(scopes === undefined ? [] : [verdict(`scope ${describeList(scopes)}`, { scopes })]),
    ...(subjects === undefined ? [] : [verdict(`subject ${subjects.map(describeSubject).join(' or ')}`, { subjects })]),
    ...(serviceAccounts === undefined
      ? []
      : [verdict(`ServiceAccount ${serviceAccounts.join(' or ')}`, { serviceAccounts })]),
    ...Object.entries(claims ?? {}).map(([name, value]) =>
      verdict(
        `claim ${name} is ${[value]
          .flat()
          .map((item) => JSON.stringify(item))
          .join(' or ')}`,
        { claims: { [name]: value } },
      ),
    ),
  ];
}

function upstreamOf({ permit, target }: Forwarded, question: Question, config: Config): Explanation['upstream'] {
  const name = permit.route.upstream;
  const { endpoints = [], hostHeader } = config.upstreams[name] ?? {};
  const host =
    (permit.route.hostHeader ?? hostHeader) === 'endpoint' ? new URL(endpoints[0] as string).host : question.hostHeader;
  return { name, endpoints, method: question.method, target, host };
}

/** Headers that the gateway adds to the request, and those that it removes. */
function headerChanges(
  sent: readonly string[],
  forwarded: Forwarded,
  tokenHeader: string,
): NonNullable<Explanation['headers']> {
  const shown = shownBy(forwarded, tokenHeader);
  const key = ({ name, value }: Field) => `${name.toLowerCase()}: ${value}`;
  const isNoHost = ({ name }: Field) => name.toLowerCase() !== 'host';
  const before = fieldsOf(sent).filter(isNoHost);
  const after = fieldsOf(forwarded.headers).filter(isNoHost);
  const kept = new Set(after.map(key));
  const had = new Set(before.map(key));
  return {
    removed: before.filter((field) => !kept.has(key(field))).map(({ name }) => name),
    added: Object.fromEntries(after.filter((field) => !had.has(key(field))).map((field) => [field.name, shown(field)])),
  };
}

/** What the proxy is told to write and to remove. */
function answeredChanges(forwarded: Forwarded, tokenHeader: string): NonNullable<Explanation['headers']> {
  const shown = shownBy(forwarded, tokenHeader);
  const isRemoval = ({ name }: Field) => name === HEADERS_TO_REMOVE || REMOVE_HEADERS.includes(name);
  const fields = fieldsOf(forwarded.headers);
  const added = fields.filter((field) => !isRemoval(field) && field.value !== '');
  return {
    removed: fields.findLast(isRemoval)?.value.split(',') ?? [],
    added: Object.fromEntries(added.map((field) => [field.name, shown(field)])),
  };
}

/** Values as they are printed: no token, and nothing of the configuration that may be a secret. */
function shownBy({ token, permit }: Forwarded, tokenHeader: string): (field: Field) => string {
  const fromConfig = new Set(fieldsOf(permit.route.requestHeaders?.set ?? []).map(({ name }) => name));
  return ({ name, value }) => {
    if (token !== null && name === tokenHeader)
      return name === 'Authorization' ? 'Bearer <token below>' : '<token below>';
    return fromConfig.has(name) ? '<as the configuration says>' : value;
  };
}

function tokenOf(token: string, { upstreamToken }: Route, header: string, config: Config): Explanation['token'] {
  const decoded = decodeCompact(token);
  const { algorithm } = config.upstreamToken;
  if (decoded === null) return { kind: 'of somebody else', header, protectedHeader: null, claims: token };
  const claims = decoded.payload as Record<string, JSONType>;
  if (upstreamToken === 'original') {
    return { kind: 'as presented', header, protectedHeader: { ...decoded.header }, claims };
  }
  // The signing key is a stand-in, so its id means nothing.
  const protectedHeader = { ...decoded.header, kid: '<of the signing key>', alg: algorithm };
  return { kind: 'minted', header, protectedHeader, claims };
}

const SHOWN_FIELDS = new Set([
  'allow',
  'location',
  'retry-after',
  'www-authenticate',
  'content-type',
  'grpc-status',
  'grpc-message',
]);

function responseOf(exchange: Exchange): Explanation['response'] {
  const { reply, reason, note } = exchange;
  const sent = reply instanceof WrittenReply ? reply.headers : [];
  const headers = fieldsOf(sent).filter(({ name }) => SHOWN_FIELDS.has(name.toLowerCase()));
  return {
    status: reply.status,
    reason,
    title: reason === null ? null : REASONS[reason].title,
    note,
    headers: Object.fromEntries(headers.map(({ name, value }) => [name, value])),
  };
}
