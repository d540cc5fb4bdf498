/** What a scenario is given, and what it finds out. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/support/ports.ts';
import { findProgram } from '../../test/support/programs.ts';
import { RedisServer } from '../../test/support/redis.ts';
import {
  type GatewaySettings,
  type PlacementOptions,
  patient,
  type RunningGateway,
  startGateway,
} from '../load/gateway.ts';
import { createServiceIssuer } from '../load/sessions.ts';
import { fill, startNginxUpstream, untilAnswers } from '../peers/place.ts';
import { type Child, Children } from '../support/children.ts';
import { hardLimitOfOpenFiles } from '../support/process-figures.ts';
import type { Spread } from '../support/statistics.ts';
import type { Task } from './client.ts';
import type { Done, TurnSettings } from './turns.ts';

/** One figure of a table or a plot. */
export interface Figure {
  /** What was done: a row of the table. */
  readonly title: string;
  /** By whom: a column of the table. */
  readonly by: string;
  readonly value: Spread;
  readonly unit: string;
  /** Where the row is a number: sessions, routes, connections. */
  readonly x?: number;
}

/** A ratio, or another figure that there is a goal for. */
export interface Goal {
  readonly title: string;
  readonly value: Spread;
  readonly atMost?: number;
  readonly atLeast?: number;
  readonly unit: string;
}

export interface Found {
  readonly figures: readonly Figure[];
  readonly goals: readonly Goal[];
  /** What a reader has to know beside it. */
  readonly notes: readonly string[];
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly run: (stage: Stage) => Promise<Found>;
}

/** Core of the measured processes, and of everything else. */
export const [MEASURED_CORE, OTHER_CORE] = [0, 1];

/** More than any scenario opens, where the machine allows it. */
export const OPEN_FILES = Math.min(40_000, hardLimitOfOpenFiles());

const server = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** A stage of its own for each scenario: its processes end with it. */
export class Stage implements AsyncDisposable {
  readonly children: Children;
  readonly directory: string;
  readonly redis: RedisServer;
  readonly upstreamPort: number;
  readonly issuer: Awaited<ReturnType<typeof createServiceIssuer>>;
  readonly turns: TurnSettings;
  readonly isQuick: boolean;
  readonly #client: Child;
  #cheapUpstream: Promise<number> | null = null;

  private constructor(
    given: Omit<
      Stage,
      'cheapUpstreamPort' | 'client' | 'gateway' | 'generator' | 'nginx' | 'relay' | typeof Symbol.asyncDispose
    >,
    client: Child,
  ) {
    this.children = given.children;
    this.directory = given.directory;
    this.redis = given.redis;
    this.upstreamPort = given.upstreamPort;
    this.issuer = given.issuer;
    this.turns = given.turns;
    this.isQuick = given.isQuick;
    this.#client = client;
  }

  static async open(directory: string, isQuick: boolean): Promise<Stage> {
    const children = new Children();
    const redis = await RedisServer.start();
    const upstream = children.node([server('../load/servers/upstream.ts')], { openFiles: OPEN_FILES });
    const { port: upstreamPort } = await upstream.ask<{ port: number }>();
    const client = children.node([server('client.ts')], { openFiles: OPEN_FILES });
    await client.ask();
    const turns = isQuick
      ? { rounds: 3, roundMs: 700, warmUpMs: 1_000 }
      : { rounds: 7, roundMs: 2_000, warmUpMs: 3_000 };
    const issuer = await createServiceIssuer();
    return new Stage({ children, directory, redis, upstreamPort, issuer, turns, isQuick }, client);
  }

  /** Has the client do something. */
  client(task: Task): Promise<Done> {
    return this.#client.ask<Done>(task);
  }

  /** A process that makes load at a rate, for `measure`. */
  async generator(): Promise<Child> {
    const child = this.children.node([server('../load/generator/generator.ts')]);
    await child.ask();
    return child;
  }

  /** A gateway on the measured core, unless the options say otherwise. */
  gateway(
    name: string,
    settings: Partial<GatewaySettings> = {},
    options: PlacementOptions = {},
  ): Promise<RunningGateway> {
    const { upstreamPort, redis, issuer } = this;
    const { listener, ...others } = settings;
    const given = { upstreamPort, redisUrl: redis.url, accessLog: 'all', jwks: issuer.jwks } as const;
    const all = { ...given, ...others, listener: patient(listener) };
    return startGateway(this.children, join(this.directory, name), all, {
      core: MEASURED_CORE,
      openFiles: OPEN_FILES,
      ...options,
    });
  }

  /** Port of an upstream that is never what everything waits for: nginx with a constant answer, where it is installed. */
  cheapUpstreamPort(): Promise<number> {
    const { children, directory, upstreamPort } = this;
    this.#cheapUpstream ??=
      findProgram(['nginx']) === null
        ? Promise.resolve(upstreamPort)
        : startNginxUpstream(children, directory, upstreamPort);
    return this.#cheapUpstream;
  }

  /** nginx in front of the same upstream; `null` where it is not installed. */
  async nginx(tls?: { readonly certificateFile: string; readonly keyFile: string }) {
    if (findProgram(['nginx']) === null) return null;
    const port = await freePort();
    const { upstreamPort, directory } = this;
    const lines =
      tls === undefined ? '' : `ssl_certificate ${tls.certificateFile}; ssl_certificate_key ${tls.keyFile};`;
    const given = { port, upstreamPort, listenFlags: tls === undefined ? '' : ' ssl', tlsLines: lines };
    const file = await fill(directory, 'nginx.conf', given);
    const options = { core: MEASURED_CORE, openFiles: OPEN_FILES };
    const child = this.children.program(['nginx', '-c', file, '-g', 'daemon off;'], options);
    await untilAnswers(child, port, 'nginx');
    return { child, port };
  }

  /** The bare relay. */
  async relay() {
    const args = [server('../load/servers/relay.ts'), `http://127.0.0.1:${this.upstreamPort}`];
    const child = this.children.node(args, { core: MEASURED_CORE, openFiles: OPEN_FILES });
    return { child, ...(await child.ask<{ port: number }>()) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.children[Symbol.dispose]();
    await this.redis[Symbol.asyncDispose]();
  }
}

/** The head of a request of the benchmark, and its body if it has one. */
export function requestText(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): string {
  const all = { Host: 'shop.example.com', 'User-Agent': 'bench', Accept: 'application/json', ...headers };
  const lines = Object.entries(body === '' ? all : { ...all, 'Content-Length': String(body.length) });
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

/** A value that was taken once. */
export const once = (value: number): Spread => ({ min: value, median: value, max: value });
