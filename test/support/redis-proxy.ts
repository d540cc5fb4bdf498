/** A TCP proxy in front of a Redis, with which a test makes the network fail: silent, slow, or cut. */

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class RedisProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** The words that each client has sent. */
  readonly #sent = new WeakMap<readonly [Socket, Socket], ReadonlySet<string>>();
  #isBlocked = false;
  #holdsAnswers = false;
  #heldWord: string | null = null;
  #delayMs = 0;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((client) => this.#accept(client));
  }

  static start(targetPort: number): Promise<RedisProxy> {
    const proxy = new RedisProxy(targetPort);
    return new Promise((resolve) => proxy.#server.listen(0, '127.0.0.1', () => resolve(proxy)));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** From now on passes no byte, on old and new connections, and closes none. */
  block(): void {
    this.#isBlocked = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  unblock(): void {
    this.#isBlocked = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  /** From now on passes no byte on connections that have sent this word; new ones are unaffected. */
  blockThoseThatSent(word: string): void {
    for (const pair of this.#pairs) if (this.#sent.get(pair)?.has(word)) for (const socket of pair) socket.pause();
  }

  /** Passes what clients send, but holds the server's answers until {@link passAnswers}. */
  holdAnswers(): void {
    this.#holdsAnswers = true;
    for (const [, server] of this.#pairs) server.pause();
  }

  /** The same for connections on which clients send this word, in lower case, from now on. */
  holdAnswersTo(word: string): void {
    this.#heldWord = word;
  }

  passAnswers(): void {
    this.#holdsAnswers = false;
    this.#heldWord = null;
    for (const [, server] of this.#pairs) server.resume();
  }

  /** Delays every byte from the server by this much. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Closes the open connections, and accepts new ones. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    const server = connect(this.#targetPort, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const words = new Set<string>();
    this.#sent.set(pair, words);
    client.on('data', (bytes) => {
      for (const word of bytes
        .toString('latin1')
        .toLowerCase()
        .match(/[a-z]+/g) ?? []) {
        words.add(word);
        if (word === this.#heldWord) server.pause();
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (this.#delayMs === 0) client.write(bytes);
      else setTimeout(() => client.destroyed || client.write(bytes), this.#delayMs);
    });
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
      if (this.#isBlocked) socket.pause();
    }
    if (this.#holdsAnswers) server.pause();
  }
}
