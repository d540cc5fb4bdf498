/**
 * A thread that answers one question and ends. Started by `on-thread.ts` with `worker_threads`. On Linux it yields to the event
 * loop (see `endpoints/login/password/hash-thread.ts`).
 */

import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { ExplainAnswer, ExplainQuestion } from '../../admin/request.ts';
import { ConfigFault } from '../../errors.ts';
import type { LoadedConfig } from '../../gateway/configuration/load.ts';
import { systemClocks } from '../../lib/clock.ts';
import { UsageFault } from '../command.ts';
import { answerQuestion } from './answer.ts';

/** What the thread is given. */
export interface ExplainJob {
  readonly question: ExplainQuestion;
  readonly config: LoadedConfig['config'];
}

const BELOW_THE_EVENT_LOOP = 5;
if (process.platform === 'linux') setPriority(0, BELOW_THE_EVENT_LOOP);

async function answer({ question, config }: ExplainJob): Promise<ExplainAnswer> {
  try {
    const { text } = await answerQuestion(question, null, config, systemClocks);
    return { text };
  } catch (fault) {
    if (fault instanceof UsageFault || fault instanceof ConfigFault) return { problem: fault.message };
    throw fault;
  }
}

parentPort?.postMessage(await answer(workerData as ExplainJob));
