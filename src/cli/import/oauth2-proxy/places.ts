/** Upstreams of an oauth2-proxy as places of the gateway: a name, an address, and the paths that lead there. */

import { pathPattern } from '../../../routing/path-pattern.ts';
import type { OldUpstream } from './model.ts';
import { type PathMatch, readExpression } from './public-paths.ts';
import type { Report } from './report.ts';

/** How the path changes on its way. */
type PathRewrite = Readonly<Partial<Record<'stripPrefix' | 'addPrefix' | 'path', string>>>;

/** An upstream, and the requests that go there. */
export interface UpstreamPlace {
  readonly name: string;
  /** An origin. */
  readonly endpoint: string;
  /** Why the endpoint is not one of oauth2-proxy's; `null` where it is. */
  readonly standsFor: string | null;
  /** A proxy that asks forwards these requests: the upstream is a name only. */
  readonly isAsked: boolean;
  readonly matches: readonly PathMatch[];
  readonly rewrite: PathRewrite | null;
  readonly old: OldUpstream;
}

/** The suggested address for what the gateway cannot replace, such as a file server. */
const STAND_IN = 'http://127.0.0.1:8081';

/** Reads the upstreams. One that cannot be carried over has no place: requests to it go to the next best one, or get 404. */
export function readPlaces(upstreams: readonly OldUpstream[], report: Report): UpstreamPlace[] {
  const names = new Set<string>();
  return upstreams.flatMap((old): UpstreamPlace[] => {
    const paths = readPaths(old);
    if (paths === null) {
      report.dropped(
        old.origin,
        `The path \`${old.path}\` cannot be written as a pattern${old.rewriteTarget === null ? '' : ' with a `rewrite`'}. Write a route for it.`,
      );
      return [];
    }
    const [first] = paths.matches;
    return [{ ...endpointOf(old, report), ...paths, name: freeName(first?.pattern ?? '/', names), old }];
  });
}

function endpointOf(old: OldUpstream, report: Report): Pick<UpstreamPlace, 'endpoint' | 'standsFor' | 'isAsked'> {
  const { uri, origin } = old;
  if (uri === null) return { endpoint: STAND_IN, standsFor: 'a name: the proxy that asks forwards', isAsked: true };
  const url = URL.parse(uri);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') {
    if (old.skipsVerification && url.protocol === 'https:')
      report.dropped(
        old.origins.verification ?? origin,
        'Certificates of upstreams are always verified: `upstreams.<name>.tls.caFile` names the CA.',
      );
    return { endpoint: url.origin, standsFor: null, isAsked: false };
  }
  const isFile = url?.protocol === 'file:';
  const what = isFile ? `the files in ${url.pathname}` : 'what listens on a Unix socket';
  report.dropped(
    origin,
    isFile
      ? `The gateway serves no files: let a web server serve ${url.pathname}.`
      : 'An upstream has a host and a port: let it listen on one.',
  );
  report.todo(`Serve ${what} at ${STAND_IN}, or write another address into \`upstreams\`.`);
  return {
    endpoint: STAND_IN,
    standsFor: `SET THIS: where ${what} ${isFile ? 'are served' : 'can be reached'}`,
    isAsked: false,
  };
}

/** A name from a path: `/api/v1/*` → `api-v1`, `/` → `app`. */
function freeName(pattern: string, taken: Set<string>): string {
  const base =
    pattern
      .replace(/\/\*$/, '')
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'app';
  let name = base;
  for (let number = 2; taken.has(name); number += 1) name = `${base}-${number}`;
  taken.add(name);
  return name;
}

type Paths = Pick<UpstreamPlace, 'matches' | 'rewrite'>;

function readPaths({ path, rewriteTarget }: OldUpstream): Paths | null {
  if (rewriteTarget !== null) return readRewrite(path, rewriteTarget);
  const kind = path.endsWith('/') ? 'path' : 'exactPath';
  const pattern = path.replace(/(.)\/$/, '$1');
  return pathPattern().safeParse(pattern).success && !/[*:]/.test(pattern)
    ? { matches: [{ kind, pattern }], rewrite: null }
    : null;
}

const BELOW = /^\^?(?<prefix>(?:\/[\w.~-]+)*)\/\(\.\*\)\$?$/;

function readRewrite(path: string, target: string): Paths | null {
  const prefix = BELOW.exec(path)?.groups?.['prefix'];
  const added = /^(?<added>(?:\/[\w.~-]+)*)\/\$1$/.exec(target)?.groups?.['added'];
  if (prefix !== undefined && added !== undefined) {
    const pattern = prefix === '' ? '/' : `${prefix}/*`;
    const rewrite = { ...(prefix !== '' && { stripPrefix: prefix }), ...(added !== '' && { addPrefix: added }) };
    return { matches: [{ kind: 'path', pattern }], rewrite: Object.keys(rewrite).length === 0 ? null : rewrite };
  }
  const exact = readExpression(path);
  const isFixed = pathPattern().safeParse(target).success && !/[$*:?]/.test(target);
  if (exact === null || exact.isNarrower || !isFixed || exact.matches.some(({ kind }) => kind !== 'exactPath'))
    return null;
  return { matches: exact.matches, rewrite: { path: target } };
}

/** The path without what stands for more. */
const baseOf = ({ pattern }: PathMatch) => pattern.replace(/\/\*$/, '') || '/';

const isWithin = (path: string, base: string) => base === '/' || path === base || path.startsWith(`${base}/`);

/** The place to which requests at a pattern go: the one whose path is the longest; `null` where there is none. */
export function placeOf(match: PathMatch, places: readonly UpstreamPlace[]): UpstreamPlace | null {
  const path = baseOf(match);
  const reaches = (one: PathMatch) =>
    one.kind === 'exactPath' ? one.pattern === path && match.kind === 'exactPath' : isWithin(path, baseOf(one));
  let best: { readonly place: UpstreamPlace; readonly length: number } | null = null;
  for (const place of places)
    for (const one of place.matches.filter(reaches))
      if (best === null || baseOf(one).length > best.length) best = { place, length: baseOf(one).length };
  return best?.place ?? null;
}

/** Patterns of places that are below a pattern: what is public there is public in them, too. */
export function placesBelow(
  match: PathMatch,
  places: readonly UpstreamPlace[],
): { readonly place: UpstreamPlace; readonly match: PathMatch }[] {
  if (match.kind === 'exactPath') return [];
  const base = baseOf(match);
  const isBelow = (one: PathMatch) => isWithin(baseOf(one), base) && baseOf(one) !== base;
  return places.flatMap((place) => place.matches.filter(isBelow).map((one) => ({ place, match: one })));
}
