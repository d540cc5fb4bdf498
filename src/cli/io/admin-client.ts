/** Where the admin listener is, and calls to its API. */

import { resolve } from 'node:path';
import type { ListenAddress } from '../../config/fields.ts';
import { ConfigFault } from '../../errors.ts';
import { type CliIo, UsageFault } from '../command.ts';
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

/** Option of the commands that use the guarded part of the admin API. */
export const TOKEN_FILE_OPTION = {
  type: 'string',
  value: 'FILE',
  description: 'File with the token of the admin API.',
  default: 'listeners.admin.tokenFile',
} as const;

interface AdminOptions {
  readonly config: string | undefined;
  readonly 'admin-url': string | undefined;
}

/** The admin listener, and the token file that the configuration has for it. */
export interface AdminPlace {
  readonly url: URL;
  readonly tokenFile: string | null;
}

/**
 * Finds the admin listener.
 *
 * @throws UsageFault | ConfigFault
 */
export async function findAdmin(command: string, options: AdminOptions, io: CliIo): Promise<AdminPlace> {
  const given = options['admin-url'] ?? (options.config === undefined ? io.env['SALLYPORT_ADMIN_URL'] : undefined);
  if (given !== undefined && given !== '') {
    if (!URL.canParse(given)) throw new UsageFault(`${JSON.stringify(given)} is not a URL`, command);
    return { url: new URL(given), tokenFile: null };
  }
  const { loaded } = await checkConfiguration(configPath(options.config, io), io, true);
  if (loaded === null) {
    throw new ConfigFault(`${configPath(options.config, io)} is not valid: name the admin listener with --admin-url`);
  }
  const { address, tokenFile } = loaded.config.listeners.admin;
  return { url: new URL(`http://${reachable(address)}`), tokenFile: tokenFile ?? null };
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
  tokenFile: string | undefined,
  io: CliIo,
  body?: unknown,
): Promise<unknown> {
  const url = new URL(path, place.url);
  const token = await readAdminToken(tokenFile === undefined ? place.tokenFile : resolve(io.cwd, tokenFile));
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const answer = await request(method, url, { headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  if (answer.status < 200 || answer.status > 299)
    throw new ConfigFault(`${url.origin} answered ${answer.status}: ${problemOf(answer)}`);
  try {
    return JSON.parse(answer.body);
  } catch (cause) {
    throw notAnAdminListener(url, cause);
  }
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

const notAnAdminListener = ({ origin }: URL, cause?: unknown) =>
  new ConfigFault(`${origin} does not answer like an admin listener`, { cause });

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
  try {
    const { detail, title } = JSON.parse(body) as { detail?: unknown; title?: unknown };
    return String(detail ?? title ?? 'no reason given');
  } catch {
    return 'no reason given';
  }
}
