/**
 * Real Redis servers on free loopback ports, without persistence, each in its own directory. They end with the test
 * (`await using`), and in any case with its process.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freeClusterPort, freePort } from './ports.ts';
import { findProgram } from './programs.ts';
import { redisCommand } from './redis-command.ts';
import { until } from './until.ts';

const run = promisify(execFile);

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface RedisOptions {
  /** Lines of the configuration, as names and values; a repeated name has a list. */
  readonly config?: Readonly<Record<string, string | readonly string[]>>;
  /** The port of an earlier server, to come back on. */
  readonly port?: number;
  readonly isSentinel?: boolean;
  /** Required of every client; `cli` sends it. */
  readonly password?: string;
  /** The contents of its database at start, as SAVE wrote them. */
  readonly dump?: Buffer;
  /** Do not wait until it has loaded `dump`. */
  readonly isLoading?: boolean;
}

/** One server. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly directory: string;
  readonly #password: string | null;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(port: number, directory: string, password: string | null, child: ChildProcess) {
    this.port = port;
    this.directory = directory;
    this.#password = password;
    this.#child = child;
    running.add(child);
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => {
        running.delete(child);
        resolve();
      });
    });
  }

  /** Starts a server, and waits until it answers. */
  static async start(options: RedisOptions = {}): Promise<RedisServer> {
    const port = options.port ?? (await freePort());
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-redis-'));
    const file = join(directory, 'redis.conf');
    const { password = null } = options;
    const config = {
      bind: '127.0.0.1',
      port: String(port),
      dir: directory,
      save: '""',
      'repl-diskless-sync-delay': '0',
      logfile: join(directory, 'log'),
      ...(password !== null && { requirepass: password }),
      ...options.config,
    };
    const lines = Object.entries(config).flatMap(([name, value]) => [value].flat().map((one) => `${name} ${one}\n`));
    await writeFile(file, lines.join(''));
    if (options.dump !== undefined) await writeFile(join(directory, 'dump.rdb'), options.dump);
    const program = findProgram(['redis-server']);
    if (program === null) throw new Error('redis-server is not installed; run: node test/support/prerequisites.ts');
    const child = spawn(program, [file, ...(options.isSentinel === true ? ['--sentinel'] : [])], { stdio: 'ignore' });
    const server = new RedisServer(port, directory, password, child);
    const isStarted = options.isLoading === true ? () => server.isLoading() : () => server.isListening();
    await until(isStarted, `redis-server answers on port ${port}`);
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get logFile(): string {
    return join(this.directory, 'log');
  }

  async isListening(): Promise<boolean> {
    if (this.#child.exitCode !== null) throw new Error(`redis-server ended with code ${this.#child.exitCode}`);
    return /PONG|NOAUTH|NOPERM/.test(await this.cli('PING'));
  }

  async isLoading(): Promise<boolean> {
    return (await this.cli('PING')).includes('LOADING');
  }

  /** Sends a command, and returns what redis-cli would print, including errors. */
  cli(...command: string[]): Promise<string> {
    return this.cliAfter(this.#password === null ? [] : ['AUTH', this.#password], ...command);
  }

  /** The same after another command on the same connection: AUTH, SELECT. */
  async cliAfter(before: readonly string[], ...command: string[]): Promise<string> {
    try {
      return (await redisCommand(this.port, before.length === 0 ? [] : [before], command)).trim();
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
  }

  /** Resolves when a replica has acknowledged all earlier writes here. */
  async replicated(): Promise<void> {
    const info = () => this.cli('INFO', 'replication');
    const written = Number(/^master_repl_offset:(\d+)/m.exec(await info())?.[1]);
    // Not WAIT: on its own connection, which has written nothing, it has nothing to wait for.
    await until(async () => {
      const acknowledged = [...(await info()).matchAll(/^slave\d+:.*state=online,offset=(\d+)/gm)];
      return acknowledged.some(([, offset]) => Number(offset) >= written);
    }, 'a replica has what was written');
  }

  /** Pauses the process: connections stay open and nothing answers. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  /** Ends the process without warning, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A primary, a replica and three sentinels that watch them. */
export class SentinelGroup implements AsyncDisposable {
  readonly servers: readonly [RedisServer, RedisServer];
  readonly sentinels: readonly RedisServer[];

  private constructor(servers: readonly [RedisServer, RedisServer], sentinels: readonly RedisServer[]) {
    this.servers = servers;
    this.sentinels = sentinels;
  }

  /** @param downAfterMs  how long the primary has to be silent before the sentinels promote the replica */
  static async start(options: { downAfterMs?: number; sentinelPassword?: string } = {}): Promise<SentinelGroup> {
    const { downAfterMs = 1_000, sentinelPassword } = options;
    const primary = await RedisServer.start();
    const replica = await RedisServer.start({ config: { replicaof: `127.0.0.1 ${primary.port}` } });
    await until(
      async () => (await replica.cli('INFO', 'replication')).includes('master_link_status:up'),
      'the replica replicates',
    );
    const password = sentinelPassword === undefined ? {} : { password: sentinelPassword };
    // They are configured as if they had found each other already, which would take them seconds.
    const peers: { readonly id: string; readonly port: number }[] = [];
    for (let i = 0; i < 3; i++) peers.push({ id: randomBytes(20).toString('hex'), port: await freePort() });
    const sentinels = peers.map((self) => {
      const others = peers.filter((peer) => peer !== self);
      const config = {
        'sentinel myid': self.id,
        'sentinel monitor': `mymaster 127.0.0.1 ${primary.port} 2`,
        'sentinel down-after-milliseconds': `mymaster ${downAfterMs}`,
        'sentinel failover-timeout': 'mymaster 5000',
        'sentinel known-replica': `mymaster 127.0.0.1 ${replica.port}`,
        'sentinel known-sentinel': others.map((peer) => `mymaster 127.0.0.1 ${peer.port} ${peer.id}`),
        ...(sentinelPassword !== undefined && { 'sentinel sentinel-pass': sentinelPassword }),
      };
      return RedisServer.start({ config, port: self.port, isSentinel: true, ...password });
    });
    const group = new SentinelGroup([primary, replica], await Promise.all(sentinels));
    await until(async () => {
      const known = await Promise.all(
        group.sentinels.map((sentinel) => sentinel.cli('SENTINEL', 'MASTER', 'mymaster')),
      );
      return known.every((text) => /num-slaves\n1\nnum-other-sentinels\n2\n/.test(text));
    }, 'the sentinels know each other and the replica');
    return group;
  }

  get url(): string {
    return `redis+sentinel://${this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/mymaster`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server[Symbol.asyncDispose]()));
  }
}

/** Three primaries that share the slots, optionally with replicas. */
export class RedisCluster implements AsyncDisposable {
  readonly servers: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers;
  }

  static async start({ replicasEach = 0, nodeTimeoutMs = 1_000 } = {}): Promise<RedisCluster> {
    const config = { 'cluster-enabled': 'yes', 'cluster-node-timeout': String(nodeTimeoutMs) };
    const servers: RedisServer[] = [];
    for (let i = 0; i < 3 * (1 + replicasEach); i++)
      servers.push(await RedisServer.start({ config, port: await freeClusterPort() }));
    const nodes = servers.map(({ port }) => `127.0.0.1:${port}`);
    await run('redis-cli', [
      '--cluster',
      'create',
      ...nodes,
      '--cluster-replicas',
      String(replicasEach),
      '--cluster-yes',
    ]);
    const cluster = new RedisCluster(servers);
    await until(async () => {
      const infos = await Promise.all(servers.map((server) => server.cli('CLUSTER', 'INFO')));
      return infos.every((info) => info.includes('cluster_state:ok') && info.includes(`known_nodes:${servers.length}`));
    }, 'the Cluster knows all of its nodes');
    await until(async () => {
      const infos = await Promise.all(servers.map((server) => server.cli('INFO', 'replication')));
      return infos.every((info) => info.includes('role:master') || info.includes('master_link_status:up'));
    }, 'its replicas replicate');
    return cluster;
  }

  get url(): string {
    return `redis+cluster://${this.servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** Moves slots with their contents from one primary to another. */
  async moveSlots(count: number, from: RedisServer, to: RedisServer): Promise<void> {
    const [fromId, toId] = await Promise.all([from, to].map((server) => server.cli('CLUSTER', 'MYID')));
    const ends = ['--cluster-from', fromId ?? '', '--cluster-to', toId ?? ''];
    const options = [...ends, '--cluster-slots', String(count), '--cluster-yes'];
    await run('redis-cli', ['--cluster', 'reshard', `127.0.0.1:${from.port}`, ...options]);
  }

  /** The server of a key. */
  async serverOf(key: string): Promise<RedisServer> {
    const [first] = this.servers;
    const slot = Number(await first?.cli('CLUSTER', 'KEYSLOT', key));
    for (const line of ((await first?.cli('CLUSTER', 'NODES')) ?? '').split('\n')) {
      const [, address = '', flags = '', , , , , , ...ranges] = line.split(' ');
      const isOwner = ranges.some((range) => {
        const [from, to = from] = range.split('-').map(Number);
        return from !== undefined && to !== undefined && from <= slot && slot <= to;
      });
      const port = Number(/:(\d+)@/.exec(address)?.[1]);
      const server = this.servers.find((candidate) => candidate.port === port);
      if (isOwner && flags.includes('master') && server !== undefined) return server;
    }
    throw new Error(`no server has slot ${slot}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }
}
