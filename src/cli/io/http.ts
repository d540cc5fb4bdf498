/** One small HTTP request of the command line: no proxy from the environment, no redirect, bounded in time and size. */

import { request as httpsRequest } from 'node:https';
import { ConfigFault } from '../../errors.ts';
import { request as httpRequest, type IncomingMessage } from '../../lib/http/node-http.ts';

/** An answer, read whole. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly contentType: string | null;
}

interface HttpOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Default 5 seconds, for the whole of it. */
  readonly timeoutMs?: number;
  /** Default 16 MiB. */
  readonly maxBytes?: number;
}

/**
 * Makes a request and reads the answer.
 *
 * @throws ConfigFault that names the origin and what went wrong
 */
export async function request(method: string, url: URL, options: HttpOptions = {}): Promise<HttpAnswer> {
  const { headers = {}, body, timeoutMs = 5_000, maxBytes = 16 * 1024 * 1024 } = options;
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      send(url, { method, headers: { ...headers, connection: 'close' }, signal, agent: false })
        .on('response', resolve)
        .on('error', reject)
        .end(body);
    });
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.byteLength;
      if (length > maxBytes) throw new ConfigFault(`${url.origin}: the answer is longer than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    const contentType = answer.headers['content-type'] ?? null;
    return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8'), contentType };
  } catch (cause) {
    throw cause instanceof ConfigFault ? cause : new ConfigFault(`${url.origin}: ${whyFailed(cause)}`, { cause });
  }
}

function whyFailed(cause: unknown): string {
  if (cause instanceof Error && cause.name === 'TimeoutError') return 'no answer in time';
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : null;
  switch (code) {
    case 'ABORT_ERR':
      return 'no answer in time';
    case 'ECONNREFUSED':
      return 'nothing listens there';
    case 'ENOTFOUND':
      return 'no such host';
    default:
      return code === null ? 'cannot be reached' : `cannot be reached (${code})`;
  }
}
