/**
 * A plain TCP client: writes exactly the given bytes and reads answers by their framing, with no HTTP library between a
 * test and the gateway.
 */

import { connect, type Socket } from 'node:net';

export interface RawResponse {
  readonly status: number;
  /** Lower-case names; repeated headers are joined with `\n`. */
  readonly headers: ReadonlyMap<string, string>;
  /** The head as received. */
  readonly head: string;
  readonly body: Buffer;
}

/** One connection. */
export class RawConnection implements AsyncDisposable {
  readonly socket: Socket;
  #buffer: Buffer = Buffer.alloc(0);
  #isEnded = false;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake?.();
    });
    const ended = () => {
      this.#isEnded = true;
      this.#wake?.();
    };
    socket.on('end', ended).on('close', ended).on('error', ended);
  }

  static open(port: number, options: { readonly allowHalfOpen?: boolean } = {}): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true, ...options });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawConnection(socket)));
    });
  }

  /** Writes bytes; a string is written as Latin-1, one byte per character. */
  write(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Reads one answer, skipping interim ones. Rejects if the connection ends before it is complete. */
  async response(options: { readonly isHead?: boolean } = {}): Promise<RawResponse> {
    for (;;) {
      const headEnd = await this.#until(() => this.#buffer.indexOf('\r\n\r\n'), 'a response head');
      const head = this.#buffer.subarray(0, headEnd).toString('latin1');
      this.#buffer = this.#buffer.subarray(headEnd + 4);
      const { status, headers } = parseHead(head);
      if (status >= 100 && status < 200 && status !== 101) continue;
      const body =
        options.isHead === true || status === 204 || status === 304 || status === 101
          ? Buffer.alloc(0)
          : await this.#body(headers);
      return { status, headers, head, body };
    }
  }

  /** Reads until the other side ends the connection, and returns everything not yet read. */
  async remainder(): Promise<Buffer> {
    while (!this.#isEnded) await this.#more();
    return this.#buffer;
  }

  /** Reads exactly this many bytes. */
  async bytes(count: number): Promise<Buffer> {
    await this.#until(() => (this.#buffer.length >= count ? 0 : -1), `${count} bytes`);
    const taken = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return taken;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  close(): void {
    this.socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #body(headers: ReadonlyMap<string, string>): Promise<Buffer> {
    const length = headers.get('content-length');
    if (length !== undefined) return this.bytes(Number(length));
    if (headers.get('transfer-encoding') === 'chunked') return this.#chunkedBody();
    return this.remainder();
  }

  async #chunkedBody(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const lineEnd = await this.#until(() => this.#buffer.indexOf('\r\n'), 'a chunk size');
      const size = Number.parseInt(this.#buffer.subarray(0, lineEnd).toString('latin1'), 16);
      this.#buffer = this.#buffer.subarray(lineEnd + 2);
      const chunk = await this.bytes(size + 2);
      if (size === 0) return Buffer.concat(parts);
      parts.push(chunk.subarray(0, size));
    }
  }

  async #until(find: () => number, what: string): Promise<number> {
    for (;;) {
      const found = find();
      if (found !== -1) return found;
      if (this.#isEnded)
        throw new Error(
          `connection ended before ${what}; got ${JSON.stringify(this.#buffer.toString('latin1').slice(0, 200))}`,
        );
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function parseHead(head: string): { status: number; headers: Map<string, string> } {
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers.set(name, headers.has(name) ? `${headers.get(name)}\n${value}` : value);
  }
  return { status: Number(statusLine.split(' ')[1]), headers };
}

/** Sends bytes on a new connection and reads one answer. */
export async function rawRequest(port: number, bytes: string | Buffer): Promise<RawResponse> {
  await using connection = await RawConnection.open(port);
  connection.write(bytes);
  return await connection.response({ isHead: bytes.toString('latin1').startsWith('HEAD ') });
}

/** A request head: request line and headers, each line ended. */
export function requestHead(method: string, target: string, headers: readonly string[]): string {
  return `${[`${method} ${target} HTTP/1.1`, ...headers].join('\r\n')}\r\n\r\n`;
}
