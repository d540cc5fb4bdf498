/**
 * Paths that need no login. oauth2-proxy has regular expressions for them, the gateway has patterns: an expression becomes a
 * pattern that matches nothing more than the expression, or none at all. Two exceptions: to a route, a path with and without a slash at its
 * end is the same, and GET includes HEAD.
 */

import { pathPattern } from '../../../routing/path-pattern.ts';
import { ROUTE_METHODS } from '../../../routing/section.ts';

/** A pattern of a route. */
export interface PathMatch {
  /** `path` also matches what is below it. */
  readonly kind: 'path' | 'exactPath';
  readonly pattern: string;
}

/** An expression that was read. */
export interface ReadExpression {
  readonly matches: readonly PathMatch[];
  /** Whether the expression also matches paths that the patterns do not. */
  readonly isNarrower: boolean;
}

/** An entry of `skip_auth_routes`. */
export interface PublicPath extends ReadExpression {
  /** `null`: all. */
  readonly method: string | null;
}

/**
 * Reads an entry: `GET=^/health$`, `^/static/`, `/ready`.
 *
 * @returns why it cannot be carried over, where it cannot
 */
export function readPublicPath(written: string): PublicPath | string {
  if (written.includes('!=')) return 'It makes everything public but some paths. Write the public paths as routes.';
  const { method = null, expression = written } =
    /^(?<method>[A-Za-z]*)=(?<expression>.*)$/s.exec(written)?.groups ?? {};
  const name = method === null || method === '' ? null : method.toUpperCase();
  if (name !== null && !ROUTE_METHODS.includes(name as (typeof ROUTE_METHODS)[number]))
    return `${name} is not a method that a route can list.`;
  const read = readExpression(expression);
  return read === null
    ? 'It is not the beginning of a path, nor a whole one. Write the public paths as routes.'
    : { ...read, method: name };
}

/** The most alternatives that one expression can have. */
const MAX_ALTERNATIVES = 50;

/** Reads a regular expression that stands for whole paths, or for everything below them; `null` for any other. */
export function readExpression(expression: string): ReadExpression | null {
  const isAnchored = expression.startsWith('^');
  const { body, end } = endOf(isAnchored ? expression.slice(1) : expression);
  const paths = literalsOf(body);
  if (paths === null) return null;
  const read = paths.map((path) => matchOf(path, end));
  if (read.some((one) => one === null)) return null;
  const found = read.filter((one) => one !== null);
  return {
    matches: found.flatMap(({ matches }) => matches),
    isNarrower: !isAnchored || found.some(({ isNarrower }) => isNarrower),
  };
}

type End = 'exact' | 'below' | 'open' | 'more' | 'slash';

/** How an expression ends: `$`, `(/.*)?$`, `/.*`, or open. */
function endOf(text: string): { body: string; end: End } {
  const ends: readonly [RegExp, End][] = [
    [/\(\??:?\\?\/\.\*\)\?\$$/, 'below'],
    [/\(\??:?\\?\/\|\$\)$/, 'below'],
    [/\\?\/\?\$$/, 'slash'],
    [/\.\*\$?$/, 'open'],
    [/\.\+\$?$/, 'more'],
    [/\$$/, 'exact'],
  ];
  for (const [pattern, end] of ends) if (pattern.test(text)) return { body: text.replace(pattern, ''), end };
  return { body: text, end: 'open' };
}

/** The texts that an expression of literals and groups of literals stands for; `null` for any other. */
function literalsOf(text: string): string[] | null {
  let texts = [''];
  let rest = text;
  while (rest !== '') {
    const group = /^\((?:\?:)?(?<alternatives>[^()[\]{}*+?^$]*)\)/.exec(rest);
    const literal = /^(?:\\(?<escaped>[^A-Za-z0-9])|(?<plain>[A-Za-z0-9/_~%&=:@,;!'-]))/.exec(rest);
    const alternatives =
      group === null
        ? [literal?.groups?.['escaped'] ?? literal?.groups?.['plain']]
        : (group.groups?.['alternatives'] ?? '').split('|').map(unescaped);
    if (alternatives.some((one) => one == null)) return null;
    texts = texts.flatMap((before) => alternatives.map((one) => `${before}${one}`));
    if (texts.length > MAX_ALTERNATIVES) return null;
    rest = rest.slice((group ?? literal)?.[0].length ?? 0);
  }
  return texts.every((one) => one.startsWith('/')) ? texts : null;
}

function unescaped(text: string): string | null {
  const bare = text.replaceAll(/\\([^A-Za-z0-9])/g, '\u0000$1');
  return /(?<!\u0000)[.\\]/.test(bare) ? null : bare.replaceAll('\u0000', '');
}

function matchOf(path: string, end: End): ReadExpression | null {
  if (end === 'more') return checked('path', path.endsWith('/') ? `${path}*` : `${path}/*`, !path.endsWith('/'));
  if (end === 'open' && path === '/') return { matches: [{ kind: 'path', pattern: '/' }], isNarrower: false };
  if (end === 'open' && path.endsWith('/')) return checked('path', `${path}*`, false);
  // `^/api` matches /apix as well.
  if (end === 'open') return checked('path', path, true);
  if (end === 'below') return path.endsWith('/') ? null : checked('path', path, false);
  return checked('exactPath', path, end === 'slash');
}

function checked(kind: PathMatch['kind'], pattern: string, isNarrower: boolean): ReadExpression | null {
  return /\/:|\*./.test(pattern) || !pathPattern().safeParse(pattern).success
    ? null
    : { matches: [{ kind, pattern }], isNarrower };
}
