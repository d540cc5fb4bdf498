/**
 * Reads a configuration for a reload, on a thread: the schema alone takes ten milliseconds to make, and thousands of routes a
 * second to check, in which the event loop would serve nobody.
 */

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Code, formatPath, type KeyPath, type Problem } from '../config/findings/problem.ts';
import { wholeDraft } from '../gateway/configuration/draft.ts';
import type { LoadedConfig } from '../gateway/configuration/load.ts';
import type { Clocks } from '../lib/clock.ts';
import { threadAnswer } from '../lib/concurrency/thread-answer.ts';
import type { LoadAnswer, LoadJob } from './load-thread.ts';
import { type ReadInstance, readFiles } from './read.ts';

/** In TypeScript when run from source, in JavaScript when built. */
const THREAD = new URL(`./load-thread${extname(import.meta.url)}`, import.meta.url);

/** A configuration that was read again, or what is wrong with it. */
export type ReadAgain = LoadAnswer & { readonly loaded: ReadInstance | null };

/** Reads a configuration and the files that it names. @param inUse  the configuration that it is going to replace */
export async function readAgain(job: LoadJob, clocks: Clocks, inUse: LoadedConfig['config']): Promise<ReadAgain> {
  const { loaded, ...answer } = await loadOnThread(job);
  if (loaded === null) return { ...answer, loaded };
  const draft = wholeDraft(loaded.config);
  const read = await readFiles({ ...answer, loaded, draft, source: { problemAt: withoutPlace } }, clocks, inUse);
  if (read.loaded !== null) return read;
  // To report mistakes with their places, the text is parsed again: the first parse ended with its thread.
  const judged = await loadOnThread({ ...job, inUse });
  const isStillWrong = judged.problems.some(({ severity }) => severity === 'error');
  return isStillWrong ? { ...judged, loaded: null } : readAgain(job, clocks, inUse);
}

const loadOnThread = (job: LoadJob): Promise<LoadAnswer> =>
  threadAnswer(new Worker(THREAD, { name: 'load-configuration', workerData: job }), isAnswer);

const isAnswer = (message: object): message is LoadAnswer => 'problems' in message;

const withoutPlace = ({ code, severity }: Code, path: KeyPath, message: string, hint: string | null): Problem => ({
  severity,
  code,
  path: formatPath(path),
  line: 1,
  column: 1,
  endColumn: 1,
  message,
  hint,
});
