/**
 * What clients that hold on to connections, requests and answers do to those who are logged in. One client, with one address, does one
 * of these to a gateway, in turns with quiet; what the gateway closes, it opens again.
 *
 *     node bench/load/slow-clients.ts [--rounds 3] [--seconds 4] [--rate 500] [--only uploads]
 *
 * Takes about five minutes. The gateway has one core; upstream and clients share the other.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Children, pinSelf } from '../support/children.ts';
import { formatTable } from '../support/table.ts';
import { PUBLIC_ORIGIN, startGateway } from './gateway.ts';
import { HOST } from './http.ts';
import { createServiceIssuer, openSessions } from './sessions.ts';
import { type Attack, COLUMNS, preferred, SteadyTraffic } from './steady.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '4' },
    rate: { type: 'string', default: '500' },
    only: { type: 'string', default: '' },
  },
});

const SESSIONS = 64;
const ATTACKER = '127.0.0.2';
const TICK_MS = 100;
/** Until what is held is held; with answers that are not read, until the buffers on their way are full. */
const [BEGIN_MS, FILL_MS] = [1_000, 5_000];
/** Connections that are opened again in each tick. */
const REOPENED = 50;
/**
 * Connections with answers that are not read. The kernel keeps some megabytes of each at client, gateway and upstream, which are
 * one machine here; with more, it runs out of memory for sockets (`net.ipv4.tcp_mem`), and everything on the machine waits.
 */
const UNREAD = 100;
/** Ticks between two bytes of one connection. */
const TICKS_PER_BYTE = 10;

/** What each connection of an attack does. */
interface Behaviour {
  readonly connections: number;
  /** What it sends at once. */
  readonly sends: string;
  /** What it sends each second after that. */
  readonly drips?: string;
  /** What it takes of the answer each second: nothing, so many bytes, or all. Default: all. */
  readonly takesBytes?: number;
  /** Whether it is closed by the client at once, and opened again. */
  readonly isShort?: boolean;
}

/** One client that holds its connections. */
class SlowClient {
  readonly #port: number;
  readonly #behaviour: Behaviour;
  readonly #sockets = new Set<Socket>();
  readonly #timer: NodeJS.Timeout;
  #ticks = 0;
  #opened = 0;
  readonly #statuses = new Map<string, number>();

