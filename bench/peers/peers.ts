/** The peers: how each is started, and which job it does. Their configurations are in `bench/peers/programs/`. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/ports.ts';
import { findProgram } from '../../test/support/programs.ts';
import type { Credentials } from '../load/generator/load.ts';
import { send } from '../load/http.ts';
import type { Target } from '../load/measure.ts';
import type { Child, ChildOptions } from '../support/children.ts';
import { logIn } from './login.ts';
import { fill, type Place, untilAnswers } from './place.ts';

/** What is done beside forwarding: nothing; a session is looked up; a service's JWT is checked. */
export type Job = 'forward' | 'session' | 'service';

/** What goes to the upstream about the caller: nothing, a JWT that the peer signs, or the ID token of the provider. */
export type Passes = 'nothing' | 'own token' | 'ID token';

export interface Peer {
  readonly name: string;
  readonly title: string;
  readonly job: Job;
  readonly passes: Passes;
  /** What else a reader has to know to compare it. */
  readonly note: string;
  /** Starts it; a sentence about what is missing where it cannot be. */
  readonly start: (place: Place) => Promise<RunningPeer | string>;
}

export interface RunningPeer extends Omit<Target, 'name'> {
  readonly version: string;
}

/** One program under measurement, ours or a peer. */
export interface Contestant extends Omit<Peer, 'start' | 'passes'> {
  readonly version: string;
  readonly target: Target;
  /** @throws AssertionError when it does not do its job */
  readonly check: () => Promise<void>;
}

const NOTHING = 'no checks';
const program = (name: string) => fileURLToPath(new URL(`programs/${name}`, import.meta.url));

/** Connections of a measurement, and files beside them. */
const OPEN_FILES = 20_000;

const nothing = (count: number): Credentials => ({
  header: 'Accept',
  values: Array<string>(count).fill('*/*'),
  use: 'per connection',
});

const cookies = (values: readonly string[]): Credentials => ({ header: 'Cookie', values, use: 'per connection' });

/** Version of a package that only the benchmark has. */
const packageVersion = (name: string) =>
  (
    JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')) as {
      version: string;
    }
  ).version;

const packages = (names: readonly string[]) => names.map((name) => `${name} ${packageVersion(name)}`).join(', ');

/** The version in what a program says about itself. */
function versionOf(path: string, argument: string): string {
  const text = execFileSync('/bin/sh', ['-c', '"$0" "$1" 2>&1', path, argument], { encoding: 'utf8' });
  // Not that of Go, with which something was built; with the commit, where it was built between two releases.
  return (
    /(?<![\w.])v?(\d+\.\d+(?:\.\d+)*(?:-[0-9a-f]{7,40}\b)?)/.exec(text)?.[1] ?? text.trim().split('\n', 1)[0] ?? ''
  );
}

/** A program with one configuration, which forwards and checks nothing. */
const forwarder = (
  name: string,
  title: string,
  config: string,
  command: (path: string, file: string) => readonly string[],
  versionArgument: string,
): Peer => ({
  name,
  title,
  job: 'forward',
  passes: 'nothing',
  note: NOTHING,
  start: async (place) => {
    const path = findProgram([name]);
    if (path === null) return 'not installed';
    const port = await freePort();
    const file = await fill(place.directory, config, {
      ...{ port, upstreamPort: place.upstreamPort },
      // TLS, which only nginx is measured with, in a scenario.
      ...{ listenFlags: '', tlsLines: '' },
    });
    const child = run(place, command(path, file));
    await untilAnswers(child, port, title);
    const credentials = () => Promise.resolve(nothing(place.connections));
    return { child, port, base: '/app', version: versionOf(path, versionArgument), credentials };
  },
});

/** A program in Node of `bench/peers/programs/`; with sessions, it has a login of its own. */
const inNode = (
  given: Omit<Peer, 'start'> & {
    readonly file: string;
    readonly packages: readonly string[];
    readonly keeps?: boolean;
  },
): Peer => ({
  ...given,
  start: async (place) => {
    const [port, hasSessions] = [await freePort(), given.job === 'session'];
    const args = [port, place.upstreamPort, place.redis.url, join(place.directory, 'signer.pem')].map(String);
    if (given.keeps === true) args.push('keeps-tokens');
    const child = run(place, [process.execPath, program(given.file), ...args], { NODE_ENV: 'production' });
    await untilAnswers(child, port, given.title);
    const own = hasSessions ? cookies(await inTurn(place.connections, (user) => openSession(port, user))) : null;
    const credentials = () => Promise.resolve(own ?? nothing(place.connections));
    const version = [...given.packages.map((name) => packages([name])), `Node ${process.version.slice(1)}`].join(', ');
    return { child, port, base: '/app', version, credentials };
  },
});

