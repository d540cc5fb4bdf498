/**
 * Paths that have more than one reading. A route may accept `;` and `%2F` (`pathExceptions`), and what its upstream makes of
 * them is not known here: it may take `/api%2Fadmin` for `/api/admin`, and `/admin;x=1` for `/admin`. So the path is matched in
 * every reading, and the strictest of the routes found applies. Where none of them is as strict as all others, or where the
 * upstream would read a path that a plain request could not have sent it, the request is refused: an exception opens nothing.
 *
 * Input: a canonical path, of which every segment is known to be neither empty nor a dot segment in any reading
 * (`sanitize/path.ts`). Never waits, never throws.
 */

import { isDeepStrictEqual } from 'node:util';
import type { AcceptedCredential, CredentialRule } from '../authentication/kinds.ts';
import { Denial } from '../errors.ts';
import type { CanonicalPath } from '../sanitize/path.ts';
import type { Route } from './route.ts';
import type { RouteEntry, RouteTable } from './table.ts';

const ENCODED_SLASH = new Denial('request_ambiguous', 'encoded slash in path, and no exception on the route');
const SEMICOLON = new Denial('request_ambiguous', 'semicolon in path, and no exception on the route');
const OTHER_RULES = new Denial(
  'request_ambiguous',
  'the upstream may read the path as one with stricter or other rules',
);

/** Stands for a `;` that arrived as `%3B`. No canonical path has a space. */
const ESCAPED = ' ';

type PathReading = (marked: string) => string;

const decodeSlashes: PathReading = (marked) => marked.replaceAll('%2F', '/');

const AS_WRITTEN: PathReading = (marked) => marked;

/** What servers do with parameters of segments. */
const CUTS: readonly PathReading[] = [
  AS_WRITTEN,
  // Servlet containers: in every segment, before escapes are decoded.
  (marked) => marked.replace(/;[^/]*/g, ''),
  // The same, after escapes are decoded.
  (marked) => marked.replace(/[; ][^/]*/g, ''),
  // RFC 1808 §2.4.5, as in Python's `urlparse`: in the last segment only.
  (marked) => {
    const semicolon = marked.indexOf(';', marked.lastIndexOf('/'));
    return semicolon === -1 ? marked : marked.slice(0, semicolon);
  },
  // `uri.split(';')[0]`: the rest of the path.
  (marked) => marked.split(';', 1)[0] as string,
];

/** Every reading of a path but the one as it is written: slashes are decoded before, after, or not at all. */
const READINGS: readonly PathReading[] = CUTS.flatMap((cut) => [
  cut,
  (marked: string) => decodeSlashes(cut(marked)),
  (marked: string) => cut(decodeSlashes(marked)),
]).slice(1);

/** A path in which semicolons that arrived escaped are marked. */
function withMarks({ path, spelling }: Pick<CanonicalPath, 'path' | 'spelling'>): string {
  const spelt = spelling.match(/;|%3b/gi) ?? [];
  let at = 0;
  return path.replaceAll(';', () => {
    const isPlain = spelt[at] === ';';
    at += 1;
    return isPlain ? ';' : ESCAPED;
  });
}

const withoutMarks = (marked: string) => marked.replaceAll(ESCAPED, ';');

/** A request, as far as its readings are concerned. */
interface ManyReadings {
  readonly host: string;
  readonly method: string;
  readonly target: Pick<CanonicalPath, 'path' | 'spelling' | 'hasEncodedSlash' | 'hasSemicolon'>;
}

/**
 * Finds the entry that decides about a path with `;` or `%2F`.
 *
 * @param found       what the path matches as it is written
 * @param isReserved  whether a path is an endpoint of the gateway, which no upstream is asked for
 * @returns the entry whose route is at least as strict as that of every reading, or a Denial `request_ambiguous`
 */
export function matchReadings(
  table: RouteTable<Route>,
  found: RouteEntry<Route>,
  { host, method, target }: ManyReadings,
  isReserved: (path: string) => boolean,
): RouteEntry<Route> | Denial {
  const refused = missingException(found.route, target);
  if (refused !== null) return refused;
  const written = withMarks(target);
  const matches = [{ reading: AS_WRITTEN, path: written, entry: found }];
  for (const reading of READINGS) {
    const path = reading(written);
    const plain = withoutMarks(path);
    const entry = path === written ? found : isReserved(plain) ? null : table.match(host, plain, method);
    if (entry === null || entry instanceof Denial) return OTHER_RULES;
    matches.push({ reading, path, entry });
  }
  const strictest = matches.find(({ entry }) =>
    matches.every((other) => isAtLeastAsStrict(entry.route, other.entry.route)),
  )?.entry;
  if (strictest === undefined) return OTHER_RULES;
  const sent = rewritten(strictest, written);
  // A rewrite may take other segments away than it would from the path that is read.
  for (const { reading, path, entry } of matches) {
    if (sent === null || reading(sent) !== rewritten(entry, path)) return OTHER_RULES;
  }
  return missingException(strictest.route, target) ?? strictest;
}

