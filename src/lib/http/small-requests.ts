/**
 * Small requests to another server, bounded in time and size. Redirects are answers like others, and no proxy of the environment is
 * asked. {@link SmallRequests} keeps connections for a moment.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from './node-http.ts';

interface SmallRequestSettings {
  /** CA of the servers, PEM; `null` for those of the system. */
  readonly ca: string | null;
  /** Of this client, with its key, PEM; default: none. */
  readonly certificate?: { readonly cert: string; readonly key: string } | null;
  /** To one origin. */
  readonly maxConnections: number;
  readonly maxBodyBytes: number;
}

interface SmallRequest {
  readonly method: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Default: none. */
  readonly body?: string | null;
  /** Ends the request, from the DNS look-up to the last byte of the answer. */
  readonly signal: AbortSignal;
}

interface SmallAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const MAX_HEADER_BYTES = 16 * 1024;

/** An answer that is longer than its reader wants. */
export class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge';
  readonly code = 'ERR_ANSWER_TOO_LARGE';
}

/** Sends one request. Resolves when the head of the answer is here; rejects with the reason of the signal, or the error of the connection. */
export function sendRequest(url: URL, options: RequestOptions, body: string | null = null): Promise<IncomingMessage> {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    send(url, { maxHeaderSize: MAX_HEADER_BYTES, ...options })
      .once('response', resolve)
      .on('error', reject)
      .end(body);
  });
}

/** Reads an answer to its end. @throws AnswerTooLarge, and closes the connection */
export async function readWhole(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  // Leaving the loop closes the connection.
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.byteLength;
    if (length > maxBytes) throw new AnswerTooLarge(`more than ${maxBytes} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** A connection is closed before most servers close it. They may say that they do so sooner. */
const IDLE_TIMEOUT_MS = 4_000;

/** A client for one or a few servers. */
export class SmallRequests {
  readonly #agents: Readonly<Record<string, HttpAgent | HttpsAgent>>;
  readonly #maxBodyBytes: number;

  constructor({ ca, certificate, maxConnections, maxBodyBytes }: SmallRequestSettings) {
    const options = { keepAlive: true, maxSockets: maxConnections, timeout: IDLE_TIMEOUT_MS };
    this.#agents = {
      'http:': new HttpAgent(options),
      'https:': new HttpsAgent({ ...options, ...(ca !== null && { ca }), ...certificate }),
    };
    this.#maxBodyBytes = maxBodyBytes;
  }

  /**
   * Sends a request and reads the whole answer.
   *
   * @returns the answer, whatever its status
   * @throws the reason of the signal; or an error with a code of the system, of OpenSSL or of Node, which contains no secret
   */
  async send(url: URL, { method, headers, body = null, signal }: SmallRequest): Promise<SmallAnswer> {
    const sent = { 'accept-encoding': 'identity', ...headers };
    try {
      const response = await sendRequest(
        url,
        { agent: this.#agents[url.protocol], method, headers: sent, signal },
        body,
      );
      const bytes = await readWhole(response, this.#maxBodyBytes);
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      return { status: response.statusCode ?? 0, headers: response.headers, text };
    } catch (cause) {
      signal.throwIfAborted();
      throw cause;
    }
  }

  /** Closes the connections. Requests in progress are cut off. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }
}
