/** A question and its answer, as the command and the admin page give it. */

import type { ExplainQuestion } from '../../admin/request.ts';
import type { LoadedConfig } from '../../gateway/configuration/load.ts';
import type { Clocks } from '../../lib/clock.ts';
import { type Explanation, explainRequest } from './explanation.ts';
import { namingCluster, readQuestion } from './question.ts';
import { explanationText } from './text.ts';

/**
 * Answers a question.
 *
 * @param token  text with a token that the request presents; `null`: none
 * @throws UsageFault when the question makes no sense
 */
export async function answerQuestion(
  { method, url, ...options }: ExplainQuestion,
  token: string | null,
  config: LoadedConfig['config'],
  clocks: Clocks,
): Promise<{ readonly explanation: Explanation; readonly text: string }> {
  const question = readQuestion(method, url, { ...options, token }, config);
  const explanation = await explainRequest(question, namingCluster(config, question, token), clocks);
  return { explanation, text: explanationText(explanation) };
}
