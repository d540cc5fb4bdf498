/** Where the peers run: their directory, their core, who is behind them, and what they sign and check tokens with. */

import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exportJWK, type JWK } from 'jose';
import { freePort } from '../../test/support/ports.ts';
import { findProgram } from '../../test/support/programs.ts';
import type { RedisServer } from '../../test/support/redis.ts';
import { until } from '../../test/support/until.ts';
import { ANSWER } from '../load/answer.ts';
import { get } from '../load/http.ts';
import { createServiceIssuer } from '../load/sessions.ts';
import type { Child, Children } from '../support/children.ts';

/** What every peer is given. */
export interface Place {
  readonly children: Children;
  /** For its files. */
  readonly directory: string;
  /** Core of the measured processes. Left out: that of everything else. */
  readonly core?: number;
  readonly upstreamPort: number;
  /** What is behind: nginx where it is installed, otherwise Node's HTTP server, which is then the slower one of many pairs. */
  readonly upstreamTitle: string;
  readonly redis: RedisServer;
  /** Origin of the identity provider. */
  readonly providerOrigin: string;
  /** Where the keys of the issuer of service tokens are: `/jwks.json`. */
  readonly keysPort: number;
  readonly serviceIssuer: Awaited<ReturnType<typeof createServiceIssuer>>;
  /** Of the tokens that peers sign: `signer.pem` in the directory; public here. */
  readonly signer: JWK;
  /** How many credentials each peer needs. */
  readonly connections: number;
}

type Given = Readonly<Record<string, string | number | boolean>>;

const server = (name: string) => fileURLToPath(new URL(`../load/servers/${name}.ts`, import.meta.url));

/** Starts what the peers need, and writes the key that they sign with. */
export async function preparePlace(
  given: Pick<Place, 'children' | 'directory' | 'core' | 'redis' | 'connections'>,
): Promise<Place & Disposable> {
  const { children, directory } = given;
  const [{ port: nodePort }, { port: providerPort }] = await Promise.all([
    children.node([server('upstream')]).ask<{ port: number }>(),
    children.node([server('provider')]).ask<{ port: number }>(),
  ]);
  const serviceIssuer = await createServiceIssuer();
  const keys = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(serviceIssuer.jwks));
  });
  await new Promise<void>((resolve) => keys.listen(0, '127.0.0.1', resolve));
  const isCheap = findProgram(['nginx']) !== null;
  const place: Place = {
    ...given,
    upstreamPort: isCheap ? await startNginxUpstream(children, directory, nodePort) : nodePort,
    upstreamTitle: isCheap ? 'nginx, constant answer' : 'node:http, constant answer',
    providerOrigin: `http://127.0.0.1:${providerPort}`,
    keysPort: (keys.address() as AddressInfo).port,
    serviceIssuer,
    signer: await writeSigner(directory),
  };
  const close = () => {
    keys.closeAllConnections();
    keys.close();
  };
  return { ...place, [Symbol.dispose]: close };
}

/**
 * Starts an upstream that costs so little that the measured program is what is busy: nginx with a constant answer.
 *
 * @returns its port
 */
export async function startNginxUpstream(children: Children, directory: string, inspectPort: number): Promise<number> {
  const port = await freePort();
  const file = await fill(directory, 'upstream.conf', { port, inspectPort, answer: ANSWER });
  const child = children.program(['nginx', '-c', file, '-g', 'daemon off;']);
  await untilAnswers(child, port, 'nginx as the upstream');
  return port;
}

/** Writes a key for ES256 as PEM and as a JWK Set; its public half. */
async function writeSigner(directory: string): Promise<JWK> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const names = { kid: 'bench', alg: 'ES256', use: 'sig' };
  await writeFile(join(directory, 'signer.pem'), privateKey.export({ type: 'sec1', format: 'pem' }));
  const jwks = { keys: [{ ...(await exportJWK(privateKey)), ...names }] };
  await writeFile(join(directory, 'signer.jwks.json'), JSON.stringify(jwks));
  return { ...(await exportJWK(publicKey)), ...names };
}

/**
 * Writes a configuration of `bench/peers/programs/` with its placeholders filled in.
 *
 * @returns the path of the file
 * @throws Error for a placeholder that is not given
 */
export async function fill(directory: string, name: string, given: Given): Promise<string> {
  const text = await readFile(new URL(`programs/${name}`, import.meta.url), 'utf8');
  const filled = text.replaceAll(/\{\{(\w+)\}\}/g, (_, key: string) => {
    const value = key === 'directory' ? directory : given[key];
    if (value === undefined) throw new Error(`${name}: {{${key}}} is not given`);
    return String(value);
  });
  const file = join(directory, name);
  await writeFile(file, filled, { mode: 0o600 });
  return file;
}

/** Waits until a program answers, whatever it says. */
export async function untilAnswers(child: Child, port: number, name: string, path = '/'): Promise<void> {
  const answers = async () => {
    if (child.hasEnded) throw new Error(`${name} has ended:\n${child.lastOutput}`);
    return get(port, path).then(
      ({ status }) => status > 0,
      () => false,
    );
  };
  await until(answers, `${name} answers on port ${port}`);
}
