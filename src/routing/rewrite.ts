/**
 * The path that the upstream sees. Works on the canonical path only, by whole segments, and its result is canonical
 * again or the request is refused: a rewrite after policy must not become a traversal (PTH-21, PTH-22, CVE-2026-67309).
 */

import { Denial } from '../errors.ts';
import { captures, literalText, type RoutePattern } from './pattern.ts';
import type { RouteConfig } from './section.ts';

/**
 * Makes an upstream path from the client's spelling of a canonical path, and the pattern that matched it. Both forms have
 * the same segments: a slash is never decoded.
 */
export type Rewrite = (path: string, pattern: RoutePattern) => string | Denial;

const NOT_CANONICAL = new Denial('request_ambiguous', 'rewritten path has an empty or dot segment');

/**
 * Compiles the `rewrite` of a route.
 *
 * @returns `null` when the path stays as it is
 */
export function compileRewrite(config: RouteConfig['rewrite']): Rewrite | null {
  if (config === undefined) return null;
  const template = config.path;
  if (template !== undefined) return (path, pattern) => refuseUncanonical(fillTemplate(template, pattern, path));
  const strip =
    config.stripPrefix === undefined || config.stripPrefix === '/' ? 0 : config.stripPrefix.split('/').length - 1;
  const prefix =
    config.addPrefix === undefined || config.addPrefix === '/'
      ? ''
      : config.addPrefix.split('/').map(literalText).join('/');
  return (path) => refuseUncanonical(`${prefix}${withoutSegments(path, strip)}`);
}

/** The path without its first segments; at least `/`. */
function withoutSegments(path: string, count: number): string {
  let start = 0;
  for (let stripped = 0; stripped < count; stripped += 1) {
    start = path.indexOf('/', start + 1);
    if (start === -1) return '/';
  }
  return path.slice(start);
}

function fillTemplate(template: string, pattern: RoutePattern, path: string): string {
  const values = captures(pattern, path);
  return template
    .split('/')
    .map((segment) =>
      segment.startsWith(':')
        ? (values.get(segment.slice(1)) ?? '')
        : segment === '*'
          ? (values.get('*') ?? '')
          : literalText(segment),
    )
    .join('/');
}

function refuseUncanonical(path: string): string | Denial {
  const segments = path.slice(1).split('/');
  const isBad = (segment: string, index: number) =>
    segment === '.' || segment === '..' || (segment === '' && index < segments.length - 1);
  return path.startsWith('/') && !segments.some(isBad) ? path : NOT_CANONICAL;
}
