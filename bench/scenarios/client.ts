/**
 * The process that asks in the scenarios, so that it can have a core of its own. It does one thing at a time, for as long as it is told,
 * and answers with what it has done. A wrong answer fails the run.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import type { Done } from './turns.ts';

/** Where, and whether over TLS: then for that name, which the certificate of that authority has. */
interface Place {
  readonly port: number;
  readonly tls?: { readonly servername: string; readonly ca: string };
}

export type Task = Place &
  (
    | {
        /** Sends requests, one at a time on each connection; units: answers. */
        readonly do: 'ask';
        /** Each connection takes the next ones in turn, from a place of its own. */
        readonly requests: readonly (string | Buffer)[];
        readonly connections: number;
        /** Where every other connection goes. Default: to the same port. */
        readonly portBeside?: number;
        /** Default: until each request has been sent once. */
        readonly durationMs?: number;
        /** Default: 200. */
        readonly status?: number;
      }
    | {
        /** Downloads an answer again and again; units: bytes. */
        readonly do: 'download';
        readonly request: string;
        readonly durationMs: number;
      }
    | {
        /** Uploads so many bytes again and again behind the head of a request; units: bytes. */
        readonly do: 'upload';
        readonly head: string;
        readonly bytes: number;
        readonly durationMs: number;
      }
    | {
        /** Sends messages of 100 bytes through WebSockets, and waits for each to come back; units: messages. */
        readonly do: 'echo';
        readonly handshake: string;
        readonly connections: number;
        readonly durationMs: number;
      }
    | {
        /** TLS handshakes with one request each; units: handshakes. */
        readonly do: 'handshakes';
        readonly request: string;
        readonly resumes: boolean;
        readonly durationMs: number;
      }
    | {
        /** Opens connections, sends each a request, waits for the beginning of an answer, and holds them; units: connections. */
        readonly do: 'hold';
        readonly requests: readonly string[];
        readonly connections: number;
      }
    | { /** Lets go of what it holds. */ readonly do: 'release' }
  );

const held: Socket[] = [];
/** Connections that are being opened at the same time. */
const OPENING = 100;
const PART = Buffer.alloc(64 * 1024, 'x');
const MESSAGE = maskedMessage(100);

async function open(
  { port, tls }: Place,
  options: ConnectionOptions = {},
  onSession: (session: Buffer) => void = () => {},
): Promise<Socket> {
  if (tls === undefined) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return socket;
  }
  // Tickets may come together with the end of the handshake.
  const socket = connectTls({ port, host: '127.0.0.1', ...tls, ...options }).on('session', onSession);
  await once(socket, 'secureConnect');
  return socket.setNoDelay();
}

/** Reads answers from one connection: their bodies must have a Content-Length. */
class Answers {
  #head = '';
  #left = 0;
  readonly #status: string;
  readonly #onAnswer: () => void;

