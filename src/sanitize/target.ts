/** The request target (RFC 9112 §3.2): origin-form, or absolute-form with the same host as the Host header. */

import { Denial } from '../errors.ts';
import { canonicalHost } from './host.ts';
import { type CanonicalPath, canonicalPath } from './path.ts';

/** A request target in canonical form. */
export interface CanonicalTarget extends CanonicalPath {
  /** The query with its leading `?`, byte for byte as received; empty when there is none. */
  readonly query: string;
}

const TOO_LONG = new Denial('target_too_long', 'request target too long');
const ASTERISK = new Denial('request_malformed', 'asterisk-form request target');
const NOT_A_TARGET = new Denial('request_malformed', 'request target is neither origin-form nor absolute-form');
const AUTHORITY_MISMATCH = new Denial(
  'request_ambiguous',
  'absolute-form target names another host than the Host header',
);
const BAD_QUERY = new Denial('request_ambiguous', 'character outside visible ASCII, or fragment, in query');

/** scheme "://" authority, without user information; then path and query. */
const ABSOLUTE_FORM = /^https?:\/\/(?<authority>[^/?#@\\]+)(?<rest>[/?].*)?$/i;
const QUERY = /^\?[\x21\x22\x24-\x7e]*$/;

/**
 * Splits a request target into canonical path and query.
 *
 * Routing and policy ignore the query, so it is passed on unchanged; only characters that a target must not contain are
 * refused.
 *
 * @param target          the request target as received
 * @param host            the canonical host of the request
 * @param maxTargetBytes  longer targets are refused with `target_too_long`
 * @see test/attack/path.test.ts (PTH-19, PTH-20, PTH-25 … PTH-30)
 */
export function canonicalTarget(target: string, host: string, maxTargetBytes: number): CanonicalTarget | Denial {
  if (target.length > maxTargetBytes) return TOO_LONG;
  const local = target.charCodeAt(0) === 0x2f ? target : originForm(target, host);
  if (local instanceof Denial) return local;

  const questionMark = local.indexOf('?');
  const query = questionMark === -1 ? '' : local.slice(questionMark);
  if (query !== '' && !QUERY.test(query)) return BAD_QUERY;
  const canonical = canonicalPath(questionMark === -1 ? local : local.slice(0, questionMark));
  if (canonical instanceof Denial) return canonical;
  const { path, spelling, hasEncodedSlash, hasSemicolon } = canonical;
  return { path, spelling, query, hasEncodedSlash, hasSemicolon };
}

/** The origin-form of an absolute-form target with the same host as the Host header, else a Denial. */
function originForm(target: string, host: string): string | Denial {
  if (target === '*') return ASTERISK;
  const groups = ABSOLUTE_FORM.exec(target)?.groups;
  if (groups === undefined) return NOT_A_TARGET;
  const authority = canonicalHost(groups['authority'] ?? '');
  if (authority instanceof Denial || authority.name !== host) return AUTHORITY_MISMATCH;
  const rest = groups['rest'] ?? '/';
  return rest.startsWith('?') ? `/${rest}` : rest;
}
