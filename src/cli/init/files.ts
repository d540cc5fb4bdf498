/** The files of a first configuration. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigFault } from '../../errors.ts';
import { isLoopbackHost } from '../../lib/address.ts';
import type { CliIo } from '../command.ts';
import { addUser, openUsers, writeUsers } from '../users/users-file.ts';
import type { Answers } from './answers.ts';

/** What is written, by name in the directory. */
export const FILES = {
  config: 'sallyport.yaml',
  users: 'users.yaml',
  adminToken: 'admin-token',
  keys: 'keys',
  redisPassword: 'redis-password',
} as const;

/** @throws ConfigFault when one of the files is there */
export function ensureAbsent(directory: string): void {
  const present = Object.values(FILES).find((name) => existsSync(join(directory, name)));
  if (present !== undefined) throw new ConfigFault(`${join(directory, present)} already exists; nothing was written`);
}

/**
 * Writes the files, readable by their owner only. If one cannot be written, the others are removed again.
 *
 * @throws ConfigFault
 */
export async function writeFiles(directory: string, answers: Answers, io: CliIo): Promise<void> {
  const { hashPassword } = await import('../../endpoints/login/password/hash.ts');
  const { addKey } = await import('../../token/key-directory.ts');
  const { loadConfig } = await import('../../gateway/configuration/load.ts');
  const { noFiles } = await import('../../config/files/files.ts');
  const text = configurationText(answers);
  const path = join(directory, FILES.config);
  const { loaded, problems } = loadConfig(text, { path, cwd: io.cwd, env: io.env, files: noFiles });
  if (loaded === null) throw new ConfigFault(problems.map(({ message }) => message).join('\n'));
  const { user, password } = answers;
  const written: string[] = [];
  const at = (name: string) => {
    const file = join(directory, name);
    written.push(file);
    return file;
  };
  try {
    await mkdir(directory, { recursive: true });
    await mkdir(at(FILES.keys), { mode: 0o700 });
    await addKey(join(directory, FILES.keys), 'ES256', io.clocks.wallMs(), io.clocks.wallMs());
    const users = await openUsers(join(directory, FILES.users), true);
    addUser(users, { name: user, passwordHash: await hashPassword(password) });
    await writeUsers(at(FILES.users), users);
    const own = { mode: 0o600, flag: 'wx' } as const;
    const redisPassword = splitRedis(answers)?.password ?? '';
    if (redisPassword !== '') await writeFile(at(FILES.redisPassword), `${redisPassword}\n`, own);
    await writeFile(at(FILES.adminToken), `${randomBytes(36).toString('base64url')}\n`, own);
    // Last: once it is there, everything is.
    await writeFile(at(FILES.config), text, own);
  } catch (cause) {
    await Promise.all(written.map((file) => rm(file, { recursive: true, force: true })));
    throw new ConfigFault(`${directory} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** The port on which the gateway listens if the public origin does not determine it. */
const LISTENING_PORT = '8080';

/** Where the gateway listens: on the port of the public origin, unless TLS is terminated in front of it. */
export function listeningAddress({ origin }: Answers): string {
  const { protocol, port, hostname } = new URL(origin);
  const listeningPort = protocol === 'https:' ? LISTENING_PORT : port || '80';
  const host = protocol === 'https:' || isLoopbackHost(hostname) ? '127.0.0.1' : '0.0.0.0';
  return `${host}:${listeningPort}`;
}

/** The URL of Redis without its password, which goes into a file of its own. */
function splitRedis({ redis }: Answers): { readonly url: string; readonly password: string } | null {
  if (redis === null) return null;
  const url = new URL(redis);
  const password = decodeURIComponent(url.password);
  url.password = '';
  return { url: url.href, password };
}

/** The names of the files that these answers give, in the order in which people read them. */
export const fileNames = (answers: Answers): string[] =>
  Object.values(FILES).filter((name) => name !== FILES.redisPassword || splitRedis(answers)?.password);

function configurationText(answers: Answers): string {
  const { upstream, origin } = answers;
  const isBehindTls = origin.startsWith('https:');
  const redis = splitRedis(answers);
  const passwordFile = redis?.password ? `, passwordFile: ${FILES.redisPassword}` : '';
  const store = redis === null ? '{ memory: {} }' : `{ redis: { url: ${JSON.stringify(redis.url)}${passwordFile} } }`;
  const storeNote = redis === null ? '  # a restart logs everybody out; several replicas need Redis' : '';
  const trusted = isBehindTls ? ', trustedProxies: [127.0.0.1]' : '';
  const trustedNote = isBehindTls ? '  # the proxy in front that terminates TLS, and sends X-Forwarded-Proto' : '';
  return `# The configuration of the gateway. "sallyport validate" checks it, "sallyport explain" says what it does with a request.
version: 1
publicOrigin: ${origin}  # what browsers see
listeners:
  public: { address: "${listeningAddress(answers)}"${trusted} }${trustedNote}
  admin: { address: "127.0.0.1:9090", tokenFile: ${FILES.adminToken} }
login: { password: { usersFile: ${FILES.users} } }
store: ${store}${storeNote}
upstreamToken: { keys: { directory: ${FILES.keys} } }
upstreams:
  app: { endpoints: ["${upstream}"] }
routes:
  # Everything asks for a login. What does not needs a route of its own, such as:
  # - { id: assets, match: { path: /assets }, credential: none, upstream: app }
  - { id: app, match: { path: / }, credential: session, upstream: app }
`;
}