/** Why a route does not take a path of this form; `null` when it does. */
export function missingException(route: Route, target: ManyReadings['target']): Denial | null {
  if (target.hasEncodedSlash && !route.allowsEncodedSlash) return ENCODED_SLASH;
  return target.hasSemicolon && !route.allowsSemicolon ? SEMICOLON : null;
}

/** What an upstream is sent for a path; `null` when it is refused. */
function rewritten({ route, pattern }: RouteEntry<Route>, path: string): string | null {
  const result = route.rewrite === null ? path : route.rewrite(path, pattern);
  return result instanceof Denial ? null : result;
}

/** Whether the first of two routes admits nobody, and passes nothing, that the second would not. */
type Comparison = (one: Route, other: Route) => boolean;

const irrelevant: Comparison = () => true;
const equal =
  (key: keyof Route): Comparison =>
  (one, other) =>
    isDeepStrictEqual(one[key], other[key]);
/** Off is stricter than on. */
const off =
  (key: 'allowsWebSocket' | 'passesAuthorization' | 'relaysSessionCookie'): Comparison =>
  (one, other) =>
    !one[key] || other[key];

const bodyLimit = ({ maxBodyBytes }: Route) => maxBodyBytes ?? Number.POSITIVE_INFINITY;

/**
 * By what a route says: the compiler asks for each. Rules that differ are not weighed against each other; then the answer
 * is no. `rewrite` is judged by what it sends, methods by the match.
 */
const COMPARISONS: { readonly [K in keyof Route]: Comparison } = {
  id: irrelevant,
  index: irrelevant,
  methods: irrelevant,
  hasOwnMethods: irrelevant,
  leavesOtherMethods: irrelevant,
  credential: ({ credential }, other) => asksNoLess(credential, other.credential),
  allow: (one, { allow }) => allow === null || isDeepStrictEqual(one.allow, allow),
  require: (one, { require }) => require === null || isDeepStrictEqual(one.require, require),
  upstream: equal('upstream'),
  // What they send about the principal does not matter: it is the same one, and it was admitted.
  audience: irrelevant,
  upstreamToken: irrelevant,
  tokenHeader: irrelevant,
  providerToken: irrelevant,
  identityHeaders: irrelevant,
  hostHeader: equal('hostHeader'),
  namesClient: equal('namesClient'),
  rewrite: irrelevant,
  requestHeaders: equal('requestHeaders'),
  responseHeaders: equal('responseHeaders'),
  firstByteTimeoutMs: irrelevant,
  idleTimeoutMs: irrelevant,
  maxBodyBytes: (one, other) => bodyLimit(one) <= bodyLimit(other),
  allowsWebSocket: off('allowsWebSocket'),
  checksOrigin: (one, other) => one.checksOrigin || !other.checksOrigin,
  allowsEncodedSlash: irrelevant,
  allowsSemicolon: irrelevant,
  cors: (one, other) => one.cors === null || one.cors === other.cors,
  passesAuthorization: off('passesAuthorization'),
  relaysSessionCookie: off('relaysSessionCookie'),
  onUnauthenticated: irrelevant,
  login: irrelevant,
};

const ALL_COMPARISONS = Object.values(COMPARISONS);

const isAtLeastAsStrict: Comparison = (one, other) =>
  one === other || ALL_COMPARISONS.every((holds) => holds(one, other));

const RANKS = { public: 0, optional: 1, required: 2 } as const;

function asksNoLess(one: CredentialRule, other: CredentialRule): boolean {
  if (other.kind === 'public') return true;
  return (
    RANKS[one.kind] >= RANKS[other.kind] &&
    one.accepts.every((accepted) => other.accepts.some((known) => isSame(accepted, known)))
  );
}

/** Destinations, whose credential no route can write, each send a token of their own: no two are the same. */
const isSame = (one: AcceptedCredential, other: AcceptedCredential): boolean =>
  one.kind.written !== null && isDeepStrictEqual({ ...one, challenge: null }, { ...other, challenge: null });