async function openSession(port: number, user: string): Promise<string> {
  const { status, headers } = await send(port, 'POST', `/login/${user}`, {}, '');
  const pair = [headers['set-cookie'] ?? []].flat()[0]?.split(';')[0];
  if (status !== 204 || pair === undefined) throw new Error(`a session was not opened: ${status}`);
  return pair;
}

/** A build that the runner is pointed to. */
function built(variable: string): string | null {
  const path = process.env[variable];
  return path !== undefined && existsSync(path) ? path : null;
}

/** What `auth_request` and its relatives are asked on the measured core; also for the decisions benchmark. */
export async function startOauth2Proxy(place: Place, path: string, tellsHeaders: boolean): Promise<RunningPeer> {
  const port = await freePort();
  const { upstreamPort, providerOrigin: issuer, redis, connections } = place;
  const given = { port, upstreamPort, issuer, redisUrl: redis.url, tellsHeaders };
  const child = run(place, [path, `--config=${await fill(place.directory, 'oauth2-proxy.cfg', given)}`]);
  await untilAnswers(child, port, 'oauth2-proxy', '/ping');
  const own = cookies(await inTurn(connections, (user) => logIn(port, '/oauth2/start?rd=/app/orders', user)));
  return { child, port, base: '/app', version: versionOf(path, '--version'), credentials: () => Promise.resolve(own) };
}

const oauth2Proxy: Peer = {
  name: 'oauth2-proxy',
  title: 'oauth2-proxy, sessions in Redis',
  job: 'session',
  passes: 'ID token',
  note: 'reads the session from Redis for each request; signs no token',
  start: async (place) => {
    const path = built('OAUTH2_PROXY_BIN');
    return path === null ? 'OAUTH2_PROXY_BIN names no build' : startOauth2Proxy(place, path, false);
  },
};

const MODULES = '/usr/lib/apache2/modules';

const apache: Peer = {
  name: 'mod_auth_openidc',
  title: 'Apache with mod_auth_openidc, sessions in Redis',
  job: 'session',
  passes: 'ID token',
  note: 'reads the session from Redis for each request; signs no token',
  start: async (place) => {
    const path = findProgram(['apache2']);
    if (path === null || !existsSync(`${MODULES}/mod_auth_openidc.so`)) return 'apache2 or its module is not installed';
    const port = await freePort();
    const { upstreamPort, providerOrigin: issuer, redis } = place;
    const given = { port, upstreamPort, issuer, redisPort: redis.port, modules: MODULES };
    const file = await fill(place.directory, 'apache.conf', given);
    const child = run(place, [path, '-f', file, '-DFOREGROUND']);
    await untilAnswers(child, port, 'Apache');
    const own = cookies(await inTurn(place.connections, (user) => logIn(port, '/login', user)));
    const version = `${moduleVersion()}, Apache ${versionOf(path, '-v')}`;
    return { child, port, base: '/app', version, credentials: () => Promise.resolve(own) };
  },
};

