/** Where the admin listener is, and calls to its API. */

import { resolve } from 'node:path';
import type { ListenAddress } from '../../config/fields.ts';
import { ConfigFault } from '../../errors.ts';
import { jsonOf } from '../../lib/text/json.ts';
import { type CliIo, type OptionValues, UsageFault } from '../command.ts';
import { CONFIG_OPTION, checkConfiguration, configPath } from './configuration.ts';
import { type HttpAnswer, request } from './http.ts';

/** Options of every command that calls a running gateway: where its admin listener is. */
export const ADMIN_OPTIONS = {
  config: {
    ...CONFIG_OPTION,
    description: 'Configuration with the address and tokenFile of the admin listener.',
  },
  'admin-url': {
    type: 'string',
    value: 'URL',
    description: 'URL of the admin listener, instead of a configuration.',
    default: '$SALLYPORT_ADMIN_URL, else from the configuration',
  },
} as const;

/** Options of the commands that use the guarded part of the admin API. */
export const ADMIN_API_OPTIONS = {
  ...ADMIN_OPTIONS,
  'token-file': {
    type: 'string',
    value: 'FILE',
    description: 'File with the token of the admin API.',
    default: 'listeners.admin.tokenFile',
  },
} as const;

/** The options by which a command finds the admin listener. */
export type AdminOptions = OptionValues<typeof ADMIN_OPTIONS> & Partial<OptionValues<typeof ADMIN_API_OPTIONS>>;

/** The admin listener, and the file with its token; `null` where none is known. */
export interface AdminPlace {
  readonly url: URL;
  readonly tokenFile: string | null;
}

/**
 * Finds the admin listener.
 *
 * @throws UsageFault | ConfigFault
 */
export async function findAdmin(options: AdminOptions, io: CliIo): Promise<AdminPlace> {
  const { 'token-file': file } = options;
  const givenFile = file === undefined ? null : resolve(io.cwd, file);
  const given = options['admin-url'] ?? (options.config === undefined ? io.env['SALLYPORT_ADMIN_URL'] : undefined);
  if (given !== undefined && given !== '') {
    if (!URL.canParse(given)) throw new UsageFault(`${JSON.stringify(given)} is not a URL`);
    return { url: new URL(given), tokenFile: givenFile };
  }
  const { loaded } = await checkConfiguration(configPath(options.config, io), io, true);
  if (loaded === null) {
    throw new ConfigFault(`${configPath(options.config, io)} is not valid: name the admin listener with --admin-url`);
  }
  const { address, tokenFile } = loaded.config.listeners.admin;
  return { url: new URL(`http://${reachable(address)}`), tokenFile: givenFile ?? tokenFile ?? null };
}

/** The address to connect to: a wildcard address is reached on the loopback. */
function reachable({ host, port }: ListenAddress): string {
  if (host === '0.0.0.0') return `127.0.0.1:${port}`;
  if (host === '::') return `[::1]:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Calls the admin API.
 *
 * @param body  sent as JSON; left out: none
 * @returns the JSON of a 2xx answer
 * @throws ConfigFault for any other answer
 */
export async function callAdmin(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  place: AdminPlace,
  body?: unknown,
): Promise<unknown> {
  const url = new URL(path, place.url);
  const token = await readAdminToken(place.tokenFile);
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const answer = await request(method, url, { headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  if (answer.status < 200 || answer.status > 299)
    throw new ConfigFault(`${url.origin} answered ${answer.status}: ${problemOf(answer)}`);
  const value = jsonOf(answer.body);
  if (value === undefined) throw notAnAdminListener(url);
  return value;
}

/**
 * Checks that an answer has the shape of the admin API.
 *
 * @throws ConfigFault when something other than an admin listener answered
 */
export function requireShape<T>(answer: unknown, hasShape: (answer: unknown) => answer is T, { url }: AdminPlace): T {
  if (!hasShape(answer)) throw notAnAdminListener(url);
  return answer;
}

const notAnAdminListener = ({ origin }: URL) => new ConfigFault(`${origin} does not answer like an admin listener`);

/** Whether a value is an object whose members of these names are strings. */
export const hasStrings = (value: unknown, names: readonly string[]): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  names.every((name) => typeof (value as Record<string, unknown>)[name] === 'string');

/** Whether a value is an object that has a list of this name, of elements of this kind. */
export const hasList = (value: unknown, name: string, isElement: (element: unknown) => boolean): boolean => {
  const list: unknown = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : null;
  return Array.isArray(list) && list.every(isElement);
};

async function readAdminToken(path: string | null): Promise<string> {
  if (path === null)
    throw new ConfigFault('the admin API needs a token: give --token-file, or set listeners.admin.tokenFile');
  const { readConfigText } = await import('../../config/load.ts');
  return readConfigText(path).replace(/\r?\n$/, '');
}

/** The detail of a problem document. */
function problemOf({ body }: HttpAnswer): string {
  const { detail, title } = (jsonOf(body) ?? {}) as { readonly detail?: unknown; readonly title?: unknown };
  return String(detail ?? title ?? 'no reason given');
}
