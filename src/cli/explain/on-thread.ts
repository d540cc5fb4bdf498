/**
 * Answers questions for the admin page on threads: compiling a configuration of thousands of routes takes a second, in which
 * the event loop would serve nobody. One runs at a time, and only a few may wait.
 */

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ExplainAnswer, ExplainQuestion } from '../../admin/request.ts';
import type { LoadedConfig } from '../../gateway/configuration/load.ts';
import { threadAnswer } from '../../lib/concurrency/thread-answer.ts';
import { errorFields, type Logger } from '../../telemetry/log.ts';
import type { ExplainJob } from './thread.ts';

/** In TypeScript when run from source, in JavaScript when built. */
const THREAD = new URL(`./thread${extname(import.meta.url)}`, import.meta.url);

const MAX_OPEN = 4;
/** A question that takes longer is abandoned. */
const LIMIT_MS = 30_000;

const BUSY: ExplainAnswer = { problem: 'Other questions are being answered. Ask again in a few seconds.' };
const FAILED: ExplainAnswer = { problem: 'The question could not be answered; the log says why.' };

/** Answers one question after the other. */
export class ExplainThreads {
  readonly #maxOpen: number;
  #open = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param maxOpen  questions that run or wait, at most */
  constructor(maxOpen = MAX_OPEN) {
    this.#maxOpen = maxOpen;
  }

  /** Never rejects. @param config  by which it is answered */
  async answer(
    question: ExplainQuestion,
    config: LoadedConfig['config'],
    log: Pick<Logger, 'error'>,
  ): Promise<ExplainAnswer> {
    if (this.#open >= this.#maxOpen) return BUSY;
    this.#open += 1;
    const answer = this.#last.then(() => onThread({ question, config }));
    this.#last = answer.catch(() => {});
    try {
      return await answer;
    } catch (fault) {
      log.error({ fault: errorFields(fault) }, 'a question of the admin page could not be answered');
      return FAILED;
    } finally {
      this.#open -= 1;
    }
  }
}

function onThread(job: ExplainJob): Promise<ExplainAnswer> {
  const thread = new Worker(THREAD, { name: 'explain', workerData: job });
  const limit = setTimeout(() => void thread.terminate(), LIMIT_MS);
  return threadAnswer(thread, isAnswer).finally(() => clearTimeout(limit));
}

const isAnswer = (message: object): message is ExplainAnswer => 'text' in message || 'problem' in message;
