/**
 * What a person recognises a session by: browser, system and address at login. Made of fixed words and a checked
 * address, so that nothing that a client sends is stored or shown.
 */

/** The first that is found counts: most browsers also name those that they descend from. */
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

/** Describes a device: `Firefox on Linux, 203.0.113.7`. */
export function describeDevice(userAgent: string | null, address: string): string {
  const browser = find(BROWSERS, userAgent ?? '');
  const system = find(SYSTEMS, userAgent ?? '');
  if (browser === null) return `Unknown program, ${address}`;
  return system === null ? `${browser}, ${address}` : `${browser} on ${system}, ${address}`;
}
