/** An HTTP/2 upstream on Node's own server, which passes each stream to a function of the test. */

import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface StreamRequest {
  readonly headers: IncomingHttpHeaders;
  /** Flat name, value list. */
  readonly raw: readonly string[];
}

export type OnStream = (stream: ServerHttp2Stream, request: StreamRequest) => void;

interface Http2UpstreamOptions {
  /** TLS instead of h2c. */
  readonly tls?: SecureServerOptions;
  readonly settings?: Settings;
}

/** Answers 200 with `ok`. */
export const answerOk: OnStream = (stream) => {
  stream.resume();
  stream.respond({ ':status': 200, 'content-length': '2' });
  stream.end('ok');
};

export class Http2Upstream implements AsyncDisposable {
  readonly sessions = new Set<ServerHttp2Session>();
  readonly requests: StreamRequest[] = [];
  connectionCount = 0;
  openStreams = 0;
  onStream: OnStream;
  readonly #server: Http2Server;
  readonly #isTls: boolean;

  private constructor(onStream: OnStream, { tls, settings = {} }: Http2UpstreamOptions) {
    this.onStream = onStream;
    this.#isTls = tls !== undefined;
    this.#server = tls === undefined ? createServer({ settings }) : createSecureServer({ ...tls, settings });
    this.#server.on('session', (session) => {
      this.connectionCount += 1;
      this.sessions.add(session);
      session.on('error', () => {});
      session.on('close', () => this.sessions.delete(session));
    });
    this.#server.on('stream', (stream: ServerHttp2Stream, headers, _flags, raw) => {
      this.openStreams += 1;
      stream.on('error', () => {});
      stream.on('close', () => {
        this.openStreams -= 1;
      });
      const request = { headers, raw: raw as unknown as string[] };
      this.requests.push(request);
      this.onStream(stream, request);
    });
  }

  static start(onStream: OnStream = answerOk, options: Http2UpstreamOptions = {}): Promise<Http2Upstream> {
    const upstream = new Http2Upstream(onStream, options);
    return new Promise((resolve) => upstream.#server.listen(0, '127.0.0.1', () => resolve(upstream)));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `${this.#isTls ? 'https' : 'h2c'}://127.0.0.1:${this.port}`;
  }

  get last(): StreamRequest {
    const last = this.requests.at(-1);
    if (last === undefined) throw new Error('the upstream got no request');
    return last;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
