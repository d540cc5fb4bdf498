/**
 * The canonical path: the one spelling of a path that routing, policy and forwarding all use.
 *
 * Ambiguous paths are refused, never repaired: dot segments, empty segments, backslashes, encoded separators and controls,
 * overlong or malformed UTF-8, characters that normalise into separators. Several spellings of one meaning become one
 * spelling: a character that a segment may contain (RFC 3986 §3.3, pchar) stands for itself, every other one is an escape
 * with upper-case digits (§6.2.2.1). The RFC allows decoding for escapes of unreserved characters only (§6.2.2.2), because
 * an application may distinguish `%40` from `@` (§2.2). Policy treats them as one path (PTH-13), and the upstream gets the
 * client's spelling, which signed URLs and object stores depend on. Raw characters outside the RFC
 * are refused, except for those that browsers send unescaped, which are escaped here. Nothing is decoded twice: `%252e`
 * stays `%252e`.
 */

import { Denial } from '../errors.ts';

/** A canonical path, and the ambiguities that a route has to accept explicitly. */
export interface CanonicalPath {
  readonly path: string;
  /**
   * The same path as the client spelled it, for the upstream: like `path`, but an escape of anything except an unreserved
   * character is left as it came. Its own canonical form is `path` (docs/adr/0016-spelling-of-escapes.md).
   */
  readonly spelling: string;
  /** Contains `%2F`: refused unless the route has the path exception `encodedSlash`. */
  readonly hasEncodedSlash: boolean;
  /** Contains `;`, possibly sent as `%3B`: refused unless the route has the path exception `semicolon`. */
  readonly hasSemicolon: boolean;
}

const ambiguous = (note: string) => new Denial('request_ambiguous', note);
const NOT_ABSOLUTE = new Denial('request_malformed', 'path does not begin with a slash');
const EMPTY_SEGMENT = ambiguous('empty path segment');
const DOT_SEGMENT = ambiguous('dot segment in path');
const BACKSLASH = ambiguous('backslash in path');
const FRAGMENT = ambiguous('fragment in request target');
const BAD_CHARACTER = ambiguous('character outside visible ASCII in request target');
const UNESCAPED = ambiguous('character in path that has to be escaped');
const BAD_ESCAPE = ambiguous('malformed percent escape in path');
const ENCODED_CONTROL = ambiguous('encoded control character in path');
const ENCODED_BACKSLASH = ambiguous('encoded backslash in path');
const BAD_UTF8 = ambiguous('escapes in path are not valid UTF-8');
const CONFUSABLE = ambiguous('path has a character that normalises to a separator');

