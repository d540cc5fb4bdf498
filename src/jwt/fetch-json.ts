/**
 * Fetches a small JSON document from an address that the configuration names: bounded in time and size, without following
 * redirects, accepting nothing but a plain 200.
 *
 * On `node:http` and `node:https`, so that the verifier package needs no HTTP client of its own.
 */

import { nearestErrorCode } from '../lib/error-code.ts';
import type { IncomingMessage } from '../lib/http/node-http.ts';
import { AnswerTooLarge, readWhole, sendRequest } from '../lib/http/small-requests.ts';

/** Limits and credentials of a fetch. */
interface FetchSettings {
  /** Limit for the whole fetch, from the DNS look-up to the last byte, in milliseconds. */
  readonly timeoutMs: number;
  /** CAs of the server's certificate, PEM, read for each fetch; `null` for the system's CAs. */
  readonly ca: (() => Promise<string>) | null;
  /** Sent as a bearer token; read for each fetch, because the file it comes from is replaced. `null`: none is sent. */
  readonly bearer: (() => Promise<string>) | null;
  /** PEM; presented to a server that asks for a client certificate. Default: none. */
  readonly certificate?: { readonly cert: string; readonly key: string } | null;
}

/** Fetches a document and parses it. Rejects with an error whose message may be logged. */
export type FetchJson = (url: string) => Promise<unknown>;

/** Largest answer that is read. */
const MAX_DOCUMENT_BYTES = 1024 * 1024;

/** A failed fetch, in words that may be logged: fixed text, a status, a system error code. Never received content. */
class FetchProblem extends Error {
  override readonly name = 'FetchProblem';
}

/**
 * Makes a fetcher of documents.
 *
 * Each fetch opens its own connection: fetches are minutes apart, and a kept connection would have to be closed.
 *
 * @returns a function that rejects with fixed text, a status or a system error code; never with part of the document
 */
export function jsonFetcher(settings: FetchSettings): FetchJson {
  return async (url) => {
    const signal = AbortSignal.timeout(settings.timeoutMs);
    try {
      const text = await receive(await send(new URL(url), settings, signal));
      return parse(text);
    } catch (cause) {
      if (signal.aborted) throw new FetchProblem(`no whole answer within ${settings.timeoutMs} ms`);
      if (cause instanceof AnswerTooLarge) throw new FetchProblem(cause.message);
      throw cause instanceof FetchProblem ? cause : new FetchProblem(codeOf(cause));
    }
  };
}

async function send(url: URL, settings: FetchSettings, signal: AbortSignal): Promise<IncomingMessage> {
  const [ca, bearer] = await Promise.all([settings.ca?.() ?? null, settings.bearer?.() ?? null]);
  return sendRequest(url, {
    agent: false,
    signal,
    ...(ca !== null && { ca }),
    ...settings.certificate,
    headers: {
      accept: 'application/json, application/jwk-set+json',
      'accept-encoding': 'identity',
      ...(bearer !== null && { authorization: `Bearer ${bearer}` }),
    },
  });
}

async function receive(response: IncomingMessage): Promise<string> {
  const { statusCode: status = 0, headers } = response;
  // Closes the connection as well, however much of the answer was read.
  using _connection = { [Symbol.dispose]: () => void response.destroy() };
  if (status >= 300 && status < 400) throw new FetchProblem(`a redirect (${status}), which is not followed`);
  if (status !== 200) throw new FetchProblem(`status ${status}`);
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') throw new FetchProblem('a compressed answer');
  return new TextDecoder('utf-8', { fatal: true }).decode(await readWhole(response, MAX_DOCUMENT_BYTES));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new FetchProblem('an answer that is not JSON');
  }
}

/** `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `ENOENT` …: error codes of the system and of OpenSSL contain no secret. */
const codeOf = (cause: unknown): string => nearestErrorCode(cause) ?? 'the request failed';
