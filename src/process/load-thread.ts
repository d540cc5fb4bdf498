/**
 * A thread that loads one configuration and ends. Started by `read-again.ts` with `worker_threads`. On Linux it yields to the
 * event loop (see `endpoints/login/password/hash-thread.ts`), but not so far that a busy gateway waits minutes for a reload.
 */

import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { LoadOptions } from '../config/load.ts';
import { type LoadedConfig, type LoadResult, loadConfig } from '../gateway/configuration/load.ts';
import { systemClocks } from '../lib/clock.ts';
import { readFiles } from './read.ts';

/** What the thread is given. */
export interface LoadJob {
  readonly text: string;
  readonly options: Omit<LoadOptions, 'files'>;
  /** The configuration that it is going to replace, if the files of a valid one should be judged as well. */
  readonly inUse?: LoadedConfig['config'];
}

/** What it answers: when the configuration is not valid, or `inUse` is given, with what is wrong in the files that it names. */
export type LoadAnswer = Pick<LoadResult, 'path' | 'loaded' | 'problems' | 'files'>;

const BELOW_THE_EVENT_LOOP = 5;
if (process.platform === 'linux') setPriority(0, BELOW_THE_EVENT_LOOP);

const { text, options, inUse } = workerData as LoadJob;
const result = loadConfig(text, options);
const isJudged = result.loaded === null || inUse !== undefined;
const { path, problems, files } = isJudged ? await readFiles(result, systemClocks, inUse) : result;
// What was read from files stays here: private keys are not passed between threads.
parentPort?.postMessage({ path, loaded: result.loaded, problems, files } satisfies LoadAnswer);
