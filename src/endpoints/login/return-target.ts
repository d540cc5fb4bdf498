/**
 * Where a person goes after logging in: a path on the same origin, read by the function that reads request targets, so that
 * `Location` has the one meaning that was checked. Anything else becomes `/`.
 *
 * @see test/attack/redirect.test.ts (RED-01 … RED-21)
 */

import { Denial } from '../../errors.ts';
import type { CanonicalTarget } from '../../sanitize/target.ts';

/** The reader of request targets: a path and query in canonical form, or why they are refused. */
type TargetReader = (target: string) => CanonicalTarget | Denial;

/** The target when there is no other. */
export const HOME = '/';

/** Longer targets are dropped (RED-17). */
const MAX_LENGTH = 8_192;

/** Paths below `basePath` that a person may want to return to; the others would lead in a circle. */
const OWN_TARGETS = ['/sessions', '/session', '/authorize', '/device', '/hand-over'];

/** Reads return targets for one configuration. */
export class ReturnTargets {
  readonly #readTarget: TargetReader;
  readonly #basePath: string;

  constructor(readTarget: TargetReader, basePath: string) {
    this.#readTarget = readTarget;
    this.#basePath = basePath;
  }

  /**
   * A target that is safe to redirect to.
   *
   * @param wanted  what the request asks for, untrusted; `null` when it says nothing
   * @returns a path, with a query perhaps, that begins with exactly one slash; never an origin, a backslash, a control
   */
  read(wanted: string | null): string {
    if (wanted === null || wanted.length > MAX_LENGTH || !wanted.startsWith('/')) return HOME;
    const target = this.#readTarget(wanted);
    if (target instanceof Denial || this.#leadsInACircle(target.path)) return HOME;
    // The reader refuses empty and dot segments behind an encoded slash too, so a client that decodes the address before it
    // follows it (RED-10) stays on this origin. A backslash in the query would be a slash to some.
    return `${target.spelling}${target.query.replaceAll('\\', '%5C')}`;
  }

  /** The target in a query string, `?return_to=…`; given twice, it counts as not given. */
  fromQuery(query: string): string {
    const wanted = new URLSearchParams(query).getAll('return_to');
    return this.read(wanted.length === 1 ? (wanted[0] ?? null) : null);
  }

  #leadsInACircle(path: string): boolean {
    const base = this.#basePath;
    if (path !== base && !path.startsWith(`${base}/`)) return false;
    return !OWN_TARGETS.includes(path.slice(base.length));
  }
}
