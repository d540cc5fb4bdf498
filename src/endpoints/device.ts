/**
 * What a person recognises a session by: browser, system and address at login. Made of fixed words and a checked
 * address, so that nothing that a client sends is stored or shown.
 */

import { isIP } from 'node:net';

/** The first match counts: most browsers also name those that they descend from. */
const BROWSERS: readonly (readonly [string, string])[] = [
  ['Edg', 'Edge'],
  ['OPR/', 'Opera'],
  ['SamsungBrowser/', 'Samsung Internet'],
  ['Firefox/', 'Firefox'],
  ['FxiOS/', 'Firefox'],
  ['Chrome/', 'Chrome'],
  ['CriOS/', 'Chrome'],
  ['Safari/', 'Safari'],
  ['curl/', 'curl'],
  ['sallyport/', 'sallyport'],
];

const SYSTEMS: readonly (readonly [string, string])[] = [
  ['Windows', 'Windows'],
  ['Android', 'Android'],
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['CrOS', 'ChromeOS'],
  ['Mac OS X', 'macOS'],
  ['Linux', 'Linux'],
];

const find = (rows: readonly (readonly [string, string])[], userAgent: string) =>
  rows.find(([mark]) => userAgent.includes(mark))?.[1] ?? null;

const UNKNOWN = 'Unknown program';
const OPENED_BY = 'Opened by ';

/** Describes a device: `Firefox on Linux, 203.0.113.7`. */
export function describeDevice(userAgent: string | null, address: string): string {
  const browser = find(BROWSERS, userAgent ?? '');
  const system = find(SYSTEMS, userAgent ?? '');
  if (browser === null) return `${UNKNOWN}, ${address}`;
  return system === null ? `${browser}, ${address}` : `${browser} on ${system}, ${address}`;
}

/** Describes a session that a trusted backend opens without naming the device. */
export const describeBackend = (id: string): string => `${OPENED_BY}${id}`;

/** A device as a page shows it, part by part. */
export type DeviceParts =
  | { readonly browser: string | null; readonly system: string | null; readonly address: string }
  | { readonly backend: string };

/** Reads what {@link describeDevice} or {@link describeBackend} wrote; `null` for text that a trusted backend wrote. */
export function readDevice(text: string): DeviceParts | null {
  if (text.startsWith(OPENED_BY)) return { backend: text.slice(OPENED_BY.length) };
  const at = text.lastIndexOf(', ');
  const [what, address] = [text.slice(0, Math.max(at, 0)), text.slice(at + 2)];
  if (at === -1 || isIP(address) === 0) return null;
  if (what === UNKNOWN) return { browser: null, system: null, address };
  const [browser = '', system = null, ...rest] = what.split(' on ');
  const isKnown = BROWSERS.some(([, name]) => name === browser) && rest.length === 0;
  return isKnown ? { browser, system, address } : null;
}
