/** The gateway as a process of its own, started the way its users start it, with a configuration like theirs. */

import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { newSessionId } from '../../src/authentication/session/session-id.ts';
import { freePorts } from '../../test/support/ports.ts';
import { until } from '../../test/support/until.ts';
import type { Child, Children } from '../support/children.ts';
import { get, HOST } from './http.ts';

export const PUBLIC_ORIGIN = `https://${HOST}`;
/** Audience of the tokens for the route with sessions. */
export const AUDIENCE = 'orders';
export const COOKIE_NAME = '__Host-sid';
/** The trusted backend that opens the warm sessions, and issuer of service tokens. */
export const BACKEND = { id: 'bench', secret: 'a-secret-of-the-benchmark-and-nobody-else' };
export const SERVICE_ISSUER = 'https://cluster.example.com';

const run = promisify(execFile);

const program = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/** The program in the repository, and as it ships; `npm run build` makes the second. */
export const PROGRAMS = { source: program('src/main.ts'), built: program('dist/main.js') };

export const PROFILER = program('bench/load/servers/profiler.ts');

export interface GatewaySettings {
  readonly upstreamPort: number;
  /** `null`: the embedded store. */
  readonly redisUrl: string | null;
  readonly accessLog: 'all' | 'off';
  /** Keys of the issuer of service tokens, a JWK Set. */
  readonly jwks: object;
  /** Members of `listeners.public` beside the address. */
  readonly listener?: { readonly limits?: object; readonly tls?: object; readonly [key: string]: unknown };
  /** Default: 1. */
  readonly workers?: number;
  /** Whether it signs with keys of a directory, `keys` beside its configuration. Default: only with several workers. */
  readonly hasKeyDirectory?: boolean;
  /** The identity provider of the logins, an entry of `login.oidc`. */
  readonly provider?: object;
  /** Routes beside the usual ones. */
  readonly routes?: readonly object[];
  /** Sections beside the usual ones, by name. */
  readonly sections?: Readonly<Record<string, object>>;
  /** Members of the upstream beside its address. */
  readonly upstream?: object;
}

export interface PlacementOptions {
  /** Default: the source. */
  readonly form?: keyof typeof PROGRAMS;
  readonly core?: number;
  readonly openFiles?: number;
  /** Whether messages can begin and end a CPU profile. */
  readonly isProfiled?: boolean;
}

/** A gateway that answers. */
export interface RunningGateway {
  readonly child: Child;
  readonly port: number;
  /** Of the outbound listener. */
  readonly outboundPort: number;
  readonly authorizerPort: number;
  readonly grpcPort: number;
  readonly adminPort: number;
}

/**
 * Starts a gateway and waits until it answers.
 *
 * @param directory  its own, for its configuration and the files that it names
 */
export async function startGateway(
  children: Children,
  directory: string,
  settings: GatewaySettings,
  options: PlacementOptions = {},
): Promise<RunningGateway> {
  const ports = await freePorts(5);
  const [port, adminPort, outboundPort, authorizerPort, grpcPort] = ports as [number, number, number, number, number];
  await mkdir(directory, { recursive: true });
  const file = join(directory, 'gateway.yaml');
  await writeFile(join(directory, 'secret'), BACKEND.secret, { mode: 0o600 });
  await writeFile(join(directory, 'jwks.json'), JSON.stringify(settings.jwks));
  await writeFile(file, configuration(settings, { port, adminPort, outboundPort, authorizerPort, grpcPort }), {
    mode: 0o600,
  });
  const { form = 'source', isProfiled = false, ...placement } = options;
  if (keepsKeys(settings))
    await run(process.execPath, [PROGRAMS[form], 'keys', 'generate', '--directory', join(directory, 'keys')]);
  const args = [...(isProfiled ? ['--import', PROFILER] : []), PROGRAMS[form], 'start', '--config', file];
  const child = children.node(args, { ...placement, output: 'read', hasChannel: isProfiled });
  let status = 0;
  const isReady = async () => {
    if (child.hasEnded) throw new Error('it has ended');
    // 401 once the store answers that the session is unknown; 503 while it does not answer.
    const cookie = `${COOKIE_NAME}=${newSessionId()}`;
    // Over TLS, the admin listener is asked.
    const isSecure = settings.listener?.tls !== undefined;
    const asked = isSecure ? get(adminPort, '/readyz') : get(port, '/api/orders', { cookie });
    status = await asked.then(
      (answer) => answer.status,
      () => 0,
    );
    return status === (isSecure ? 200 : 401);
  };
  await until(isReady, `the gateway answers on port ${port}`).catch((cause: Error) => {
    throw new Error(`the gateway did not start (last status ${status}):\n${child.lastOutput}`, { cause });
  });
  return { child, port, outboundPort, authorizerPort, grpcPort, adminPort };
}