  constructor(socket: Socket, status: number, onAnswer: () => void) {
    this.#status = `HTTP/1.1 ${status} `;
    this.#onAnswer = onAnswer;
    socket.on('data', (part: Buffer) => this.#take(part));
  }

  #take(part: Buffer): void {
    let rest = part;
    while (rest.length > 0) {
      if (this.#left === 0) {
        this.#head += rest.toString('latin1');
        const end = this.#head.indexOf('\r\n\r\n');
        if (end === -1) return;
        const head = this.#head.slice(0, end);
        if (!head.startsWith(this.#status)) throw new Error(`answered ${this.#head.slice(0, 300)}`);
        const hasBody = !this.#status.includes(' 204 ');
        this.#left = hasBody ? Number(/\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN) : 0;
        if (Number.isNaN(this.#left)) throw new Error(`an answer without a length: ${head}`);
        rest = Buffer.from(this.#head.slice(end + 4), 'latin1');
        this.#head = '';
      }
      const taken = Math.min(this.#left, rest.length);
      this.#left -= taken;
      rest = rest.subarray(taken);
      if (this.#left === 0) this.#onAnswer();
    }
  }
}

async function ask(task: Extract<Task, { do: 'ask' }>): Promise<Done> {
  const { requests, connections, durationMs, status = 200, portBeside = task.port } = task;
  const startedMs = performance.now();
  let units = 0;
  const placeOf = (index: number) => Math.floor((index * requests.length) / connections);
  const one = async (index: number) => {
    const socket = await open(index % 2 === 0 ? task : { ...task, port: portBeside });
    let at = placeOf(index);
    const next = () => requests[at++ % requests.length] as string | Buffer;
    const isOver = () =>
      durationMs === undefined ? at >= placeOf(index + 1) : performance.now() - startedMs >= durationMs;
    new Answers(socket, status, () => {
      units += 1;
      if (isOver()) socket.destroy();
      else socket.write(next());
    });
    socket.write(next());
    await once(socket, 'close');
  };
  await Promise.all(Array.from({ length: connections }, (_, index) => one(index)));
  return { units, tookMs: performance.now() - startedMs };
}

/** Does a thing on one connection until the time is up; it says how many units it has done. */
async function again(task: Place & { durationMs: number }, once: (socket: Socket) => Promise<number>): Promise<Done> {
  const socket = await open(task);
  const startedMs = performance.now();
  let units = 0;
  do units += await once(socket);
  while (performance.now() - startedMs < task.durationMs);
  socket.destroy();
  return { units, tookMs: performance.now() - startedMs };
}

const download = (task: Extract<Task, { do: 'download' }>): Promise<Done> =>
  again(task, async (socket) => {
    let bytes = 0;
    const onData = (part: Buffer) => {
      bytes += part.length;
    };
    socket.on('data', onData);
    const done = new Promise<void>((resolve) => {
      const answers = new Answers(socket, 200, resolve);
      socket.write(task.request);
      return answers;
    });
    await done;
    socket.removeAllListeners('data');
    return bytes;
  });

const upload = ({ head, bytes, ...task }: Extract<Task, { do: 'upload' }>): Promise<Done> =>
  again(task, async (socket) => {
    const done = new Promise<void>((resolve) => new Answers(socket, 200, resolve));
    socket.write(head);
    for (let left = bytes; left > 0; left -= PART.length) {
      const isTaken = socket.write(left < PART.length ? PART.subarray(0, left) : PART);
      if (!isTaken) await once(socket, 'drain');
    }
    await done;
    socket.removeAllListeners('data');
    return bytes;
  });

/** A frame of a client (RFC 6455 §5.2). */
function maskedMessage(bytes: number): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const payload = Buffer.from(Array.from({ length: bytes }, (_, at) => 0x78 ^ (mask[at % 4] as number)));
  return Buffer.concat([Buffer.from([0x82, 0x80 | bytes]), mask, payload]);
}

/** A WebSocket after its handshake. */
async function openTunnel(task: Place, handshake: string): Promise<Socket> {
  const socket = await open(task);
  socket.write(handshake);
  const [part] = (await once(socket, 'data')) as [Buffer];
  if (!part.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(`answered ${part.toString('latin1')}`);
  return socket;
}

async function echo(task: Extract<Task, { do: 'echo' }>): Promise<Done> {
  const { connections, handshake, durationMs } = task;
  const sockets: Socket[] = [];
  for (let index = 0; index < connections; index += 1) sockets.push(await openTunnel(task, handshake));
  const startedMs = performance.now();
  /** A frame of a server has no mask. */
  const answerBytes = MESSAGE.length - 4;
  let units = 0;
  const one = async (socket: Socket) => {
    let bytes = 0;
    socket.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes < answerBytes) return;
      bytes -= answerBytes;
      units += 1;
      if (performance.now() - startedMs < durationMs) socket.write(MESSAGE);
      else socket.destroy();
    });
    socket.write(MESSAGE);
    await once(socket, 'close');
  };
  await Promise.all(sockets.map(one));
  return { units, tookMs: performance.now() - startedMs };
}

async function handshakes(task: Extract<Task, { do: 'handshakes' }>): Promise<Done> {
  const { request, resumes, durationMs } = task;
  const startedMs = performance.now();
  let units = 0;
  let session: Buffer | undefined;
  const one = async () => {
    const ticket = Promise.withResolvers<Buffer>();
    const options = session === undefined ? {} : { session };
    const socket = (await open(task, options, ticket.resolve)) as TLSSocket;
    if (socket.isSessionReused() !== (session !== undefined)) throw new Error(`resumed: ${socket.isSessionReused()}`);
    const answered = new Promise<void>((resolve) => new Answers(socket, 200, resolve));
    socket.write(request);
    await answered;
    if (resumes) session ??= await ticket.promise;
    socket.destroy();
    units += 1;
  };
  if (resumes) await one();
  units = 0;
  const worker = async () => {
    do await one();
    while (performance.now() - startedMs < durationMs);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return { units, tookMs: performance.now() - startedMs };
}

async function hold(task: Extract<Task, { do: 'hold' }>): Promise<Done> {
  const startedMs = performance.now();
  const { requests, connections } = task;
  const one = async () => {
    const socket = await open(task);
    socket.on('error', () => {});
    socket.write(requests[held.length % requests.length] as string);
    held.push(socket);
    const onClose = () => socket.emit('error', new Error('a connection was closed before its answer'));
    socket.on('close', onClose);
    const [part] = (await once(socket, 'data')) as [Buffer];
    socket.off('close', onClose);
    const status = Number(part.toString('latin1', 9, 12));
    if (status !== 200 && status !== 101) throw new Error(`answered ${part.toString('latin1', 0, 300)}`);
    socket.resume();
  };
  for (let opened = 0; opened < connections; opened += OPENING) {
    await Promise.all(Array.from({ length: Math.min(OPENING, connections - opened) }, one));
  }
  const units = held.filter(({ readyState }) => readyState === 'open').length;
  return { units, tookMs: performance.now() - startedMs };
}

function release(): Promise<Done> {
  for (const socket of held.splice(0)) socket.destroy();
  return Promise.resolve({ units: 0, tookMs: 0 });
}

function carryOut(task: Task): Promise<Done> {
  if (task.do === 'ask') return ask(task);
  if (task.do === 'download') return download(task);
  if (task.do === 'upload') return upload(task);
  if (task.do === 'echo') return echo(task);
  if (task.do === 'handshakes') return handshakes(task);
  return task.do === 'hold' ? hold(task) : release();
}

process.once('disconnect', () => process.exit());
process.on('message', (task: Task) => {
  void carryOut(task).then(
    (done) => process.send?.(done),
    (error: Error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.send?.({ ready: true });
