/** What `explain` is asked about: a request as a client would send it, and the credential that it presents. */

import { isIP } from 'node:net';
import type { ExplainQuestion } from '../../admin/request.ts';
import { KINDS } from '../../authentication/kinds.ts';
import { claimsToBeOf, issuerRules } from '../../authentication/service-token/issuer.ts';
import type { IssuerConfig } from '../../authentication/service-token/section.ts';
import { FORMS, type Form, GRPC_FORM } from '../../authorizer/form.ts';
import { REASONS } from '../../errors.ts';
import { servesHttp2 } from '../../gateway/listeners.ts';
import { type DecodedToken, decodeCompact } from '../../jwt/compact.ts';
import { isFieldValue, isToken } from '../../lib/http/field.ts';
import { METHODS } from '../../lib/http/node-http.ts';
import { type JSONType, jsonOf } from '../../lib/text/json.ts';
import { didYouMean } from '../../lib/text/nearest.ts';
import { trim } from '../../lib/text/trim.ts';
import type { PublicListenerConfig } from '../../listener/section.ts';
import type { OutboundConfig } from '../../outbound/section.ts';
import { UsageFault } from '../command.ts';
import { withoutScheme } from '../token/token-input.ts';
import { readAskedSession } from './asked-session.ts';
import { fieldIn } from './fields.ts';
import type { AskedService, StandIn } from './stand-in.ts';

/** The sections that a question is read with. */
interface AskedSections {
  readonly publicOrigin: readonly string[];
  readonly login: { readonly oidc: readonly { readonly name: string }[] };
  readonly outbound?: OutboundConfig | undefined;
  readonly listeners: {
    readonly public: Pick<PublicListenerConfig, 'http2' | 'tls'>;
    readonly authorizer?: object | undefined;
    readonly grpcAuthorizer?: object | undefined;
  };
  readonly issuers: Readonly<Record<string, IssuerConfig>>;
  readonly upstreamToken: { readonly issuer?: string | undefined; readonly algorithm: string };
}

/** A credential that the request presents. */
interface AskedCredential {
  /** Its kind. */
  readonly kind: keyof typeof KINDS;
  /** Names it in the output. */
  readonly words: string;
  /** Name in `issuers` of the issuer whose token it is; `null` for none. */
  readonly issuer: string | null;
  /** Makes it, and returns the header that presents it. */
  readonly present: (standIn: StandIn) => Promise<readonly [name: string, value: string]>;
}

const ASKED_FORMS = [...FORMS, GRPC_FORM] as const;
/** A form of the authorizer, over HTTP or gRPC. */
export type AskedForm = Form | typeof GRPC_FORM;

/** The request that is asked about. */
export interface Question {
  readonly method: string;
  /** As in the request line. */
  readonly target: string;
  readonly hostHeader: string;
  /** Flat name, value list, without Host and without the credential. */
  readonly headers: readonly string[];
  readonly credential: AskedCredential | null;
  /** Address of the client. */
  readonly from: string;
  /** Whether the workload calls, on the outbound side. */
  readonly isOutbound: boolean;
  /** The form in which a proxy asks about it; `null` when the request itself comes to the gateway. */
  readonly askedAs: AskedForm | null;
  /** Whether `Origin` was added, as a browser does on a page of the gateway's origin. */
  readonly assumesOwnPage: boolean;
  /** Whether the client says that it speaks HTTP/2. */
  readonly isOverHttp2: boolean;
}

interface AskedOptions extends Omit<ExplainQuestion, 'method' | 'url'> {
  /** Text with a token, with or without its scheme. */
  readonly token: string | null;
}

