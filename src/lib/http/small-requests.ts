/**
 * Small requests to another server: over connections that are kept for a moment, bounded in time and size. Redirects are
 * answers like others.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
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
    try {
      const response = await this.#begin(url, method, headers, body, signal);
      return { status: response.statusCode ?? 0, headers: response.headers, text: await this.#textOf(response) };
    } catch (cause) {
      signal.throwIfAborted();
      throw cause;
    }
  }

  /** Closes the connections. Requests in progress are cut off. */
  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  #begin(
    url: URL,
    method: string,
    headers: SmallRequest['headers'],
    body: string | null,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const agent = this.#agents[url.protocol];
    const sent = { 'accept-encoding': 'identity', ...headers };
    const options = { agent, method, headers: sent, maxHeaderSize: MAX_HEADER_BYTES, signal };
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    return new Promise((resolve, reject) => {
      request.once('response', resolve).on('error', reject).end(body);
    });
  }

  async #textOf(response: IncomingMessage): Promise<string> {
    const parts: Buffer[] = [];
    let length = 0;
    // Leaving the loop closes the connection.
    for await (const part of response as AsyncIterable<Buffer>) {
      length += part.byteLength;
      if (length > this.#maxBodyBytes)
        throw Object.assign(new Error(`more than ${this.#maxBodyBytes} bytes`), { code: 'ERR_ANSWER_TOO_LARGE' });
      parts.push(part);
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  }
}
