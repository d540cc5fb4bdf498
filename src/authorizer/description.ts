/**
 * The request that a proxy describes, read from the question. A client can send headers with the same names, and a proxy
 * that is configured for another form passes them on: so every description in a question has to agree with the one that
 * the form goes by, and none may come twice.
 */

import { Denial } from '../errors.ts';
import { isMethod } from '../lib/http/method.ts';
import { canonicalHost } from '../sanitize/host.ts';
import { type Form, targetAfterPrefix } from './form.ts';

/** The described request. Untrusted apart from where it comes from: `sanitize` judges it like any other. */
export interface Description {
  readonly method: string;
  /** As in a Host header. */
  readonly host: string;
  /** As in a request line. */
  readonly target: string;
  /** `https` or `http`, if the proxy says; lower case. */
  readonly scheme: string | null;
}

/** The question, as far as it describes a request. */
interface DescribingRequest {
  readonly method: string;
  readonly target: string;
  /** Flat name, value list. */
  readonly rawHeaders: readonly string[];
}

const TWICE = new Denial('request_ambiguous', 'the proxy describes the request twice');
const CONFLICT = new Denial('request_ambiguous', 'two headers describe the request in different ways');
const INCOMPLETE = new Denial('request_malformed', 'the proxy does not send the headers of this form');
const BAD_METHOD = new Denial('request_malformed', 'described method is not a method');
const BAD_URL = new Denial('request_malformed', 'X-Original-URL is not an absolute URL');
const NOT_ORIGIN_FORM = new Denial('request_malformed', 'described target is not origin-form');
/**
 * A proxy that does not decode such an escape routes by another path than the rules were chosen by. `%7E` is left out:
 * Java's `URLEncoder` writes it, and no route depends on a tilde.
 */
const NEEDLESS_ESCAPE = new Denial('request_ambiguous', 'path escapes a letter, digit, "-", "." or "_"');
/** Left by a move from oauth2-proxy, it would be a rule that nobody applies. */
const OTHER_RULES = new Denial(
  'request_malformed',
  'the question has a rule of oauth2-proxy (allowed_groups, allowed_emails or allowed_email_domains): write it into `allow` of a route',
);
const RULE_OF_OAUTH2_PROXY = /[?&]allowed_(?:groups|emails|email_domains)=/;

/** Where each header goes. Single spellings: a folded one (`X_Forwarded_Uri`) describes nothing. */
const PLACES = {
  'x-forwarded-method': 'forwardedMethod',
  'x-forwarded-host': 'forwardedHost',
  'x-forwarded-uri': 'forwardedUri',
  'x-original-method': 'originalMethod',
  'x-original-url': 'originalUrl',
  host: 'host',
} as const;
type FieldPlace = (typeof PLACES)[keyof typeof PLACES];
type Found = Partial<Record<FieldPlace, string>>;
const PLACE_OF: ReadonlyMap<string, FieldPlace> = new Map(Object.entries(PLACES));
const HOST_ALONE: ReadonlyMap<string, FieldPlace> = new Map([['host', 'host']]);

/**
 * What describes the request: headers, which a client can send as well; or the message over gRPC, beside which the other
 * headers of {@link DESCRIBING} are a client's and mean nothing.
 */
export type DescribedBy = 'headers' | 'message';

/**
 * Names of the headers that describe a request, lower case. A client's copy of one never reaches an upstream through
 * us.
 */
export const DESCRIBING: ReadonlySet<string> = new Set(PLACE_OF.keys());

/** scheme "://" authority, without user information; then path and query. */
const ABSOLUTE_URL = /^(?<scheme>https?):\/\/(?<authority>[^/?#@\\]+)(?<rest>[/?].*)?$/i;
const ESCAPED_PLAIN = /%(?:2[DE]|3\d|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9A])/i;

/**
 * Reads what a question describes.
 *
 * Does not judge the host, the path or the query: `sanitize` does.
 *
 * @returns the request, or a Denial `request_ambiguous` | `request_malformed`
 */
export function describedRequest(
  form: Form,
  question: DescribingRequest,
  by: DescribedBy = 'headers',
): Description | Denial {
  const found = collect(question.rawHeaders, by === 'headers' ? PLACE_OF : HOST_ALONE);
  if (found instanceof Denial) return found;
  const url = found.originalUrl === undefined ? null : readUrl(found.originalUrl);
  if (url instanceof Denial) return url;
  const described = byForm(form, question, found, url);
  if (described === null) return INCOMPLETE;
  const { method, host, target } = described;
  if (!isMethod(method)) return BAD_METHOD;
  if (!target.startsWith('/')) return NOT_ORIGIN_FORM;
  if (conflicts(found, url, described)) return CONFLICT;
  if (form !== 'ext-authz' && hasOtherRules(question.target, target)) return OTHER_RULES;
  const path = target.split('?', 1)[0] as string;
  if (path.includes('%') && ESCAPED_PLAIN.test(path)) return NEEDLESS_ESCAPE;
  return { method, host, target, scheme: url?.scheme ?? null };
}

/** Whether the proxy asks with a rule. Caddy appends the query of the described request, in which a client may write the same. */
const hasOtherRules = (asked: string, described: string): boolean =>
  RULE_OF_OAUTH2_PROXY.test(asked) && queryOf(asked) !== queryOf(described);

const queryOf = (target: string): string => target.slice(target.indexOf('?') + 1);

function collect(rawHeaders: readonly string[], places: ReadonlyMap<string, FieldPlace>): Found | Denial {
  const found: Found = {};
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    const place = places.get(name) ?? places.get(name.toLowerCase());
    if (place === undefined) continue;
    if (found[place] !== undefined) return TWICE;
    found[place] = rawHeaders[index + 1] as string;
  }
  return found;
}

type Stated = Omit<Description, 'scheme'>;

/** `null` when the question lacks a part. */
function byForm(form: Form, question: DescribingRequest, found: Found, url: ReadUrl | null): Stated | null {
  if (form === 'ext-authz') {
    const { method, target } = question;
    return found.host === undefined ? null : { method, host: found.host, target: targetAfterPrefix(target) };
  }
  const [method, host, target] =
    form === 'forward-auth'
      ? [found.forwardedMethod, found.forwardedHost, found.forwardedUri]
      : [found.originalMethod, url?.host, url?.target];
  return method === undefined || host === undefined || target === undefined ? null : { method, host, target };
}

interface ReadUrl {
  readonly scheme: string;
  readonly host: string;
  readonly target: string;
}

function readUrl(text: string): ReadUrl | Denial {
  const groups = ABSOLUTE_URL.exec(text)?.groups;
  if (groups === undefined) return BAD_URL;
  const { scheme = '', authority = '', rest = '/' } = groups;
  return { scheme: scheme.toLowerCase(), host: authority, target: rest.startsWith('?') ? `/${rest}` : rest };
}

function conflicts(found: Found, url: ReadUrl | null, { method, host, target }: Stated): boolean {
  const { forwardedMethod = method, originalMethod = method, forwardedHost = host, forwardedUri = target } = found;
  return (
    forwardedMethod !== method ||
    originalMethod !== method ||
    forwardedUri !== target ||
    (url?.target ?? target) !== target ||
    !isSameHost(forwardedHost, host) ||
    !isSameHost(url?.host ?? host, host)
  );
}

/** Ports do not count: a proxy may leave out that of its own address. */
function isSameHost(one: string, other: string): boolean {
  if (one === other) return true;
  const [first, second] = [canonicalHost(one), canonicalHost(other)];
  return !(first instanceof Denial) && !(second instanceof Denial) && first.name === second.name;
}
