/** dev: a gateway that needs no configuration. This file writes one for it, into a directory that is deleted when it ends. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { hashPassword } from '../../endpoints/login/password/hash.ts';

/** The password of the user. It need not be secret: only this machine can reach the gateway. */
export const DEV_PASSWORD = 'demo-password';

/** What the options say. */
interface DevSettings {
  /** Origin of the application. */
  readonly upstream: string;
  /** Where the gateway listens; `0` is any free port, and the public origin has none. */
  readonly port: string;
  readonly publicPaths: readonly string[];
  readonly user: string;
  readonly roles: readonly string[];
  readonly email: string | undefined;
}

/** Writes the files. @returns the path of the configuration */
export async function writeDevFiles(directory: string, settings: DevSettings): Promise<string> {
  const { upstream, port, publicPaths, user, roles, email } = settings;
  const app = { credential: 'session', upstream: 'app' };
  const configuration = {
    version: 1,
    publicOrigin: port === '0' ? 'http://localhost' : `http://localhost:${port}`,
    listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
    login: { password: { usersFile: 'users.yaml' } },
    upstreamToken: { claims: { email: 'user.email', roles: 'user.roles' } },
    upstreams: { app: { endpoints: [upstream] } },
    routes: [
      ...publicPaths.map((path, index) => ({ ...app, id: `public-${index + 1}`, match: { path }, credential: 'none' })),
      { ...app, id: 'app', match: { path: '/' } },
    ],
    log: { level: 'info', access: 'all' },
  };
  const people = [
    { name: user, passwordHash: await hashPassword(DEV_PASSWORD), roles, ...(email !== undefined && { email }) },
  ];
  const write = (name: string, content: object) =>
    writeFile(join(directory, name), stringify(content), { mode: 0o600, flag: 'wx' });
  await write('users.yaml', { users: people });
  await write('sallyport.yaml', configuration);
  return join(directory, 'sallyport.yaml');
}
