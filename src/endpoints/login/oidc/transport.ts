/**
 * Requests to one identity provider, for the protocol library: bounded in time and size, without redirects, and counted. No
 * answer, 429 and 5xx are faults, and never mean "logged out".
 */

import type { CustomFetch } from 'openid-client';
import type { Pair } from '../../../config/files/named-files.ts';
import { DependencyFault } from '../../../errors.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { Turns } from '../../../lib/concurrency/turns.ts';
import { nearestErrorCode } from '../../../lib/error-code.ts';
import { SmallRequests } from '../../../lib/http/small-requests.ts';
import { hasDuplicateMember } from '../../../lib/text/json.ts';
import type { ProviderCall, ProviderSeries } from './series.ts';

/** More than any token or userinfo answer needs. */
const MAX_BODY_BYTES = 256 * 1024;
const MAX_CONNECTIONS = 64;

interface TransportSettings {
  readonly provider: string;
  /** For a whole request, from the DNS look-up to the last byte. */
  readonly timeoutMs: number;
  /** CA of the provider, PEM; `null` for those of the system. */
  readonly ca: string | null;
  /** What the gateway presents when a server asks for a client certificate; `null` without one. */
  readonly certificate: Pair | null;
}

/** What a provider has answered. */
interface ProviderAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

interface TransportSurroundings {
  readonly series: ProviderSeries;
  /** In which answers are dealt with. */
  readonly turns: Turns;
  readonly monotonicMs: Clock;
}

/** Sends requests to one provider. */
export class ProviderTransport {
  readonly #settings: TransportSettings;
  readonly #surroundings: TransportSurroundings;
  readonly #requests: SmallRequests;

  constructor(settings: TransportSettings, surroundings: TransportSurroundings) {
    const { ca, certificate } = settings;
    this.#settings = settings;
    this.#surroundings = surroundings;
    this.#requests = new SmallRequests({
      ca,
      certificate,
      maxConnections: MAX_CONNECTIONS,
      maxBodyBytes: MAX_BODY_BYTES,
    });
  }

  /**
   * The `fetch` for one call.
   *
   * @returns a function that rejects with a DependencyFault `provider_unavailable`, whose message may be logged
   */
  fetchFor(call: ProviderCall): CustomFetch {
    return async (url, { method, headers, body }) => {
      const text = body instanceof URLSearchParams ? body.toString() : (body ?? null);
      if (text !== null && typeof text !== 'string') throw new TypeError('a body that is not text');
      const answer = await this.measured(call, () => this.#send(url, method, headers, text));
      await this.#surroundings.turns.goOn();
      const { status, type, text: said } = answer;
      return new Response(isAmbiguous(said) ? '' : said, { status, headers: { 'content-type': type } });
    };
  }

  /** Times a call, and counts it as failed when it rejects. */
  async measured<T>(call: ProviderCall, work: () => Promise<T>): Promise<T> {
    const { provider } = this.#settings;
    const { series, monotonicMs } = this.#surroundings;
    const startedMs = monotonicMs();
    let isAnswered = false;
    try {
      const result = await work();
      isAnswered = true;
      return result;
    } finally {
      series.onCall(provider, call, isAnswered, monotonicMs() - startedMs);
    }
  }

  /** Closes the connections. Requests in progress are cut off. */
  close(): void {
    this.#requests.close();
  }

  async #send(
    url: string,
    method: string,
    headers: Record<string, string>,
    body: string | null,
  ): Promise<ProviderAnswer> {
    const signal = AbortSignal.timeout(this.#settings.timeoutMs);
    let answer: ProviderAnswer;
    try {
      const response = await this.#requests.send(new URL(url), { method, headers, body, signal });
      answer = { status: response.status, type: response.headers['content-type'] ?? '', text: response.text };
    } catch (cause) {
      if (signal.aborted) throw providerUnavailable(`no whole answer within ${this.#settings.timeoutMs} ms`, cause);
      throw providerUnavailable(codeOf(cause), cause);
    }
    const { status, type } = answer;
    if (status >= 500 || status === 429) throw providerUnavailable(`status ${status}`);
    // Its signature would have to be verified like that of an ID token. It comes only to those who have registered for it.
    if (type.startsWith('application/jwt'))
      throw providerUnavailable('an answer that is a JWT, which is not supported');
    return answer;
  }
}

/** Whether two parsers can read an answer differently: the library then gets an empty text, which it refuses. */
function isAmbiguous(text: string): boolean {
  try {
    return hasDuplicateMember(text, JSON.parse(text));
  } catch {
    return false;
  }
}

/** The fault for a provider that cannot be asked. @param what  may be logged */
export const providerUnavailable = (what: string, cause?: unknown): DependencyFault =>
  new DependencyFault('provider_unavailable', `identity provider: ${what}`, { cause });

/** The fault of the transport behind an error of the library; `null` when there is none. */
export function transportFault(thrown: unknown): DependencyFault | null {
  if (thrown instanceof DependencyFault) return thrown;
  return thrown instanceof Error && thrown.cause !== undefined ? transportFault(thrown.cause) : null;
}

/** `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `ERR_…`: codes of the system, of OpenSSL and of Node contain no secret. */
const codeOf = (cause: unknown): string => nearestErrorCode(cause) ?? 'the request failed';