const ABSOLUTE = /^https?:\/\/(?<authority>[^/?#\\]+)(?<rest>[/?].*)?$/i;
/** TEST-NET-1 (RFC 5737): an address that no host has. */
const EXAMPLE_CLIENT = '192.0.2.1';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Reads the question. The target stays as written, because a refusal of it is part of the answer; only what could not be
 * sent as HTTP at all is a mistake of the command line.
 *
 * @throws UsageFault
 */
export function readQuestion(method: string, url: string, options: AskedOptions, config: AskedSections): Question {
  refuseUnknownMethod(method);
  const isOutbound = options.outbound;
  if (isOutbound) refuseOnOutbound(options, config);
  const askedAs = readForm(options, config);
  if (options.http2) refuseOverHttp2(options, config);
  const from = options.from ?? (isOutbound ? '127.0.0.1' : EXAMPLE_CLIENT);
  if (isIP(from) === 0) throw new UsageFault(`--from ${JSON.stringify(from)} is not an IP address`);
  if (options.service !== undefined && (options.session !== undefined || options.token !== null)) {
    throw new UsageFault('a request presents a session or a service token, not both');
  }
  const { hostHeader, target } = readUrl(url, isOutbound ? outboundAuthority(config) : ownAuthority(config));
  const credential =
    options.token !== null
      ? readRealToken(options.token, options.session, config)
      : options.session !== undefined
        ? readSession(options.session, config)
        : options.service !== undefined
          ? readService(options.service, config)
          : null;
  const headers = options.header.flatMap(readHeader);
  const assumesOwnPage =
    credential !== null &&
    KINDS[credential.kind].isAmbient &&
    !SAFE_METHODS.has(method) &&
    ['origin', 'sec-fetch-site', 'referer'].every((name) => fieldIn(headers, name) === null);
  const own = originOf(hostHeader, config);
  return {
    method,
    target,
    hostHeader,
    headers: assumesOwnPage && own !== null ? [...headers, 'Origin', own, 'Sec-Fetch-Site', 'same-origin'] : headers,
    credential,
    from,
    isOutbound,
    askedAs,
    assumesOwnPage: assumesOwnPage && own !== null,
    isOverHttp2: options.http2,
  };
}

/** Methods are case-sensitive (RFC 9110 §9.1), and the parser accepts no others. */
function refuseUnknownMethod(method: string): void {
  if (METHODS.includes(method)) return;
  const hint = didYouMean(method, METHODS);
  throw new UsageFault(`${JSON.stringify(method)} is not a method, and would get 400${hint}`);
}

/**
 * Refuses an expectation that no result can meet: not `allow`, `deny`, a status or a reason.
 *
 * @throws UsageFault
 */
export function refuseUnknownOutcome(expected: string): void {
  const words = ['allow', 'deny', ...Object.keys(REASONS)];
  if (words.includes(expected) || /^[1-5]\d\d$/.test(expected)) return;
  const hint = didYouMean(expected, words);
  throw new UsageFault(`--expect ${JSON.stringify(expected)} is not allow, deny, a status or a reason${hint}`);
}

function readForm({ as, outbound }: AskedOptions, { listeners }: AskedSections): AskedForm | null {
  if (as === undefined) return null;
  const form = ASKED_FORMS.find((name) => name === as);
  if (form === undefined) {
    const hint = didYouMean(as, ASKED_FORMS);
    throw new UsageFault(`--as ${JSON.stringify(as)} is not one of ${ASKED_FORMS.join(', ')}${hint}`);
  }
  if (outbound) throw new UsageFault('no proxy asks about calls on the outbound side');
  const listener = form === GRPC_FORM ? 'grpcAuthorizer' : 'authorizer';
  if (listeners[listener] === undefined) throw new UsageFault(`the configuration has no listeners.${listener}`);
  return form;
}

/** Refuses a credential on the outbound side, where the workload presents none. */
function refuseOnOutbound({ session, service, token }: AskedOptions, { outbound }: AskedSections): void {
  if (outbound === undefined) throw new UsageFault('the configuration has no section outbound');
  if (session === undefined && service === undefined && token === null) return;
  throw new UsageFault('on the outbound side the workload calls: it presents no session and no service token');
}

/** Only where the listener speaks it. */
function refuseOverHttp2({ as, outbound: isOutbound }: AskedOptions, { listeners, outbound }: AskedSections): void {
  if (as !== undefined) throw new UsageFault('--as and --http2 exclude each other: the proxy asks');
  const isServed = isOutbound ? outbound?.http2 === true : servesHttp2(listeners.public);
  const key = isOutbound ? 'outbound.http2' : 'listeners.public.http2';
  if (!isServed) throw new UsageFault(`--http2: the listener serves HTTP/1.1 only (${key})`);
}

const ownAuthority = ({ publicOrigin }: AskedSections) => new URL(publicOrigin[0] as string).host;

function outboundAuthority({ outbound }: AskedSections): string {
  const { host = '', port = 0 } = outbound?.address ?? {};
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** @param authority  used when the URL is only a path */
function readUrl(url: string, authority: string): { hostHeader: string; target: string } {
  if (url.startsWith('/')) return { hostHeader: authority, target: url };
  const groups = ABSOLUTE.exec(url)?.groups;
  if (groups === undefined) throw new UsageFault(`${JSON.stringify(url)} is neither https://host/path nor /path`);
  const rest = groups['rest'] ?? '/';
  return { hostHeader: groups['authority'] ?? '', target: rest.startsWith('?') ? `/${rest}` : rest };
}

function originOf(hostHeader: string, config: AskedSections): string | null {
  const name = hostHeader.replace(/:\d+$/, '').toLowerCase();
  return config.publicOrigin.find((origin) => new URL(origin).hostname === name) ?? null;
}

function readHeader(written: string): [string, string] {
  const colon = written.indexOf(':');
  if (colon < 1) throw new UsageFault('--header is written "Name: value"');
  const name = written.slice(0, colon);
  const value = trim(written.slice(colon + 1));
  // The parser refuses other names and values before any rule is asked.
  if (!isToken(name)) throw new UsageFault(`--header: ${JSON.stringify(name)} is not a header name`);
  // The value may be a credential, so the message does not repeat it.
  if (!isFieldValue(value)) {
    throw new UsageFault(`--header: the value of ${name} contains a character that HTTP does not allow`);
  }
  return [name, value];
}

const providersOf = ({ login }: AskedSections): string[] => login.oidc.map(({ name }) => name);

/** `roles=customer,roles=admin,email=a@example.com,age:=42`; `subject` names the user, `provider` the identity provider. */
function readSession(written: string, config: AskedSections): AskedCredential {
  const session = readAskedSession(readPairs(written), providersOf(config));
  return {
    kind: 'session',
    words: `the session of ${JSON.stringify(session.subject)}`,
    issuer: null,
    present: async (standIn) => ['Cookie', await standIn.cookie(session)],
  };
}

/** A real token: its claims are judged, its signature is not. */
function readRealToken(text: string, session: string | undefined, config: AskedSections): AskedCredential {
  const compact = withoutScheme(text);
  const decoded = decodeCompact(compact);
  if (decoded === null) throw new UsageFault('--token-file has no JWT in the strict compact form');
  const issuer = issuerOf(decoded, config);
  const isOwn = issuer !== null && config.issuers[issuer]?.own !== undefined;
  const standsForSession = isOwn && decoded.payload['sid'] !== undefined;
  if (session !== undefined && !standsForSession)
    throw new UsageFault('--session goes with a token of the gateway that stands for a session');
  const asked = readAskedSession(readPairs(session ?? ''), providersOf(config));
  return {
    kind: 'service',
    words: `the token of --token-file${issuer === null ? '' : `, which claims to be one of ${issuer}`}; its signature was not verified`,
    issuer,
    present: async (standIn) => [
      'Authorization',
      issuer === null
        ? `Bearer ${compact}`
        : await standIn.presented(issuer, { compact, ...decoded }, standsForSession ? asked : null),
    ],
  };
}

/** The issuer that a token claims to be one of, as the gateway selects it; `null` for none of the configuration. */
function issuerOf(decoded: DecodedToken, { issuers, publicOrigin, upstreamToken }: AskedSections): string | null {
  const own = { issuer: upstreamToken.issuer ?? (publicOrigin[0] as string), algorithm: upstreamToken.algorithm };
  const isItsToken = (config: IssuerConfig) => {
    const rules = issuerRules(config, { audiences: publicOrigin, own });
    const { subject } = rules.profile;
    // The `iss` of the cluster is unknown here; the form of its subjects is known.
    const knows = () => subject instanceof RegExp && subject.test(String(decoded.payload['sub']));
    return claimsToBeOf(decoded, rules, { hasLearnt: true, knows, mayLearn: () => false, learn: async () => {} });
  };
  return Object.entries(issuers).find(([, config]) => isItsToken(config))?.[0] ?? null;
}

/** The configuration with the `iss` of a token for a cluster that has none in it. */
export function namingCluster<C extends AskedSections>(config: C, { credential }: Question, token: string | null): C {
  const issuer = credential?.issuer ?? null;
  const iss = token === null ? undefined : decodeCompact(withoutScheme(token))?.payload['iss'];
  const written = issuer === null ? undefined : config.issuers[issuer];
  if (issuer === null || written?.kubernetes === undefined || typeof iss !== 'string') return config;
  return { ...config, issuers: { ...config.issuers, [issuer]: { issuer: iss, ...written } } };
}

/** `shop/cart,scope=orders:read`, `cluster:shop/cart` or `billing:invoices`. */
function readService(written: string, config: AskedSections): AskedCredential {
  const [head = '', ...pairs] = written.split(',');
  const { scope, ...claims } = readPairs(pairs.join(','));
  const scopes = Array.isArray(scope) ? scope.join(' ') : scope;
  const named = readServiceName(head, config);
  const service = {
    ...named,
    claims: { ...named.claims, ...claims, ...(scopes !== undefined && { scope: scopes }) },
  };
  return {
    kind: 'service',
    words: `a token of ${service.issuer} for ${JSON.stringify(service.subject)}`,
    issuer: service.issuer,
    present: async (standIn) => ['Authorization', await standIn.authorization(service)],
  };
}

/** A ServiceAccount as kubectl writes it; the same form as in `allow.serviceAccounts`. */
const SERVICE_ACCOUNT = /^(?<namespace>[a-z0-9-]{1,63})\/(?<name>[a-z0-9.-]{1,253})$/;

/** An issuer and a subject, or a ServiceAccount, whose issuer is the cluster if there is only one. */
function readServiceName(written: string, config: AskedSections): AskedService {
  const clusters = Object.keys(config.issuers).filter((name) => config.issuers[name]?.kubernetes !== undefined);
  if (SERVICE_ACCOUNT.test(written)) {
    const [cluster, ...others] = clusters;
    if (cluster !== undefined && others.length === 0) return serviceAccount(cluster, written);
    const choice =
      cluster === undefined
        ? 'none of the issuers is kubernetes'
        : `more than one is kubernetes: ${clusters.join(', ')}`;
    throw new UsageFault(`--service ${written}: ${choice}; write issuer:subject`);
  }
  const colon = written.indexOf(':');
  const issuer = written.slice(0, colon);
  const subject = written.slice(colon + 1);
  if (colon < 1 || subject === '')
    throw new UsageFault('--service is written issuer:subject, or namespace/name for a ServiceAccount');
  if (config.issuers[issuer] === undefined) {
    const known = Object.keys(config.issuers).join(', ') || 'none';
    throw new UsageFault(`${JSON.stringify(issuer)} is not one of the issuers: ${known}`);
  }
  const isServiceAccount = clusters.includes(issuer) && SERVICE_ACCOUNT.test(subject);
  return isServiceAccount ? serviceAccount(issuer, subject) : { issuer, subject, claims: {} };
}

/** The claims that the API server writes into a projected token, without those that name a pod. */
function serviceAccount(issuer: string, written: string): AskedService {
  const [namespace = '', name = ''] = written.split('/');
  return {
    issuer,
    subject: `system:serviceaccount:${namespace}:${name}`,
    claims: { 'kubernetes.io': { namespace, serviceaccount: { name } } },
  };
}

/** Pairs of `name=text` and `name:=JSON`, separated by commas. A name that is given twice is a list; `roles` always is. */
function readPairs(written: string): Record<string, JSONType> {
  const values = new Map<string, JSONType[]>();
  for (const pair of written === '' ? [] : written.split(',')) {
    const [, name, operator, text] = /^([A-Za-z0-9_./:-]*[A-Za-z0-9_./-])(:?=)(.*)$/s.exec(pair) ?? [];
    if (name === undefined || text === undefined) {
      throw new UsageFault(`${JSON.stringify(pair)} is neither name=value nor name:=JSON`);
    }
    const value = operator === ':=' ? jsonOf(text) : text;
    if (value === undefined) throw new UsageFault(`${JSON.stringify(text)} is not JSON`);
    values.set(name, [...(values.get(name) ?? []), value]);
  }
  const entries = [...values].map(
    ([name, list]) => [name, list.length > 1 || name === 'roles' ? list.flat() : list[0]] as const,
  );
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, JSONType] => entry[1] !== undefined));
}
