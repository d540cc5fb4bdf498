/**
 * The request body on its way to the upstream: a stream of its own, because undici destroys the stream it is given, and
 * destroying the body of a {@link Reply} would cut the connection on which the answer has to go back.
 *
 * Backpressure holds both ways, nothing is kept. Ends with an error when the body grows over its limit, when the client
 * leaves or sends nothing for too long, and when the upstream takes nothing of it for too long.
 */

import { Readable } from 'node:stream';
import type { Reply } from '../exchange.ts';
import { notePassed } from '../lib/passing-bytes.ts';

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
  /** Longest pause between two parts while the gateway is ready to read, milliseconds. */
  readonly idleTimeoutMs: number;
  /** Longest pause of the upstream before it has answered, milliseconds. */
  readonly takeTimeoutMs: number;
}

/** The body of one request, as undici reads it. */
export class RequestBody extends Readable {
  readonly #reply: Reply;
  readonly #incoming: Readable;
  readonly #settings: RequestBodySettings;
  #timer: NodeJS.Timeout | null = null;
  /** Whose pause the timer limits. */
  #awaited: 'client' | 'upstream' | null = null;
  #isStarted = false;
  #isAnswered = false;
  /** Bytes that have come so far. */
  byteCount = 0;

  constructor(reply: Reply, settings: RequestBodySettings) {
    super({ highWaterMark: 64 * 1024 });
    this.#reply = reply;
    this.#incoming = reply.body;
    this.#settings = settings;
  }

  override _read(): void {
    if (!this.#isStarted) this.#start();
    this.#incoming.resume();
    this.#await('client');
  }

  /** The upstream has answered: it need not take the rest. */
  answered(): void {
    this.#isAnswered = true;
    if (this.#awaited === 'upstream') this.#await(null);
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#stop();
    this.#await(null);
    callback(error);
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

  /** Limits the pause that begins now. A slow upstream is not the client's fault, nor the other way round. */
  #await(side: 'client' | 'upstream' | null): void {
    const awaited = side === 'upstream' && this.#isAnswered ? null : side;
    if (awaited !== null && awaited === this.#awaited) {
      this.#timer?.refresh();
      return;
    }
    this.#awaited = awaited;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (awaited === null) return;
    const { idleTimeoutMs, takeTimeoutMs } = this.#settings;
    const [failure, timeoutMs] =
      awaited === 'client' ? (['stalled', idleTimeoutMs] as const) : (['not_taken', takeTimeoutMs] as const);
    this.#timer = setTimeout(() => this.destroy(new RequestBodyError(failure)), timeoutMs);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.byteCount += chunk.byteLength;
    notePassed(chunk.byteLength);
    if (this.#settings.maxBytes !== null && this.byteCount > this.#settings.maxBytes) {
      this.destroy(new RequestBodyError('too_large'));
    } else if (this.push(chunk)) {
      this.#await('client');
    } else {
      this.#incoming.pause();
      this.#await('upstream');
    }
  };

  readonly #onEnd = (): void => {
    this.#stop();
    this.#await('upstream');
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.#reply.isRequestComplete) this.destroy(new RequestBodyError('aborted'));
  };
}
