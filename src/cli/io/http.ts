/** One small HTTP request of the command line: no proxy from the environment, no redirect, bounded in time and size. */

import { ConfigFault } from '../../errors.ts';
import { errorCode } from '../../lib/error-code.ts';
import { AnswerTooLarge, readWhole, sendRequest } from '../../lib/http/small-requests.ts';

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
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const sent = { method, headers: { ...headers, connection: 'close' }, signal, agent: false } as const;
    const answer = await sendRequest(url, sent, body);
    const bytes = await readWhole(answer, maxBytes);
    const contentType = answer.headers['content-type'] ?? null;
    return { status: answer.statusCode ?? 0, body: bytes.toString('utf8'), contentType };
  } catch (cause) {
    throw new ConfigFault(`${url.origin}: ${whyFailed(cause)}`, { cause });
  }
}

function whyFailed(cause: unknown): string {
  if (cause instanceof AnswerTooLarge) return `the answer is longer than it may be: ${cause.message}`;
  if (cause instanceof Error && cause.name === 'TimeoutError') return 'no answer in time';
  const code = errorCode(cause);
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
