/**
 * The canonical host: lower case, without port and without the trailing dot of a fully qualified name, an IPv6 address in
 * its shortest form (RFC 5952), so that each name and each address has one policy. A host that could be mistaken for another one is refused.
 */

import { isIPv6 } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';
import { Denial } from '../errors.ts';

/** A host in canonical form. */
interface CanonicalHost {
  /** Matched by routes. */
  readonly name: string;
  /** The name with the port that the client sent, if any: the Host header for the upstream. */
  readonly authority: string;
}

const HOST_MISSING = new Denial('request_malformed', 'Host header missing');
const HOST_MALFORMED = new Denial('request_malformed', 'Host header malformed');

/**
 * RFC 9110 §7.2: uri-host [ ":" port ]; a registered name without escapes, or an IPv6 address in brackets. An empty port is the
 * default one (RFC 3986 §6.2.3).
 */
const HOST_PATTERN =
  /^(?<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?)(?::(?<port>[1-9]\d{0,4})?)?$/;

/** Results of earlier calls. Bounded: an attacker chooses the keys. */
const known = new Map<string, CanonicalHost | Denial>();
const MAX_KNOWN = 512;

/**
 * Converts the value of a Host header to its canonical form. The port is checked but not used: routes match by name.
 *
 * @param value  the header's value as received; `null` when absent
 * @returns the canonical host, or a Denial `request_malformed`
 * @see RFC 9110 §7.2, test/attack/host.test.ts (HST-01 … HST-14)
 */
export function canonicalHost(value: string | null): CanonicalHost | Denial {
  if (value === null) return HOST_MISSING;
  const present = known.get(value);
  if (present !== undefined) return present;
  const result = readHost(value);
  if (known.size >= MAX_KNOWN) known.clear();
  if (value.length <= 255) known.set(value, result);
  return result;
}

function readHost(value: string): CanonicalHost | Denial {
  const groups = HOST_PATTERN.exec(value)?.groups;
  if (groups === undefined) return HOST_MALFORMED;
  const { host = '', port } = groups;
  const name = host.startsWith('[') ? canonicalIPv6(host) : host.toLowerCase().replace(/\.$/, '');
  const isValid = name !== null && (name.startsWith('[') || isRegisteredName(name));
  if (!isValid || Number(port ?? 0) > 65_535) return HOST_MALFORMED;
  return Object.freeze({ name, authority: port === undefined ? name : `${name}:${port}` });
}

/** An IPv6 address in brackets as the URL parser writes it, which is also how browsers send it; `null` for anything else. */
function canonicalIPv6(host: string): string | null {
  return isIPv6(host.slice(1, -1)) ? new URL(`http://${host}/`).hostname : null;
}

function isRegisteredName(name: string): boolean {
  if (name.length > 253) return false;
  const labels = name.split('.');
  if (labels.some((label) => label.length === 0 || label.length > 63)) return false;
  return !labels.some((label) => label.startsWith('xn--')) || isPunycode(name);
}

/** Whether every `xn--` label is valid Punycode (HST-09). Node returns an invalid one unchanged. */
function isPunycode(name: string): boolean {
  const unicode = domainToUnicode(name);
  return !/(?:^|\.)xn--/.test(unicode) && domainToASCII(unicode) === name;
}
