/**
 * A recipe of `examples/` with the real program: its configuration as in the repository, except for addresses, in front
 * of a service and with a gateway that answers its questions.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Files, USERS } from '../../endpoints/login/fixture.ts';
import { HOST, startGateway, type TestGateway } from '../../support/gateway.ts';
import { freePort } from '../../support/ports.ts';
import { findProgram } from '../../support/programs.ts';
import { type RawResponse, rawRequest, requestHead } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';
import { Service } from './service.ts';

const EXAMPLES = join(import.meta.dirname, '../../../examples');

/** How a program is run with its recipe. */
export interface Program {
  /** Folder of `examples/`. */
  readonly recipe: string;
  /** The setting for the port that clients connect to. */
  readonly listens: readonly [from: string, to: (port: number) => string];
  /** Another setting to replace on a machine that the program does not have to itself. */
  readonly places?: readonly [from: string, to: string];
  /** The command, run in a directory with the files of the recipe. */
  readonly command: (directory: string) => readonly [program: string, ...args: string[]];
}

const ROUTES = [
  { id: 'public', match: { path: '/public' }, credential: 'none' },
  { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] } },
  { id: 'orders', match: { path: '/' }, credential: 'session', identityHeaders: { 'X-User-Id': 'subject' } },
];

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class RecipeStage implements AsyncDisposable {
  readonly gateway: TestGateway;
  readonly service: Service;
  readonly port: number;
  readonly #files: Files;
  readonly #directory: string;
  readonly #child: ChildProcess;
  output = '';

  private constructor(
    gateway: TestGateway,
    service: Service,
    files: Files,
    directory: string,
    port: number,
    child: ChildProcess,
  ) {
    this.gateway = gateway;
    this.service = service;
    this.#files = files;
    this.#directory = directory;
    this.port = port;
    this.#child = child;
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.output += text.toString();
      });
    }
  }

  static async start({ recipe, listens, places, command }: Program): Promise<RecipeStage> {
    const files = new Files();
    const usersFile = await files.write('users.yaml', USERS);
    const service = await Service.start();
    const gateway = await startGateway({
      upstream: `http://127.0.0.1:${service.port}`,
      routes: ROUTES,
      config: {
        login: { password: { usersFile } },
        listeners: {
          public: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
          admin: { address: '127.0.0.1:0' },
          authorizer: { address: '127.0.0.1:0', peers: ['127.0.0.1'] },
        },
      },
    });
    const port = await freePort();
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-recipe-'));
    cpSync(join(EXAMPLES, recipe), directory, { recursive: true });
    const addresses: readonly (readonly [string, string])[] = [
      ['sallyport:8080', `127.0.0.1:${gateway.port}`],
      ['sallyport:4180', `127.0.0.1:${gateway.portOf('authorizer')}`],
      ['orders:8080', `127.0.0.1:${service.port}`],
      [listens[0], listens[1](port)],
      ...(places === undefined ? [] : [places]),
    ];
    for (const name of readdirSync(directory)) {
      const text = readFileSync(join(directory, name), 'utf8');
      writeFileSync(
        join(directory, name),
        addresses.reduce((written, [from, to]) => written.replaceAll(from, to), text),
      );
    }
    const [program, ...args] = command(directory);
    const env = { ...process.env, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory };
    const child = spawn(findProgram([program]) ?? program, args, {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const stage = new RecipeStage(gateway, service, files, directory, port, child);
    const isUp = () =>
      stage.get('/public').then(
        ({ status }) => status === 200,
        () => child.exitCode !== null,
      );
    await until(isUp, `${recipe} answers`).catch((cause: Error) => {
      throw new Error(`${recipe} did not start:\n${stage.output}`, { cause });
    });
    if (child.exitCode !== null) throw new Error(`${recipe} ended:\n${stage.output}`);
    service.received.length = 0;
    return stage;
  }

  get(target: string, ...lines: readonly string[]): Promise<RawResponse> {
    return this.send('GET', target, lines);
  }

  send(method: string, target: string, lines: readonly string[], body = ''): Promise<RawResponse> {
    const length = body === '' && method === 'GET' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
    return rawRequest(this.port, requestHead(method, target, [HOST, ...length, ...lines]) + body);
  }

  /** Stops the gateway, as if it had failed. */
  async endGateway(): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
    running.delete(this.#child);
    await this.gateway[Symbol.asyncDispose]();
    await this.service[Symbol.asyncDispose]();
    await this.#files[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
