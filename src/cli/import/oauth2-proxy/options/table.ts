/**
 * options: every option of oauth2-proxy, and what becomes of it here. The import works by this table, and
 * `docs/reference/oauth2-proxy.md` is generated from it.
 */

import { ACCESS_ROWS } from './access-rows.ts';
import { PROVIDER_ROWS } from './provider-rows.ts';
import { HEADER_ROWS, PROXY_ROWS, UPSTREAM_ROWS } from './proxy-rows.ts';
import type { OptionRow } from './row.ts';
import { LOGGING_ROWS, PAGE_ROWS, PROGRAM_ROWS, SERVER_ROWS } from './server-rows.ts';
import { SESSION_ROWS } from './session-rows.ts';

/** The version of oauth2-proxy whose options these are. */
export const OAUTH2_PROXY_VERSION = '7.15.3';

/** The options by what they are about, in the order of the page. */
export const OPTION_GROUPS = {
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

type Row = (typeof OPTION_GROUPS)[keyof typeof OPTION_GROUPS][number];

/** The name of an option in the configuration file. */
export type OptionKey = Row['key'];

/** The names of the options of one type. */
export type OptionKeyOf<T extends OptionRow['type']> = Extract<Row, { type: T }>['key'];

/** Every option. */
export const OPTIONS: readonly (OptionRow & { readonly key: OptionKey })[] = Object.values(OPTION_GROUPS).flat();

const BY_KEY = new Map<string, OptionRow & { readonly key: OptionKey }>(OPTIONS.map((row) => [row.key, row]));

/** The option of a name in the configuration file; `null` where there is none. */
export const optionOf = (key: string) => BY_KEY.get(key) ?? null;

/** The option of a flag; `null` where there is none. */
export const optionOfFlag = (flag: string) => OPTIONS.find((row) => row.flag === flag) ?? null;