/** Characters of a segment (RFC 3986 §3.3: unreserved, sub-delims, ":" and "@"), which are never escaped. */
const SEGMENT_CHARACTERS = new Set(
  [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@"].map((text) =>
    text.charCodeAt(0),
  ),
);
/** RFC 3986 §2.3. Escaping one of these never makes a difference. */
const UNRESERVED = new Set(
  [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~'].map((text) => text.charCodeAt(0)),
);
/** Outside the RFC, but sent unescaped by browsers (WHATWG URL §1.3, path percent-encode set). */
const RAW_OF_BROWSERS = new Set([...'[]|^'].map((text) => text.charCodeAt(0)));
/** Segments of these characters except ";" that do not begin with a dot. */
const PLAIN_REQUEST_PATH = /^(?:\/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)+\/?$/;

/**
 * Converts a path to its canonical form.
 *
 * @param path  the part of the request target before `?`, as received
 * @returns the canonical path, or a Denial `request_ambiguous` / `request_malformed`
 * @see test/attack/path.test.ts (PTH-01 … PTH-21)
 */
export function canonicalPath(path: string): CanonicalPath | Denial {
  // Most paths are already canonical, which one regular expression without alternatives can tell.
  if (path === '/' || PLAIN_REQUEST_PATH.test(path)) {
    return { path, spelling: path, hasEncodedSlash: false, hasSemicolon: false };
  }
  if (path.charCodeAt(0) !== 0x2f) return NOT_ABSOLUTE;

  const forms = canonicalForms(path);
  if (forms instanceof Denial) return forms;
  const { canonical, spelling } = forms;
  return (
    refuseAmbiguousSegments(canonical) ?? {
      path: canonical,
      spelling,
      hasEncodedSlash: canonical.includes('%2F'),
      hasSemicolon: canonical.includes(';'),
    }
  );
}

/** A path, or a run of escapes in it, in both forms of {@link CanonicalPath}. */
interface Forms {
  readonly canonical: string;
  readonly spelling: string;
}

/** Decodes the escapes of segment characters, checks all others, and refuses characters that a path must not contain. */
function canonicalForms(path: string): Forms | Denial {
  let canonical = '';
  let spelling = '';
  let index = 0;
  while (index < path.length) {
    const code = path.charCodeAt(index);
    if (code === 0x25) {
      const run = escapeRun(path, index);
      if (run === null) return BAD_ESCAPE;
      const forms = formsOfEscapes(run.bytes, path.slice(index, run.end));
      if (forms instanceof Denial) return forms;
      canonical += forms.canonical;
      spelling += forms.spelling;
      index = run.end;
      continue;
    }
    if (code === 0x5c) return BACKSLASH;
    if (code === 0x23) return FRAGMENT;
    if (code <= 0x20 || code >= 0x7f) return BAD_CHARACTER;
    if (code !== 0x2f && !SEGMENT_CHARACTERS.has(code) && !RAW_OF_BROWSERS.has(code)) return UNESCAPED;
    const text = RAW_OF_BROWSERS.has(code) ? escapeOf(code) : (path[index] as string);
    canonical += text;
    spelling += text;
    index += 1;
  }
  return { canonical, spelling };
}

/** Reads a run of adjacent `%XX` escapes; `null` when one of them is malformed. */
function escapeRun(path: string, start: number): { bytes: number[]; end: number } | null {
  const bytes: number[] = [];
  let index = start;
  while (path.charCodeAt(index) === 0x25) {
    const hex = path.slice(index + 1, index + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return null;
    bytes.push(Number.parseInt(hex, 16));
    index += 3;
  }
  return { bytes, end: index };
}

const escapeOf = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Both forms of a run of escaped bytes, or why it is refused.
 *
 * @param written  the run as it came, three characters for each byte
 */
function formsOfEscapes(bytes: readonly number[], written: string): Forms | Denial {
  if (bytes.some((byte) => byte >= 0x80)) {
    const problem = nonAsciiProblem(bytes);
    if (problem !== null) return problem;
  }
  let canonical = '';
  let spelling = '';
  for (const [index, byte] of bytes.entries()) {
    if (byte < 0x20 || byte === 0x7f) return ENCODED_CONTROL;
    if (byte === 0x5c) return ENCODED_BACKSLASH;
    canonical += SEGMENT_CHARACTERS.has(byte) ? String.fromCharCode(byte) : escapeOf(byte);
    spelling += UNRESERVED.has(byte) ? String.fromCharCode(byte) : written.slice(3 * index, 3 * index + 3);
  }
  return { canonical, spelling };
}

/** IDNA reads U+3002, U+FF0E and U+FF61 as full stops (UTS 46 §4), though NFKC keeps the first. */
const CONFUSABLE_CHARACTERS = /[/\\.%;?#\u3002\u2044\u2215\u29f8\u29f5\ufe68\u0000-\u001f\u007f-\u009f]/u;

function nonAsciiProblem(bytes: readonly number[]): Denial | null {
  let text: string;
  try {
    text = utf8.decode(Uint8Array.from(bytes));
  } catch {
    return BAD_UTF8;
  }
  const beyondAscii = text.replace(/[\u0000-\u007f]/gu, '');
  return CONFUSABLE_CHARACTERS.test(beyondAscii.normalize('NFKC')) || CONFUSABLE_CHARACTERS.test(beyondAscii)
    ? CONFUSABLE
    : null;
}

/**
 * Refuses empty segments and dot segments, including those that an upstream sees only after it decodes `%2F` or cuts
 * segments at `;` (`..%2fadmin`, `..;/admin`).
 */
function refuseAmbiguousSegments(path: string): Denial | null {
  const segments = path.slice(1).split(/\/|%2F/);
  for (const [index, segment] of segments.entries()) {
    const semicolon = segment.indexOf(';');
    const name = semicolon === -1 ? segment : segment.slice(0, semicolon);
    if (name === '.' || name === '..') return DOT_SEGMENT;
    const isLast = index === segments.length - 1;
    if (name === '' && !(isLast && semicolon === -1)) return EMPTY_SEGMENT;
  }
  return null;
}
