/**
 * A thread that loads one configuration and ends. Started by `read-again.ts` with `worker_threads`. On Linux it yields to the
 * event loop (see `endpoints/login/password/hash-thread.ts`), but not so far that a busy gateway waits minutes for a reload.
 */

import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { LoadOptions } from '../config/load.ts';
import { type LoadResult, loadConfig } from '../gateway/configuration/load.ts';
import { systemClocks } from '../lib/clock.ts';
import { readFiles } from './read.ts';

/** What the thread is given. */
export interface LoadJob {
  readonly text: string;
  readonly options: Omit<LoadOptions, 'files'>;
}

/** What it answers: when the configuration is not valid, with what is wrong in the files that it names. */
export type LoadAnswer = Pick<LoadResult, 'path' | 'loaded' | 'problems' | 'files'>;

const BELOW_THE_EVENT_LOOP = 5;
if (process.platform === 'linux') setPriority(0, BELOW_THE_EVENT_LOOP);

const { text, options } = workerData as LoadJob;
const result = loadConfig(text, options);
const { path, loaded, problems, files } = result.loaded === null ? await readFiles(result, systemClocks) : result;
parentPort?.postMessage({ path, loaded, problems, files } satisfies LoadAnswer);