  constructor(port: number, behaviour: Behaviour) {
    this.#port = port;
    this.#behaviour = behaviour;
    this.#fill(behaviour.connections);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Ends it; returns the outcome. */
  end(): string {
    clearInterval(this.#timer);
    const held = this.#sockets.size;
    for (const socket of this.#sockets) socket.destroy();
    const answers = [...this.#statuses].map(([status, count]) => `${count} × ${status}`).join(', ');
    return `${held} of ${this.#opened} connections held${answers === '' ? '' : `; answers: ${answers}`}`;
  }

  #tick(): void {
    const { connections, isShort = false } = this.#behaviour;
    if (isShort) for (const socket of this.#sockets) socket.destroy();
    this.#fill(Math.min(REOPENED, connections - this.#sockets.size));
    this.#ticks += 1;
    let at = 0;
    for (const socket of this.#sockets) if (++at % TICKS_PER_BYTE === this.#ticks % TICKS_PER_BYTE) this.#move(socket);
  }

  #move(socket: Socket): void {
    const { drips, takesBytes } = this.#behaviour;
    if (drips !== undefined && socket.writableLength === 0) socket.write(drips);
    if (takesBytes !== undefined && takesBytes > 0) socket.read(takesBytes);
  }

  #fill(count: number): void {
    const { sends, takesBytes } = this.#behaviour;
    for (let opened = 0; opened < count; opened += 1) {
      const socket = connect({ host: '127.0.0.1', port: this.#port, localAddress: ATTACKER });
      this.#opened += 1;
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
      socket.on('end', () => socket.destroy());
      if (sends !== '') socket.write(sends);
      if (takesBytes !== undefined) continue;
      socket.on('data', (chunk: Buffer) => {
        const status = /^HTTP\/1\.1 (\d+)/.exec(chunk.toString('latin1', 0, 12))?.[1];
        if (status !== undefined) this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
      });
    }
  }
}

const head = (method: string, path: string, ...lines: string[]) =>
  [`${method} ${path} HTTP/1.1`, `Host: ${HOST}`, ...lines].join('\r\n');
const UPLOAD = `${head('POST', '/public/upload', 'Content-Length: 1000000')}\r\n\r\n`;
const get = (path: string) => `${head('GET', path)}\r\n\r\n`;
const LONG_ANSWER = get('/public/bytes?count=100000000');

/** @param cookie  of a session of the attacker, which WebSockets need */
const behaviours = (cookie: string): Readonly<Record<string, Behaviour>> => {
  const upgrade = (path: string) =>
    `${head('GET', path, `Cookie: ${cookie}`, `Origin: ${PUBLIC_ORIGIN}`, 'Connection: Upgrade', 'Upgrade: websocket')}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
  return {
    'connections that say nothing': { connections: 2_000, sends: '' },
    'connections opened and closed': { connections: 50, sends: '', isShort: true },
    'heads, a byte a second': { connections: 1_000, sends: head('GET', '/public', 'X: '), drips: 'x' },
    'heads of uploads, and no body': { connections: 520, sends: UPLOAD },
    'uploads, a byte a second': { connections: 520, sends: `${UPLOAD}x`, drips: 'x' },
    'requests that the upstream does not answer': { connections: 520, sends: get('/public/never') },
    'long answers, none of it read': { connections: UNREAD, sends: LONG_ANSWER, takesBytes: 0 },
    'long answers, 1 KiB a second': { connections: UNREAD, sends: LONG_ANSWER, takesBytes: 1_024 },
    'pipelined requests, no answer read': {
      connections: 200,
      sends: get('/public').repeat(10),
      drips: get('/public'),
      takesBytes: 0,
    },
    'WebSockets that say nothing': { connections: 500, sends: upgrade('/api/socket') },
    'WebSockets that the upstream does not answer': { connections: 500, sends: upgrade('/api/never') },
  };
};

const attack = (port: number, name: string, behaviour: Behaviour): Attack => ({
  name,
  begin: async () => {
    const client = new SlowClient(port, behaviour);
    await sleep(behaviour.takesBytes === undefined ? BEGIN_MS : FILL_MS);
    return async () => client.end();
  },
});

pinSelf(1);
using children = new Children();
const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
try {
  const upstreamProcess = children.node([fileURLToPath(new URL('servers/upstream.ts', import.meta.url))]);
  const upstream = await upstreamProcess.ask<{ port: number }>();
  preferred(upstreamProcess.pid);
  const jwks = (await createServiceIssuer()).jwks;
  // A proxy that is not there: without one, addresses are not taken for those of clients where TLS ends elsewhere.
  const listener = { trustedProxies: ['127.0.0.99'] };
  const settings = { upstreamPort: upstream.port, redisUrl: null, accessLog: 'all', jwks, listener } as const;
  const gateway = await startGateway(children, directory, settings, { core: 0, openFiles: 20_000 });
  const [own = '', ...cookies] = await openSessions(gateway.port, SESSIONS);
  const { rounds, seconds, rate } = values;
  const turns = { rounds: Number(rounds), seconds: Number(seconds), rate: Number(rate) };
  const traffic = await SteadyTraffic.start(children, gateway, cookies, turns);
  const rows: string[][] = [];
  for (const [name, behaviour] of Object.entries(behaviours(own))) {
    if (name.includes(values.only)) rows.push(await traffic.compared(attack(gateway.port, name, behaviour)));
  }
  console.log(`${rate} requests/s of people who are logged in; ${rounds} rounds of ${seconds} s each way`);
  console.log(formatTable(COLUMNS, rows));
} finally {
  await rm(directory, { recursive: true, force: true });
}
process.exit(0);