/** Several workers sign with one key. */
const keepsKeys = ({ workers = 1, hasKeyDirectory = workers > 1 }: GatewaySettings) => hasKeyDirectory;

/**
 * A listener that refuses nothing where a neighbour on the machine makes requests wait: that is not an overload of the
 * gateway.
 */
export const patient = (listener: NonNullable<GatewaySettings['listener']> = {}) => ({
  ...listener,
  limits: { maxQueueDelay: '10s', ...listener.limits },
});

/** A long command timeout: Redis shares its core with the load here, and a late answer is latency, not an outage. */
const configuration = (
  settings: GatewaySettings,
  {
    port,
    adminPort,
    outboundPort,
    authorizerPort,
    grpcPort,
  }: Readonly<Record<'port' | 'adminPort' | 'outboundPort' | 'authorizerPort' | 'grpcPort', number>>,
) => {
  const { upstreamPort, redisUrl, accessLog, listener = {}, workers = 1, provider } = settings;
  const { routes = [], sections = {}, upstream = {} } = settings;
  return `
version: 1
publicOrigin: ${PUBLIC_ORIGIN}
workers: ${workers}
listeners:
  public: ${JSON.stringify({ address: `127.0.0.1:${port}`, ...listener })}
  admin: { address: "127.0.0.1:${adminPort}" }
  authorizer: { address: "127.0.0.1:${authorizerPort}", peers: [127.0.0.1] }
  grpcAuthorizer: { address: "127.0.0.1:${grpcPort}", peers: [127.0.0.1] }
store: ${redisUrl === null ? '{}' : `{ redis: { url: "${redisUrl}", commandTimeout: 5s } }`}
login:
  trustedBackends:
    - { id: ${BACKEND.id}, clientSecretFile: secret }
  oidc: ${JSON.stringify(provider === undefined ? [] : [provider])}
upstreamToken:
  claims: { roles: user.roles }
  ${keepsKeys(settings) ? 'keys: { directory: keys }' : ''}
issuers:
  cluster: { issuer: "${SERVICE_ISSUER}", jwksFile: jwks.json, algorithms: [ES256] }
upstreams:
  orders: ${JSON.stringify({ endpoints: [`http://127.0.0.1:${upstreamPort}`], ...upstream })}
routes:
  - { id: orders, match: { path: /api }, credential: session, allow: { roles: [customer] }, upstream: orders, audience: ${AUDIENCE} }
  - { id: internal, match: { path: /internal }, credential: { service: [cluster] }, upstream: orders, audience: ${AUDIENCE} }
  - { id: public, match: { path: /public }, credential: none, upstream: orders }
${routes.map((route) => `  - ${JSON.stringify(route)}\n`).join('')}outbound:
  address: "127.0.0.1:${outboundPort}"
  workload: bench
  destinations:
    - { id: to-orders, match: { host: ${HOST}, path: /outbound }, upstream: orders, audience: ${AUDIENCE}, token: { service: {} } }
log: { access: ${accessLog} }
${Object.entries(sections)
  .map(([name, section]) => `${name}: ${JSON.stringify(section)}\n`)
  .join('')}`;
};
