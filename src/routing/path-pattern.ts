/**
 * Path patterns of routes. A literal segment must be spelt as requests are when they are matched. Otherwise it would never
 * match, and what its route protects would go to the next best route.
 */

import { z } from 'zod';
import { Denial } from '../errors.ts';
import { canonicalPath } from '../sanitize/path.ts';
import { literalText, writtenLiteral } from './pattern.ts';

const PATH_PATTERN = /^\/(?:[A-Za-z0-9._~!$&'()+,;=@:%-]+(?:\/[A-Za-z0-9._~!$&'()+,;=@:%-]+)*(?:\/\*)?|\*)?$/;

/** A path pattern that some request can match. */
export const pathPattern = () =>
  z
    .string()
    .regex(
      PATH_PATTERN,
      'is not a path pattern: begin with "/", no "//", no trailing "/", ":name" for one segment, "*" only as the last segment',
    )
    .superRefine((pattern, context) => {
      if (!PATH_PATTERN.test(pattern)) return;
      const canonical = canonicalPattern(pattern);
      if (canonical instanceof Denial) {
        context.addIssue({ code: 'custom', message: `would match no request: ${canonical.note}` });
      } else if (canonical !== pattern) {
        const message = 'would match no request: it is not spelt as paths are when they are matched';
        context.addIssue({ code: 'custom', message, params: { hint: `write "${canonical}"` } });
      }
    })
    .meta({ kind: 'path pattern' });

/** The spelling of a pattern in which its literal segments match; or why requests with such a segment are refused. */
function canonicalPattern(pattern: string): string | Denial {
  const canonical: string[] = [];
  for (const written of pattern.slice(1).split('/')) {
    const isOpen = written === '' || written === '*' || written.startsWith(':');
    const literal = isOpen ? null : canonicalPath(`/${literalText(written)}`);
    if (literal instanceof Denial) return literal;
    canonical.push(literal === null ? written : writtenLiteral(literal.path.slice(1)));
  }
  return `/${canonical.join('/')}`;
}