/** Debian's version of the module. */
function moduleVersion(): string {
  const query = ['-W', '-f=${Version}', 'libapache2-mod-auth-openidc'];
  try {
    return execFileSync('dpkg-query', query, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return 'unknown';
  }
}

/** A program that checks a service's JWT and signs another: its files, and how it is started. */
const forServices = (
  name: string,
  title: string,
  variable: string,
  note: string,
  files: readonly [config: string, rules: string],
  command: (path: string, config: string) => readonly string[],
): Peer => ({
  name,
  title,
  job: 'service',
  passes: 'own token',
  note,
  start: async (place) => {
    const path = built(variable);
    if (path === null) return `${variable} names no build`;
    const [port, managementPort, apiPort, metricsPort] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const { upstreamPort, keysPort, connections, serviceIssuer } = place;
    const given = { port, managementPort, apiPort, metricsPort, upstreamPort, keysPort };
    await fill(place.directory, files[1], given);
    const child = run(place, command(path, await fill(place.directory, files[0], given)));
    await untilAnswers(child, port, title);
    const tokens = await serviceIssuer.tokens(connections);
    const credentials: Credentials = { header: 'Authorization', values: tokens, use: 'per connection' };
    const version = versionOf(path, name === 'heimdall' ? '--version' : 'version');
    return { child, port, base: '/internal', version, credentials: () => Promise.resolve(credentials) };
  },
});

const heimdall = forServices(
  'heimdall',
  'Heimdall, JWT in, JWT out',
  'HEIMDALL_BIN',
  'keeps checked tokens and its own',
  ['heimdall.yaml', 'heimdall-rules.yaml'],
  (path, config) => [path, 'serve', 'proxy', '--config', config, '--insecure'],
);

const oathkeeper = forServices(
  'oathkeeper',
  'Oathkeeper, JWT in, JWT out',
  'OATHKEEPER_BIN',
  'keeps its own tokens',
  ['oathkeeper.yaml', 'oathkeeper-rules.json'],
  (path, config) => [path, 'serve', '--config', config, '--sqa-opt-out'],
);

/** Runs a peer on the measured core. */
const run = (place: Place, command: readonly string[], env: Readonly<Record<string, string>> = {}): Child => {
  const options: ChildOptions = { ...(place.core !== undefined && { core: place.core }), openFiles: OPEN_FILES };
  return place.children.program(command, options, {
    XDG_DATA_HOME: place.directory,
    XDG_CONFIG_HOME: place.directory,
    ...env,
  });
};

/** A peer on a busy machine may not answer a login in time; one that never does is left out. */
const LOGIN_ATTEMPTS = 3;

/** Logs users in, one after another. */
async function inTurn(count: number, logInAs: (user: string) => Promise<string>): Promise<string[]> {
  const values: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const attempt = (left: number): Promise<string> =>
      logInAs(`user-${index}`).catch((error: Error) => {
        if (left === 1) throw error;
        return attempt(left - 1);
      });
    values.push(await attempt(LOGIN_ATTEMPTS));
  }
  return values;
}

const EXPRESS = ['express', 'express-session', 'connect-redis', 'jsonwebtoken', 'http-proxy-middleware'];
const FASTIFY = ['fastify', '@fastify/session', 'connect-redis', 'fast-jwt', '@fastify/http-proxy'];
const SIGNS = 'reads the session from Redis and signs a token for each request';
const KEEPS = 'reads the session from Redis for each request; given a cache of tokens';
const session = { job: 'session', passes: 'own token' } as const;
const forward = { job: 'forward', passes: 'nothing', note: NOTHING } as const;

/** In the order of the tables. */
export const PEERS: readonly Peer[] = [
  inNode({ ...forward, name: 'raw-relay', title: 'raw relay of bytes, Node', file: 'raw-relay.js', packages: [] }),
  inNode({
    ...forward,
    name: 'http-proxy-3',
    title: 'http-proxy-3 alone',
    file: 'http-proxy-3.js',
    packages: ['http-proxy-3'],
  }),
  forwarder('nginx', 'nginx, proxy_pass', 'nginx.conf', (path, file) => [path, '-c', file, '-g', 'daemon off;'], '-v'),
  forwarder('haproxy', 'HAProxy', 'haproxy.cfg', (path, file) => [path, '-db', '-f', file], '-v'),
  forwarder(
    'caddy',
    'Caddy, reverse_proxy',
    'Caddyfile',
    (path, file) => [path, 'run', '--config', file, '--adapter', 'caddyfile'],
    'version',
  ),
  oauth2Proxy,
  apache,
  inNode({ ...session, name: 'fastify', title: 'Fastify stack', note: SIGNS, file: 'fastify.js', packages: FASTIFY }),
  inNode({
    ...session,
    name: 'fastify-kept',
    title: 'Fastify stack, tokens kept',
    note: KEEPS,
    file: 'fastify.js',
    packages: FASTIFY,
    keeps: true,
  }),
  inNode({ ...session, name: 'express', title: 'Express stack', note: SIGNS, file: 'express.js', packages: EXPRESS }),
  inNode({
    ...session,
    name: 'express-kept',
    title: 'Express stack, tokens kept',
    note: KEEPS,
    file: 'express.js',
    packages: EXPRESS,
    keeps: true,
  }),
  heimdall,
  oathkeeper,
];
