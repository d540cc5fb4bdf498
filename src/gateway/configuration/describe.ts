/** Describes routes and their keys for people: `sallyport routes`, `explain`, and the admin page. */

import { describeCredential } from '../../authentication/credential.ts';
import type { AllowConfig, Requirement } from '../../authorization/section.ts';
import { formatDuration } from '../../lib/text/units.ts';
import type { DestinationConfig } from '../../outbound/section.ts';
import { formatPattern } from '../../routing/pattern.ts';
import type { Route } from '../../routing/route.ts';
import type { RouteEntry } from '../../routing/table.ts';

/** Describes the token that a call to a destination gets. */
function describeDestinationToken(token: DestinationConfig['token']): string {
  const { service, clientCredentials, exchange } = token;
  if (service !== undefined) return 'service token';
  if (clientCredentials !== undefined) return `client credentials at ${clientCredentials.tokenUrl}`;
  if (exchange === undefined) return 'ServiceAccount token';
  return `exchange at ${exchange.tokenUrl}${exchange.whenMissing === 'service' ? ', or service token' : ''}`;
}

type List = NonNullable<AllowConfig['roles']>;
/** `a or b`, `a and b`. */
export const describeList = (list: List): string =>
  'all' in list ? list.all.join(' and ') : ('any' in list ? list.any : list).join(' or ');

/** `cart`, `user alice`, `service cart of cluster`. */
export function describeSubject(entry: NonNullable<AllowConfig['subjects']>[number]): string {
  if (typeof entry === 'string') return entry;
  const named = 'user' in entry ? `user ${entry.user}` : `service ${entry.service}`;
  return entry.issuer === undefined ? named : `${named} of ${entry.issuer}`;
}

type Leaf = Omit<AllowConfig, 'any' | 'all'>;

/** An `allow` rule on one line. */
function describeAllow(allow: AllowConfig | undefined): string {
  if (allow === undefined) return '-';
  const { any, all, ...leaf } = allow;
  const group = (leaves: readonly Leaf[], word: string) =>
    `(${leaves.map((part) => describeLeaf(part).join(', ')).join(word)})`;
  return [
    ...describeLeaf(leaf),
    ...(any === undefined ? [] : [group(any, ' or ')]),
    ...(all === undefined ? [] : [group(all, ' and ')]),
  ].join(', ');
}

function describeLeaf({ roles, scopes, subjects, serviceAccounts, claims }: Leaf): string[] {
  const list = (value: NonNullable<Leaf['roles']>) =>
    'all' in value ? value.all.join('+') : ('any' in value ? value.any : value).join('|');
  return [
    ...(roles === undefined ? [] : [`role ${list(roles)}`]),
    ...(scopes === undefined ? [] : [`scope ${list(scopes)}`]),
    ...(subjects === undefined ? [] : [`subject ${subjects.map(describeSubject).join('|')}`]),
    ...(serviceAccounts === undefined ? [] : [`ServiceAccount ${serviceAccounts.join('|')}`]),
    ...Object.entries(claims ?? {}).map(([name, value]) => `${name}=${[value].flat().join('|')}`),
  ];
}

/** The criteria of a `require` rule, separately. */
export function requirementParts({
  acr,
  amr,
  maxAge,
}: Requirement): { readonly words: string; readonly rule: Requirement }[] {
  return [
    ...(acr === undefined ? [] : [{ words: `acr ${acr.join(' or ')}`, rule: { acr } }]),
    ...(amr === undefined ? [] : [{ words: `amr ${describeList(amr)}`, rule: { amr } }]),
    ...(maxAge === undefined ? [] : [{ words: `login at most ${formatDuration(maxAge)} ago`, rule: { maxAge } }]),
  ];
}

/** What a route asks of its callers, on one line: `allow`, then `require`. */
function describeRules(allow: AllowConfig | undefined, requirement: Requirement | undefined): string {
  if (requirement === undefined) return describeAllow(allow);
  const required = requirementParts(requirement).map(({ words }) => words);
  return [...(allow === undefined ? [] : [describeAllow(allow)]), ...required].join(', ');
}

/** Shown instead of an audience where no token is minted. */
const AUDIENCES: Readonly<Record<string, string>> = { original: 'as presented', none: '-' };

/** The keys of a route that say who is let in. */
interface WrittenRules {
  readonly allow?: AllowConfig | undefined;
  readonly require?: Requirement | undefined;
}

/** One pattern of a route, in words. @param written  the route in the configuration */
export function describeRoute({ pattern, route }: RouteEntry<Route>, { allow, require: required }: WrittenRules) {
  return {
    pattern: formatPattern(pattern),
    methods: describeMethods(route),
    credential: describeCredential(route.credential),
    allow: describeRules(allow, required),
    upstream: route.upstream,
    audience: AUDIENCES[route.upstreamToken] ?? route.audience,
    id: route.id,
  };
}

/** One pattern of a destination of the outbound side, in words. @param written  the destination in the configuration */
export function describeDestination(
  { pattern, route }: RouteEntry<Route>,
  { token }: Pick<DestinationConfig, 'token'>,
) {
  return {
    listener: 'outbound',
    pattern: formatPattern(pattern),
    methods: describeMethods(route),
    token: describeDestinationToken(token),
    upstream: route.upstream,
    audience: route.audience,
    id: route.id,
  };
}

const describeMethods = ({ hasOwnMethods, methods }: Route): string => (hasOwnMethods ? [...methods].join(' ') : 'any');
