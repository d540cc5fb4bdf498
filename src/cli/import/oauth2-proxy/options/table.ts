/**
 * options: every option of oauth2-proxy, and how it is carried over. The import works by this table, and
 * `docs/reference/oauth2-proxy.md` is generated from it.
 */

import { ACCESS_ROWS } from './access-rows.ts';
import { PROVIDER_ROWS } from './provider-rows.ts';
import { HEADER_ROWS, PROXY_ROWS, UPSTREAM_ROWS } from './proxy-rows.ts';
import type { OptionEntry, OptionRow, OptionType } from './row.ts';
import { LOGGING_ROWS, PAGE_ROWS, PROGRAM_ROWS, SERVER_ROWS } from './server-rows.ts';
import { SESSION_ROWS } from './session-rows.ts';

/** The version of oauth2-proxy whose options these are. */
export const OAUTH2_PROXY_VERSION = '7.15.3';

const GROUPS = {
  'The identity provider': PROVIDER_ROWS,
  'Who gets in': ACCESS_ROWS,
  'Cookies and sessions': SESSION_ROWS,
  'The proxy': PROXY_ROWS,
  Headers: HEADER_ROWS,
  Upstreams: UPSTREAM_ROWS,
  Listeners: SERVER_ROWS,
  Logs: LOGGING_ROWS,
  Pages: PAGE_ROWS,
  'The program': PROGRAM_ROWS,
} as const;

type Group = (typeof GROUPS)[keyof typeof GROUPS];
type KeysOfType<G, T> = G extends unknown
  ? { [Key in keyof G]: G[Key] extends { readonly type: T } ? Key : never }[keyof G]
  : never;

/** The names of the options of one type. */
export type OptionKeyOf<T extends OptionType> = KeysOfType<Group, T>;

/** The name of an option in the configuration file. */
export type OptionKey = OptionKeyOf<OptionType>;

type KnownOption = OptionRow & { readonly key: OptionKey };

/** The options by what they are about, in the order of the page. */
export const OPTION_GROUPS: readonly (readonly [title: string, rows: readonly KnownOption[]])[] = Object.entries(
  GROUPS,
).map(([title, rows]) => [
  title,
  Object.entries<OptionEntry>(rows).map(([key, row]) => ({
    flag: key.replaceAll('_', '-'),
    ...row,
    key: key as OptionKey,
  })),
]);

/** Every option. */
export const OPTIONS: readonly KnownOption[] = OPTION_GROUPS.flatMap(([, rows]) => rows);

const BY_KEY = new Map<string, KnownOption>(OPTIONS.map((row) => [row.key, row]));

/** The option of a name in the configuration file; `null` where there is none. */
export const optionOf = (key: string): KnownOption | null => BY_KEY.get(key) ?? null;

/** The option of a flag; `null` where there is none. */
export const optionOfFlag = (flag: string): KnownOption | null => OPTIONS.find((row) => row.flag === flag) ?? null;
