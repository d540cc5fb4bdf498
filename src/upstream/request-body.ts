/**
 * The request body on its way to the upstream. A separate stream, because it is destroyed when the upstream does not take
 * it, and destroying the body of a {@link Reply} would cut the connection that the answer needs.
 *
 * Backpressure holds both ways, nothing is kept. Ends with an error when the body grows over its limit, when the client
 * leaves or sends too slowly, and when the upstream takes nothing of it for too long.
 */

import { Readable } from 'node:stream';
import type { Reply } from '../exchange.ts';
import { notePassed } from '../lib/passing-bytes.ts';
import type { HeaderRules } from '../routing/route.ts';
import type { Sanitizer } from '../sanitize/sanitize.ts';
import type { SentBody } from './http2/sent-body.ts';
import { keptHeaders } from './request-headers.ts';

/** Why a body was given up. */
type BodyFailure = 'too_large' | 'stalled' | 'not_taken' | 'aborted';

/** Ends a request body that was given up. */
export class RequestBodyError extends Error {
  override readonly name = 'RequestBodyError';
  readonly failure: BodyFailure;

  constructor(failure: BodyFailure) {
    super(`request body ${failure}`);
    this.failure = failure;
  }
}

interface RequestBodySettings {
  /** Bytes; `null` is no limit. */
  readonly maxBytes: number | null;
  /** The client's pace is measured over windows of this length in which the gateway waits for it, milliseconds; `null`: it is not. */
  readonly windowMs: number | null;
  /** What must arrive in each window; at least one byte. */
  readonly minBytesPerWindow: number;
  /** Longest pause of the upstream before it has answered, milliseconds. */
  readonly takeTimeoutMs: number;
  /** Reads the trailers. */
  readonly sanitizer: Pick<Sanitizer, 'trailers'>;
  readonly rules: HeaderRules | null;
}

/** The reader of the body, or `whenBegun` before there is one, handles errors. */
const ignore = (): void => {};

/** The body of one request, as an `Upload` or a `SentBody` reads it. */
export class RequestBody extends Readable {
  readonly #reply: Reply;
  readonly #incoming: Readable;
  readonly #settings: RequestBodySettings;
  #timer: NodeJS.Timeout | null = null;
  /** Whose pause the timer limits. */
  #awaited: 'client' | 'upstream' | null = null;
  #windowBytes = 0;
  #onBegun: ((failure: Error | null) => void) | null = null;
  #isStarted = false;
  #isAnswered = false;
  #hasEnded = false;
  /** Bytes received so far. */
  byteCount = 0;
  /** What sends it on HTTP/2 streams; `null` on HTTP/1.1. */
  sent: SentBody | null = null;

  constructor(reply: Reply, settings: RequestBodySettings) {
    super({ highWaterMark: 64 * 1024 });
    this.#reply = reply;
    this.#incoming = reply.body;
    this.#settings = settings;
    this.on('error', ignore);
  }

  /**
   * Calls back once: with `null` at its first bytes or its end; with the failure if it is given up before. Until then no
   * upstream is asked, so that a client that sends no body holds no connection.
   */
  whenBegun(onBegun: (failure: Error | null) => void): void {
    this.#onBegun = onBegun;
    this._read();
  }

  override _read(): void {
    if (this.#hasEnded) return;
    if (!this.#isStarted) this.#start();
    this.#incoming.resume();
    this.#await('client');
  }

  /** Whether it has ended without a byte, so that none is sent, however it was announced. */
  get isEmpty(): boolean {
    return this.#hasEnded && this.byteCount === 0 && this.trailers.length === 0;
  }

  /** Its trailers, once it has ended: flat name, value list of those that may be passed on. */
  get trailers(): string[] {
    const { sanitizer, rules } = this.#settings;
    return keptHeaders(sanitizer.trailers(this.#reply.requestTrailers), rules);
  }

  /** The upstream has answered: it need not take the rest. */
  answered(): void {
    this.#isAnswered = true;
    if (this.#awaited === 'upstream') this.#await(null);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#stop();
    this.#await(null);
    this.#begun(error);
    // The rest is discarded, so that a client that reads the answer only after sending all of its body can finish.
    if (this.#isStarted) this.#incoming.resume();
    callback(error);
  }

  #begun(failure: Error | null): void {
    const onBegun = this.#onBegun;
    this.#onBegun = null;
    onBegun?.(failure);
  }

  #start(): void {
    this.#isStarted = true;
    this.#incoming.on('data', this.#onData);
    this.#incoming.on('end', this.#onEnd);
    this.#incoming.on('close', this.#onClose);
    this.#incoming.on('error', this.#onClose);
  }

  #stop(): void {
    this.#incoming.off('data', this.#onData);
    this.#incoming.off('end', this.#onEnd);
    this.#incoming.off('close', this.#onClose);
  }

  /** Limits the wait that begins now. A slow upstream is not the client's fault, nor the other way round. */
  #await(side: 'client' | 'upstream' | null): void {
    const awaited = side === 'upstream' && this.#isAnswered ? null : side;
    if (awaited !== null && awaited === this.#awaited) {
      // The client's window continues.
      if (awaited === 'upstream') this.#timer?.refresh();
      return;
    }
    this.#awaited = awaited;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#windowBytes = 0;
    const { windowMs, takeTimeoutMs } = this.#settings;
    if (awaited === 'client' && windowMs !== null) this.#timer = setTimeout(this.#onWindowOver, windowMs);
    else if (awaited === 'upstream') this.#timer = setTimeout(this.#onNotTaken, takeTimeoutMs);
  }

  readonly #onWindowOver = (): void => {
    if (this.#windowBytes < this.#settings.minBytesPerWindow) {
      this.destroy(new RequestBodyError('stalled'));
      return;
    }
    this.#windowBytes = 0;
    this.#timer?.refresh();
  };

  readonly #onNotTaken = (): void => {
    this.destroy(new RequestBodyError('not_taken'));
  };

  readonly #onData = (chunk: Buffer): void => {
    this.byteCount += chunk.byteLength;
    this.#windowBytes += chunk.byteLength;
    notePassed(chunk.byteLength);
    if (this.#settings.maxBytes !== null && this.byteCount > this.#settings.maxBytes) {
      this.destroy(new RequestBodyError('too_large'));
      return;
    }
    if (this.push(chunk)) {
      this.#await('client');
    } else {
      this.#incoming.pause();
      this.#await('upstream');
    }
    this.#begun(null);
  };

  readonly #onEnd = (): void => {
    this.#stop();
    this.#await('upstream');
    this.#hasEnded = true;
    this.push(null);
    this.#begun(null);
  };

  readonly #onClose = (): void => {
    if (!this.#reply.isRequestComplete) this.destroy(new RequestBodyError('aborted'));
  };
}
